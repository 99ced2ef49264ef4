"""JSON of an upstream, read so that it can be written again. Pure.

The reader takes a thousand levels, the writer gives up before three hundred: what is nested that deeply would be
passed on and fail behind the point where another offer could have answered. No honest answer is half as deep.
"""

from collections.abc import Iterator
from typing import Any

import orjson

MAX_DEPTH = 64


def levels(value: Any) -> Iterator[list[Any]]:
    """Yield the values of a document level by level, itself first, without recursion."""
    level = [value]
    while level:
        yield level
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        level = below


def too_deep(raw: bytes, value: Any) -> bool:
    """Whether ``value``, read from ``raw``, has more than 64 levels; two counts of bytes settle it for most."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    return any(depth > MAX_DEPTH for depth, _ in enumerate(levels(value), 1))


def read_json(raw: bytes) -> Any:
    """Parse.

    Raises:
        orjson.JSONDecodeError: it is no JSON, or nested too deeply.

    """
    value = orjson.loads(raw)
    if too_deep(raw, value):
        raise orjson.JSONDecodeError(f"nested more than {MAX_DEPTH} levels deep", "", 0)
    return value
