"""Prefixed UUIDv7 identifiers, made from a time and entropy that the caller hands in. Pure.

``call_0192f6c2a4b37c1e8f2ad4b1c0ffee42``: a prefix that says what it names, then 32 hexadecimal digits that sort by
time of creation (RFC 9562, version 7).
"""

import re

ENTROPY_BYTES = 10
_ID = re.compile(r"([a-z]+)_[0-9a-f]{32}")


def new_id(prefix: str, now_ns: int, entropy: bytes) -> str:
    """Return an identifier for an instant (nanoseconds since the epoch) and ten random bytes."""
    rand = int.from_bytes(entropy[:ENTROPY_BYTES], "big")
    value = (now_ns // 1_000_000 & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (rand >> 62 & 0xFFF) << 64  # version and 12 random bits
    value |= 0x2 << 62 | rand & 0x3FFF_FFFF_FFFF_FFFF  # variant and 62 random bits
    return f"{prefix}_{value:032x}"


def is_id(text: str, prefix: str) -> bool:
    """Whether the text has the form of an identifier with this prefix."""
    match = _ID.fullmatch(text)
    return match is not None and match[1] == prefix


def created_ms(identifier: str) -> int:
    """Return the creation time within an identifier, in milliseconds since the epoch."""
    return int(identifier.rpartition("_")[2][:12], 16)
