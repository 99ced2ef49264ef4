"""Which upstream keys and offers rest, until when, and how much is under way. Pure: times are handed in.

Nothing is ever probed: when a rest is over, the next real call is the trial (half open), one at a time; it closes the
breaker or opens it for twice as long, up to a ceiling. A failure that is about a key (no money, wrong key, its own
rate limit) rests the key for every offer; one about a key and a model rests the pair at once; one of the provider
rests the pair after ``TRIP_FAILURES`` of the last ``WINDOW`` attempts failed. Retry-After is honoured. Every change
of state is a ``Transition`` that other workers take over.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from smartoken.errors import FailureClass
from smartoken.routing.reactions import KEY_STATES, KeyState, counts_against
from smartoken.routing.strategies import LATENCY_ALPHA

CEILING_S = 900.0
OPEN_S, OPEN_CEILING_S = 5.0, 300.0  # of a breaker that opened because attempts failed
TRIP_FAILURES, WINDOW = 5, 10
TRIAL_S = 120.0  # a trial that was never heard of again frees its place
IN_FLIGHT = 1_024  # calls under way at one offer in one worker, unless its route says otherwise
MINUTE_S = 60.0
# Seconds of the first rest, for failures that rest at once. Retry-After, where sent, replaces them.
FIRST_REST_S = {
    FailureClass.KEY_BROKE: 60.0,
    FailureClass.KEY_INVALID: 60.0,
    FailureClass.KEY_LACKS_MODEL: 600.0,
    FailureClass.OWN_RATE_LIMIT: 5.0,
    FailureClass.RAMP_TOO_FAST: 3.0,
    FailureClass.WINDOW_USED_UP: 600.0,
}
Pair = tuple[str, str]  # (offer, key); the offer is "" for a key at every offer


class State(StrEnum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Transition(NamedTuple):
    """A breaker's change of state; ``wait_s`` is how long it stays open."""

    offer: str  # "": the key at every offer
    key: str
    state: State
    cause: str
    wait_s: float


class Limits(NamedTuple):
    """What one key may carry; 0 means no limit. Keys of one ``group`` share their concurrency."""

    rpm: int = 0
    concurrency: int = 0
    group: str = ""


UNLIMITED = Limits()


@dataclass(slots=True)
class _Rest:
    until: float
    length: float
    kind: FailureClass
    since: float
    trial: float | None = None  # when the trial began that is under way

    def wait(self, now: float) -> float:
        if self.until > now:
            return self.until - now
        if self.trial is not None and now - self.trial < TRIAL_S:
            return 1.0  # one real call is finding out
        return 0.0


class Row(NamedTuple):
    """A rest as it is shown."""

    offer: str
    key: str
    state: State
    cause: str
    key_state: KeyState
    wait_s: float


class Breakers:
    """The state of every offer and key as one worker knows it."""

    __slots__ = ("_fails", "_flying", "_minutes", "_rests", "_shared", "_ttft", "told")

    def __init__(self, told: Callable[[Transition], None] | None = None) -> None:
        self._rests: dict[Pair, _Rest] = {}
        self._fails: dict[Pair, list[bool]] = {}
        self._flying: dict[str, int] = {}  # by offer
        self._shared: dict[str, int] = {}  # by group or key
        self._minutes: dict[str, tuple[float, int]] = {}  # key -> (start of its minute, calls)
        self._ttft: dict[str, float] = {}
        self.told = told

    def wait(self, offer: str, key: str, now: float, limits: Limits = UNLIMITED) -> float:
        """Return the seconds until this key may be used for this offer; 0 if it may be now."""
        longest = 0.0
        if self._rests:
            for place in (("", key), (offer, key)):
                rest = self._rests.get(place)
                if rest is not None:
                    longest = max(longest, rest.wait(now))
        return longest if limits is UNLIMITED else max(longest, self._room_in_s(key, now, limits))

    def _room_in_s(self, key: str, now: float, limits: Limits) -> float:
        if limits.rpm:
            started, calls = self._minutes.get(key, (now, 0))
            if calls >= limits.rpm and now - started < MINUTE_S:
                return started + MINUTE_S - now
        full = limits.concurrency and self._shared.get(limits.group or key, 0) >= limits.concurrency
        return 1.0 if full else 0.0

    def has_room(self, key: str, now: float, limits: Limits) -> bool:
        """Whether a key is below its own limits."""
        return self._room_in_s(key, now, limits) <= 0

    def hard(self, offer: str, key: str, now: float) -> bool:
        """Whether the key itself is at fault, so that not even as a last resort may it be tried."""
        for place in (("", key), (offer, key)):
            rest = self._rests.get(place)
            if rest is not None and rest.wait(now) > 0 and rest.kind in FIRST_REST_S:
                return True
        return False

    def full(self, offer: str, bound: int = 0) -> bool:
        """Whether so much is under way at an offer that one more call would only wait."""
        return self._flying.get(offer, 0) >= (bound or IN_FLIGHT)

    def begin(self, offer: str, key: str, now: float, limits: Limits = UNLIMITED) -> None:
        """Note that an attempt begins; where a rest is over, it is the trial."""
        self._flying[offer] = self._flying.get(offer, 0) + 1
        if limits is not UNLIMITED:
            group = limits.group or key
            self._shared[group] = self._shared.get(group, 0) + 1
            started, calls = self._minutes.get(key, (now, 0))
            self._minutes[key] = (now, 1) if now - started >= MINUTE_S else (started, calls + 1)
        if self._rests:
            for place in (("", key), (offer, key)):
                rest = self._rests.get(place)
                if rest is not None and rest.until <= now and rest.trial is None:
                    rest.trial = now
                    self._tell(Transition(*place, State.HALF_OPEN, rest.kind.value, 0.0))

    def end(self, offer: str, key: str, limits: Limits = UNLIMITED) -> None:
        """Note that an attempt is over, however it ended."""
        self._flying[offer] = max(0, self._flying.get(offer, 0) - 1)
        if limits is not UNLIMITED:
            group = limits.group or key
            self._shared[group] = max(0, self._shared.get(group, 0) - 1)

    def failed(self, place: Pair, kind: FailureClass, now: float, retry_after_s: float | None) -> None:
        """Note a failure of ``place`` = (offer, key)."""
        if kind in FIRST_REST_S:
            whole_key = kind is not FailureClass.KEY_LACKS_MODEL
            self._rest(
                ("", place[1]) if whole_key else place, kind, now, (FIRST_REST_S[kind], CEILING_S, retry_after_s)
            )
            return
        if not counts_against(kind):
            self.abandoned(place)
            return
        before = self._rests.get(place)
        results = self._fails.setdefault(place, [])
        results.append(False)
        del results[:-WINDOW]
        if before is not None or results.count(False) >= TRIP_FAILURES or retry_after_s is not None:
            if before is None or before.until <= now:
                self._rest(place, kind, now, (OPEN_S, OPEN_CEILING_S, retry_after_s))
            results.clear()

    def abandoned(self, place: Pair) -> None:
        """Let another call be the trial: this one said nothing about the provider."""
        for where in (("", place[1]), place):
            rest = self._rests.get(where)
            if rest is not None:
                rest.trial = None

    def _rest(self, where: Pair, kind: FailureClass, now: float, lengths: tuple[float, float, float | None]) -> None:
        first, ceiling, retry_after_s = lengths
        before = self._rests.get(where)
        length = first if before is None else min(max(before.length, first) * 2, ceiling)
        if retry_after_s is not None:
            length = min(max(retry_after_s, 0.5), CEILING_S)
        self._rests[where] = _Rest(now + length, max(length, first), kind, now)
        self._tell(Transition(*where, State.OPEN, kind.value, length))

    def succeeded(self, offer: str, key: str, ttft_ms: float | None = None, began: float = math.inf) -> None:
        """Note an answer: offer and key are well, unless they rest since after the attempt ``began``.

        A long answer that was under way when its key ran out of money says nothing about that key now.
        """
        if self._fails:
            results = self._fails.get((offer, key))
            if results is not None:
                results.append(True)
                del results[:-WINDOW]
                if all(results):
                    del self._fails[offer, key]
        if self._rests:
            for place in (("", key), (offer, key)):
                rest = self._rests.get(place)
                if rest is not None and began >= rest.since:
                    del self._rests[place]
                    self._tell(Transition(*place, State.CLOSED, rest.kind.value, 0.0))
        if ttft_ms is not None:
            mean = self._ttft.get(offer)
            self._ttft[offer] = ttft_ms if mean is None else mean + LATENCY_ALPHA * (ttft_ms - mean)

    def ttft_ms(self, offer: str) -> float | None:
        """Return the running mean of an offer's time to first token."""
        return self._ttft.get(offer)

    def take_over(self, change: Transition, now: float, age_s: float = 0.0) -> None:
        """Do as another worker did ``age_s`` seconds ago; trials are each worker's own."""
        place = (change.offer, change.key)
        if change.state is State.CLOSED:
            self._rests.pop(place, None)
            self._fails.pop(place, None)
        elif change.state is State.OPEN and change.wait_s > age_s:
            known = self._rests.get(place)
            until = now + change.wait_s - age_s
            if known is None or known.until < until:
                self._rests[place] = _Rest(until, change.wait_s, FailureClass(change.cause), now - age_s)

    def _tell(self, change: Transition) -> None:
        if self.told is not None:
            self.told(change)

    def rows(self, now: float) -> list[Row]:
        """Return everything that rests or is on trial, as it is shown."""
        return [
            Row(
                offer,
                key,
                State.OPEN if rest.until > now else State.HALF_OPEN,
                rest.kind.value,
                KEY_STATES.get(rest.kind, KeyState.COOLING),
                max(0.0, rest.until - now),
            )
            for (offer, key), rest in self._rests.items()
        ]

    def forget(self) -> None:
        """Let every key be tried again at once, as after an operator mended something."""
        self._rests.clear()
        self._fails.clear()
