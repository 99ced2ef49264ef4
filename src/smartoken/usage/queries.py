"""The SQL of usage: calls written in batches, read by id and by page.

Writing is the one statement of the product whose cost shows in the cost of a call, so its text is built once for each
size of batch and given to the driver as it is; through SQLAlchemy's compiler it was ten times as dear.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa

from smartoken.store.schema import calls
from smartoken.usage.records import COLUMNS, CallRecord

_JSON = tuple(COLUMNS.index(name) for name in ("price_lines", "attempts", "fund_lines", "windows"))
_IDS = 500  # ids a look-up
_SIZES = (128, 32, 8, 2, 1)  # rows a statement; few sizes, so that every statement is soon prepared


@lru_cache(maxsize=2 * len(_SIZES))
def _insert_text(rows: int, mark: str) -> str:
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    row = f"({', '.join([mark] * len(COLUMNS))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO calls ({columns}) VALUES {values} ON CONFLICT (id) DO NOTHING RETURNING id"  # noqa: S608 - our own column names and placeholders only


def _values(record: CallRecord) -> list[Any]:
    values = list(record)
    for place in _JSON:
        values[place] = orjson.dumps(values[place]).decode()
    return values


def insert_calls(conn: sa.Connection, records: Sequence[CallRecord]) -> set[str]:
    """Store the records that are not stored yet; returns the ids of those that were new."""
    mark = "?" if conn.dialect.name == "sqlite" else "%s"
    new: set[str] = set()
    start = 0
    for size in _SIZES:
        while len(records) - start >= size:
            values: list[Any] = []
            for record in records[start : start + size]:
                values += _values(record)
            found = conn.exec_driver_sql(_insert_text(size, mark), tuple(values))
            new.update(found.scalars())
            start += size
    return new


def stored_ids(conn: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Return which of these calls are stored already."""
    found: set[str] = set()
    for start in range(0, len(ids), _IDS):
        statement = sa.select(calls.c.id).where(calls.c.id.in_(ids[start : start + _IDS]))
        found.update(conn.execute(statement).scalars())
    return found


def call_by_id(conn: sa.Connection, account_id: str | None, call_id: str) -> CallRecord | None:
    """Return a call if it belongs to the account (``None``: to any)."""
    statement = sa.select(*(calls.c[name] for name in COLUMNS)).where(calls.c.id == call_id)
    if account_id is not None:
        statement = statement.where(calls.c.account_id == account_id)
    found = conn.execute(statement).mappings().first()
    return None if found is None else CallRecord(**found)
