"""The calls that differ between operating systems, each with its fallback: the only file that may make them.

Linux has all of them. macOS lacks ``fdatasync`` and ``posix_fallocate``; there the disk is flushed with
``F_FULLFSYNC`` and files are grown by writing zeros.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

_ZEROS = bytes(1024 * 1024)


def datasync(fd: int) -> None:
    """Put a file's contents on the disk."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    elif hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_folder(path: Path) -> None:
    """Put a folder's names on the disk: after a rename, what the folder says survives a power failure."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def preallocate(fd: int, size: int) -> None:
    """Reserve a file's blocks, so that writing within it finds room; raises ``OSError`` if there is none."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    written = 0
    while written < size:
        written += os.pwrite(fd, _ZEROS[: size - written], written)


def try_lock(fd: int) -> bool:
    """Take an exclusive lock that dies with this process; false if another process has it.

    Raises:
        OSError: the file system has no locks.

    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def wait_lock(fd: int) -> None:
    """Take the lock, waiting for whoever has it."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def unlock(fd: int) -> None:
    """Give the lock back."""
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def fork() -> int:
    """Divide this process: 0 in the child, the child's process id in the parent, which must have no other thread.

    Raises:
        OSError: the system cannot do so, or has no room for another process.

    """
    if not hasattr(os, "fork"):
        raise OSError(errno.ENOSYS, "several workers need a system that can fork")
    return os.fork()
