"""The installation's secret key: from the environment, or a file in the data dir that is made once.

Several keys may be given, newest first, separated by commas: all of them open, the first one wraps. A short key or one
that looks like a default is refused; so is a file that others can read. Fails closed: no key, no start.
"""

import os
import secrets
import stat
from pathlib import Path

from smartoken.store.oscalls import sync_folder

NAME = "secret"
MIN_LENGTH = 32
_COMMON = ("changeme", "change-me", "secret", "password", "default", "example")


class SecretKeyError(RuntimeError):
    """The secret key cannot be used; the message says how to mend it, and holds none of it."""


def secret_keys(given: str | None, data_dir: Path) -> tuple[str, ...]:
    """Return the keyring, newest first, making the file on the first start.

    Raises:
        SecretKeyError: a key is weak, or the file is open to others or cannot be read or made.

    """
    if given:
        return _checked(given, "SMARTOKEN_SECRET_KEY")
    path = data_dir / NAME
    try:
        if not path.exists():
            _make(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SecretKeyError(f"{path} is open to others (mode {mode:o}); run `chmod 600 {path}`.")
        text = path.read_text(encoding="utf-8")
        if not text.strip():  # a new key would open nothing that the database keeps
            raise SecretKeyError(f"{path} is empty; put back the key that this data dir was made with.")
        return _checked(text, str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SecretKeyError(f"{path} cannot be used: {reason}. Mend it, or set SMARTOKEN_SECRET_KEY.") from error


def _make(path: Path) -> None:
    """Put a new key into place whole or not at all; of two processes that start at once the first one's stays."""
    fresh = path.with_name(f"{NAME}.{secrets.token_hex(4)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        fresh.unlink()


def _checked(text: str, source: str) -> tuple[str, ...]:
    keys = tuple(each.strip() for each in text.split(",") if each.strip())
    if not keys:
        raise SecretKeyError(f"{source} is empty; make a key with `openssl rand -hex 32`.")
    for each in keys:
        if len(each) < MIN_LENGTH or len(set(each)) < MIN_LENGTH // 4 or any(word in each.lower() for word in _COMMON):
            raise SecretKeyError(
                f"{source} is too short or too simple; use at least {MIN_LENGTH} random characters "
                "(`openssl rand -hex 32`)."
            )
    return keys
