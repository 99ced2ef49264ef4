"""What a stream's plain text events have in common, so that most of them are neither parsed nor written anew. Pure.

Nearly every event of a stream is the one before it with another text in it. Where an event was read as one piece of
text and nothing else, its *mould* is what stands before and after the text. A later event in the same mould whose text
is a JSON string, by the judgement of the JSON reader, is the same event with that text: what surrounds it was parsed
before, byte for byte. The same holds for what is written. Whatever is not sure has no mould and takes the long way.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import orjson

_FEWEST = 3  # bytes of a text that is not empty, with its quotes


class Mould(NamedTuple):
    """The bytes before and after the text of an event."""

    before: bytes
    after: bytes


@lru_cache(maxsize=16)
def _member(name: str) -> tuple[bytes, re.Pattern[bytes]]:
    """Return a member's name as it stands in JSON, and what finds the member with the text in it."""
    quoted = f'"{name}"'.encode()
    return quoted, re.compile(rb'[{,]\s*%b\s*:\s*("(?:[^"\\\x00-\x1f]|\\.)*")' % re.escape(quoted))


def mould_of(event: bytes, text: str, name: str = "content") -> Mould | None:
    """Return the mould of an event that was read as a delta of this text, named so, alone; None where it is not sure.

    A quote behind a brace or a comma opens a name: inside of a string it would have ended that string, and a word
    behind it is no JSON. A name that stands once, with no escape anywhere else, is the only member of that name.
    """
    quoted, member = _member(name)
    if event.count(quoted) != 1:
        return None
    found = member.search(event)
    if found is None:
        return None
    start, end = found.span(1)
    before, after = event[:start], event[end:]
    if b"\\" in before or b"\\" in after:
        return None
    try:
        if orjson.loads(event[start:end]) != text:
            return None
    except orjson.JSONDecodeError:
        return None
    return Mould(before, after)


def text_in(mould: Mould, event: bytes) -> str | None:
    """Return the text of an event of this mould; None for any other event, and for one whose text is empty."""
    before, after = mould
    if len(event) < len(before) + len(after) + _FEWEST or not event.startswith(before) or not event.endswith(after):
        return None
    try:
        text = orjson.loads(event[len(before) : -len(after)])
    except orjson.JSONDecodeError:
        return None
    return text if type(text) is str and text else None
