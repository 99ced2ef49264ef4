"""Killed without warning: what was acknowledged is there afterwards, and nothing stands in the way of a new start."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

import smartoken
from servers import alive
from smartoken.store.database import Database, StoreUnavailableError
from smartoken.store.migrate import upgrade
from smartoken.store.schema import facts

ENV = {**os.environ, "PYTHONPATH": str(Path(smartoken.__file__).parents[1])}
HAMMER = Path(__file__).parent / "hammer.py"
KILLS = 5


def names(conn):
    return set(conn.execute(sa.select(facts.c.name)).scalars())


def put(conn, name):
    conn.execute(facts.insert().values(name=name, value=b"x"))


def killed_in_the_middle(url, label, after_s):
    """Start the hammer, kill it, and return the names that it said were stored."""
    with subprocess.Popen(
        [sys.executable, str(HAMMER), url, label], stdout=subprocess.PIPE, text=True, env=ENV
    ) as process:
        acknowledged = [process.stdout.readline().strip()]  # it writes: now count the time
        timer = time.monotonic() + after_s
        while time.monotonic() < timer:
            acknowledged.append(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        # The last line may be torn; it says at least that its write was acknowledged, but not which.
        acknowledged += rest.split("\n")[:-1]
    return set(acknowledged)


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_killed_process_loses_nothing_that_it_acknowledged(database_url, kill):
    acknowledged = killed_in_the_middle(database_url, f"kill{kill}", random.uniform(0.02, 0.4))
    db = Database.open(database_url)
    stored = db.run_read(names)
    db.run_write(put, "afterwards")
    db.close_sync()
    assert len(acknowledged) > 1
    assert acknowledged <= stored
    # Twenty writers have at most one write each that was stored and not yet told.
    assert len(stored - acknowledged) <= 20


def test_the_lock_of_a_killed_process_is_free(sqlite_url):
    killed_in_the_middle(sqlite_url, "a", 0.05)
    assert Path(sqlite_url.removeprefix("sqlite:///") + ".lock").read_text().strip().isdecimal()
    Database.open(sqlite_url).close_sync()


def test_a_running_process_is_named_to_the_second_one(sqlite_url):
    command = [sys.executable, str(HAMMER), sqlite_url, "first"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENV) as first:
        first.stdout.readline()
        second = subprocess.run([*command[:-1], "second"], capture_output=True, text=True, check=False, env=ENV)
        first.kill()
        first.communicate()
    assert second.returncode == 1
    assert f"is in use by process {first.pid}. Stop it" in second.stderr


def test_postgresql_that_crashes_loses_nothing_and_is_found_again(servers):
    url, pid = servers.start_own_postgres("crashing")
    upgrade(url)
    db = Database.open(url)
    db.run_write(put, "before")
    os.kill(pid, signal.SIGQUIT)  # immediate shutdown: no checkpoint, recovery at the next start
    while alive(pid):
        time.sleep(0.02)
    with pytest.raises(StoreUnavailableError):
        db.run_read(names)
    servers.restart_own_postgres("crashing")
    db.run_write(put, "after")
    assert db.run_read(names) == {"before", "after"}
    db.close_sync()
