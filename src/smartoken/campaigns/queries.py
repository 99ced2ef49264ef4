"""The SQL of campaigns, claims, codes and failed attempts. No rule is decided here.

A campaign's row is locked before its facts are read, so claims on one campaign come one after the other; the update
that counts a claim holds to the caps whatever was read before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smartoken.store.campaign_tables import (
    campaign_claims,
    campaign_versions,
    campaigns,
    code_batches,
    code_failures,
    codes,
)

Row = Mapping[str, Any]


def _rows(conn: sa.Connection, statement: Any) -> list[Row]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def _one(conn: sa.Connection, statement: Any) -> Row | None:
    found = _rows(conn, statement)
    return found[0] if found else None


def campaign_page(conn: sa.Connection, after: str | None, limit: int) -> list[Row]:
    """Return campaigns, oldest first."""
    statement = sa.select(campaigns).order_by(campaigns.c.id).limit(limit)
    return _rows(conn, statement if after is None else statement.where(campaigns.c.id > after))


def campaign_named(conn: sa.Connection, name: str) -> Row | None:
    """Return the campaign of this id or short name."""
    named = sa.or_(campaigns.c.id == name, campaigns.c.slug == name)
    return _one(conn, sa.select(campaigns).where(named))


def lock_campaign(conn: sa.Connection, campaign_id: str) -> Row | None:
    """Return a campaign, locked until the transaction ends."""
    return _one(conn, sa.select(campaigns).where(campaigns.c.id == campaign_id).with_for_update())


def live_campaigns(conn: sa.Connection) -> list[Row]:
    """Return the campaigns that were published and that no operator ended."""
    statement = sa.select(campaigns).where(campaigns.c.version.is_not(None), campaigns.c.ended_ms.is_(None))
    return _rows(conn, statement.order_by(campaigns.c.id))


def unnoted_campaigns(conn: sa.Connection) -> list[Row]:
    """Return the campaigns whose state may still change by itself."""
    statement = sa.select(campaigns).where(campaigns.c.noted_state.not_in(["draft", "ended"]))
    return _rows(conn, statement.order_by(campaigns.c.id))


def insert_campaign(conn: sa.Connection, row: Row) -> None:
    """Add a campaign."""
    conn.execute(campaigns.insert().values(**row))


def change_campaign(conn: sa.Connection, campaign_id: str, changes: Row) -> None:
    """Set columns of a campaign."""
    conn.execute(campaigns.update().where(campaigns.c.id == campaign_id).values(**changes))


def version_row(conn: sa.Connection, campaign_id: str, version: str) -> Row | None:
    """Return rules as they were published."""
    found = (campaign_versions.c.campaign_id == campaign_id, campaign_versions.c.version == version)
    return _one(conn, sa.select(campaign_versions).where(*found))


def version_rows(conn: sa.Connection, campaign_id: str) -> list[Row]:
    """Return every version of a campaign's rules, oldest first."""
    statement = sa.select(campaign_versions).where(campaign_versions.c.campaign_id == campaign_id)
    return _rows(conn, statement.order_by(campaign_versions.c.published_ms, campaign_versions.c.version))


def insert_version(conn: sa.Connection, row: Row) -> None:
    """Add a version of rules; the same version once more is left as it is."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(campaign_versions).on_conflict_do_nothing(index_elements=["campaign_id", "version"])
    conn.execute(statement, dict(row))


def count_claim(conn: sa.Connection, campaign_id: str, nano: int, *, newcomer: bool) -> bool:
    """Count a claim if no cap is passed by it: the one statement by which a campaign ever gives anything."""
    table, added = campaigns.c, int(newcomer)
    done = conn.execute(
        campaigns.update()
        .where(
            table.id == campaign_id,
            table.granted_nano + nano <= table.budget_nano,
            sa.or_(table.max_grants.is_(None), table.grants + 1 <= table.max_grants),
            sa.or_(table.first.is_(None), table.accounts + added <= table.first),
            table.ended_ms.is_(None),
            sa.not_(table.paused),
        )
        .values(grants=table.grants + 1, granted_nano=table.granted_nano + nano, accounts=table.accounts + added)
    )
    return done.rowcount == 1


def insert_claim(conn: sa.Connection, row: Row) -> None:
    """Add a claim; the same account's n-th claim of a campaign cannot be added twice."""
    conn.execute(campaign_claims.insert().values(**row))


def claims_of_account(conn: sa.Connection, account_id: str) -> list[Row]:
    """Return what an account claimed, with each campaign's short name."""
    statement = sa.select(campaign_claims, campaigns.c.slug).join(campaigns)
    statement = statement.where(campaign_claims.c.account_id == account_id)
    return _rows(conn, statement.order_by(campaign_claims.c.claimed_ms, campaign_claims.c.fund_id))


def claims_of_campaign(conn: sa.Connection, campaign_id: str, accounts: Sequence[str] | None = None) -> list[Row]:
    """Return a campaign's claims, of some accounts or of all, oldest first."""
    statement = sa.select(campaign_claims).where(campaign_claims.c.campaign_id == campaign_id)
    if accounts is not None:
        statement = statement.where(campaign_claims.c.account_id.in_(accounts))
    return _rows(conn, statement.order_by(campaign_claims.c.claimed_ms, campaign_claims.c.fund_id))


def mark_clawed(conn: sa.Connection, fund_id: str, now_ms: int) -> None:
    """Note that what was unspent of a grant was taken back."""
    conn.execute(campaign_claims.update().where(campaign_claims.c.fund_id == fund_id).values(clawed_ms=now_ms))


def insert_batch(conn: sa.Connection, row: Row, made: Sequence[Row]) -> None:
    """Add a batch with its codes."""
    conn.execute(code_batches.insert().values(**row))
    conn.execute(codes.insert(), [dict(each) for each in made])


def batch_rows(conn: sa.Connection, campaign_id: str | None, after: str | None, limit: int) -> list[Row]:
    """Return batches, oldest first, with what is left of them."""
    left = sa.func.sum(codes.c.uses_left)
    fresh = sa.func.sum(sa.case((codes.c.uses_left == code_batches.c.uses, 1), else_=0))
    statement = (
        sa.select(code_batches, left.label("uses_left"), fresh.label("unused"), campaigns.c.slug.label("campaign"))
        .join(codes, codes.c.batch_id == code_batches.c.id)
        .join(campaigns, campaigns.c.id == code_batches.c.campaign_id)
        .group_by(*code_batches.c, campaigns.c.slug)
        .order_by(code_batches.c.id)
        .limit(limit)
    )
    if campaign_id is not None:
        statement = statement.where(code_batches.c.campaign_id == campaign_id)
    return _rows(conn, statement if after is None else statement.where(code_batches.c.id > after))


def batch_by_id(conn: sa.Connection, batch_id: str) -> Row | None:
    """Return a batch, locked until the transaction ends."""
    return _one(conn, sa.select(code_batches).where(code_batches.c.id == batch_id).with_for_update())


def revoke_batch(conn: sa.Connection, batch_id: str, now_ms: int) -> None:
    """End a batch for good."""
    conn.execute(code_batches.update().where(code_batches.c.id == batch_id).values(revoked_ms=now_ms))


def code_of_digest(conn: sa.Connection, digest: bytes) -> Row | None:
    """Return a code and what its batch says of it."""
    batch = (code_batches.c.campaign_id, code_batches.c.expires_ms, code_batches.c.revoked_ms, code_batches.c.uses)
    return _one(conn, sa.select(codes, *batch).join(code_batches).where(codes.c.digest == digest))


def take_use(conn: sa.Connection, code_id: str, now_ms: int) -> int | None:
    """Use a code once if it has a use left; returns what is left then, None when somebody else was first."""
    live = sa.select(code_batches.c.id).where(
        code_batches.c.revoked_ms.is_(None),
        sa.or_(code_batches.c.expires_ms.is_(None), code_batches.c.expires_ms > now_ms),
    )
    done = conn.execute(
        codes.update()
        .where(codes.c.id == code_id, codes.c.uses_left > 0, codes.c.batch_id.in_(live))
        .values(uses_left=codes.c.uses_left - 1)
        .returning(codes.c.uses_left)
    )
    left: int | None = done.scalar()
    return left


def failures_of(conn: sa.Connection, scopes: Sequence[str], since_ms: int) -> dict[str, tuple[int, int]]:
    """Return ``(failures, since)`` of scopes whose first failure is younger than an instant."""
    statement = sa.select(code_failures).where(code_failures.c.scope.in_(scopes), code_failures.c.since_ms > since_ms)
    return {each["scope"]: (each["failures"], each["since_ms"]) for each in _rows(conn, statement)}


def add_failure(conn: sa.Connection, scope: str, now_ms: int, since_ms: int) -> int:
    """Count an attempt of a scope, anew when its last window is over; returns how many there are."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    table, over = code_failures.c, code_failures.c.since_ms <= since_ms
    statement: Any = insert(code_failures).values(scope=scope, since_ms=now_ms, failures=1)
    statement = statement.on_conflict_do_update(
        index_elements=["scope"],
        set_={
            "failures": sa.case((over, 1), else_=table.failures + 1),
            "since_ms": sa.case((over, now_ms), else_=table.since_ms),
        },
    ).returning(table.failures)
    return int(conn.execute(statement).scalar() or 0)


def drop_failure(conn: sa.Connection, scopes: Sequence[str]) -> None:
    """Take one attempt off scopes: it was no failure."""
    table = code_failures.c
    changed = code_failures.update().where(table.scope.in_(scopes), table.failures > 0)
    conn.execute(changed.values(failures=table.failures - 1))


def drop_old_failures(conn: sa.Connection, since_ms: int) -> int:
    """Forget windows that are over; returns how many."""
    return conn.execute(code_failures.delete().where(code_failures.c.since_ms <= since_ms)).rowcount
