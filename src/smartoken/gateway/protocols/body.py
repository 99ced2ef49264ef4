"""Turn the bytes of a request body into a JSON object that is safe to walk. Pure.

Promises: what comes back is a ``dict`` of at most 64 levels and 200,000 nodes, valid UTF-8, without NaN or Infinity
(orjson refuses both, and numbers beyond the range of a double), and without a second ``model`` or output limit hiding
behind the first. Everything else raises ``InvalidRequestError`` that says what is wrong.
"""

import json
import re
from typing import Any

import orjson

from smartoken.errors import InvalidRequestError
from smartoken.providers.read_json import levels

MAX_DEPTH = 64
MAX_NODES = 200_000
_UNUSUAL_COMMAS = 2_000  # from here on the exact count of nodes is worth its price
_ONCE = ("model", "messages", "stream", "max_tokens", "max_completion_tokens", "n")
_QUOTED = {name: f'"{name}"'.encode() for name in _ONCE}
_ANY_QUOTED = re.compile(b"|".join(_QUOTED.values()))
_ESCAPED_LETTER = re.compile(rb"\\u00(?:5[fF]|6[1-9a-fA-F]|7[0-9aA])")  # no writer escapes a-z or _
_LARGE = 16 * 1024  # bytes; from here on walking the values is cheaper than counting bytes


def _refuse_duplicates(raw: bytes) -> None:
    """Read again with a reader that sees every member, and refuse a decisive field that stands twice."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        return {f"{index}\0{name}": value for index, (name, value) in enumerate(members)}

    top = json.loads(raw, object_pairs_hook=pairs)
    names = [name.partition("\0")[2] for name in top]
    for name in _ONCE:
        if names.count(name) > 1:
            raise InvalidRequestError(f"`{name}` stands twice in the body; send it once.", param=name)


def _walk(value: Any) -> None:
    """Refuse a body that is too deep or too large."""
    below = -1  # the body itself is no value of it
    for depth, level in enumerate(levels(value), 1):
        if depth > MAX_DEPTH:
            raise InvalidRequestError(f"The body is nested more than {MAX_DEPTH} levels deep.")
        below += len(level)
        if below > MAX_NODES:
            raise InvalidRequestError(f"The body has more than {MAX_NODES} values.")


def read_object(raw: bytes) -> dict[str, Any]:
    """Parse and check a body.

    Raises:
        InvalidRequestError: not JSON, not an object, too deep, too large, or a decisive field stands twice.

    """
    if not raw:
        raise InvalidRequestError("The body is empty; send a JSON object.")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"The body is not valid JSON: {str(error)[:200]}.") from None
    if not isinstance(body, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    if _may_be_unusual(raw):
        _walk(body)
    if _may_repeat(raw, body):
        _refuse_duplicates(raw)
    return body


def _may_be_unusual(raw: bytes) -> bool:
    """Whether a body is worth a walk; in a small one counting brackets is a hundred times cheaper."""
    if len(raw) > _LARGE or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return True
    return len(raw) > _UNUSUAL_COMMAS and raw.count(b",") > _UNUSUAL_COMMAS


def _may_repeat(raw: bytes, body: dict[str, Any]) -> bool:
    """Whether the quoted name of a decisive field stands twice somewhere, be it inside of something else."""
    if orjson.dumps(body) == raw:
        return False  # as most SDKs write it: what is read from it is all that there is
    if b"\\u00" in raw and _ESCAPED_LETTER.search(raw) is not None:
        return True  # a name may be spelled in more than one way
    names = _ANY_QUOTED.findall(raw)
    return len(names) > len(set(names))
