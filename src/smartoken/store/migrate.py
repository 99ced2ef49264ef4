"""Schema migrations: run before anything is served, once, whoever comes first.

Expand, then contract: a release only adds what it needs, and removes what no running release reads. A database that is
newer than this release is refused. Before a SQLite file is migrated it is copied beside itself.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from smartoken.store.database import engine_of, is_sqlite, sqlite_path

_ADVISORY_LOCK = 0x534D544B  # "SMTK"


class SchemaError(RuntimeError):
    """The database's schema is not one that this release can use."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """Return the revision that this release needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None  # noqa: S101 - the package ships its migrations
    return found


def current(conn: sa.Connection) -> str | None:
    """Return the revision of an open database; ``None`` for an empty one."""
    return MigrationContext.configure(conn).get_current_revision()


def _known(revision: str) -> bool:
    return any(each.revision == revision for each in ScriptDirectory.from_config(_config()).walk_revisions())


def copy_sqlite(conn: sa.Connection, target: Path) -> None:
    """Copy an open SQLite database into a new file, consistently."""
    target.unlink(missing_ok=True)
    conn.exec_driver_sql("VACUUM INTO ?", (str(target),))


def upgrade(url: str) -> str | None:
    """Bring a database to this release's schema; returns the revision it had before.

    Raises:
        SchemaError: the database is newer than this release.

    """
    engine = engine_of(url)
    try:
        with engine.connect() as conn:
            if not is_sqlite(url):
                conn.exec_driver_sql("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
            try:
                return _upgrade(conn, url)
            finally:
                if not is_sqlite(url):
                    conn.rollback()
                    conn.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (_ADVISORY_LOCK,))
                    conn.commit()
    finally:
        engine.dispose()


def _upgrade(conn: sa.Connection, url: str) -> str | None:
    before = current(conn)
    conn.rollback()
    if before == head():
        return before
    if before is not None and not _known(before):
        raise SchemaError(
            f"The database has schema {before}, which this release does not know. "
            "It was made by a newer release: start that one, or restore the copy made before its migration."
        )
    if before is not None and is_sqlite(url):
        path = sqlite_path(url)
        raw = conn.execution_options(isolation_level="AUTOCOMMIT")
        copy_sqlite(raw, path.with_name(f"{path.name}.bak-{before}"))
        conn.rollback()
    config = _config()
    with conn.begin():
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
    return before
