"""Schema migrations: run before anything is served, once, whoever comes first.

Expand, then contract: a release only adds what it needs, and removes what no running release reads, so that two
versions can share a database during a rolling upgrade. A database that is newer than this release is refused. Before
a SQLite file is migrated it is copied beside itself; a migration that fails leaves the schema as it was.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from smartoken.store.backup import copy_sqlite
from smartoken.store.engines import is_sqlite, postgres_engine, prepare_sqlite, sqlite_engine, sqlite_path
from smartoken.store.filelock import FileLock, held_by_this_process

SCRIPTS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x534D544B  # "SMTK"


class SchemaError(RuntimeError):
    """The database's schema is not one that this release can use."""


def head(scripts: Path = SCRIPTS) -> str:
    """Return the revision that this release needs."""
    return _revisions(scripts)[-1]


def current(url: str) -> str | None:
    """Return a database's revision; ``None`` for an empty one, also for a SQLite file that is not there yet."""
    if is_sqlite(url) and not sqlite_path(url).exists():
        return None
    engine = sqlite_engine(sqlite_path(url), writes=False) if is_sqlite(url) else postgres_engine(url)
    try:
        with engine.connect() as conn:
            return revision_of(conn)
    finally:
        engine.dispose()


def revision_of(conn: sa.Connection) -> str | None:
    """Return the revision of an open database; ``None`` for an empty one."""
    return MigrationContext.configure(conn).get_current_revision()


def pending(url: str, scripts: Path = SCRIPTS) -> tuple[str, ...]:
    """Return the migrations that ``upgrade`` would run, in order.

    Raises:
        SchemaError: the database is newer than this release.

    """
    return _pending(current(url), scripts)


def upgrade(url: str, scripts: Path = SCRIPTS) -> str | None:
    """Bring a database to this release's schema; returns the revision it had before.

    Of several processes that start at once on PostgreSQL one migrates and the others wait; on SQLite the file's lock
    must be free or this process's own.

    Raises:
        SchemaError: the database is newer than this release.
        StoreBusyError: another process has this SQLite file.

    """
    if not is_sqlite(url):
        engine = postgres_engine(url)
        try:
            with engine.connect() as conn, _advisory_lock(conn):
                return _upgrade(conn, scripts)
        finally:
            engine.dispose()
    path = sqlite_path(url)
    with _file_lock(path):
        prepare_sqlite(path)
        engine = sqlite_engine(path, writes=True)
        try:
            with engine.connect() as conn:
                return _upgrade(conn, scripts, path)
        finally:
            engine.dispose()


def _upgrade(conn: sa.Connection, scripts: Path, path: Path | None = None) -> str | None:
    before = revision_of(conn)
    conn.rollback()
    if not _pending(before, scripts):
        return before
    if before is not None and path is not None:
        copy_sqlite(path, path.with_name(f"{path.name}.bak-{before}"))
    config = _config(scripts)
    with conn.begin():
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
    return before


def _pending(before: str | None, scripts: Path) -> tuple[str, ...]:
    known = _revisions(scripts)
    if before is None:
        return known
    if before not in known:
        raise SchemaError(
            f"The database has schema {before}, which this release does not know. "
            "It was made by a newer release: start that one, or restore the copy made before its migration."
        )
    return known[known.index(before) + 1 :]


def _revisions(scripts: Path) -> tuple[str, ...]:
    """Return every migration of this release, oldest first; the chain has no branches (a test holds it so)."""
    walked = ScriptDirectory.from_config(_config(scripts)).walk_revisions()
    return tuple(reversed([each.revision for each in walked]))


def _config(scripts: Path) -> Config:
    config = Config()
    # Alembic's settings interpolate %; a checkout may lie in a folder with one.
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    if held_by_this_process(path):
        yield
        return
    lock = FileLock(path)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _advisory_lock(conn: sa.Connection) -> Iterator[None]:
    """Hold the migration lock for this session; it goes with the connection, whatever happens to this process."""
    conn.exec_driver_sql("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
    conn.commit()
    try:
        yield
    finally:
        conn.rollback()
        conn.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (_ADVISORY_LOCK,))
        conn.commit()
