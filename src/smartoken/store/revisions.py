"""Counters that say when a cached view is out of date: a writer bumps, every worker polls."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smartoken.store.schema import revisions

DIRECTORY = "directory"  # accounts, keys, providers, models, offers: whatever a call is decided by


def bump(conn: sa.Connection, name: str = DIRECTORY) -> None:
    """Count one change, in the transaction that makes it; two at once count two."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(revisions).values(name=name, number=1)
    conn.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"number": revisions.c.number + 1}),
    )


def current(conn: sa.Connection, name: str = DIRECTORY) -> int:
    """Return the number of changes so far."""
    number = conn.execute(sa.select(revisions.c.number).where(revisions.c.name == name)).scalar()
    return int(number or 0)
