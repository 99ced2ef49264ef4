"""The SQL of what stands around money: answers already given, tokens, approvals, exposures, events, jobs, debts."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smartoken.store.access_tables import approvals, debts, events, jobs, key_exposures
from smartoken.store.money_tables import idempotency

Row = Mapping[str, Any]


def _rows(conn: sa.Connection, statement: Any) -> list[Row]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def _insert(conn: sa.Connection, table: sa.Table) -> Any:
    return sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


def claim_answer(conn: sa.Connection, row: Row) -> bool:
    """Take a key of idempotency; false if it is taken. A double that runs at the same time waits here for the first."""
    statement = _insert(conn, idempotency).values(**row).on_conflict_do_nothing(index_elements=["actor", "key"])
    return conn.execute(statement.returning(idempotency.c.key)).first() is not None


def answer_row(conn: sa.Connection, actor: str, key: str) -> Row | None:
    """Return what is kept of a key of idempotency."""
    found = _rows(conn, sa.select(idempotency).where(idempotency.c.actor == actor, idempotency.c.key == key))
    return found[0] if found else None


def keep_answer(conn: sa.Connection, actor: str, key: str, answer: Any) -> None:
    """Keep the answer under its key."""
    conn.execute(
        idempotency.update().where(idempotency.c.actor == actor, idempotency.c.key == key).values(answer=answer)
    )


def drop_answers(conn: sa.Connection, before_ms: int) -> int:
    """Forget answers that are older; returns how many."""
    return conn.execute(idempotency.delete().where(idempotency.c.created_ms < before_ms)).rowcount


def add_event(conn: sa.Connection, row: Row) -> bool:
    """Add an event; false if the same was told before."""
    statement = _insert(conn, events).values(**row).on_conflict_do_nothing(index_elements=["once"])
    return conn.execute(statement.returning(events.c.id)).first() is not None


def event_page(conn: sa.Connection, after: str | None, limit: int, wanted: Row) -> list[Row]:
    """Return events, newest first, from behind the event ``after``; ``wanted`` are exact values of columns."""
    statement = sa.select(events).order_by(events.c.id.desc()).limit(limit)
    for name, value in wanted.items():
        statement = statement.where(events.c[name] == value)
    if after is not None:
        statement = statement.where(events.c.id < after)
    return _rows(conn, statement)


def decide(conn: sa.Connection, approval_id: str, changes: Row) -> bool:
    """Decide what waits; false if it was decided before."""
    waiting = approvals.update().where(approvals.c.id == approval_id, approvals.c.status == "waiting")
    return conn.execute(waiting.values(**changes)).rowcount == 1


def open_exposures(conn: sa.Connection, key_ids: Sequence[str]) -> list[Row]:
    """Return where keys were seen that were not rotated since, oldest first."""
    wanted = sa.select(key_exposures).where(key_exposures.c.key_id.in_(key_ids), key_exposures.c.cleared_ms.is_(None))
    return _rows(conn, wanted.order_by(key_exposures.c.id))


def clear_exposures(conn: sa.Connection, key_id: str, now_ms: int) -> None:
    """Note that a key was rotated or revoked: what was seen of it works no more."""
    own = key_exposures.update().where(key_exposures.c.key_id == key_id, key_exposures.c.cleared_ms.is_(None))
    conn.execute(own.values(cleared_ms=now_ms))


def add_job(conn: sa.Connection, name: str) -> None:
    """Add a job that was never due, if it is not there."""
    row = {"name": name, "due_ms": 0, "runs": 0}
    conn.execute(_insert(conn, jobs).values(**row).on_conflict_do_nothing(index_elements=["name"]))


def claim_job(conn: sa.Connection, name: str, now_ms: int, next_ms: int) -> bool:
    """Take a job that is due; of several workers one gets it."""
    due = jobs.update().where(jobs.c.name == name, jobs.c.due_ms <= now_ms)
    return conn.execute(due.values(due_ms=next_ms, started_ms=now_ms)).rowcount == 1


def end_job(conn: sa.Connection, name: str, changes: Row) -> None:
    """Note how a job went."""
    conn.execute(jobs.update().where(jobs.c.name == name).values(runs=jobs.c.runs + 1, **changes))


def job_rows(conn: sa.Connection) -> list[Row]:
    """Return the jobs by name."""
    return _rows(conn, sa.select(jobs).order_by(jobs.c.name))


def debt_rows(conn: sa.Connection, account_id: str | None = None) -> list[Row]:
    """Return what is still owed, oldest first; of one account or of all."""
    statement = sa.select(debts).order_by(debts.c.id)
    if account_id is not None:
        statement = statement.where(debts.c.account_id == account_id)
    return _rows(conn, statement)


def add_debt(conn: sa.Connection, row: Row) -> None:
    """Add a debt."""
    conn.execute(debts.insert().values(**row))


def shrink_debt(conn: sa.Connection, debt_id: str, nano: int) -> None:
    """Take from a debt; what is nothing goes."""
    own = debts.c.id == debt_id
    conn.execute(debts.update().where(own).values(nano=debts.c.nano - nano, parts=debts.c.parts + 1))
    conn.execute(debts.delete().where(own, debts.c.nano == 0))
