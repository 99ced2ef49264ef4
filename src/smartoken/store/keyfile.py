"""The installation's secret key: from the environment, or a file in the data dir that is made once.

Several keys may be given, newest first, separated by commas: all of them open, the first one wraps. A short key or one
that looks like a default is refused; so is a file that others can read.
"""

import os
import secrets
import stat
from pathlib import Path

NAME = "secret"
MIN_LENGTH = 32
_COMMON = ("changeme", "change-me", "secret", "password", "default", "example")


class SecretKeyError(RuntimeError):
    """The secret key cannot be used; the message says how to mend it."""


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


def secret_keys(given: str | None, data_dir: Path) -> tuple[str, ...]:
    """Return the keyring, making the file on the first start.

    Raises:
        SecretKeyError: the key is weak, or its file is open to others.

    """
    if given:
        return _checked(given, "SMARTOKEN_SECRET_KEY")
    path = data_dir / NAME
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SecretKeyError(f"{path} is open to others (mode {mode:o}); run `chmod 600 {path}`.") from None
        return _checked(path.read_text(), str(path))
    text = secrets.token_hex(32)
    with os.fdopen(fd, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return (text,)
