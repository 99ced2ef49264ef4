"""The SQL of usage: calls written in batches, read by id and by page.

Writing is the one statement of the product whose cost shows in the cost of a call, so its text is built once for each
size of batch and given to the driver as it is; through SQLAlchemy's compiler it was ten times as dear.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa

from smartoken.store.schema import calls
from smartoken.usage.records import COLUMNS, CallRecord

_JSON = tuple(COLUMNS.index(name) for name in ("price_lines", "attempts", "fund_lines", "windows"))
_TRANSFER = COLUMNS.index("transfer_id")
_SIZES = (128, 32, 8, 2, 1)  # rows a statement; few sizes, so that every statement is soon prepared
MOST_TOKENS = 2**48  # of a record that is made to fit: thousands of them still add up within 64 bits
_IDS = (512, 64, 8)  # ids a look-up; a shorter list repeats its last one


@lru_cache(maxsize=2 * len(_SIZES))
def _insert_text(rows: int, mark: str) -> str:
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    row = f"({', '.join([mark] * len(COLUMNS))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO calls ({columns}) VALUES {values} ON CONFLICT (id) DO NOTHING"  # noqa: S608 - our own column names and placeholders only


@lru_cache(maxsize=2 * len(_IDS))
def _look_up_text(ids: int, mark: str) -> str:
    return f"SELECT id FROM calls WHERE id IN ({', '.join([mark] * ids)})"  # noqa: S608 - placeholders only


def _mark(conn: sa.Connection) -> str:
    return "?" if conn.dialect.name == "sqlite" else "%s"


def insert_calls(conn: sa.Connection, records: Sequence[CallRecord], transfers: Mapping[tuple[str, str], str]) -> int:
    """Store the records that are not stored yet; returns how many that were.

    ``transfers`` is the spend of each account and key that a charge of the records is part of.
    """
    mark, dumps = _mark(conn), orjson.dumps
    start = stored = 0
    for size in _SIZES:
        while len(records) - start >= size:
            values: list[Any] = []
            for record in records[start : start + size]:
                row = list(record)
                for place in _JSON:
                    row[place] = dumps(row[place]).decode()
                row[_TRANSFER] = transfers[record.account_id, record.key_id] if record.fund_lines else None
                values += row
            stored += conn.exec_driver_sql(_insert_text(size, mark), tuple(values)).rowcount
            start += size
    return stored


def stored_ids(conn: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Return which of these calls are stored already."""
    mark = _mark(conn)
    found: set[str] = set()
    start = 0
    while start < len(ids):
        left = len(ids) - start
        size = next((each for each in reversed(_IDS) if left <= each), _IDS[0])
        wanted = [*ids[start : start + size], *[ids[-1]] * (size - left)]
        found.update(conn.exec_driver_sql(_look_up_text(size, mark), tuple(wanted)).scalars())
        start += size
    return found


def call_by_id(conn: sa.Connection, account_id: str | None, call_id: str) -> CallRecord | None:
    """Return a call if it belongs to the account (``None``: to any)."""
    statement = sa.select(*(calls.c[name] for name in COLUMNS)).where(calls.c.id == call_id)
    if account_id is not None:
        statement = statement.where(calls.c.account_id == account_id)
    found = conn.execute(statement).mappings().first()
    return None if found is None else CallRecord(**found)


def fitted(record: CallRecord) -> CallRecord:
    """Return a record as its columns take it: texts cut and freed of what no database keeps, counts within 64 bits.

    What writes records bounds them where it reads them; this is for what got past that, since one record that the
    store refuses would keep all others of its batch out.
    """
    made = CallRecord(*(_fitted(each, calls.c[name].type) for name, each in zip(COLUMNS, record, strict=True)))
    counts = {name: each for name in COLUMNS if name.endswith("_tokens") and (each := getattr(made, name)) is not None}
    return made._replace(**{name: max(0, min(each, MOST_TOKENS)) for name, each in counts.items()})


def _fitted(value: Any, kind: sa.types.TypeEngine[Any] | None) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        bits = 31 if type(kind) is sa.Integer else 63
        return max(-(2**bits), min(value, 2**bits - 1))
    if isinstance(value, str):
        told = value.encode("utf-8", "replace").decode().replace("\0", "")
        return told[: kind.length] if isinstance(kind, sa.String) else told
    if isinstance(value, Mapping):
        return {_fitted(str(name), None): _fitted(each, None) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fitted(each, None) for each in value]
    return value if isinstance(value, float) else _fitted(str(value), kind)
