"""The seam to the database: ``read(fn, *args)`` and ``write(fn, *args)``, the same functions on SQLite and PostgreSQL.

``fn(conn, *args)`` is a plain synchronous function over SQLAlchemy Core; the seam runs it in a thread. A read sees one
consistent snapshot and cannot write. On SQLite one thread writes, with group commit (``store.writer``). On PostgreSQL
each call is a transaction on a pooled connection; a write that lost a deadlock runs again, so ``fn`` must not change
anything but the database.

Fails closed: a second process on the same SQLite file is refused with the holder's process id; a write whose commit
failed raises to its caller, always.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

from smartoken.store.engines import (
    POOL,
    READERS,
    StoreError,
    is_sqlite,
    postgres_engine,
    prepare_sqlite,
    sqlite_engine,
    sqlite_path,
)
from smartoken.store.filelock import FileLock, StoreBusyError
from smartoken.store.writer import GroupWriter, StoreUnavailableError

__all__ = ["Database", "StoreBusyError", "StoreError", "StoreUnavailableError", "is_sqlite", "sqlite_path"]

T = TypeVar("T")
WRITERS = 4  # of the ten PostgreSQL connections: long reports in the others cannot keep settlement waiting
ATTEMPTS = 4
PAUSE_S = 0.02
_LOST_RACE = ("40001", "40P01")  # serialization failure, deadlock: nothing happened, the transaction may run again
_SQLITE_AWAY = (5, 6, 10, 11, 13, 14, 26)  # busy, locked, I/O, corrupt, full, cannot open, no database
_POSTGRES_AWAY = ("08", "53", "57P", "58")  # connection, resources, shutting down or starting, system error
_READ_ONLY = (8, "25006")  # to whoever writes that is as bad: a file or a standby that takes nothing


class Database:
    """An open store; make one with ``open``."""

    def __init__(self, url: str, lock: FileLock | None) -> None:
        self.url = url
        self.sqlite = is_sqlite(url)
        self._lock = lock
        self._closed = False
        self._writer: GroupWriter | None = None
        if self.sqlite:
            self._reads = sqlite_engine(sqlite_path(url), writes=False)
            self._writes = sqlite_engine(sqlite_path(url), writes=True)
            self._writer = GroupWriter(self._writes)
            self._write_threads = None
        else:
            self._writes = postgres_engine(url)
            self._reads = self._writes.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._write_threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="store-write")
        self._read_threads = ThreadPoolExecutor(READERS if self.sqlite else POOL - WRITERS, "store-read")

    @classmethod
    def open(cls, url: str, *, lock: bool = True) -> "Database":
        """Open a store; ``lock=False`` leaves the SQLite file open to others (tests, read-only commands).

        Raises:
            StoreBusyError: another process has this SQLite file.
            StoreError: the URL or the file cannot be used.

        """
        if not is_sqlite(url):
            return cls(url, None)
        path = sqlite_path(url)
        try:
            held = FileLock(path) if lock else None
        except OSError as error:
            raise StoreError(f"{path.parent} cannot be written: {error.strerror}. Choose another data dir.") from error
        try:
            prepare_sqlite(path)
            return cls(url, held)
        except BaseException:
            if held is not None:
                held.release()
            raise

    @property
    def waiting(self) -> int:
        """How many SQLite writes are queued; 0 on PostgreSQL, which queues by itself."""
        return self._writer.waiting if self._writer is not None else 0

    def announce(self, address: str) -> None:
        """Let a process that is refused this SQLite file say where it is served."""
        if self._lock is not None:
            self._lock.announce(address)

    async def read(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a function that only reads, on a consistent snapshot.

        Raises:
            StoreUnavailableError: the database does not answer.

        """
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self.run_read, fn, *args)

    async def write(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a function that writes; returns after its commit.

        A caller that is cancelled while it waits does not stop a write that has begun.

        Raises:
            StoreUnavailableError: the database does not answer or did not commit.

        """
        if self._writer is None:
            return await asyncio.get_running_loop().run_in_executor(self._write_threads, self.run_write, fn, *args)
        try:
            result: T = await asyncio.wrap_future(self._writer.submit(fn, args))
        except sa.exc.DBAPIError as error:
            raise _told(error, writing=True) from error
        return result

    def run_read(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a reading function in this thread; raises as ``read`` does."""
        try:
            with self._reads.begin() as conn:
                return fn(conn, *args)
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise _told(error) from error

    def run_write(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a writing function and wait for its commit; raises as ``write`` does."""
        if self._writer is not None:
            try:
                result: T = self._writer.submit(fn, args).result()
            except sa.exc.DBAPIError as error:
                raise _told(error, writing=True) from error
            return result
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._writes.begin() as conn:
                    return fn(conn, *args)
            except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
                if attempt < ATTEMPTS and _lost_race(error):
                    time.sleep(PAUSE_S * attempt)  # the winner may still wait for what this one just gave up
                    continue
                raise _told(error, writing=True) from error
        raise AssertionError  # the last attempt returned or raised

    def close_sync(self) -> None:
        """Finish queued writes, close every connection, give the lock back. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._read_threads.shutdown(wait=True)
        if self._write_threads is not None:
            self._write_threads.shutdown(wait=True)
        self._reads.dispose()
        # The writer's connection closes last: it is the one that folds the WAL into the file.
        if self._writer is not None:
            self._writer.close()
        self._writes.dispose()
        if self._lock is not None:
            self._lock.release()

    async def close(self) -> None:
        """Finish queued writes, close every connection, give the lock back."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_sync)


def _lost_race(error: Exception) -> bool:
    return isinstance(error, sa.exc.DBAPIError) and getattr(error.orig, "sqlstate", None) in _LOST_RACE


def _told(error: Exception, *, writing: bool = False) -> Exception:
    """Return what the caller should catch: one error for a database that is away, else the driver's own."""
    if not _away(error) and not (writing and _read_only(error)):
        return error
    return StoreUnavailableError("The database does not answer. Is it up, and SMARTOKEN_DATABASE_URL right?")


def _read_only(error: Exception) -> bool:
    orig = getattr(error, "orig", None)
    code = getattr(orig, "sqlite_errorcode", None)
    return getattr(orig, "sqlstate", None) in _READ_ONLY or (code is not None and code & 0xFF in _READ_ONLY)


def _away(error: Exception) -> bool:
    if not isinstance(error, sa.exc.DBAPIError):
        return True  # no free connection in time
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in _SQLITE_AWAY
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, sa.exc.OperationalError)
    return state.startswith(_POSTGRES_AWAY)
