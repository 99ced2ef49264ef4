"""The store's side of a worker's money: epochs begun and ended, leases grown, journals replayed.

Transactions that touch money lock in one order, so that workers never wait for each other crosswise: the ledger, then
an epoch, then rows by id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from smartoken.billing import queries as money
from smartoken.billing.budgets import BudgetWindow
from smartoken.billing.journal import Record
from smartoken.billing.wallet import Ask, Grown, grow_leases, put_leases
from smartoken.operations.money_view import open_windows
from smartoken.operations.recovery import Recovered, recovered
from smartoken.operations.settlement import Batch, settle
from smartoken.usage.queries import fitted

SILENT_S = 60.0  # an epoch that was not heard of for so long, while the store answered, loses its leases


class EpochGoneError(RuntimeError):
    """This worker was silent for too long and its leases went to others; it may lease nothing under this epoch."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a worker asks for: rows to lease more of, and the windows that have to exist for it.

    ``leases`` is what it owns of those rows as ``(row, amount, in calls)``, where that changed; it is written first.
    """

    epoch: str
    account_id: str
    asks: Sequence[Ask]
    windows: Sequence[BudgetWindow]
    workers: int
    leases: Sequence[tuple[str, int, int]] = ()


def begin(conn: sa.Connection, epoch: str, now_ms: int) -> None:
    """Let a worker own leases."""
    money.begin_epoch(conn, epoch, now_ms)


def grow(conn: sa.Connection, need: Need) -> list[Grown]:
    """Lease more of the rows that a worker is short of.

    Raises:
        EpochGoneError: the worker was declared dead.

    """
    if not money.lock_epoch(conn, need.epoch):
        raise EpochGoneError("this worker was declared dead and owns no leases")
    open_windows(conn, need.account_id, need.windows)
    money.lock_rows(conn, [each.row for each in need.asks])
    put_leases(conn, need.epoch, need.leases)
    return grow_leases(conn, need.epoch, need.asks, need.workers)


def end(conn: sa.Connection, epoch: str) -> None:
    """Give back what an epoch owned; it is over."""
    money.end_epoch(conn, epoch)


def replay(conn: sa.Connection, epoch: str, journal: Iterable[Record], now_ms: int, *, fit: bool = False) -> Recovered:
    """Settle what a dead worker left in its journal, and give its leases back.

    When those were given up before, since it was silent for too long, its calls are paid from what is free now.
    ``fit`` makes the records fit their columns first.
    """
    found = recovered(journal, now_ms)
    if fit:
        found.records = [fitted(each) for each in found.records]
    settle(conn, Batch(found.records, now_ms=now_ms, late=not money.lock_epoch(conn, epoch)))
    end(conn, epoch)
    return found


def clear_silent(conn: sa.Connection, silent: Mapping[str, int]) -> list[str]:
    """End epochs ``{epoch: seen}`` that were not seen since; their journals, if they come back, settle late."""
    return [epoch for epoch, seen_ms in sorted(silent.items()) if money.end_epoch(conn, epoch, seen_ms)]
