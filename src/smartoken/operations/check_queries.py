"""The SQL of the checks of the books: each compares two figures that must be equal and returns where they are not.

A finding is ``(subject, expected, found)`` in nano-units or in counts. All of them read one snapshot.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from smartoken.store.money_tables import epochs, house_books, leases, money_rows, postings, transfers
from smartoken.store.price_tables import check_results, reconciliation_runs
from smartoken.store.schema import calls, usage_hourly

Row = Mapping[str, Any]
Finding = tuple[str, int, int]
_USED = ("spend", "refund")


def _pairs(conn: sa.Connection, statement: Any) -> dict[str, int]:
    return {str(name): int(value or 0) for name, value in conn.execute(statement)}


def _compare(expected: Mapping[str, int], found: Mapping[str, int]) -> tuple[int, list[Finding]]:
    names = sorted({*expected, *found})
    pairs = [(name, expected.get(name, 0), found.get(name, 0)) for name in names]
    return len(names), [each for each in pairs if each[1] != each[2]]


def trial_balance(conn: sa.Connection) -> tuple[int, list[Finding]]:
    """Return currencies whose books do not sum to zero, and transfers that do not."""
    joined = sa.select(transfers.c.currency, sa.func.sum(postings.c.nano)).join(
        postings, postings.c.transfer_id == transfers.c.id
    )
    sums = _pairs(conn, joined.group_by(transfers.c.currency))
    total = sa.func.sum(postings.c.nano)
    uneven = sa.select(postings.c.transfer_id, total).group_by(postings.c.transfer_id).having(total != 0).limit(100)
    faults = [(f"currency {name}", 0, nano) for name, nano in sums.items() if nano]
    faults += [(f"transfer {name}", 0, nano) for name, nano in _pairs(conn, uneven).items()]
    return len(sums), faults


def balances(conn: sa.Connection) -> tuple[int, list[Finding]]:
    """Return funds whose kept figures differ from their postings, and books of the house likewise."""
    moved = sa.select(postings.c.book, sa.func.sum(postings.c.nano)).join(
        transfers, transfers.c.id == postings.c.transfer_id
    )
    is_fund = sa.or_(postings.c.book.like("wallet:%"), postings.c.book.like("grant:%"))
    in_use = transfers.c.kind.in_(_USED)
    used = _pairs(conn, moved.where(is_fund, in_use).group_by(postings.c.book))
    paid_in = _pairs(conn, moved.where(is_fund, sa.not_(in_use)).group_by(postings.c.book))
    rows = sa.select(money_rows.c.id, money_rows.c.used_nano, money_rows.c.limit_nano).where(
        money_rows.c.kind == "fund"
    )
    kept = {name: (int(spent), int(limit)) for name, spent, limit in conn.execute(rows)}
    house = sa.select(postings.c.book + sa.literal(" ") + transfers.c.currency, sa.func.sum(postings.c.nano))
    house = house.join(transfers, transfers.c.id == postings.c.transfer_id).where(sa.not_(is_fund))
    sums = _pairs(conn, house.group_by(postings.c.book, transfers.c.currency))
    columns = (house_books.c.book + sa.literal(" ") + house_books.c.currency, house_books.c.nano)
    parts = (
        _compare({f"{name} used": -nano for name, nano in used.items()},
                 {f"{name} used": spent for name, (spent, _) in kept.items() if spent or name in used}),
        _compare({f"{name} paid in": nano for name, nano in paid_in.items()},
                 {f"{name} paid in": limit for name, (_, limit) in kept.items() if limit or name in paid_in}),
        _compare(sums, _pairs(conn, sa.select(*columns))),
    )  # fmt: skip
    return sum(count for count, _ in parts), [each for _, faults in parts for each in faults]


def held(conn: sa.Connection) -> tuple[int, list[Finding]]:
    """Return rows whose held differs from the leases on them, and leases of workers that are not there."""
    leased = _pairs(conn, sa.select(leases.c.row_id, sa.func.sum(leases.c.amount_nano)).group_by(leases.c.row_id))
    rows = sa.select(money_rows.c.id, money_rows.c.held_nano)
    some = sa.or_(money_rows.c.held_nano != 0, money_rows.c.id.in_(sa.select(leases.c.row_id)))
    count, faults = _compare(leased, _pairs(conn, rows.where(some)))
    nobody = sa.select(leases.c.epoch, sa.func.sum(leases.c.amount_nano)).group_by(leases.c.epoch)
    gone = _pairs(conn, nobody.where(leases.c.epoch.not_in(sa.select(epochs.c.id))))
    return count, faults + [(f"leases of {epoch}, which is gone", 0, nano) for epoch, nano in gone.items()]


def windows(conn: sa.Connection, ended_after_ms: int) -> tuple[int, list[Finding]]:
    """Return budget windows whose used differs from the charges of the calls that count in them."""
    still = sa.or_(money_rows.c.ends_ms.is_(None), money_rows.c.ends_ms >= ended_after_ms)
    chosen = sa.select(money_rows.c.id, money_rows.c.used_nano).where(money_rows.c.kind == "window", still)
    kept = _pairs(conn, chosen)
    if not kept:
        return 0, []
    if conn.dialect.name == "sqlite":
        each = sa.func.json_each(calls.c.windows).table_valued("value").alias("counted")
        name = each.c.value
    else:
        each = sa.func.json_array_elements_text(calls.c.windows).table_valued("value").alias("counted")
        name = each.c.value
    sums = (
        sa.select(name, sa.func.sum(calls.c.charge_nano))
        .select_from(calls.join(each, sa.true()))
        .where(calls.c.transfer_id.is_not(None), calls.c.created_ms >= min(_start(each) for each in kept))
        .group_by(name)
    )
    counted = {name: nano for name, nano in _pairs(conn, sums).items() if name in kept}
    return _compare(counted, kept)


def _start(window: str) -> int:
    """Return when a window begins: the last part of its id."""
    last = window.rpartition(":")[2]
    return int(last) if last.lstrip("-").isdigit() else 0


def charges(conn: sa.Connection) -> tuple[int, list[Finding]]:
    """Return spends whose amount differs from the charges of their calls, and overruns likewise in all."""
    is_fund = sa.or_(postings.c.book.like("wallet:%"), postings.c.book.like("grant:%"))
    spent = (
        sa.select(postings.c.transfer_id, sa.func.sum(-postings.c.nano))
        .join(transfers, transfers.c.id == postings.c.transfer_id)
        .where(transfers.c.kind == "spend", is_fund)
        .group_by(postings.c.transfer_id)
    )
    logged = (
        sa.select(calls.c.transfer_id, sa.func.sum(calls.c.charge_nano))
        .where(calls.c.transfer_id.is_not(None))
        .group_by(calls.c.transfer_id)
    )
    count, faults = _compare(_pairs(conn, spent), _pairs(conn, logged))
    borne = sa.select(sa.func.coalesce(sa.func.sum(-postings.c.nano), 0)).where(postings.c.book == "house:overrun")
    noted = sa.select(sa.func.coalesce(sa.func.sum(calls.c.overrun_nano), 0))
    overrun = (int(conn.execute(borne).scalar() or 0), int(conn.execute(noted).scalar() or 0))
    return count + 1, faults + ([("house:overrun", *overrun)] if overrun[0] != overrun[1] else [])


def sums_by_hour(conn: sa.Connection, from_ms: int) -> tuple[int, list[Finding]]:
    """Return accounts whose sums by hour differ from their calls, since an hour."""
    sums = sa.select(usage_hourly.c.account_id, sa.func.sum(usage_hourly.c.charge_nano))
    kept = _pairs(conn, sums.where(usage_hourly.c.hour_ms >= from_ms).group_by(usage_hourly.c.account_id))
    total = sa.select(calls.c.account_id, sa.func.sum(calls.c.charge_nano))
    return _compare(_pairs(conn, total.where(calls.c.created_ms >= from_ms).group_by(calls.c.account_id)), kept)


def unstored(conn: sa.Connection, ids: Sequence[str]) -> list[str]:
    """Return those of these calls that the ledger does not have."""
    known: set[str] = set()
    for start in range(0, len(ids), 500):
        known.update(conn.execute(sa.select(calls.c.id).where(calls.c.id.in_(ids[start : start + 500]))).scalars())
    return [each for each in ids if each not in known]


def add_result(conn: sa.Connection, row: Row, forget_before_ms: int) -> None:
    """Store what a check found; older results without a drift are let go."""
    conn.execute(
        check_results.delete().where(
            check_results.c.name == row["name"],
            sa.or_(
                sa.and_(check_results.c.drift_count == 0, check_results.c.created_ms < forget_before_ms),
                check_results.c.created_ms == row["created_ms"],
            ),
        )
    )
    conn.execute(check_results.insert().values(**row))


def newest_results(conn: sa.Connection) -> list[dict[str, Any]]:
    """Return the newest result of each check."""
    newest = sa.select(check_results.c.name, sa.func.max(check_results.c.created_ms).label("at")).group_by(
        check_results.c.name
    )
    latest = newest.subquery()
    same = sa.and_(check_results.c.name == latest.c.name, check_results.c.created_ms == latest.c.at)
    statement = sa.select(check_results).join(latest, same).order_by(check_results.c.name)
    return [dict(each) for each in conn.execute(statement).mappings()]


def results_of(conn: sa.Connection, name: str, limit: int) -> list[dict[str, Any]]:
    """Return the results of one check, newest first."""
    statement = sa.select(check_results).where(check_results.c.name == name)
    statement = statement.order_by(check_results.c.created_ms.desc()).limit(limit)
    return [dict(each) for each in conn.execute(statement).mappings()]


def add_run(conn: sa.Connection, row: Row) -> None:
    """Store what a comparison with the outside came to."""
    conn.execute(reconciliation_runs.insert().values(**row))


def runs(conn: sa.Connection, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return comparisons with the outside, newest first."""
    statement = sa.select(reconciliation_runs).order_by(reconciliation_runs.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(reconciliation_runs.c.id < after)
    return [dict(each) for each in conn.execute(statement).mappings()]
