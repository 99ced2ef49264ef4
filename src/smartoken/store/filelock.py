"""One process a SQLite database: a lock file beside it, held while the process lives, that names its holder.

Fails closed: without the lock nothing is opened. The lock is the kernel's (flock), so it is gone the moment its
process is, whatever ended it; a file that is left behind locks nobody out.
"""

import os
from pathlib import Path

from smartoken.store.oscalls import try_lock, unlock

_LONGEST = 512


class StoreBusyError(RuntimeError):
    """Another process has this SQLite database; the message says which."""

    def __init__(self, message: str, pid: int | None = None, address: str | None = None) -> None:
        """Keep who holds it, as far as the lock file tells."""
        super().__init__(message)
        self.pid = pid
        self.address = address


class FileLock:
    """The lock on one SQLite database."""

    def __init__(self, database: Path) -> None:
        """Take the lock.

        Raises:
            StoreBusyError: another process holds it; it names that one's process id, and its address once announced.
            OSError: the folder cannot be written.

        """
        self._path = lock_path(database)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            taken = try_lock(self._fd)
            pid, address = (None, None) if taken else _holder(self._fd)
        except BaseException:
            os.close(self._fd)
            raise
        if not taken:
            os.close(self._fd)
            serving = f", which serves {address}" if address else ""
            raise StoreBusyError(
                f"{database} is in use by process {pid or 'unknown'}{serving}. Stop it, choose another "
                "SMARTOKEN_DATA_DIR, or set SMARTOKEN_DATABASE_URL to PostgreSQL to run several processes.",
                pid,
                address,
            )
        self._say(str(os.getpid()))

    def announce(self, address: str) -> None:
        """Tell those who are refused where this process listens."""
        self._say(f"{os.getpid()} {address}")

    def release(self) -> None:
        """Give the lock back."""
        self._say("")
        unlock(self._fd)
        os.close(self._fd)

    def _say(self, text: str) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode()[:_LONGEST], 0)


def lock_path(database: Path) -> Path:
    """Return the lock file of a database file."""
    return database.with_name(database.name + ".lock")


def held_by_this_process(database: Path) -> bool:
    """Whether this process itself holds the lock: a lock is tied to an open file, so a second attempt tells nothing."""
    try:
        fd = os.open(lock_path(database), os.O_RDONLY)
    except OSError:
        return False
    try:
        if try_lock(fd):
            return False
        return _holder(fd)[0] == os.getpid()
    finally:
        os.close(fd)


def holder(database: Path) -> tuple[int | None, str | None] | None:
    """Return the process that holds a database and the address it serves, None where nobody holds it."""
    try:
        fd = os.open(lock_path(database), os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if try_lock(fd) else _holder(fd)  # closing gives back what was taken
    finally:
        os.close(fd)


def _holder(fd: int) -> tuple[int | None, str | None]:
    pid, _, address = os.pread(fd, _LONGEST, 0).decode("utf-8", "replace").strip().partition(" ")
    return (int(pid) if pid.isdecimal() else None), (address or None)
