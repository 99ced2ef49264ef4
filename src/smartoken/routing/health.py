"""Which upstream keys rest, and until when. Pure: times are handed in, nothing is probed.

A failure that is about a key (no money, wrong key, its own rate limit) rests that key everywhere; one about a key and
a model rests only the pair. Recovery is passive: when the time is over the next real call tries again, and a second
failure doubles the rest up to a ceiling.
"""

from dataclasses import dataclass

from smartoken.errors import FailureClass

_CEILING_S = 900.0
# Seconds of the first rest, for failures that rest the whole key. Retry-After, where sent, replaces them.
_KEY_REST_S = {
    FailureClass.KEY_BROKE: 60.0,
    FailureClass.KEY_INVALID: 60.0,
    FailureClass.OWN_RATE_LIMIT: 5.0,
    FailureClass.RAMP_TOO_FAST: 3.0,
    FailureClass.WINDOW_USED_UP: 600.0,
}
_PAIR_REST_S = {FailureClass.KEY_LACKS_MODEL: 600.0}


@dataclass(slots=True)
class _Rest:
    until: float
    length: float
    kind: FailureClass


class Health:
    """The rests of all upstream keys that this worker knows of."""

    __slots__ = ("_rests",)

    def __init__(self) -> None:
        self._rests: dict[tuple[str, str], _Rest] = {}

    def wait(self, offer: str, key: str, now: float) -> float:
        """Return the seconds until this key may be used for this offer; 0 if it may be now."""
        if not self._rests:
            return 0.0
        longest = 0.0
        for place in (("", key), (offer, key)):
            rest = self._rests.get(place)
            if rest is not None:
                longest = max(longest, rest.until - now)
        return longest

    def failed(self, place: tuple[str, str], kind: FailureClass, now: float, retry_after_s: float | None) -> None:
        """Note a failure of ``place`` = (offer, key)."""
        offer, key = place
        if kind in _KEY_REST_S:
            where, first = ("", key), _KEY_REST_S[kind]
        elif kind in _PAIR_REST_S:
            where, first = (offer, key), _PAIR_REST_S[kind]
        else:
            return
        before = self._rests.get(where)
        length = first if before is None else min(before.length * 2, _CEILING_S)
        if retry_after_s is not None:
            length = min(max(retry_after_s, 0.5), _CEILING_S)
        self._rests[where] = _Rest(now + length, max(length, first), kind)

    def succeeded(self, offer: str, key: str) -> None:
        """Note an answer: the key is well."""
        if self._rests:
            self._rests.pop(("", key), None)
            self._rests.pop((offer, key), None)

    def forget(self) -> None:
        """Let every key be tried again at once, as after an operator mended something."""
        self._rests.clear()
