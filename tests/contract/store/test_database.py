"""What every store keeps: the same functions on SQLite and PostgreSQL."""

import asyncio
import gc
import threading
import warnings

import pytest
import sqlalchemy as sa

from smartoken.store import revisions
from smartoken.store.database import Database, StoreBusyError, StoreError, StoreUnavailableError
from smartoken.store.schema import facts
from smartoken.store.schema import revisions as revision_table


def put(conn, name, value=b"x"):
    conn.execute(facts.insert().values(name=name, value=value))
    return name


def names(conn):
    return list(conn.execute(sa.select(facts.c.name).order_by(facts.c.name)).scalars())


def put_then_fail(conn, name):
    put(conn, name)
    raise LookupError(name)


async def test_what_is_acknowledged_is_read_at_once(db):
    assert await db.write(put, "a") == "a"
    assert await db.read(names) == ["a"]
    assert db.run_write(put, "b") == "b"
    assert db.run_read(names) == ["a", "b"]


async def test_a_failing_write_undoes_itself_alone(db):
    outcomes = await asyncio.gather(
        db.write(put, "a"), db.write(put_then_fail, "b"), db.write(put, "c"), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [str, LookupError, str]
    assert await db.read(names) == ["a", "c"]


async def test_a_write_that_the_database_refuses_undoes_itself_alone(db):
    await db.write(put, "taken")
    outcomes = await asyncio.gather(
        *(db.write(put, name) for name in ("a", "taken", "b", "taken", "c")), return_exceptions=True
    )
    assert [isinstance(each, sa.exc.IntegrityError) for each in outcomes] == [False, True, False, True, False]
    assert await db.read(names) == ["a", "b", "c", "taken"]


async def test_a_database_that_is_read_only_counts_as_away(db):
    def put_where_nothing_may_be_written(conn):
        only = "PRAGMA query_only=ON" if db.sqlite else "SET TRANSACTION READ ONLY"
        conn.exec_driver_sql(only)
        try:
            put(conn, "a")
        finally:
            if db.sqlite:
                conn.exec_driver_sql("PRAGMA query_only=OFF")

    with pytest.raises(StoreUnavailableError):
        await db.write(put_where_nothing_may_be_written)
    assert await db.read(names) == []


async def test_a_refused_write_shows_none_of_its_values(db):
    await db.write(put, "taken", b"first")
    with pytest.raises(sa.exc.IntegrityError) as caught:
        await db.write(put, "taken", b"planted-secret-value")
    assert "planted-secret-value" not in str(caught.value)


async def test_four_hundred_writers_at_once_are_all_stored(db):
    await asyncio.gather(*(db.write(put, f"{index:03}") for index in range(400)))
    assert len(await db.read(names)) == 400


async def test_counting_at_once_counts_every_one(db):
    await asyncio.gather(*(db.write(revisions.bump, "view") for _ in range(60)))
    assert await db.read(revisions.current, "view") == 60


async def test_revisions_of_different_views_are_apart(db):
    await db.write(revisions.bump, "a")
    await db.write(revisions.bump, "a")
    await db.write(revisions.bump, "b")
    assert [await db.read(revisions.current, name) for name in ("a", "b", "never")] == [2, 1, 0]


async def test_a_failed_write_bumps_no_revision(db):
    def bump_then_fail(conn):
        revisions.bump(conn)
        raise LookupError

    with pytest.raises(LookupError):
        await db.write(bump_then_fail)
    assert await db.read(revisions.current) == 0


async def test_a_read_cannot_write(db):
    with pytest.raises(sa.exc.DBAPIError):
        await db.read(put, "sneaked in")
    assert await db.read(names) == []


async def test_a_read_sees_one_snapshot_while_others_write(db):
    read_once, written = threading.Event(), threading.Event()

    def twice(conn):
        before = names(conn)
        read_once.set()
        assert written.wait(10)
        return before, names(conn)

    await db.write(put, "a")
    reading = asyncio.create_task(db.read(twice))
    await asyncio.to_thread(read_once.wait, 10)
    await db.write(put, "b")
    written.set()
    before, after = await reading
    assert before == after == ["a"]
    assert await db.read(names) == ["a", "b"]


async def test_a_cancelled_caller_does_not_stop_a_write_that_began(db):
    began, go_on = threading.Event(), threading.Event()

    def slow(conn):
        began.set()
        assert go_on.wait(10)
        return put(conn, "slow")

    caller = asyncio.create_task(db.write(slow))
    await asyncio.to_thread(began.wait, 10)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await db.write(put, "next")
    for _ in range(100):  # on PostgreSQL the two run side by side
        if await db.read(names) == ["next", "slow"]:
            break
        await asyncio.sleep(0.02)
    assert await db.read(names) == ["next", "slow"]


async def test_a_closed_store_refuses_work_and_closes_again(database_url):
    db = Database.open(database_url)
    await db.write(put, "a")
    await db.close()
    await db.close()
    with pytest.raises(RuntimeError):
        await db.write(put, "b")
    with pytest.raises(RuntimeError):
        await db.read(names)


async def test_closing_waits_for_what_was_queued(database_url):
    db = Database.open(database_url)
    writes = [asyncio.create_task(db.write(put, f"{index:02}")) for index in range(50)]
    await asyncio.sleep(0)
    await db.close()
    await asyncio.gather(*writes)
    again = Database.open(database_url)
    assert len(again.run_read(names)) == 50
    again.close_sync()


def test_closing_leaves_nothing_open(database_url):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        db = Database.open(database_url)
        db.run_write(put, "a")
        db.run_read(names)
        db.close_sync()
        del db
        gc.collect()
    assert [str(each.message) for each in seen if issubclass(each.category, ResourceWarning)] == []


@pytest.mark.parametrize("url", ["mysql://localhost/x", "", "postgres", "sqlite://"])
def test_a_url_of_another_database_is_refused_with_the_setting(url):
    with pytest.raises(StoreError, match="SMARTOKEN_DATABASE_URL"):
        Database.open(url)


def test_a_postgresql_that_is_away_says_so_without_the_password():
    db = Database.open("postgresql://someone:planted-password@127.0.0.1:1/x")
    for attempt in (lambda: db.run_read(names), lambda: db.run_write(put, "a")):
        with pytest.raises(StoreUnavailableError) as caught:
            attempt()
        assert "planted-password" not in f"{caught.value} {caught.value.__cause__}"
    db.close_sync()


def test_a_postgresql_write_that_lost_a_deadlock_runs_again(postgres_url):
    db = Database.open(postgres_url)
    both = threading.Barrier(2, timeout=10)
    runs = []

    def add(conn, name):
        row = revision_table.c.name == name
        conn.execute(revision_table.update().where(row).values(number=revision_table.c.number + 1))

    def crosswise(conn, first, second):
        runs.append(first)
        add(conn, first)
        if len(runs) <= 2:
            both.wait()
        add(conn, second)

    for name in ("a", "b"):
        db.run_write(revisions.bump, name)
    threads = [threading.Thread(target=db.run_write, args=(crosswise, *pair)) for pair in (("a", "b"), ("b", "a"))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(runs) > 2
    assert [db.run_read(revisions.current, name) for name in ("a", "b")] == [3, 3]
    db.close_sync()


def test_a_second_process_may_share_postgresql(postgres_url):
    one, other = Database.open(postgres_url), Database.open(postgres_url)
    one.run_write(put, "a")
    assert other.run_read(names) == ["a"]
    one.close_sync()
    other.close_sync()


def test_a_second_opening_of_one_sqlite_file_is_refused_with_the_holder(sqlite_url):
    db = Database.open(sqlite_url)
    with pytest.raises(StoreBusyError, match=r"in use by process \d+\. Stop it, choose another SMARTOKEN_DATA_DIR"):
        Database.open(sqlite_url)
    db.announce("http://127.0.0.1:8123")
    with pytest.raises(StoreBusyError, match=r"in use by process \d+, which serves http://127.0.0.1:8123\.") as caught:
        Database.open(sqlite_url)
    assert caught.value.address == "http://127.0.0.1:8123"
    db.close_sync()
    Database.open(sqlite_url).close_sync()


def test_reading_beside_the_holder_is_possible_without_the_lock(sqlite_url):
    db = Database.open(sqlite_url)
    db.run_write(put, "a")
    beside = Database.open(sqlite_url, lock=False)
    assert beside.run_read(names) == ["a"]
    beside.close_sync()
    db.close_sync()
