"""What rested in the last day: transitions of breakers as spans, for the status page and its feed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_OPEN, _CLOSED = "open", "closed"


@dataclass(frozen=True, slots=True)
class Span:
    """A time during which a route was not tried. ``end_ms`` None: it rests now; ``seen`` False: not tried since."""

    offer: str  # "": the key at every offer
    key: str
    begin_ms: int
    end_ms: int | None
    cause: str
    rests: int  # how often it was tried in between and rested again
    seen: bool = True


def spans(events: Iterable[Mapping[str, Any]], now_ms: int) -> list[Span]:
    """Return spans from the transitions that workers told each other, newest first.

    Workers take each other's rests over, so of several that say the same one span is made. A rest that ran out without
    any call since has ended, but nobody has seen that the route is well.
    """
    under_way: dict[tuple[str, str], tuple[Span, int]] = {}  # and until when it rests
    found: list[Span] = []
    for each in sorted(events, key=lambda event: int(event["created_ms"])):
        place = (each["offer"], each["key_id"])
        at_ms, until = int(each["created_ms"]), int(each["created_ms"]) + int(each["wait_ms"])
        held = under_way.get(place)
        if each["state"] == _OPEN:
            if held is None:
                under_way[place] = (Span(*place, at_ms, None, each["cause"], 1), until)
            else:
                more = int(at_ms >= held[1])
                under_way[place] = (replace(held[0], cause=each["cause"], rests=held[0].rests + more), until)
        elif each["state"] == _CLOSED and held is not None:
            found.append(replace(held[0], end_ms=at_ms))
            del under_way[place]
    for span, until in under_way.values():
        found.append(span if until > now_ms else replace(span, end_ms=until, seen=False))
    return sorted(found, key=lambda span: (-span.begin_ms, span.offer, span.key))
