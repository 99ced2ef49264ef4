"""Settlement: a batch of usage records goes into the store, once each, with its sums.

Inserting is set-based and keyed by the call's own id: a record that is there already is passed over, and only the
records that were really inserted are added to the hourly sums. So a retry or a replay of any batch has no effect.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smartoken.store.schema import calls, usage_hourly
from smartoken.usage.records import COLUMNS, CallRecord

HOUR_MS = 3_600_000
_SUMS = (
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
_PLACE = ("hour_ms", "account_id", "key_id", "model", "provider", "user")
_REQUEST_FAULT = 400
_CHUNK = 200  # rows a statement: SQLite takes 32,766 variables, PostgreSQL 65,535


def row(record: CallRecord) -> dict[str, Any]:
    """Return a record as the table's columns."""
    return {name: getattr(record, name) for name in COLUMNS}


def upsert(conn: sa.Connection, table: sa.Table) -> Any:
    """Return the database's own INSERT, which has ON CONFLICT."""
    return sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


def record_calls(conn: sa.Connection, records: Sequence[CallRecord]) -> set[str]:
    """Store the records that are not stored yet and add them to the sums; returns the ids that were new."""
    new: set[str] = set()
    for start in range(0, len(records), _CHUNK):
        part = records[start : start + _CHUNK]
        statement = upsert(conn, calls).on_conflict_do_nothing(index_elements=["id"]).returning(calls.c.id)
        new.update(conn.execute(statement.values([row(each) for each in part])).scalars())
    _add_sums(conn, [each for each in records if each.id in new])
    return new


def _add_sums(conn: sa.Connection, records: Sequence[CallRecord]) -> None:
    sums: dict[tuple[Any, ...], list[int]] = {}
    for each in records:
        place = (
            each.created_ms // HOUR_MS * HOUR_MS,
            each.account_id,
            each.key_id,
            each.model,
            each.provider or "",
            each.user or "",
        )
        cell = sums.setdefault(place, [0] * len(_SUMS))
        failed = each.status >= _REQUEST_FAULT
        added = (
            1,
            int(failed),
            each.prompt_tokens or 0,
            each.cached_tokens or 0,
            each.completion_tokens or 0,
            each.reasoning_tokens or 0,
            each.charge_nano,
            each.ttft_ms or 0,
            int(each.ttft_ms is not None),
            each.total_ms,
        )
        for index, value in enumerate(added):
            cell[index] += value
    if not sums:
        return
    statement = upsert(conn, usage_hourly)
    excluded = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=list(_PLACE), set_={name: usage_hourly.c[name] + excluded[name] for name in _SUMS}
    )
    # Rows in one order everywhere, so that two workers never wait for each other crosswise.
    rows = [
        {**dict(zip(_PLACE, place, strict=True)), **dict(zip(_SUMS, cell, strict=True))}
        for place, cell in sorted(sums.items())
    ]
    conn.execute(statement, rows)
