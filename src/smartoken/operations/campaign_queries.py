"""The SQL of campaigns across domains: what accounts did, and what became of the money that was given."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from smartoken.store.campaign_tables import campaign_claims
from smartoken.store.money_tables import funds, money_rows, postings, transfers
from smartoken.store.schema import accounts, calls, usage_hourly

Row = Mapping[str, Any]
HOUR_MS = 3_600_000
_FAILED = 400
_SANDBOX = "sandbox/%"


def _rows(conn: sa.Connection, statement: Any) -> list[Row]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def first_call_ms(conn: sa.Connection, account_id: str) -> int | None:
    """Return when an account made its first call that was answered, the sandbox left out."""
    statement = (
        sa.select(calls.c.created_ms)
        .where(calls.c.account_id == account_id, calls.c.status < _FAILED, calls.c.model.not_like(_SANDBOX))
        .order_by(calls.c.created_ms)
        .limit(1)
    )
    found: int | None = conn.execute(statement).scalar()
    return found


def callers_without_claim(conn: sa.Connection, campaign_id: str, since_ms: int) -> list[str]:
    """Return the accounts with an answered call since the hour of an instant and without a claim of a campaign."""
    claimed = sa.select(campaign_claims.c.account_id).where(campaign_claims.c.campaign_id == campaign_id)
    statement = (
        sa.select(usage_hourly.c.account_id)
        .distinct()
        .where(
            usage_hourly.c.hour_ms >= since_ms // HOUR_MS * HOUR_MS,
            usage_hourly.c.calls > usage_hourly.c.errors,
            usage_hourly.c.model.not_like(_SANDBOX),
            usage_hourly.c.account_id.not_in(claimed),
        )
        .order_by(usage_hourly.c.account_id)
    )
    return list(conn.execute(statement).scalars())


def account_ids(conn: sa.Connection, after: str | None, limit: int) -> list[str]:
    """Return the ids of a page of accounts, oldest first."""
    statement = sa.select(accounts.c.id).order_by(accounts.c.id).limit(limit)
    return list(conn.execute(statement if after is None else statement.where(accounts.c.id > after)).scalars())


def grant_sums(conn: sa.Connection, campaign_id: str) -> dict[str, int]:
    """Return what became of a campaign's grants: spent, held and owed now, left."""
    columns = {
        "spent": money_rows.c.used_nano,
        "owed": money_rows.c.owed_nano,
        "left": money_rows.c.limit_nano - money_rows.c.used_nano - money_rows.c.owed_nano,
    }
    statement = sa.select(*(sa.func.coalesce(sa.func.sum(each), 0).label(name) for name, each in columns.items()))
    statement = statement.join(funds, funds.c.id == money_rows.c.id).where(funds.c.campaign_id == campaign_id)
    found = conn.execute(statement).mappings().one()
    return {name: int(found[name]) for name in columns}


def moved_by_kind(conn: sa.Connection, campaign_id: str) -> dict[str, int]:
    """Return what transfers of each kind moved into (positive) or out of a campaign's grants."""
    statement = (
        sa.select(transfers.c.kind, sa.func.sum(postings.c.nano))
        .join(transfers, transfers.c.id == postings.c.transfer_id)
        .join(funds, funds.c.id == postings.c.book)
        .where(funds.c.campaign_id == campaign_id)
        .group_by(transfers.c.kind)
    )
    return {kind: int(nano) for kind, nano in conn.execute(statement)}


def later_paid(conn: sa.Connection, campaign_id: str) -> int:
    """Return how many accounts deposited money after their first claim of a campaign."""
    statement = sa.select(sa.func.count(sa.distinct(campaign_claims.c.account_id))).where(
        campaign_claims.c.campaign_id == campaign_id,
        campaign_claims.c.n == 1,
        sa.exists().where(
            transfers.c.account_id == campaign_claims.c.account_id,
            transfers.c.kind == "deposit",
            transfers.c.created_ms > campaign_claims.c.claimed_ms,
        ),
    )
    return int(conn.execute(statement).scalar() or 0)


def later_called(conn: sa.Connection, campaign_id: str) -> int:
    """Return how many accounts made an answered call, the sandbox left out, at or after their first claim."""
    statement = sa.select(sa.func.count(sa.distinct(campaign_claims.c.account_id))).where(
        campaign_claims.c.campaign_id == campaign_id,
        campaign_claims.c.n == 1,
        sa.exists().where(
            calls.c.account_id == campaign_claims.c.account_id,
            calls.c.created_ms >= campaign_claims.c.claimed_ms,
            calls.c.status < _FAILED,
            calls.c.model.not_like(_SANDBOX),
        ),
    )
    return int(conn.execute(statement).scalar() or 0)


def overdue_grants(conn: sa.Connection) -> list[Row]:
    """Return grants of campaigns that owe more than is left in them, because calls under way spent it after all."""
    left = money_rows.c.limit_nano - money_rows.c.used_nano
    statement = sa.select(money_rows).join(funds, funds.c.id == money_rows.c.id)
    statement = statement.where(
        funds.c.campaign_id.is_not(None), money_rows.c.owed_nano > 0, money_rows.c.owed_nano > left
    )
    return _rows(conn, statement.order_by(money_rows.c.id))
