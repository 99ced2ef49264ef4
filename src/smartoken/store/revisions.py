"""Counters that say when a cached view is out of date: a writer bumps, every worker polls."""

import sqlalchemy as sa

from smartoken.store.schema import revisions

DIRECTORY = "directory"


def bump(conn: sa.Connection, name: str = DIRECTORY) -> None:
    """Count one change, in the transaction that makes it."""
    changed = conn.execute(
        revisions.update().where(revisions.c.name == name).values(number=revisions.c.number + 1)
    ).rowcount
    if not changed:
        conn.execute(revisions.insert().values(name=name, number=1))


def current(conn: sa.Connection, name: str = DIRECTORY) -> int:
    """Return the number of changes so far."""
    number = conn.execute(sa.select(revisions.c.number).where(revisions.c.name == name)).scalar()
    return int(number or 0)
