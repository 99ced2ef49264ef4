"""Backup and restore: SQLite is copied online and checked; for PostgreSQL the command of its own tools is returned.

A backup never holds the secret key, so a stolen copy opens no provider key and recognises no API key; it is restored
together with the ``secret`` file (or ``SMARTOKEN_SECRET_KEY``) of the installation it came from. Nothing is
overwritten: a target that exists is refused, and a database that a restore replaces is moved aside.
"""

import contextlib
import os
import shlex
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from smartoken.store.engines import is_sqlite, sqlite_path
from smartoken.store.filelock import FileLock
from smartoken.store.oscalls import sync_folder

_PARTS = ("", "-wal", "-shm")
_KEPT_APART = (
    "The secret key is not part of it: keep the data dir's `secret` file (or SMARTOKEN_SECRET_KEY) in another place; "
    "without it the provider keys in the backup do not open and no API key is recognised."
)


class BackupError(RuntimeError):
    """A backup or restore that was not done; the message says why. What was there is as it was."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, or what to run."""

    done: bool  # false: ``command`` is for the operator to run
    text: str
    command: str | None = None
    moved: Path | None = None  # where the replaced database lies now


def backup(url: str, target: Path) -> Outcome:
    """Copy the database into a new file, also while it is served.

    Raises:
        BackupError: there is no database, the target exists, or the copy is not sound.

    """
    if not is_sqlite(url):
        command = f"pg_dump --format=custom --file={shlex.quote(str(target))} {shlex.quote(_without_password(url))}"
        return Outcome(done=False, text=f"{_password_note()} {_KEPT_APART}", command=command)
    source = sqlite_path(url)
    if not source.is_file():
        raise BackupError(f"There is no database at {source}.")
    if target.exists():
        raise BackupError(f"{target} exists already; choose another name.")
    copy_sqlite(source, target)
    return Outcome(done=True, text=f"Backed up {source} to {target} ({target.stat().st_size} bytes). {_KEPT_APART}")


def restore(url: str, source: Path) -> Outcome:
    """Put a backup in the database's place; what was there is moved aside.

    Raises:
        BackupError: the backup is missing or not sound.
        StoreBusyError: the data dir is being served.

    """
    if not is_sqlite(url):
        command = (
            f"pg_restore --clean --if-exists --no-owner --exit-on-error "
            f"--dbname={shlex.quote(_without_password(url))} {shlex.quote(str(source))}"
        )
        return Outcome(done=False, text=f"Stop every worker first. {_password_note()} {_KEPT_APART}", command=command)
    target = sqlite_path(url)
    if not source.is_file():
        raise BackupError(f"There is no backup at {source}.")
    lock = FileLock(target)
    try:
        fresh = target.with_name(target.name + ".restoring")
        fresh.unlink(missing_ok=True)
        copy_sqlite(source, fresh)
        moved = _move_aside(target) if target.exists() else None
        fresh.replace(target)
        sync_folder(target.parent)
    finally:
        lock.release()
    old = f" The database that was there is now {moved}." if moved is not None else ""
    return Outcome(done=True, text=f"Restored {source} to {target}.{old} {_KEPT_APART}", moved=moved)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database that may be in use into one private, checked file; a file of that name is replaced.

    Raises:
        BackupError: the source is no sound database, or the disk is full. No target is left behind.

    """
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # Read-only: this connection neither writes nor checkpoints beside the one writer.
        reading = f"{source.absolute().as_uri()}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(reading, uri=True, timeout=10)) as original,
            contextlib.closing(sqlite3.connect(partial)) as copy,
        ):
            original.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # a backup is one file
            verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise BackupError(f"{source} is damaged: {verdict}. Nothing was copied.")
        fd = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        partial.replace(target)
        sync_folder(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"{source} could not be copied to {target}: {error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _move_aside(target: Path) -> Path:
    """Move a database with its WAL to a free name, so that nothing of it meets the restored file."""
    number = 1
    while (aside := target.with_name(f"{target.name}.replaced-{number}")).exists():
        number += 1
    # What the WAL holds goes into the file first; a file that is too damaged for it keeps its WAL beside it.
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    # The database moves last and its name is never empty for long: without it a start would make a new one.
    for part in reversed(_PARTS):
        old = target.with_name(target.name + part)
        if old.exists():
            old.rename(aside.with_name(aside.name + part))
    return aside


def _without_password(url: str) -> str:
    """Return the URL as it stands but for its passwords, wherever libpq would take one from."""
    parts = urlsplit(url)
    user_and_password, at, place = parts.netloc.rpartition("@")
    user = user_and_password.partition(":")[0]
    options = [(name, value) for name, value in parse_qsl(parts.query) if not name.endswith("password")]
    return urlunsplit(("postgresql", f"{user}{at}{place}", parts.path, urlencode(options), ""))


def _password_note() -> str:
    return "Run this with PostgreSQL's own tools; it asks for the password, or takes it from PGPASSWORD or ~/.pgpass."
