"""The seam to the database: ``read(fn, *args)`` and ``write(fn, *args)``, the same functions on SQLite and PostgreSQL.

``fn(conn, *args)`` is a plain synchronous function over SQLAlchemy Core; the seam runs it in a thread. On SQLite one
thread writes: writes that queue up while a commit runs share the next one, each in a savepoint of its own, so that a
failing one undoes only itself; what is acknowledged is on the disk (WAL, ``synchronous=FULL``). On PostgreSQL each
call is a transaction on a pooled connection.

Fails closed: a second process on the same SQLite file is refused with the holder's process id; a write whose commit
failed raises to its caller, always.
"""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from smartoken.store.oscalls import try_lock, unlock

T = TypeVar("T")
READERS = 4
POOL = 10
MAX_BATCH = 256
BUSY_MS = 10_000


class StoreBusyError(RuntimeError):
    """Another process has this SQLite database; the message says which."""


def is_sqlite(url: str) -> bool:
    """Whether a database URL means a file of this machine."""
    return url.startswith("sqlite:///")


def sqlite_path(url: str) -> Path:
    """Return the file of a SQLite URL."""
    return Path(url.removeprefix("sqlite:///"))


def engine_of(url: str) -> sa.Engine:
    """Return an engine with the settings that every part of the product relies on."""
    if not is_sqlite(url):
        driver = url.replace("postgresql://", "postgresql+psycopg://", 1)
        return sa.create_engine(driver, pool_size=POOL, max_overflow=0, pool_pre_ping=True, pool_recycle=1800)
    engine = sa.create_engine(url, poolclass=sa.pool.QueuePool, pool_size=READERS + 1, max_overflow=0,
                              connect_args={"check_same_thread": False})  # fmt: skip

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # SQLAlchemy begins transactions itself ("begin" below), so the driver's own habit is turned off.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        mode = connection.get_execution_options().get("smartoken_begin", "BEGIN")
        connection.exec_driver_sql(mode)

    return engine


class FileLock:
    """A lock file beside a SQLite database, held while the process lives; it names its holder."""

    def __init__(self, path: Path) -> None:
        """Take the lock; raises ``StoreBusyError`` that names the holder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(self._fd):
            holder = os.pread(self._fd, 64, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise StoreBusyError(
                f"{path.with_suffix('')} is in use by process {holder}. Stop it, choose another SMARTOKEN_DATA_DIR, "
                "or set SMARTOKEN_DATABASE_URL to PostgreSQL to run several processes."
            )
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        os.ftruncate(self._fd, 0)
        unlock(self._fd)
        os.close(self._fd)


class _Write:
    """One queued write and where its result goes."""

    __slots__ = ("args", "error", "fn", "future", "result")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fn = fn
        self.args = args
        self.future: Future[Any] = Future()
        self.result: Any = None
        self.error: BaseException | None = None

    def deliver(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """An open store."""

    def __init__(self, url: str, engine: sa.Engine, lock: FileLock | None) -> None:
        self.url = url
        self.engine = engine
        self.sqlite = is_sqlite(url)
        self._lock = lock
        self._closed = False
        self._readers = ThreadPoolExecutor(READERS if self.sqlite else POOL, thread_name_prefix="store")
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        if self.sqlite:
            self._writer = threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
            self._writer.start()

    @classmethod
    def open(cls, url: str, *, lock: bool = True) -> "Database":
        """Open a store; ``lock=False`` leaves the SQLite file open to others (tests, read-only commands).

        Raises:
            StoreBusyError: another process writes to this SQLite file.

        """
        held = None
        if lock and is_sqlite(url):
            held = FileLock(sqlite_path(url).with_name(sqlite_path(url).name + ".lock"))
        return cls(url, engine_of(url), held)

    async def read(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a function that only reads, on a consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.run_read, fn, *args)

    async def write(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a function that writes; returns after its commit."""
        if not self.sqlite:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self.run_write, fn, *args)
        result: T = await asyncio.wrap_future(self._enqueue(fn, args))
        return result

    def run_read(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a reading function in this thread."""
        with self.engine.connect() as conn, conn.begin():
            return fn(conn, *args)

    def run_write(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a writing function and wait for its commit."""
        if not self.sqlite:
            with self.engine.begin() as conn:
                return fn(conn, *args)
        result: T = self._enqueue(fn, args).result()
        return result

    def _enqueue(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> "Future[Any]":
        if self._closed:
            raise RuntimeError("the store is closed")
        each = _Write(fn, args)
        self._queue.put(each)
        return each.future

    def _write_loop(self) -> None:
        connection: sa.Connection | None = None
        try:
            while True:
                first = self._queue.get()
                if first is None:
                    return
                batch, last = [first], False
                while len(batch) < MAX_BATCH:
                    try:
                        each = self._queue.get_nowait()
                    except queue.Empty:
                        break
                    if each is None:
                        last = True
                        break
                    batch.append(each)
                if connection is None or connection.closed or connection.invalidated:
                    connection = self._writing_connection(batch)
                if connection is not None:
                    self._commit_together(connection, batch)
                for each in batch:
                    each.deliver()
                if last:
                    return
        finally:
            if connection is not None:
                connection.close()

    def _writing_connection(self, batch: list[_Write]) -> sa.Connection | None:
        try:
            return self.engine.connect().execution_options(smartoken_begin="BEGIN IMMEDIATE")
        except BaseException as error:  # noqa: BLE001 - every waiting caller must hear of it
            for each in batch:
                each.error = error
            return None

    def _commit_together(self, connection: sa.Connection, batch: list[_Write]) -> None:
        """Run the writes, each in a savepoint, and commit once; on failure every one of them hears of it."""
        try:
            with connection.begin():
                for each in batch:
                    savepoint = connection.begin_nested()
                    try:
                        each.result = each.fn(connection, *each.args)
                        savepoint.commit()
                    except BaseException as error:  # noqa: BLE001 - belongs to this write's caller alone
                        each.error = error
                        with contextlib.suppress(sa.exc.SQLAlchemyError):
                            savepoint.rollback()
        except BaseException as error:  # noqa: BLE001 - the shared commit failed: nothing of it is stored
            for each in batch:
                each.error = each.error or error

    def close_sync(self) -> None:
        """Finish queued writes, close every connection, give the lock back."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join()
        self._readers.shutdown(wait=True)
        self.engine.dispose()
        if self._lock is not None:
            self._lock.release()

    async def close(self) -> None:
        """Finish queued writes, close every connection, give the lock back."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_sync)
