"""A worker's dealings with the store about money: its epoch, its journal's folder, flushes, and the replay of the dead.

One transaction over leases at a time: growing a lease and flushing all of them take turns. A worker that has not
flushed for 20 seconds admits nothing new; what it holds settles all the same. One that was declared dead by another
admits nothing until its calls under way are settled, late, and then begins again without a lease.
"""

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from smartoken.billing.budgets import BudgetWindow
from smartoken.billing.journal import Journal, Record, read_folder
from smartoken.billing.ledger import owner
from smartoken.billing.wallet import Ask, Grown, read_facts
from smartoken.clock import Clock
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.till import Till
from smartoken.ids import new_id
from smartoken.operations import bank
from smartoken.operations.money_view import epochs_seen, load_money, money_revision
from smartoken.operations.settlement import Batch, Settled, SettledTwiceError, paid_rows, settle
from smartoken.store.database import Database, StoreUnavailableError
from smartoken.store.oscalls import datasync, preallocate, try_lock
from smartoken.usage.queries import fitted
from smartoken.usage.records import CallRecord

_logger = logging.getLogger(__name__)
CLOSED_AFTER_S = 20.0
BEAT_S = 5.0
FOLDER = "journal"
_LOCK = "lock"
T = TypeVar("T")


class Home:
    """The folder of one worker's journal, locked while the process lives."""

    def __init__(self, root: Path, epoch: str) -> None:
        """Make and lock the folder."""
        self.epoch = epoch
        self.path = root / FOLDER / epoch
        fresh = self.path.with_name(f"new_{epoch}")  # under its own name only once it is locked: a sibling may look
        fresh.mkdir(parents=True, mode=0o700)
        self._fd = os.open(fresh / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(self._fd):
            raise RuntimeError(f"{fresh} is locked by another process")
        fresh.rename(self.path)

    def leave(self, *, remove: bool) -> None:
        """Give the folder up; ``remove`` when everything in it is settled."""
        if remove:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)


def orphans(root: Path, own: str) -> list[tuple[str, Path, int]]:
    """Return the folders whose workers are gone as ``(epoch, folder, lock)``; the locks are held until closed."""
    found = []
    for folder in sorted((root / FOLDER).glob("ep_*")):
        if folder.name == own:
            continue
        try:
            fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            continue
        if try_lock(fd):
            found.append((folder.name, folder, fd))
        else:
            os.close(fd)
    return found


def _records(folder: Path) -> list[Record]:
    return list(read_folder(folder))


def _settle_fitted(conn: Any, batch: Batch) -> Settled:
    return settle(conn, replace(batch, records=[fitted(each) for each in batch.records]))


class Cashier:
    """One worker's; opened before the first call, closed after the last."""

    def __init__(self, db: Database, clock: Clock, root: Path, workers: int) -> None:
        self._db = db
        self._clock = clock
        self._root = root
        self._least = workers
        self._workers = workers  # with those of other nodes
        self._turn = asyncio.Lock()
        self._last_ok = clock.monotonic()
        self._dead = False
        self._heard: dict[str, tuple[int, float]] = {}  # epoch -> when it was last seen, and since when we know
        self.home = Home(root, new_id("ep", clock.now_ns(), os.urandom(10)))
        self.journal = Journal(self.home.path, preallocate=preallocate, datasync=datasync)
        self.logbook = Logbook(self.journal)
        self._till: Till | None = None

    async def open(self) -> Till:
        """Settle what dead workers of this node left, begin the epoch, and return the till."""
        for epoch, folder, fd in await asyncio.to_thread(orphans, self._root, self.home.epoch):
            records = await asyncio.to_thread(_records, folder)
            replay = partial(bank.replay, epoch=epoch, journal=records, now_ms=self._now_ms())
            found = await self._in_any_case(replay, partial(replay, fit=True))
            if found.records:
                _logger.warning(
                    "replayed the journal of a worker that died: %d final, %d by checkpoint, %d not known to be sent",
                    found.final,
                    found.checkpoint,
                    found.unknown,
                )
            shutil.rmtree(folder, ignore_errors=True)
            os.close(fd)
        await self._db.write(bank.begin, self.home.epoch, self._now_ms())
        self._till = Till(self, await self._db.read(load_money), self._clock, self._workers)
        self._till.closed = self._closed
        return self._till

    async def _in_any_case(self, plainly: Callable[..., T], fitting: Callable[..., T]) -> T:
        """Write records; when the store refuses them as they are, write them as its columns take them."""
        try:
            return await self._db.write(plainly)
        except (StoreUnavailableError, SettledTwiceError):
            raise
        except Exception:  # whatever a driver raises about a value: one record must not keep all others out
            _logger.exception("the store refused a record; the batch is stored again, cut to what its columns take")
            return await self._db.write(fitting)

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

    def _closed(self) -> str | None:
        if self._dead:
            return "this worker was silent for too long and begins again once its calls are settled"
        if self._clock.monotonic() - self._last_ok > CLOSED_AFTER_S:
            return "the ledger has not answered for 20 seconds"
        if self.logbook.full:
            return "the journal has no room; is the disk full"
        return None

    async def grow(self, account_id: str, asks: Sequence[Ask], windows: Sequence[BudgetWindow]) -> Sequence[Grown]:
        """Lease more for an account; raises what the store raises."""
        till = self.till
        async with self._turn:
            rows = [each.row for each in asks]
            states = till.book.flush({}, rows)
            leases = [(each.row, each.amount, each.in_calls) for each in states]
            need = bank.Need(self.home.epoch, account_id, asks, windows, self._workers, leases)
            try:
                grown = await self._db.write(bank.grow, need)
            except bank.EpochGoneError:
                self._dead = True
                raise
            till.book.flushed(states)
            return grown

    @property
    def till(self) -> Till:
        """The till of the open cashier."""
        assert self._till is not None  # noqa: S101 - opened before anything asks
        return self._till

    async def store(self, records: Sequence[CallRecord]) -> None:
        """Flush records and leases in one transaction; raises what the store raises, and nothing is lost then."""
        async with self._turn:
            book = self.till.book
            states = book.flush(paid_rows(records))
            leases = [(each.row, each.amount, each.in_calls) for each in states]
            batch = Batch(records, self.home.epoch, leases, self._now_ms())
            done = await self._in_any_case(partial(settle, batch=batch), partial(_settle_fitted, batch=batch))
            book.flushed(states)
            self.logbook.stored([each.id for each in records])
            self._last_ok = self._clock.monotonic()
            self._dead = self._dead or not done.alive

    async def renew(self) -> None:
        """Take over changes of money's facts: budgets, funds, and figures of rows that this worker has leases of."""
        till = self.till
        if await self._db.read(money_revision) != till.view.revision:
            async with self._turn:
                rows = till.book.rows()
                view = await self._db.read(load_money)
                for each in await self._db.read(read_facts, rows):
                    till.book.observe(each)
                till.renew(view)

    async def look(self) -> None:
        """Take over what changed, give idle leases back to others, and show that this worker lives."""
        await self.renew()
        till = self.till
        if self._dead and not till.book.busy:
            await self._begin_again(till)
        till.tidy(self._now_ms())
        if till.book.flush() or self._clock.monotonic() - self._last_ok > BEAT_S:
            await self.store(())

    async def release(self, account_id: str) -> None:
        """Give back what this worker has leased of an account's funds and no call holds, so that it can be moved."""
        till = self.till
        for row in till.book.rows():
            if owner(row) == account_id:
                till.book.give_back(row)
        if till.book.flush():
            await self.store(())

    async def _begin_again(self, till: Till) -> None:
        """Take up an epoch anew, with no lease: all calls that were held from the old leases are over."""
        async with self._turn:
            await self._db.write(bank.begin, self.home.epoch, self._now_ms())
            till.restart()
            self._dead = False
        _logger.warning("this worker was silent for a minute and its leases went to others; it begins again")

    async def clear_silent(self) -> list[str]:
        """End the epochs that were silent for a minute in which this worker could hear them; returns which.

        A worker's silence is measured here by the clock of who listens, from the first time that the same sign of
        life was read, and begins anew when the store did not answer in between.
        """
        try:
            seen = await self._db.read(epochs_seen)
            now = self._clock.monotonic()
            if not self._db.sqlite:  # one process has that file: whoever else is named there is dead
                self._workers = max(self._least, len(seen))
                self.till.share_with(self._workers)
            before = self._heard
            self._heard = {
                epoch: before[epoch] if epoch in before and before[epoch][0] == at else (at, now)
                for epoch, at in seen.items()
                if epoch != self.home.epoch
            }
            silent = {epoch: at for epoch, (at, since) in self._heard.items() if now - since >= bank.SILENT_S}
            return await self._db.write(bank.clear_silent, silent) if silent else []
        except Exception:
            self._heard = {}
            raise

    async def run(self, every_s: float = 1.0) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.look()
                for epoch in await self.clear_silent():
                    _logger.warning("worker %s was silent for a minute; its leases went back", epoch)
            except Exception:  # the loop of a worker task: admission closes by itself if this goes on
                self._heard = {}
                _logger.exception("the ledger did not answer; nothing new is admitted once this lasts 20 seconds")

    async def close(self, *, settled: bool) -> None:
        """End the epoch; with everything ``settled`` the journal goes, else it stays for the next start."""
        if settled:
            with contextlib.suppress(Exception):
                await self.store(())
                await self._db.write(bank.end, self.home.epoch)
        self.journal.close(remove=settled)
        self.home.leave(remove=settled)
