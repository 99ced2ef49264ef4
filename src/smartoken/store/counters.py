"""Rate limits: tokens that refill with time, and places for calls at once. In memory, about a microsecond a call.

Each worker counts for itself; with N workers and no shared counters (``store.shared_counters``) each enforces its
share, ceil(limit / N). A limit of 0 means none. Fails open by design: a rate limit protects capacity, money is
protected elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

Count = TypeVar("Count")
REQUESTS, TOKENS, PLACES = "requests per minute", "tokens per minute", "calls at once"
MAX_NAMES = 100_000
MINUTE_S = 60.0
_PLACE_WAIT_S = 1.0  # nobody knows when a call ends
_ROUNDING = 1e-9  # what repeated refills of a float may be off by


@dataclass(frozen=True, slots=True)
class Over:
    """Which limit is reached and when to come back."""

    what: str  # "requests per minute" | "tokens per minute" | "calls at once"
    limit: int
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one name; 0 means none."""

    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0


class Counters(Protocol):
    """What admission asks of the counters."""

    def enter(self, name: str, limits: Limits, tokens: int) -> Over | None:
        """Count one call in, all limits or none; says which limit refuses it."""

    def leave(self, name: str) -> None:
        """Give a call's place back."""

    def adjust(self, name: str, tokens: int) -> None:
        """Correct the tokens that a call was counted with by the difference to what it used."""


class _Bucket:
    """A minute's worth at most; refills steadily; owes at most a minute's worth, so that no name waits for hours."""

    __slots__ = ("at", "level", "limit")

    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self.level = float(limit)
        self.at = now

    def wait(self, amount: float, limit: int, now: float) -> float:
        """Refill, and return the seconds until ``amount`` is there."""
        if limit != self.limit:
            self.level = min(self.level + max(0, limit - self.limit), limit)
            self.limit = limit
        level = self.level + (now - self.at) * limit / MINUTE_S
        self.level = level = min(level, limit)
        self.at = now
        # A call larger than a whole minute's worth goes through on a full bucket, else it never could.
        missing = min(amount, limit) - level
        return 0.0 if missing <= _ROUNDING else missing * MINUTE_S / limit

    def take(self, amount: float) -> None:
        """Take what was there, or what a call turned out to need; a negative amount gives back."""
        self.level = max(-float(self.limit), min(self.level - amount, float(self.limit)))


class _Count:
    """What is counted of one name."""

    __slots__ = ("inside", "requests", "tokens")

    def __init__(self) -> None:
        self.inside = 0
        self.requests: _Bucket | None = None
        self.tokens: _Bucket | None = None


class MemoryCounters:
    """Counters of one worker."""

    __slots__ = ("_clock", "_counts", "_workers")

    def __init__(self, monotonic: Callable[[], float], workers: int = 1) -> None:
        self._clock = monotonic
        self._workers = workers
        self._counts: dict[str, _Count] = {}

    def share(self, limit: int) -> int:
        """Return this worker's part of a limit."""
        return -(-limit // self._workers)

    def enter(self, name: str, limits: Limits, tokens: int) -> Over | None:
        """Count one call in, all limits or none; says which limit refuses it."""
        count = self._counts.get(name) or self._new(name)
        if limits.concurrency and count.inside >= self.share(limits.concurrency):
            return Over(PLACES, limits.concurrency, _PLACE_WAIT_S)
        now = self._clock()
        requests = tokens_left = None
        if limits.rpm:
            limit = self.share(limits.rpm)
            requests = count.requests
            if requests is None:
                requests = count.requests = _Bucket(limit, now)
            wait = requests.wait(1, limit, now)
            if wait:
                return Over(REQUESTS, limits.rpm, wait)
        if limits.tpm:
            limit = self.share(limits.tpm)
            tokens_left = count.tokens
            if tokens_left is None:
                tokens_left = count.tokens = _Bucket(limit, now)
            wait = tokens_left.wait(tokens, limit, now)
            if wait:
                return Over(TOKENS, limits.tpm, wait)
            tokens_left.take(tokens)
        if requests is not None:
            requests.level -= 1
        count.inside += 1
        return None

    def leave(self, name: str) -> None:
        """Give a call's place back."""
        count = self._counts.get(name)
        if count is not None and count.inside:
            count.inside -= 1

    def adjust(self, name: str, tokens: int) -> None:
        """Correct the tokens that a call was counted with by the difference to what it used."""
        count = self._counts.get(name)
        if count is not None and count.tokens is not None:
            count.tokens.take(tokens)

    def _new(self, name: str) -> _Count:
        if len(self._counts) >= MAX_NAMES:
            forget_idle(self._counts, lambda count: count.inside == 0)
        count = self._counts[name] = _Count()
        return count


def forget_idle(counts: dict[str, Count], idle: Callable[[Count], bool]) -> None:
    """Drop the tenth that was counted first and has no call under way, so that memory stays bounded."""
    old = [name for name, count in islice(counts.items(), MAX_NAMES // 10) if idle(count)]
    for name in old:
        del counts[name]
