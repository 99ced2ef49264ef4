"""Fixtures that every kind of test may use: real stores on both databases, Valkey, and a clock that stands still."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from clocks import ManualClock
from servers import FOLDER_SETTING, Servers, name_folder, new_database
from smartoken.store.database import Database
from smartoken.store.migrate import upgrade

# How long a draw or an example takes tells of the machine's load, not of the product; properties state no times.
settings.register_profile("smartoken", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("smartoken")
OWNER_SETTING = f"{FOLDER_SETTING}_OWNER"
_owned = pytest.StashKey[Path]()


def pytest_configure(config):
    """The process that was started by hand owns the servers; xdist's workers find them through the environment."""
    if not hasattr(config, "workerinput"):
        folder = config.stash[_owned] = name_folder()
        os.environ[FOLDER_SETTING] = str(folder)
        os.environ[OWNER_SETTING] = str(os.getpid())


def pytest_unconfigure(config):
    """The owner ends what was started."""
    folder = config.stash.get(_owned, None)
    if folder is not None:
        Servers(folder, os.getpid()).stop()


@pytest.fixture(scope="session")
def servers():
    """PostgreSQL and Valkey, each started when first asked for."""
    return Servers(Path(os.environ[FOLDER_SETTING]), int(os.environ[OWNER_SETTING]))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A migrated SQLite file without rows, to be copied."""
    path = tmp_path_factory.mktemp("template") / "smartoken.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(tmp_path, migrated_file):
    """A migrated SQLite database of this test's own."""
    path = tmp_path / "store" / "smartoken.db"
    path.parent.mkdir()
    shutil.copy(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(servers):
    """A migrated PostgreSQL database of this test's own."""
    with new_database(servers.postgres(), servers.template()) as url:
        yield url


@pytest.fixture
def empty_postgres_url(servers):
    """An empty PostgreSQL database of this test's own."""
    with new_database(servers.postgres()) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    """A migrated database of each kind."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request, tmp_path):
    """A database of each kind that was never migrated; the SQLite file is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty' / 'smartoken.db'}"
    return request.getfixturevalue("empty_postgres_url")


@pytest.fixture
def db(database_url):
    """An open store of each kind."""
    database = Database.open(database_url)
    yield database
    database.close_sync()


@pytest.fixture
def valkey_url(servers):
    """The shared Valkey server; a test prefixes its keys with a name of its own."""
    return servers.valkey()


@pytest.fixture
def manual_clock():
    """A clock that a test moves by hand."""
    return ManualClock()
