"""The SQL of usage: calls by id and by page, sums by hour."""

import sqlalchemy as sa

from smartoken.store.schema import calls
from smartoken.usage.records import COLUMNS, CallRecord


def call_by_id(conn: sa.Connection, account_id: str | None, call_id: str) -> CallRecord | None:
    """Return a call if it belongs to the account (``None``: to any)."""
    statement = sa.select(*(calls.c[name] for name in COLUMNS)).where(calls.c.id == call_id)
    if account_id is not None:
        statement = statement.where(calls.c.account_id == account_id)
    found = conn.execute(statement).mappings().first()
    return None if found is None else CallRecord(**found)
