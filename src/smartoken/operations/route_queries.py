"""The SQL of routes, named routes, drills and breaker events."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from smartoken.store.route_tables import breaker_events, drills, named_routes, route_publications
from smartoken.store.schema import calls

Row = Mapping[str, Any]


def _rows(conn: sa.Connection, statement: Any) -> list[dict[str, Any]]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def published(conn: sa.Connection, model: str | None = None) -> list[dict[str, Any]]:
    """Return what was published, oldest first; of one model or of all."""
    statement = sa.select(route_publications).where(route_publications.c.state == "published")
    if model is not None:
        statement = statement.where(route_publications.c.model == model)
    return _rows(conn, statement.order_by(route_publications.c.number))


def next_number(conn: sa.Connection) -> int:
    """Return the place of the next publication; the caller holds the lock of changes."""
    return int(conn.execute(sa.select(sa.func.coalesce(sa.func.max(route_publications.c.number), 0))).scalar_one()) + 1


def publications_page(conn: sa.Connection, after: str | None, limit: int, model: str | None) -> list[dict[str, Any]]:
    """Return publications and drafts, newest first."""
    statement = sa.select(route_publications).order_by(route_publications.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(route_publications.c.id < after)
    if model is not None:
        statement = statement.where(route_publications.c.model == model)
    return _rows(conn, statement)


def publication(conn: sa.Connection, publication_id: str) -> dict[str, Any] | None:
    """Return one publication or draft."""
    found = _rows(conn, sa.select(route_publications).where(route_publications.c.id == publication_id))
    return found[0] if found else None


def named(conn: sa.Connection, account_id: str | None = None) -> list[dict[str, Any]]:
    """Return the newest version of each named route, removed ones too."""
    newest = (
        sa.select(named_routes.c.account_id, named_routes.c.name, sa.func.max(named_routes.c.number).label("number"))
        .group_by(named_routes.c.account_id, named_routes.c.name)
        .subquery()
    )
    same = sa.and_(*(named_routes.c[name] == newest.c[name] for name in ("account_id", "name", "number")))
    statement = sa.select(named_routes).join(newest, same).order_by(named_routes.c.account_id, named_routes.c.name)
    if account_id is not None:
        statement = statement.where(named_routes.c.account_id == account_id)
    return _rows(conn, statement)


def versions_of(conn: sa.Connection, account_id: str, name: str) -> list[dict[str, Any]]:
    """Return the versions of one named route, newest first."""
    statement = sa.select(named_routes).where(named_routes.c.account_id == account_id, named_routes.c.name == name)
    return _rows(conn, statement.order_by(named_routes.c.number.desc()))


def drills_page(conn: sa.Connection, after: str | None, limit: int, model: str | None) -> list[dict[str, Any]]:
    """Return drills, newest first."""
    statement = sa.select(drills).order_by(drills.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(drills.c.id < after)
    if model is not None:
        statement = statement.where(drills.c.model == model)
    return _rows(conn, statement)


def drill(conn: sa.Connection, drill_id: str, *, lock: bool = False) -> dict[str, Any] | None:
    """Return one drill; with ``lock`` nobody else changes it until the transaction ends."""
    statement = sa.select(drills).where(drills.c.id == drill_id)
    found = _rows(conn, statement.with_for_update() if lock else statement)
    return found[0] if found else None


def running_drills(conn: sa.Connection, since_ms: int) -> list[dict[str, Any]]:
    """Return the drills under way that began after an instant, newest first."""
    statement = sa.select(drills).where(
        drills.c.created_ms >= since_ms, drills.c.result["state"].as_string() == "running"
    )
    return _rows(conn, statement.order_by(drills.c.id.desc()))


def calls_of_model(conn: sa.Connection, model: str, span: tuple[int, int], most: int) -> list[dict[str, Any]]:
    """Return what drills look at of the calls of a model that began within [from, to), newest first."""
    names = (
        "id", "offer", "status", "error_code", "end_reason", "charge_nano", "cost_nano", "cost_currency", "ttft_ms",
        "total_ms", "attempts",
    )  # fmt: skip
    statement = sa.select(*(calls.c[name] for name in names)).where(
        calls.c.model == model, calls.c.created_ms >= span[0], calls.c.created_ms < span[1]
    )
    return _rows(conn, statement.order_by(calls.c.created_ms.desc(), calls.c.id.desc()).limit(most))


def add_breaker_events(conn: sa.Connection, rows: Sequence[Row], before_ms: int) -> None:
    """Add what a worker saw, and remove what is older than ``before_ms``."""
    conn.execute(sa.insert(breaker_events), list(rows))
    conn.execute(sa.delete(breaker_events).where(breaker_events.c.created_ms < before_ms))


def breaker_events_since(conn: sa.Connection, since_ms: int, worker: str) -> list[dict[str, Any]]:
    """Return what other workers saw since an instant, oldest first."""
    statement = (
        sa.select(breaker_events)
        .where(breaker_events.c.created_ms >= since_ms, breaker_events.c.worker != worker)
        .order_by(breaker_events.c.created_ms, breaker_events.c.id)
    )
    return _rows(conn, statement)


def breaker_events_page(conn: sa.Connection, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the transitions of breakers, newest first."""
    statement = sa.select(breaker_events).order_by(breaker_events.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(breaker_events.c.id < after)
    return _rows(conn, statement)
