"""The SQL of reports: calls by page, and sums over the hours.

A page of calls is found by key, newest first: no offset, so that page 1,000 costs what page 1 does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from smartoken.store.schema import accounts, api_keys, calls, usage_hourly

Row = Mapping[str, Any]
SUMS = (
    "calls",
    "errors",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "charge_nano",
    "ttft_sum_ms",
    "ttft_count",
    "total_sum_ms",
)
# What a report groups by, and the columns that name a group. A key's own facts are those it has now.
GROUPS: Mapping[str, tuple[sa.ColumnElement[Any], ...]] = {
    "model": (usage_hourly.c.model,),
    "provider": (usage_hourly.c.provider,),
    "user": (usage_hourly.c.user,),
    "key": (usage_hourly.c.key_id, api_keys.c.name, accounts.c.slug),
    "account": (usage_hourly.c.account_id, accounts.c.slug),
    "environment": (api_keys.c.environment,),
    "owner": (api_keys.c.owner,),
    "workflow": (api_keys.c.workflow,),
    "day": (usage_hourly.c.hour_ms,),
}


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls are asked for; ``None`` asks for any."""

    account_id: str | None = None
    key_id: str | None = None
    model: str | None = None
    provider: str | None = None
    environment: str | None = None
    user: str | None = None
    end_reason: str | None = None
    error_code: str | None = None
    failed: bool | None = None
    from_ms: int | None = None
    to_ms: int | None = None


_EXACT = ("account_id", "key_id", "model", "provider", "environment", "user", "end_reason", "error_code")
_FAILED = 400


def call_rows(conn: sa.Connection, wanted: CallFilter, after: tuple[int, str] | None, limit: int) -> list[Row]:
    """Return calls, newest first, from behind (created_ms, id), with the names of account and key."""
    statement = (
        sa.select(calls, accounts.c.slug, api_keys.c.name.label("key_name"))
        .outerjoin(accounts, accounts.c.id == calls.c.account_id)
        .outerjoin(api_keys, api_keys.c.id == calls.c.key_id)
        .order_by(calls.c.created_ms.desc(), calls.c.id.desc())
        .limit(limit)
    )
    for name in _EXACT:
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(calls.c[name] == value)
    if wanted.failed is not None:
        statement = statement.where(calls.c.status >= _FAILED if wanted.failed else calls.c.status < _FAILED)
    if wanted.from_ms is not None:
        statement = statement.where(calls.c.created_ms >= wanted.from_ms)
    if wanted.to_ms is not None:
        statement = statement.where(calls.c.created_ms < wanted.to_ms)
    if after is not None:
        created_ms, call_id = after
        earlier = sa.and_(calls.c.created_ms == created_ms, calls.c.id < call_id)
        statement = statement.where(sa.or_(calls.c.created_ms < created_ms, earlier))
    return [dict(each) for each in conn.execute(statement).mappings()]


def call_row(conn: sa.Connection, account_id: str | None, call_id: str) -> Row | None:
    """Return one call with the names of account and key, if it belongs to the account (``None``: to any)."""
    statement = (
        sa.select(calls, accounts.c.slug, api_keys.c.name.label("key_name"))
        .outerjoin(accounts, accounts.c.id == calls.c.account_id)
        .outerjoin(api_keys, api_keys.c.id == calls.c.key_id)
        .where(calls.c.id == call_id)
    )
    if account_id is not None:
        statement = statement.where(calls.c.account_id == account_id)
    found = conn.execute(statement).mappings().first()
    return None if found is None else dict(found)


def sums(conn: sa.Connection, group_by: str, account_id: str | None, span: tuple[int, int]) -> list[Row]:
    """Return the sums of the hours of a span [from, to) by group: ``name`` holds the group's columns.

    Sums come back as integers, whatever the database adds them up as.
    """
    columns = GROUPS[group_by]
    totals = [sa.func.sum(usage_hourly.c[name]).label(f"sum_{name}") for name in SUMS]
    from_ms, to_ms = span
    statement = (
        sa.select(*columns, *totals)
        .outerjoin(api_keys, api_keys.c.id == usage_hourly.c.key_id)
        .outerjoin(accounts, accounts.c.id == usage_hourly.c.account_id)
        .where(usage_hourly.c.hour_ms >= from_ms, usage_hourly.c.hour_ms < to_ms)
        .group_by(*columns)
    )
    if account_id is not None:
        statement = statement.where(usage_hourly.c.account_id == account_id)
    width = len(columns)
    return [
        {"name": tuple(row[:width]), **{name: int(value) for name, value in zip(SUMS, row[width:], strict=True)}}
        for row in conn.execute(statement)
    ]
