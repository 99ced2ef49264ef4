"""Reading calls: one, or a page of many; the account is part of every query."""

import sqlalchemy as sa

from smartoken.usage.queries import call_by_id
from smartoken.usage.records import CallRecord


def one(conn: sa.Connection, account_id: str | None, call_id: str) -> CallRecord | None:
    """Return a call of an account (``None``: of any), or ``None``."""
    return call_by_id(conn, account_id, call_id)
