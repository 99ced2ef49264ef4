"""Backups are whole, private and without the secret; a restore loses nothing that was there."""

import shlex
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from smartoken.store.backup import BackupError, backup, restore
from smartoken.store.database import Database, StoreBusyError, sqlite_path
from smartoken.store.schema import facts

POSTGRES = "postgresql://ops:planted-p%40ss@db.test:5433/smart%20token?sslmode=require&password=planted-too"


def put(conn, name):
    conn.execute(facts.insert().values(name=name, value=b"x" * 500))


def names(conn):
    return set(conn.execute(sa.select(facts.c.name)).scalars())


def stored(url):
    db = Database.open(url)
    found = db.run_read(names)
    db.close_sync()
    return found


@pytest.fixture
def target(tmp_path):
    return tmp_path / "backup.db"


def test_a_backup_of_a_served_database_is_whole(sqlite_url, target):
    db = Database.open(sqlite_url)
    stop, written = threading.Event(), []

    def write():
        while not stop.is_set():
            db.run_write(put, f"{len(written)}")
            written.append(f"{len(written)}")

    writing = threading.Thread(target=write)
    writing.start()
    while len(written) < 50:
        stop.wait(0.01)
    before = set(written)
    outcome = backup(sqlite_url, target)
    stop.set()
    writing.join()
    db.close_sync()
    assert outcome.done
    assert before <= stored(f"sqlite:///{target}") <= set(written)


def test_a_backup_is_one_private_file_and_says_what_it_leaves_out(sqlite_url, target, tmp_path):
    outcome = backup(sqlite_url, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup.db"]
    assert "secret key is not part of it" in outcome.text


def test_a_backup_overwrites_nothing(sqlite_url, target):
    target.write_text("something of mine")
    with pytest.raises(BackupError, match="exists already"):
        backup(sqlite_url, target)
    assert target.read_text() == "something of mine"


def test_a_damaged_database_makes_no_backup(sqlite_url, target):
    path = sqlite_path(sqlite_url)
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * 4096 + whole[12288:])
    with pytest.raises(BackupError, match=r"damaged|could not be copied"):
        backup(sqlite_url, target)
    assert not target.exists()
    assert list(target.parent.glob("*.partial")) == []


@pytest.mark.parametrize("action", [backup, restore])
def test_what_is_not_there_is_named(tmp_path, action):
    with pytest.raises(BackupError, match="There is no"):
        action(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "nothing")
    assert not (tmp_path / "none.db").exists()


def test_a_restore_brings_the_rows_back_and_keeps_the_old_database_aside(sqlite_url, target):
    db = Database.open(sqlite_url)
    db.run_write(put, "then")
    backup(sqlite_url, target)
    db.run_write(put, "since")
    db.close_sync()
    outcome = restore(sqlite_url, target)
    assert stored(sqlite_url) == {"then"}
    assert stored(f"sqlite:///{outcome.moved}") == {"then", "since"}
    assert str(outcome.moved) in outcome.text
    assert restore(sqlite_url, target).moved.name == "smartoken.db.replaced-2"


def test_a_restore_keeps_what_only_the_wal_of_the_old_database_holds(sqlite_url, target):
    backup(sqlite_url, target)
    path = sqlite_path(sqlite_url)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=WAL").close()
    holder.execute("INSERT INTO facts (name, value) VALUES ('in the WAL', x'00')").close()
    beside = {part: path.with_name(path.name + part).read_bytes() for part in ("", "-wal")}
    holder.close()
    for part, content in beside.items():  # as a crash leaves it
        path.with_name(path.name + part).write_bytes(content)
    outcome = restore(sqlite_url, target)
    assert stored(sqlite_url) == set()
    assert stored(f"sqlite:///{outcome.moved}") == {"in the WAL"}


def test_a_restore_over_a_served_database_is_refused(sqlite_url, target):
    backup(sqlite_url, target)
    db = Database.open(sqlite_url)
    db.run_write(put, "served")
    with pytest.raises(StoreBusyError, match="in use by process"):
        restore(sqlite_url, target)
    assert db.run_read(names) == {"served"}
    db.close_sync()


def test_a_file_that_is_no_backup_changes_nothing(sqlite_url, target):
    target.write_bytes(b"no database" * 1000)
    with pytest.raises(BackupError):
        restore(sqlite_url, target)
    assert stored(sqlite_url) == set()
    assert sorted(path.name for path in sqlite_path(sqlite_url).parent.iterdir()) == [
        "smartoken.db", "smartoken.db.lock",
    ]  # fmt: skip


def test_a_restore_into_an_empty_data_dir_works(sqlite_url, target, tmp_path):
    backup(sqlite_url, target)
    outcome = restore(f"sqlite:///{tmp_path / 'new' / 'smartoken.db'}", target)
    assert outcome.done
    assert outcome.moved is None
    assert stored(f"sqlite:///{tmp_path / 'new' / 'smartoken.db'}") == set()


@pytest.mark.parametrize(("action", "program"), [(backup, "pg_dump"), (restore, "pg_restore")])
def test_for_postgresql_the_command_is_told_without_the_password(tmp_path, action, program):
    outcome = action(POSTGRES, tmp_path / "a file.dump")
    words = shlex.split(outcome.command)
    assert not outcome.done
    assert words[0] == program
    assert "planted" not in outcome.command + outcome.text
    assert any("ops@db.test:5433/smart%20token?sslmode=require" in word for word in words)
    assert any("a file.dump" in word for word in words)
    assert "secret key is not part of it" in outcome.text
