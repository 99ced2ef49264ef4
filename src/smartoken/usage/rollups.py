"""Sums of usage by hour, written in the transaction that inserts the calls they sum."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smartoken.store.schema import usage_hourly
from smartoken.usage.records import CallRecord

HOUR_MS = 3_600_000
_SUMS = (  # in the order in which ``add_sums`` adds
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


def add_sums(conn: sa.Connection, records: Sequence[CallRecord]) -> None:
    """Add calls to the sums of their hours."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for each in records:
        hour = each.created_ms // HOUR_MS * HOUR_MS
        place = (hour, each.account_id, each.key_id, each.model, each.provider or "", each.user or "")
        cell = sums.get(place)
        if cell is None:
            cell = sums[place] = [0] * len(_SUMS)
        cell[0] += 1
        if each.status >= _REQUEST_FAULT:
            cell[1] += 1
        cell[2] += each.prompt_tokens or 0
        cell[3] += each.cached_tokens or 0
        cell[4] += each.completion_tokens or 0
        cell[5] += each.reasoning_tokens or 0
        cell[6] += each.charge_nano
        if each.ttft_ms is not None:
            cell[7] += each.ttft_ms
            cell[8] += 1
        cell[9] += each.total_ms
    if not sums:
        return
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement: Any = insert(usage_hourly)
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
