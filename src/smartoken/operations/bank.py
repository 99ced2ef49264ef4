"""The store's side of a worker's money: epochs begun and ended, leases grown, journals replayed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from smartoken.billing import queries as money
from smartoken.billing.budgets import BudgetWindow
from smartoken.billing.journal import Record
from smartoken.billing.wallet import Ask, Grown, grow_leases
from smartoken.operations.money_view import open_windows
from smartoken.operations.recovery import Recovered, recovered
from smartoken.operations.settlement import Batch, settle

SILENT_MS = 60_000  # an epoch that was not seen for so long loses its leases


@dataclass(frozen=True, slots=True)
class Need:
    """What a worker asks for: rows to lease more of, and the windows that have to exist for it."""

    epoch: str
    account_id: str
    asks: Sequence[Ask]
    windows: Sequence[BudgetWindow]
    workers: int


def begin(conn: sa.Connection, epoch: str, now_ms: int) -> None:
    """Let a worker own leases."""
    money.begin_epoch(conn, epoch, now_ms)


def grow(conn: sa.Connection, need: Need) -> list[Grown]:
    """Lease more of the rows that a worker is short of."""
    open_windows(conn, need.account_id, need.windows)
    return grow_leases(conn, need.epoch, need.asks, need.workers)


def end(conn: sa.Connection, epoch: str) -> None:
    """Give back what an epoch owned; it is over."""
    money.end_epoch(conn, epoch)


def replay(conn: sa.Connection, epoch: str, journal: Iterable[Record], now_ms: int) -> Recovered:
    """Settle what a dead worker left in its journal, and give its leases back."""
    found = recovered(journal, now_ms)
    settle(conn, Batch(found.records))
    end(conn, epoch)
    return found


def clear_silent(conn: sa.Connection, now_ms: int, own: str) -> list[str]:
    """End the epochs that nobody heard of for a minute; their journals, if they come back, settle later."""
    gone = [each for each in money.silent_epochs(conn, now_ms - SILENT_MS) if each != own]
    for epoch in gone:
        end(conn, epoch)
    return gone
