"""The SQL of prices: publications, versions and their periods, exchange rates as they were used, margins."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smartoken.operations.queries import lock_changes
from smartoken.store.price_tables import fx_snapshots, price_periods, price_publications, price_versions
from smartoken.store.schema import accounts, api_keys, calls

Row = Mapping[str, Any]
_PLAY = "sandbox"


def _rows(conn: sa.Connection, statement: Any) -> list[dict[str, Any]]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def _add(conn: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Add rows; one that is there already is left as it is."""
    if rows:
        insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        conn.execute(insert(table).on_conflict_do_nothing(), list(rows))


def published(conn: sa.Connection) -> list[dict[str, Any]]:
    """Return every publication that is not a draft, oldest first."""
    statement = sa.select(price_publications).where(price_publications.c.state == "published")
    return _rows(conn, statement.order_by(price_publications.c.from_ms, price_publications.c.published_ms))


def publications_page(conn: sa.Connection, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return publications and drafts, newest first."""
    statement = sa.select(price_publications).order_by(price_publications.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(price_publications.c.id < after)
    return _rows(conn, statement)


def publication(conn: sa.Connection, publication_id: str) -> dict[str, Any] | None:
    """Return one publication or draft."""
    found = _rows(conn, sa.select(price_publications).where(price_publications.c.id == publication_id))
    return found[0] if found else None


def store_versions(
    conn: sa.Connection, versions: Sequence[Row], rates: Sequence[Row], in_force: Sequence[tuple[str, str, str, str]]
) -> list[tuple[str, str, str, str]]:
    """Store what is not stored yet; returns those of ``(kind, subject, price list, version)`` that begin now."""
    lock_changes(conn)
    _add(conn, price_versions, versions)
    _add(conn, fx_snapshots, rates)
    latest = current_periods(conn)
    wanted = {each[:3]: each[3] for each in in_force}
    begun = [(*place, version) for place, version in wanted.items() if latest.get(place, "") != version]
    ended = [(*place, "") for place, version in latest.items() if version and place not in wanted]
    return [*begun, *ended]


def add_periods(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Add the beginnings of periods."""
    _add(conn, price_periods, rows)


def current_periods(conn: sa.Connection) -> dict[tuple[str, str, str], str]:
    """Return the newest version of each (kind, subject, price list)."""
    place = (price_periods.c.kind, price_periods.c.subject, price_periods.c.price_list)
    newest = sa.select(*place, sa.func.max(price_periods.c.from_ms).label("from_ms")).group_by(*place).subquery()
    joined = sa.and_(
        *(price_periods.c[name] == newest.c[name] for name in ("kind", "subject", "price_list", "from_ms"))
    )
    statement = sa.select(*place, price_periods.c.version_id).join(newest, joined)
    return {(kind, subject, listed): version for kind, subject, listed, version in conn.execute(statement)}


def versions(conn: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return versions by id."""
    wanted = sorted(set(ids))
    found = {}
    for start in range(0, len(wanted), 500):
        statement = sa.select(price_versions).where(price_versions.c.id.in_(wanted[start : start + 500]))
        found.update({each["id"]: each for each in _rows(conn, statement)})
    return found


def rates(conn: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return exchange rates as they were used, by id."""
    statement = sa.select(fx_snapshots).where(fx_snapshots.c.id.in_(sorted(set(ids))))
    return {each["id"]: each for each in _rows(conn, statement)}


def periods(conn: sa.Connection, kind: str, subject: str, price_list: str) -> list[dict[str, Any]]:
    """Return the periods of one price with its versions, oldest first; the last may have ended it."""
    columns = (price_periods.c.from_ms, price_periods.c.version_id, price_versions.c.price, price_versions.c.terms)
    statement = (
        sa.select(*columns)
        .outerjoin(price_versions, price_versions.c.id == price_periods.c.version_id)
        .where(
            price_periods.c.kind == kind,
            price_periods.c.subject == subject,
            price_periods.c.price_list == price_list,
        )
        .order_by(price_periods.c.from_ms)
    )
    return _rows(conn, statement)


def changes(conn: sa.Connection, kind: str, price_list: str, limit: int) -> list[dict[str, Any]]:
    """Return the periods that followed another one, newest first: what was, and what is from then on."""
    before = sa.func.lag(price_periods.c.version_id).over(
        partition_by=price_periods.c.subject, order_by=price_periods.c.from_ms
    )
    columns = (price_periods.c.subject, price_periods.c.from_ms, price_periods.c.version_id)
    periods_of = (
        sa.select(*columns, before.label("before_id"))
        .where(price_periods.c.kind == kind, price_periods.c.price_list == price_list)
        .subquery()
    )
    now, then = price_versions.alias("now"), price_versions.alias("then")
    statement = (
        sa.select(periods_of.c.subject, periods_of.c.from_ms, now.c.price, then.c.price.label("before"))
        .outerjoin(now, now.c.id == periods_of.c.version_id)
        .outerjoin(then, then.c.id == periods_of.c.before_id)
        .where(periods_of.c.before_id.is_not(None))
        .order_by(periods_of.c.from_ms.desc(), periods_of.c.subject)
        .limit(limit)
    )
    return _rows(conn, statement)


_PRICED = ("id", "created_ms", "account_id", "model", "offer", "end_reason", "charge_nano", "overrun_nano")
_COUNTED = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")
_AS_PRICED = ("bound_nano", "cost_nano", "cost_currency", "fx_id", "price_version", "price_lines", "usage_source")


def priced_calls(
    conn: sa.Connection, span: tuple[int, int], models: Sequence[str] | None, limit: int
) -> list[dict[str, Any]]:
    """Return calls of a span [from, to), newest first, with what prices them; of some models or of all."""
    columns = (calls.c[name] for name in (*_PRICED, *_COUNTED, *_AS_PRICED))
    statement = (
        sa.select(*columns, accounts.c.slug, accounts.c.price_list)
        .outerjoin(accounts, accounts.c.id == calls.c.account_id)
        .where(calls.c.created_ms >= span[0], calls.c.created_ms < span[1])
        .order_by(calls.c.created_ms.desc(), calls.c.id.desc())
        .limit(limit)
    )
    if models is not None:
        statement = statement.where(sa.func.lower(calls.c.model).in_(list(models)))
    return _rows(conn, statement)


def count_calls(conn: sa.Connection, span: tuple[int, int], models: Sequence[str] | None) -> tuple[int, int]:
    """Return how many calls a span has and what they were charged in all."""
    statement = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(calls.c.charge_nano), 0)).where(
        calls.c.created_ms >= span[0], calls.c.created_ms < span[1]
    )
    if models is not None:
        statement = statement.where(sa.func.lower(calls.c.model).in_(list(models)))
    count, charged = conn.execute(statement).one()
    return int(count), int(charged)


MARGIN_GROUPS: Mapping[str, Any] = {
    "model": calls.c.model,
    "provider": calls.c.provider,
    "account": accounts.c.slug,
    "key": api_keys.c.name,
}


def margin_sums(conn: sa.Connection, group_by: str, span: tuple[int, int]) -> list[dict[str, Any]]:
    """Return charges and costs by group, currency and rate; play money and refused calls stay out."""
    group = MARGIN_GROUPS[group_by]
    unknown = sa.func.sum(sa.case((calls.c.cost_nano.is_(None), 1), else_=0))
    statement = (
        sa.select(
            group.label("name"),
            calls.c.cost_currency,
            calls.c.fx_id,
            sa.func.count().label("calls"),
            sa.func.sum(calls.c.charge_nano).label("charge"),
            sa.func.sum(sa.case((calls.c.cost_nano.is_(None), calls.c.charge_nano), else_=0)).label("uncosted"),
            sa.func.coalesce(sa.func.sum(calls.c.cost_nano), 0).label("cost"),
            unknown.label("unknown"),
        )
        .outerjoin(accounts, accounts.c.id == calls.c.account_id)
        .outerjoin(api_keys, api_keys.c.id == calls.c.key_id)
        .where(calls.c.created_ms >= span[0], calls.c.created_ms < span[1])
        .where(sa.func.coalesce(calls.c.provider, "") != _PLAY)
        .where(sa.or_(calls.c.provider.is_not(None), calls.c.charge_nano != 0))  # what was refused here cost nobody
        .group_by(group, calls.c.cost_currency, calls.c.fx_id)
    )
    figures = ("calls", "charge", "uncosted", "cost", "unknown")
    return [{**row, **{name: int(row[name]) for name in figures}} for row in _rows(conn, statement)]
