"""The schema by migration is the schema as declared, on both databases; newer ones are refused, files copied first."""

import ast
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from smartoken.store import migrate
from smartoken.store.database import Database, StoreBusyError
from smartoken.store.engines import is_sqlite, postgres_engine, sqlite_engine, sqlite_path
from smartoken.store.migrate import SCRIPTS, SchemaError, current, head, pending, upgrade
from smartoken.store.tables import metadata

NEXT = '''
"""One more table."""

import sqlalchemy as sa
from alembic import op

revision = "9000_more"
down_revision = "{before}"


def upgrade() -> None:
    """Expand."""
    op.create_table("more", sa.Column("id", sa.Integer, primary_key=True))
    {then}
'''


@pytest.fixture
def longer(tmp_path):
    """Return a release's migrations with one more than ours."""

    def make(then="pass"):
        scripts = tmp_path / "migrations"
        (scripts / "versions").mkdir(parents=True)
        for path in [*SCRIPTS.glob("*"), *SCRIPTS.glob("versions/*.py")]:
            if path.is_file():
                (scripts / path.relative_to(SCRIPTS)).write_text(path.read_text())
        (scripts / "versions" / "v9000_more.py").write_text(NEXT.format(before=head(), then=then))
        return scripts

    return make


def engine_of(url):
    return sqlite_engine(sqlite_path(url), writes=True) if is_sqlite(url) else postgres_engine(url)


def inspect(url, look):
    engine = engine_of(url)
    with engine.connect() as conn:
        found = look(conn)
    engine.dispose()
    return found


def has_table(url, name):
    return inspect(url, lambda conn: sa.inspect(conn).has_table(name))


def test_an_empty_database_is_brought_to_the_declared_schema(empty_database_url):
    assert current(empty_database_url) is None
    assert pending(empty_database_url)[0] == "0001_gateway"
    assert upgrade(empty_database_url) is None
    assert current(empty_database_url) == head()
    assert pending(empty_database_url) == ()
    difference = inspect(
        empty_database_url,
        lambda conn: compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata),
    )
    assert difference == []


def test_migrating_again_changes_nothing(database_url):
    assert upgrade(database_url) == head()
    assert upgrade(database_url) == head()


def test_a_newer_schema_is_refused_and_left_as_it_is(database_url, longer):
    scripts = longer()
    upgrade(database_url, scripts)
    for ask in (upgrade, pending):
        with pytest.raises(SchemaError, match="has schema 9000_more, which this release does not know"):
            ask(database_url)
    assert current(database_url) == "9000_more"
    assert has_table(database_url, "more")


def test_a_migration_that_fails_leaves_the_schema_as_it_was(database_url, longer):
    scripts = longer("raise RuntimeError('half-way')")
    with pytest.raises(RuntimeError, match="half-way"):
        upgrade(database_url, scripts)
    assert current(database_url) == head()
    assert not has_table(database_url, "more")
    upgrade(database_url)


def test_only_one_of_many_starting_at_once_migrates(empty_postgres_url):
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(upgrade(empty_postgres_url)), daemon=True) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes, key=str) == [*[head()] * 3, None]


def test_sqlite_is_copied_before_it_is_migrated(sqlite_url, longer):
    with sqlite3.connect(sqlite_path(sqlite_url)) as connection:
        connection.execute("INSERT INTO facts (name, value) VALUES ('kept', x'00')")
    connection.close()
    assert upgrade(sqlite_url, longer()) == head()
    copy = sqlite_path(sqlite_url).with_name(f"smartoken.db.bak-{head()}")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert current(f"sqlite:///{copy}") == head()
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT name FROM facts").fetchall() == [("kept",)]
    connection.close()


def test_nothing_is_copied_when_nothing_is_to_be_done(sqlite_url):
    upgrade(sqlite_url)
    assert list(sqlite_path(sqlite_url).parent.glob("*.bak*")) == []


def test_a_new_file_is_not_copied(tmp_path):
    upgrade(f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.glob("*.bak*")) == []


def test_the_holder_of_the_file_may_migrate_it_and_another_process_may_not(sqlite_url, longer):
    db = Database.open(sqlite_url)
    upgrade(sqlite_url, longer())
    lock = Path(f"{sqlite_path(sqlite_url)}.lock")
    lock.write_text("1")  # as if another process had it
    with pytest.raises(StoreBusyError, match="in use by process 1"):
        upgrade(sqlite_url)
    db.close_sync()


def test_asking_for_the_revision_makes_no_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'none.db'}"
    assert current(url) is None
    assert pending(url)
    assert list(tmp_path.iterdir()) == []


def test_the_migrations_are_one_chain_named_in_order():
    scripts = ScriptDirectory.from_config(migrate._config(SCRIPTS))
    assert len(scripts.get_heads()) == 1
    revisions = [each.revision for each in scripts.walk_revisions()][::-1]
    assert [int(each.split("_")[0]) for each in revisions] == list(range(1, len(revisions) + 1))
    names = sorted(path.stem for path in (SCRIPTS / "versions").glob("v*.py"))
    assert names == [f"v{each}" for each in revisions]


def test_a_migration_only_expands():
    """What running releases read stays: a column or table goes in a later release than its last reader."""
    contracting = {"drop_table", "drop_column", "drop_constraint", "rename_table"}
    for path in (SCRIPTS / "versions").glob("v*.py"):
        calls = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not calls & contracting, path.name
