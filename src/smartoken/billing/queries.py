"""The SQL of money: rows with limits, leases, funds, transfers. No rule is decided here.

Rows are always locked in the order of their ids, so that two workers never wait for each other crosswise.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smartoken.store.money_tables import epochs, funds, house_books, leases, money_rows, postings, transfers

Row = Mapping[str, Any]


def upsert(conn: sa.Connection, table: sa.Table) -> Any:
    """Return the database's own INSERT, which has ON CONFLICT."""
    return sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


def _rows(conn: sa.Connection, statement: Any) -> list[Row]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def lock_rows(conn: sa.Connection, ids: Iterable[str]) -> dict[str, Row]:
    """Return rows by id, locked until the transaction ends."""
    wanted = sorted(set(ids))
    statement = sa.select(money_rows).where(money_rows.c.id.in_(wanted)).order_by(money_rows.c.id)
    return {each["id"]: each for each in _rows(conn, statement.with_for_update())}


def read_rows(conn: sa.Connection, ids: Iterable[str]) -> dict[str, Row]:
    """Return rows by id."""
    statement = sa.select(money_rows).where(money_rows.c.id.in_(sorted(set(ids))))
    return {each["id"]: each for each in _rows(conn, statement)}


def rows_of_account(conn: sa.Connection, account_id: str) -> list[Row]:
    """Return every row of an account."""
    return _rows(conn, sa.select(money_rows).where(money_rows.c.account_id == account_id).order_by(money_rows.c.id))


def add_rows(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Add rows that are not there yet; an existing one is left as it is."""
    if rows:
        blank = {"credit_nano": 0, "used_nano": 0, "held_nano": 0, "owed_nano": 0, "ends_ms": None}
        values = [{**blank, "alerted_percent": 0, **each} for each in sorted(rows, key=lambda row: row["id"])]
        conn.execute(upsert(conn, money_rows).on_conflict_do_nothing(index_elements=["id"]), values)


def shift_rows(conn: sa.Connection, changes: Mapping[str, Mapping[str, int]]) -> None:
    """Add to the figures of rows: ``{row: {"used_nano": 5, "held_nano": -7}}``."""
    for row_id in sorted(changes):
        shift = {name: money_rows.c[name] + by for name, by in changes[row_id].items() if by}
        if shift:
            conn.execute(money_rows.update().where(money_rows.c.id == row_id).values(**shift))


def take_free(conn: sa.Connection, row_id: str, nano: int) -> bool:
    """Hold money of a row if it is free: the one statement by which any lease is ever granted."""
    free = money_rows.c.used_nano + money_rows.c.held_nano + money_rows.c.owed_nano + nano
    done = conn.execute(
        money_rows.update()
        .where(money_rows.c.id == row_id, free <= money_rows.c.limit_nano + money_rows.c.credit_nano)
        .values(held_nano=money_rows.c.held_nano + nano)
    )
    return done.rowcount == 1


def change_row(conn: sa.Connection, row_id: str, changes: Row) -> None:
    """Set columns of a row."""
    conn.execute(money_rows.update().where(money_rows.c.id == row_id).values(**changes))


def leases_of(conn: sa.Connection, epoch: str, ids: Iterable[str] | None = None) -> dict[str, tuple[int, int]]:
    """Return what an epoch owns by row, as ``(amount, in calls)``; of all rows or of some."""
    statement = sa.select(leases.c.row_id, leases.c.amount_nano, leases.c.in_calls_nano).where(leases.c.epoch == epoch)
    if ids is not None:
        statement = statement.where(leases.c.row_id.in_(sorted(set(ids))))
    return {row: (int(amount), int(calls)) for row, amount, calls in conn.execute(statement)}


def in_calls(conn: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return what calls under way hold of rows, over all workers."""
    statement = (
        sa.select(leases.c.row_id, sa.func.sum(leases.c.in_calls_nano))
        .where(leases.c.row_id.in_(sorted(set(ids))))
        .group_by(leases.c.row_id)
    )
    return {row: int(held) for row, held in conn.execute(statement)}


def write_leases(conn: sa.Connection, epoch: str, states: Sequence[tuple[str, int, int]]) -> None:
    """Write ``(row, amount, in calls)`` of an epoch as absolute amounts; empty ones go."""
    kept = [(row, amount, calls) for row, amount, calls in states if amount or calls]
    gone = [row for row, amount, calls in states if not amount and not calls]
    if gone:
        conn.execute(leases.delete().where(leases.c.epoch == epoch, leases.c.row_id.in_(gone)))
    if kept:
        statement = upsert(conn, leases)
        statement = statement.on_conflict_do_update(
            index_elements=["epoch", "row_id"],
            set_={
                "amount_nano": statement.excluded.amount_nano,
                "in_calls_nano": statement.excluded.in_calls_nano,
            },
        )
        conn.execute(
            statement,
            [
                {"epoch": epoch, "row_id": row, "amount_nano": amount, "in_calls_nano": calls}
                for row, amount, calls in sorted(kept)
            ],
        )


def beat(conn: sa.Connection, epoch: str, now_ms: int) -> bool:
    """Note that an epoch lives; false when it was declared dead meanwhile."""
    return conn.execute(epochs.update().where(epochs.c.id == epoch).values(seen_ms=now_ms)).rowcount == 1


def begin_epoch(conn: sa.Connection, epoch: str, now_ms: int) -> None:
    """Add an epoch."""
    conn.execute(epochs.insert().values(id=epoch, started_ms=now_ms, seen_ms=now_ms))


def end_epoch(conn: sa.Connection, epoch: str, seen_ms: int | None = None) -> bool:
    """Remove an epoch and give its leases back to their rows; false when it was seen since ``seen_ms``, or is gone."""
    gone = epochs.delete().where(epochs.c.id == epoch)
    if seen_ms is not None:
        gone = gone.where(epochs.c.seen_ms == seen_ms)
    if conn.execute(gone).rowcount != 1:
        return False
    owned = leases_of(conn, epoch)
    lock_rows(conn, owned)
    shift_rows(conn, {row: {"held_nano": -amount} for row, (amount, _) in owned.items()})
    conn.execute(leases.delete().where(leases.c.epoch == epoch))
    return True


def lock_epoch(conn: sa.Connection, epoch: str) -> bool:
    """Keep an epoch from being ended until this transaction ends; false when it was ended already."""
    found = conn.execute(sa.select(epochs.c.id).where(epochs.c.id == epoch).with_for_update())
    return found.first() is not None


def epochs_seen(conn: sa.Connection) -> dict[str, int]:
    """Return when each epoch was seen last, by the clock of its own worker."""
    return {epoch: int(seen) for epoch, seen in conn.execute(sa.select(epochs.c.id, epochs.c.seen_ms))}


def live_epochs(conn: sa.Connection) -> int:
    """Return how many epochs there are."""
    return int(conn.execute(sa.select(sa.func.count()).select_from(epochs)).scalar() or 0)


def fund_rows(conn: sa.Connection, account_id: str | None = None) -> list[Row]:
    """Return funds that are open, of one account or of all."""
    statement = sa.select(funds).where(sa.not_(funds.c.closed)).order_by(funds.c.id)
    if account_id is not None:
        statement = statement.where(funds.c.account_id == account_id)
    return _rows(conn, statement)


def insert_fund(conn: sa.Connection, row: Row) -> None:
    """Add a fund."""
    conn.execute(funds.insert().values(**row))


def close_fund(conn: sa.Connection, fund_id: str) -> None:
    """Close a fund: it pays for nothing any more."""
    conn.execute(funds.update().where(funds.c.id == fund_id).values(closed=True))


def has_transfer(conn: sa.Connection, transfer_id: str) -> bool:
    """Whether a transfer of this id is posted."""
    return conn.execute(sa.select(transfers.c.seq).where(transfers.c.id == transfer_id)).first() is not None


def insert_transfer(conn: sa.Connection, row: Row, moved: Sequence[tuple[str, int]]) -> None:
    """Add a transfer and its postings at the end of the ledger."""
    top = sa.select(sa.func.coalesce(sa.func.max(transfers.c.seq), 0) + 1).scalar_subquery()
    conn.execute(transfers.insert().values(**row, seq=top))
    conn.execute(
        postings.insert(),
        [
            {"transfer_id": row["id"], "place": place, "book": book, "nano": nano}
            for place, (book, nano) in enumerate(moved)
        ],
    )


def lock_ledger(conn: sa.Connection) -> None:
    """Let one transaction at a time number transfers; SQLite has one writer anyway."""
    if conn.dialect.name != "sqlite":
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (0x534D4C47,))


def shift_house(conn: sa.Connection, book: str, currency: str, nano: int) -> None:
    """Add to the kept balance of a book of the house."""
    statement = upsert(conn, house_books)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["book", "currency"], set_={"nano": house_books.c.nano + statement.excluded.nano}
        ),
        {"book": book, "currency": currency, "nano": nano},
    )


def house_balances(conn: sa.Connection) -> dict[tuple[str, str], int]:
    """Return the kept balances of the house's books."""
    found = conn.execute(sa.select(house_books.c.book, house_books.c.currency, house_books.c.nano))
    return {(book, currency): int(nano) for book, currency, nano in found}


def book_sums(conn: sa.Connection) -> dict[tuple[str, str], int]:
    """Return every book's balance as the fold of its postings."""
    statement = (
        sa.select(postings.c.book, transfers.c.currency, sa.func.sum(postings.c.nano))
        .join(transfers, transfers.c.id == postings.c.transfer_id)
        .group_by(postings.c.book, transfers.c.currency)
    )
    return {(book, currency): int(nano) for book, currency, nano in conn.execute(statement)}


def transfer_rows(
    conn: sa.Connection, account_id: str | None, after_seq: int = 0, limit: int | None = None, *, newest: bool = False
) -> list[Row]:
    """Return transfers in ledger order (or newest first, below ``after_seq``), with their postings."""
    statement = sa.select(transfers)
    if account_id is not None:
        statement = statement.where(transfers.c.account_id == account_id)
    if newest:
        statement = statement.order_by(transfers.c.seq.desc())
        statement = statement.where(transfers.c.seq < after_seq) if after_seq else statement
    else:
        statement = statement.where(transfers.c.seq > after_seq).order_by(transfers.c.seq)
    if limit is not None:
        statement = statement.limit(limit)
    found = _rows(conn, statement)
    moved: dict[str, list[tuple[str, int]]] = {each["id"]: [] for each in found}
    chosen = sa.select(postings).where(postings.c.transfer_id.in_(list(moved)))
    for each in conn.execute(chosen.order_by(postings.c.transfer_id, postings.c.place)).mappings():
        moved[each["transfer_id"]].append((each["book"], int(each["nano"])))
    return [{**each, "postings": moved[each["id"]]} for each in found]


def one_transfer(conn: sa.Connection, transfer_id: str) -> Row | None:
    """Return a transfer with its postings."""
    found = _rows(conn, sa.select(transfers).where(transfers.c.id == transfer_id))
    if not found:
        return None
    statement = sa.select(postings.c.book, postings.c.nano).where(postings.c.transfer_id == transfer_id)
    moved = conn.execute(statement.order_by(postings.c.place))
    return {**found[0], "postings": [(book, int(nano)) for book, nano in moved]}


def returned_of(conn: sa.Connection, transfer_id: str) -> int:
    """Return how much of a transfer was refunded or reversed."""
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(postings.c.nano), 0))
        .join(transfers, transfers.c.id == postings.c.transfer_id)
        .where(transfers.c.original == transfer_id, postings.c.nano > 0)
    )
    return int(conn.execute(statement).scalar() or 0)
