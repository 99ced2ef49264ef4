"""SQLite's one writer: order, savepoints, shared commits, and what happens when a commit fails."""

import asyncio
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from smartoken.store.database import Database, StoreError, StoreUnavailableError, sqlite_path
from smartoken.store.schema import facts


@pytest.fixture
def db(sqlite_url):
    database = Database.open(sqlite_url)
    yield database
    database.close_sync()


def put(conn, name, size=1):
    conn.execute(facts.insert().values(name=name, value=b"x" * size))


def names(conn):
    return list(conn.execute(sa.select(facts.c.name).order_by(facts.c.name)).scalars())


class Gate:
    """Holds the writer until a batch has queued up behind it."""

    def __init__(self):
        self.entered, self.opened = threading.Event(), threading.Event()

    def hold(self, _conn):
        self.entered.set()
        assert self.opened.wait(10)


async def queued(db, *writes):
    """Queue writes so that they share one commit, and return their outcomes in order."""
    gate = Gate()
    first = asyncio.create_task(db.write(gate.hold))
    await asyncio.to_thread(gate.entered.wait, 10)
    tasks = [asyncio.create_task(db.write(*each)) for each in writes]
    await asyncio.sleep(0.02)
    assert db.waiting == len(writes)
    gate.opened.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_writes_run_in_the_order_in_which_they_were_queued(db):
    seen = []

    def note(conn, number):
        seen.append(number)

    await queued(db, *((note, number) for number in range(500)))
    assert seen == list(range(500))


async def test_queued_writes_share_one_transaction(db):
    marks = []

    def mark(conn, name):
        put(conn, name)
        marks.append(id(conn.get_transaction()))

    await queued(db, *((mark, f"{number}") for number in range(20)))
    assert len(set(marks)) == 1


async def test_each_queued_write_sees_those_before_it_but_not_one_that_failed(db):
    def fail(conn):
        put(conn, "undone")
        raise LookupError

    outcomes = await queued(db, (put, "a"), (fail,), (names,), (put, "b"), (names,))
    assert outcomes[2] == ["a"]
    assert outcomes[4] == ["a", "b"]


async def test_a_savepoint_inside_a_write_belongs_to_it(db):
    def inner(conn):
        put(conn, "kept")
        savepoint = conn.begin_nested()
        put(conn, "undone")
        savepoint.rollback()

    await queued(db, (inner,), (put, "other"))
    assert await db.read(names) == ["kept", "other"]
    await db.write(lambda conn: conn.execute(facts.delete()))
    await db.write(inner)
    assert await db.read(names) == ["kept"]


async def test_a_commit_that_fails_is_told_to_every_write_of_it(db):
    def leave_orphan(conn):
        # Deferred constraints are checked by the commit itself.
        conn.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        conn.exec_driver_sql(
            "INSERT INTO api_key_secrets (digest, key_id, prefix, last4, created_ms) VALUES (x'00', 'none', '', '', 0)"
        )

    outcomes = await queued(db, (put, "a"), (leave_orphan,), (put, "b"))
    assert [type(each) for each in outcomes] == [StoreUnavailableError] * 3
    assert len({id(each) for each in outcomes}) == 3
    assert "nothing of it is stored" in str(outcomes[0])
    assert await db.read(names) == []
    await db.write(put, "afterwards")
    assert await db.read(names) == ["afterwards"]


async def test_a_full_disk_fails_every_write_of_the_commit_and_the_store_recovers(db):
    def allow(conn, pages):
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    used = await db.read(lambda conn: conn.exec_driver_sql("PRAGMA page_count").scalar())
    await db.write(allow, used + 2)
    outcomes = await queued(db, (put, "small"), (put, "huge", 1_000_000), (put, "behind"))
    failed = [each for each in outcomes if each is not None]
    stored = await db.read(names)
    # Whether SQLite gives up the statement or the transaction, what is acknowledged is there and the rest is not.
    assert failed
    acknowledged = [name for name, each in zip(("small", "huge", "behind"), outcomes, strict=True) if each is None]
    assert sorted(stored) == sorted(acknowledged)
    await db.write(allow, 1_000_000)
    await db.write(put, "room again")
    assert "room again" in await db.read(names)


async def test_a_transaction_that_ended_early_fails_the_whole_commit(db):
    def end(conn):
        conn.exec_driver_sql("ROLLBACK")

    outcomes = await queued(db, (put, "a"), (end,), (put, "b"))
    assert all(isinstance(each, StoreUnavailableError | sa.exc.OperationalError) for each in outcomes)
    assert await db.read(names) == []
    with pytest.raises(StoreUnavailableError):
        await db.write(end)
    await db.write(put, "c")
    assert await db.read(names) == ["c"]


async def test_a_write_that_was_cancelled_in_the_queue_does_not_run(db):
    gate = Gate()
    first = asyncio.create_task(db.write(gate.hold))
    await asyncio.to_thread(gate.entered.wait, 10)
    unwanted = asyncio.create_task(db.write(put, "unwanted"))
    wanted = asyncio.create_task(db.write(put, "wanted"))
    await asyncio.sleep(0.01)
    unwanted.cancel()
    await asyncio.sleep(0.01)
    gate.opened.set()
    await asyncio.gather(first, wanted)
    assert await db.read(names) == ["wanted"]


def test_a_write_within_a_write_is_refused_instead_of_waiting_forever(db):
    with pytest.raises(RuntimeError, match="cannot wait for another write"):
        db.run_write(lambda _conn: db.run_write(put, "inner"))


def test_what_is_acknowledged_is_flushed_to_the_disk(db):
    settings = ("synchronous", "journal_mode", "foreign_keys")
    found = db.run_write(lambda conn: [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in settings])
    assert found == [2, "wal", 1]  # FULL


def test_the_files_are_private_to_their_owner(tmp_path):
    db = Database.open(f"sqlite:///{tmp_path / 'new' / 'smartoken.db'}")
    db.run_write(lambda conn: conn.exec_driver_sql("CREATE TABLE t (a)"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    db.close_sync()


@pytest.mark.parametrize("name", ["with space.db", "q?mark=1.db", "100%.db", "käse#1.db"])
def test_any_file_name_is_taken_as_it_stands(tmp_path, name):
    db = Database.open(f"sqlite:///{tmp_path / name}")
    db.run_write(lambda conn: conn.exec_driver_sql("CREATE TABLE t (a)"))
    db.close_sync()
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.lock"}


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "smartoken.db"
    path.write_bytes(b"not a database at all, but long enough to look like one" * 20)
    with pytest.raises(StoreError, match="not usable as a SQLite database"):
        Database.open(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"not a database")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file"):
        Database.open(f"sqlite:///{tmp_path / 'file' / 'smartoken.db'}")


def test_a_foreign_lock_holder_delays_a_write_and_it_succeeds(db, sqlite_url):
    beside = sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None, check_same_thread=False)
    beside.execute("BEGIN IMMEDIATE").close()
    timer = threading.Timer(0.2, lambda: beside.execute("ROLLBACK").close())
    timer.start()
    db.run_write(put, "patient")
    timer.join()
    beside.close()
    assert db.run_read(names) == ["patient"]
