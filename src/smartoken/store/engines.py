"""Database URLs and the engines made of them, with the settings that every part of the product relies on.

SQLite: WAL, ``synchronous=FULL`` (and a full flush on macOS), foreign keys on, readers that cannot write. PostgreSQL:
psycopg 3, a bounded pool, dead connections noticed. Statements' parameters never appear in error texts, because
secrets and prompts would travel with them into logs.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

READERS = 4
POOL = 10
POOL_WAIT_S = 10
CONNECT_S = 5
BUSY_MS = 10_000
_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")
# libpq's own names; a peer that vanished is noticed within half a minute.
_LIVE = {"connect_timeout": CONNECT_S, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}


class StoreError(RuntimeError):
    """The store cannot be opened as the settings name it; the message says how to mend it."""


def is_sqlite(url: str) -> bool:
    """Whether a database URL means a file of this machine."""
    return url.startswith(_SQLITE)


def sqlite_path(url: str) -> Path:
    """Return the file of a SQLite URL; everything after ``sqlite:///`` is the path, as it stands."""
    return Path(url.removeprefix(_SQLITE))


def sqlite_engine(path: Path, *, writes: bool) -> sa.Engine:
    """Return an engine over a SQLite file, for the one writer or for the readers."""
    pool: dict[str, Any] = (
        {"poolclass": sa.pool.NullPool}
        if writes
        else {"poolclass": sa.pool.QueuePool, "pool_size": READERS, "max_overflow": 2, "pool_timeout": POOL_WAIT_S}
    )
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False},  # the pool hands a connection to one thread at a time
        hide_parameters=True,
        **pool,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # SQLAlchemy begins transactions itself ("begin" below), so the driver's own habit is turned off.
        connection.isolation_level = None
        for pragma in (f"busy_timeout={BUSY_MS}", "synchronous=FULL", "fullfsync=ON", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        if not writes:
            connection.execute("PRAGMA query_only=ON").close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def prepare_sqlite(path: Path) -> None:
    """Make the file if it is missing, private to its owner, and put it into WAL mode, which it then stays in.

    Raises:
        StoreError: the folder cannot be written, the file is no database, or its file system has no WAL.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_MS / 1000)) as connection:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    except OSError as error:
        raise StoreError(f"{path} cannot be opened for writing: {error.strerror}. Choose another data dir.") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is not usable as a SQLite database ({error}). Restore it from a backup.") from error
    if mode != "wal":
        raise StoreError(
            f"{path} lies on a file system without the shared memory that SQLite's WAL needs. "
            "Put SMARTOKEN_DATA_DIR on a local disk, or set SMARTOKEN_DATABASE_URL to PostgreSQL."
        )


def postgres_engine(url: str) -> sa.Engine:
    """Return an engine over PostgreSQL, with at most ten connections.

    Raises:
        StoreError: the URL is not one of PostgreSQL.

    """
    if not url.startswith(_POSTGRES):
        raise StoreError("SMARTOKEN_DATABASE_URL must start with postgresql:// or sqlite:///")
    parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
    wanted = {name: value for name, value in _LIVE.items() if name not in parsed.query}
    return sa.create_engine(
        parsed,
        pool_size=POOL,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_pre_ping=True,
        pool_recycle=1800,
        hide_parameters=True,
        connect_args={"application_name": "smartoken", **wanted},
    )
