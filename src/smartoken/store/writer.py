"""The one thread that writes to a SQLite file: queued writes share a commit, each in a savepoint of its own.

A write that fails undoes itself alone. What is acknowledged is on the disk; when the shared commit fails, or SQLite
gave the whole transaction up (disk full, I/O error), every write of that commit hears of it and nothing of it is
stored. Writes begin in the order in which they were queued.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import sqlalchemy as sa

MAX_BATCH = 256


class StoreUnavailableError(RuntimeError):
    """The store did not answer, or did not take a commit.

    On SQLite nothing of the write is stored. On PostgreSQL a connection that broke during a commit leaves that open,
    which is why writes that matter are keyed by their own ids and can be repeated.
    """


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
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupWriter:
    """The writer thread over one connection."""

    def __init__(self, engine: sa.Engine) -> None:
        """Start the thread; the connection is opened at the first write."""
        self._engine = engine
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._door = threading.Lock()  # no write may slip in behind the sign that ends the thread
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many writes are queued."""
        return self._queue.qsize()

    def submit(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> "Future[Any]":
        """Queue a write; a caller that gives up before it began cancels it, afterwards it runs to its end.

        Raises:
            RuntimeError: the store is closed, or a write asks for another and would wait for itself.

        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("a write cannot wait for another write; call the function with the same connection")
        each = _Write(fn, args)
        with self._door:
            if self._closed:
                raise RuntimeError("the store is closed")
            self._queue.put(each)
        return each.future

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection: sa.Connection | None = None
        try:
            while (batch := self._next_batch()) is not None:
                if not batch:
                    continue
                try:
                    if connection is None or connection.closed or connection.invalidated:
                        connection = self._engine.connect()
                    _commit_together(connection, batch)
                except BaseException as error:  # noqa: BLE001 - every waiting caller must hear of it
                    _discard(connection)
                    connection = None
                    for each in batch:
                        each.error = each.error or _unavailable(error)
                for each in batch:
                    each.deliver()
        finally:
            _discard(connection)

    def _next_batch(self) -> list[_Write] | None:
        """Wait for a write, and return it with what queued up meanwhile; ``None`` when the store closes."""
        first = self._queue.get()
        if first is None:
            return None
        batch = [first] if first.future.set_running_or_notify_cancel() else []
        while len(batch) < MAX_BATCH:
            try:
                each = self._queue.get_nowait()
            except queue.Empty:
                break
            if each is None:
                self._queue.put(None)  # nothing can come behind it: finish this batch, then meet it again
                break
            if each.future.set_running_or_notify_cancel():
                batch.append(each)
        return batch


def _commit_together(connection: sa.Connection, batch: list[_Write]) -> None:
    """Run the writes and commit once; raises if nothing of them is stored."""
    sqlite: Any = connection.connection.driver_connection
    with connection.begin() as transaction:
        for each in batch:
            if len(batch) == 1:
                _alone(connection, each)
            else:
                _in_savepoint(connection, each)
            if not sqlite.in_transaction:
                # SQLite gave up the whole transaction, with what other writes had done; going on would commit
                # statement by statement.
                raise each.error or StoreUnavailableError("the transaction ended before its commit")
        if len(batch) == 1 and batch[0].error is not None:
            transaction.rollback()


def _alone(connection: sa.Connection, each: _Write) -> None:
    try:
        each.result = each.fn(connection, *each.args)
    except BaseException as error:  # noqa: BLE001 - belongs to this write's caller
        each.error = error


def _in_savepoint(connection: sa.Connection, each: _Write) -> None:
    savepoint = connection.begin_nested()
    try:
        each.result = each.fn(connection, *each.args)
    except BaseException as error:  # noqa: BLE001 - belongs to this write's caller alone
        each.error = error
        savepoint.rollback()
    else:
        savepoint.commit()


def _unavailable(error: BaseException) -> BaseException:
    """Return an error of its own for each caller, since a shared one would collect all their tracebacks."""
    mine = StoreUnavailableError(f"The store did not take the commit ({_first_line(error)}); nothing of it is stored.")
    mine.__cause__ = error
    return mine


def _first_line(error: BaseException) -> str:
    shown = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
    return (str(shown).splitlines() or [type(shown).__name__])[0]


def _discard(connection: sa.Connection | None) -> None:
    """Close a connection whatever state it is in; the next write opens a fresh one."""
    if connection is not None:
        try:
            connection.close()
        except sa.exc.SQLAlchemyError:
            connection.invalidate()
