"""Activation codes: minted from 80 random bits, read forgivingly, stored only as a keyed digest. Pure.

Sixteen characters of Crockford's base32 carry the bits and a seventeenth checks them: the weighted sum of all
seventeen is zero in GF(32), with a weight of its own for each place, so every single wrong character and every swap
of two characters is noticed before a database is asked. The alphabet has no I, L, O or U; what is typed for them is
read as 1, 1 and 0, and U is a mistake.
"""

import hashlib
import hmac
import unicodedata

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ENTROPY_BYTES = 10
LENGTH = 17
GROUP = 4
_VALUES = {each: place for place, each in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_FIELD = 0b100101  # x^5 + x^2 + 1, primitive: the powers of x are all the non-zero elements
_DOMAIN = b"smartoken activation code v1\0"


class InvalidCodeError(ValueError):
    """The text cannot be an activation code: its length, a character or the check is wrong. It is never repeated."""


def _times_x(value: int) -> int:
    value <<= 1
    return value ^ _FIELD if value & 32 else value


def _checksum(values: list[int]) -> int:
    """Return the sum of ``values[i]`` times x to the power of its place from the end, by Horner's rule."""
    total = 0
    for each in values:
        total = _times_x(total) ^ each
    return total


def mint(entropy: bytes) -> str:
    """Return the canonical code, seventeen characters without dashes, for ten random bytes.

    Raises:
        ValueError: not ten bytes.

    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a code takes {ENTROPY_BYTES} random bytes, got {len(entropy)}")
    number = int.from_bytes(entropy, "big")
    values = [number >> shift & 31 for shift in range(75, -1, -5)]
    check = _checksum([*values, 0])  # the check's own weight is one, and minus is plus here
    return "".join(ALPHABET[each] for each in (*values, check))


def shown(code: str) -> str:
    """Return a canonical code as people get it: in groups of four, the check character last."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def read(text: str) -> str:
    """Return the canonical code that a person typed or pasted.

    Letter case, spaces, dashes of any kind, full-width forms and the look-alikes of 0 and 1 do not matter.

    Raises:
        InvalidCodeError: no code.

    """
    values: list[int] = []
    for each in unicodedata.normalize("NFKC", text[:200]).upper():
        if each.isspace() or unicodedata.category(each) in {"Pd", "Cf"} or each in "_\u2212\u30fc":
            continue
        value = _VALUES.get(each)
        if value is None or len(values) == LENGTH:
            raise InvalidCodeError("not an activation code")
        values.append(value)
    if len(values) != LENGTH or _checksum(values) != 0:
        raise InvalidCodeError("not an activation code")
    return "".join(ALPHABET[each] for each in values)


def digest(pepper: bytes, code: str) -> bytes:
    """Return what is stored instead of a canonical code: 32 bytes of HMAC-SHA256, apart from all other uses of the key.

    Raises:
        ValueError: an empty pepper.

    """
    if not pepper:
        raise ValueError("the pepper is empty")
    return hmac.digest(pepper, _DOMAIN + code.encode("ascii"), hashlib.sha256)
