"""The SQL of operations: what no single domain owns, and plain reading and writing of rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from smartoken.store.schema import audit, facts

Table = sa.Table  # for those that name a table without any SQL of their own
Row = Mapping[str, Any]
_LOCK = 0x534D5441  # "SMTA": whoever applies a set-up or appends to the audit log waits for the one before


def lock_changes(conn: sa.Connection) -> None:
    """Let one transaction at a time change the set-up and append to the audit log; SQLite has one writer anyway."""
    if conn.dialect.name != "sqlite":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def rows(conn: sa.Connection, table: sa.Table, **where: Any) -> list[Row]:
    """Return the rows of a table whose columns have these values, by primary key."""
    statement = sa.select(table).order_by(*table.primary_key.columns)
    for name, value in where.items():
        statement = statement.where(table.c[name] == value)
    return [dict(each) for each in conn.execute(statement).mappings()]


def rows_in(conn: sa.Connection, table: sa.Table, column: str, values: Sequence[Any]) -> list[Row]:
    """Return the rows of a table whose column has one of these values, by primary key."""
    statement = sa.select(table).where(table.c[column].in_(values)).order_by(*table.primary_key.columns)
    return [dict(each) for each in conn.execute(statement).mappings()]


def values(conn: sa.Connection, table: sa.Table, column: str) -> set[Any]:
    """Return the values that a column has, each once."""
    return set(conn.execute(sa.select(table.c[column]).distinct()).scalars())


def insert(conn: sa.Connection, table: sa.Table, row: Row) -> None:
    """Add a row."""
    conn.execute(table.insert().values(**row))


def update(conn: sa.Connection, table: sa.Table, key: Row, changes: Row) -> None:
    """Change the rows whose columns have the values of ``key``."""
    conn.execute(table.update().where(*(table.c[name] == value for name, value in key.items())).values(**changes))


def delete(conn: sa.Connection, table: sa.Table, key: Row) -> None:
    """Remove the rows whose columns have the values of ``key``."""
    conn.execute(table.delete().where(*(table.c[name] == value for name, value in key.items())))


def fact(conn: sa.Connection, name: str) -> bytes | None:
    """Return a fact about the store itself."""
    value = conn.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar()
    return None if value is None else bytes(value)


def facts_of(conn: sa.Connection, prefix: str) -> dict[str, bytes]:
    """Return the facts whose names begin so."""
    found = conn.execute(sa.select(facts.c.name, facts.c.value).where(facts.c.name.startswith(prefix, autoescape=True)))
    return {name: bytes(value) for name, value in found}


def put_fact(conn: sa.Connection, name: str, value: bytes) -> None:
    """Store a fact about the store itself."""
    if not conn.execute(facts.update().where(facts.c.name == name).values(value=value)).rowcount:
        conn.execute(facts.insert().values(name=name, value=value))


def newest_entry(conn: sa.Connection) -> Row | None:
    """Return the head of the audit log."""
    found = conn.execute(sa.select(audit).order_by(audit.c.id.desc()).limit(1)).mappings().first()
    return None if found is None else dict(found)


def audit_page(conn: sa.Connection, after: str | None, limit: int, wanted: Row) -> list[Row]:
    """Return audit entries, newest first, from behind the entry ``after``; ``wanted`` are exact values of columns."""
    statement = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    for name, value in wanted.items():
        statement = statement.where(audit.c[name] == value)
    if after is not None:
        statement = statement.where(audit.c.id < after)
    return [dict(each) for each in conn.execute(statement).mappings()]


def audit_from(conn: sa.Connection, after: str, limit: int) -> Sequence[Row]:
    """Return audit entries, oldest first, from behind the entry ``after``."""
    statement = sa.select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
    return [dict(each) for each in conn.execute(statement).mappings()]


def page(conn: sa.Connection, table: sa.Table, after: str | None, limit: int, wanted: Row) -> list[Row]:
    """Return rows by id, oldest first, from behind the id ``after``; ``wanted`` are exact values of columns."""
    statement = sa.select(table).order_by(table.c.id).limit(limit)
    for name, value in wanted.items():
        statement = statement.where(table.c[name] == value)
    if after is not None:
        statement = statement.where(table.c.id > after)
    return [dict(each) for each in conn.execute(statement).mappings()]
