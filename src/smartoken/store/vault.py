"""Secrets at rest: AES-256-GCM, a data key for each secret, wrapped by the installation's secret key.

The place where a ciphertext lives (table, row, field) is authenticated with it, so one that is copied to another row
does not open. The keyring has names: a new secret key is added first, everything is rewrapped, the old one retired.
``Secret`` is how an opened value travels: nothing prints it by accident.
"""

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
NONCE = 12
KEY_ID = 8
_DATA_KEY = 32
_WRAPPED = NONCE + _DATA_KEY + 16
_HEAD = struct.Struct(f">B{KEY_ID}s")


class VaultError(RuntimeError):
    """A secret does not open: wrong key, moved or altered. The message never holds any of it."""


class Secret:
    """A value that shows as ``***`` wherever it is printed, logged or serialised; ``reveal`` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        """Show nothing."""
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Show nothing in an f-string either."""
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        """Whether two secrets hold the same value, in a time that does not tell where they differ."""
        return isinstance(other, Secret) and compare_digest(other._value.encode(), self._value.encode())

    def __hash__(self) -> int:
        """Hash by value, so that a frozen record with a secret can be a key in memory."""
        return hash(self._value)

    def __copy__(self) -> "Secret":
        """Return itself: nothing of it changes."""
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        """Return itself, so that records with a secret may be copied."""
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, which would write the value out."""
        raise TypeError("a secret is not written out")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ciphertext lives; part of what is authenticated."""

    table: str
    row: str
    field: str

    def aad(self) -> bytes:
        """Return the bytes that are authenticated beside the ciphertext."""
        return f"{self.table}|{self.row}|{self.field}|{VERSION}".encode()


def key_id(secret_key: str) -> bytes:
    """Return a secret key's name: a fingerprint that reveals nothing of it."""
    return sha256(b"smartoken key id\0" + secret_key.encode()).digest()[:KEY_ID]


def _kek(secret_key: str) -> AESGCM:
    return AESGCM(sha256(b"smartoken kek\0" + secret_key.encode()).digest())


class Vault:
    """Wraps and opens secrets under a keyring; the first key wraps, all of them open."""

    def __init__(self, secret_keys: tuple[str, ...], entropy: Callable[[int], bytes] = os.urandom) -> None:
        """Take the secret keys, newest first; raises ``ValueError`` if there is none."""
        if not secret_keys:
            raise ValueError("a vault needs at least one secret key")
        self._current = key_id(secret_keys[0])
        self._keks: Mapping[bytes, AESGCM] = {key_id(each): _kek(each) for each in secret_keys}
        self._entropy = entropy

    def wrap(self, secret: bytes, place: Place) -> bytes:
        """Return the ciphertext of a secret for one place."""
        data_key, aad = self._entropy(_DATA_KEY), place.aad()
        outer, inner = self._entropy(NONCE), self._entropy(NONCE)
        wrapped = outer + self._keks[self._current].encrypt(outer, data_key, aad)
        body = inner + AESGCM(data_key).encrypt(inner, secret, aad)
        return _HEAD.pack(VERSION, self._current) + wrapped + body

    def unwrap(self, blob: bytes, place: Place) -> bytes:
        """Open a ciphertext.

        Raises:
            VaultError: it was made under another secret key, for another place, or was altered.

        """
        try:
            version, name = _HEAD.unpack_from(blob)
            kek = self._keks[name]
            wrapped, body = blob[_HEAD.size : _HEAD.size + _WRAPPED], blob[_HEAD.size + _WRAPPED :]
            data_key = kek.decrypt(wrapped[:NONCE], wrapped[NONCE:], place.aad())
            opened = AESGCM(data_key).decrypt(body[:NONCE], body[NONCE:], place.aad())
        except (struct.error, KeyError, InvalidTag, ValueError):
            raise VaultError(
                f"The secret in {place.table}.{place.field} does not open. "
                "Is SMARTOKEN_SECRET_KEY (or the secret file in the data dir) the one that this database was made with?"
            ) from None
        if version != VERSION:
            raise VaultError(f"The secret in {place.table}.{place.field} has an unknown version.")
        return opened

    def current(self, blob: bytes) -> bool:
        """Whether a ciphertext is wrapped by the newest secret key."""
        return blob[1 : 1 + KEY_ID] == self._current

    def rewrap(self, blob: bytes, place: Place) -> bytes:
        """Return the same secret under the newest secret key."""
        return blob if self.current(blob) else self.wrap(self.unwrap(blob, place), place)
