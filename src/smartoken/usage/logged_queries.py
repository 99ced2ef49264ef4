"""The SQL of reconciliation: the calls of a run, and what calls cost us at a provider."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from smartoken.store.schema import calls
from smartoken.usage.records import told_by_each

Row = Mapping[str, Any]
_ID_BATCH = 500
_COMPARED = (
    "id", "created_ms", "user", "model", "model_asked", "status", "end_reason", "prompt_tokens", "cached_tokens",
    "cache_write_tokens", "completion_tokens", "reasoning_tokens", "charge_nano", "overrun_nano", "price_version",
    "price_lines",
)  # fmt: skip
_COSTED = (
    "id", "created_ms", "provider", "offer", "model", "model_served", "attempts", "prompt_tokens", "cached_tokens",
    "completion_tokens", "cost_nano", "cost_currency",
)  # fmt: skip


def _rows(conn: sa.Connection, statement: Any) -> list[Row]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def calls_by_id(conn: sa.Connection, ids: Sequence[str], account_id: str | None) -> list[Row]:
    """Return calls by id, whenever they were made."""
    found: list[Row] = []
    for start in range(0, len(ids), _ID_BATCH):
        statement = sa.select(*(calls.c[name] for name in _COMPARED)).where(
            calls.c.id.in_(ids[start : start + _ID_BATCH])
        )
        if account_id is not None:
            statement = statement.where(calls.c.account_id == account_id)
        found += _rows(conn, statement)
    return found


def calls_of_span(
    conn: sa.Connection, span: tuple[int, int], scope: tuple[str | None, str | None], limit: int
) -> list[Row]:
    """Return the calls of a span [from, to) of an account and a key, oldest first; None is any."""
    statement = (
        sa.select(*(calls.c[name] for name in _COMPARED))
        .where(calls.c.created_ms >= span[0], calls.c.created_ms < span[1])
        .order_by(calls.c.created_ms, calls.c.id)
        .limit(limit)
    )
    for name, value in zip(("account_id", "key_id"), scope, strict=True):
        if value is not None:
            statement = statement.where(calls.c[name] == value)
    return _rows(conn, statement)


def costed_calls(conn: sa.Connection, provider: str, span: tuple[int, int]) -> Iterator[Row]:
    """Yield what a provider's calls of a span [from, to) used and cost; of those that several told, its own parts."""
    own = sa.or_(calls.c.provider == provider, calls.c.evidence.like("%continued:%"))
    statement = (
        sa.select(*(calls.c[name] for name in _COSTED))
        .where(own, calls.c.created_ms >= span[0], calls.c.created_ms < span[1])
        .order_by(calls.c.created_ms, calls.c.id)
    )
    for each in conn.execute(statement).mappings():
        yield from (row for row in told_by_each(dict(each)) if row["provider"] == provider)
