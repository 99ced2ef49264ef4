"""Rate limits: tokens that refill with time, and places for calls at once. In memory, a fraction of a microsecond.

Each worker counts for itself; with N workers and no shared counters each enforces its share, ceil(limit / N). A limit
of 0 means none. Fails open by design: a rate limit protects capacity, money is protected elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_MAX_NAMES = 100_000
_MINUTE = 60.0
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
    """A full minute's worth at most; refills steadily."""

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
        self.level = min(float(limit), self.level + (now - self.at) * limit / _MINUTE)
        self.at = now
        # A call larger than a whole minute's worth goes through on a full bucket, else it never could.
        missing = min(amount, float(limit)) - self.level
        return 0.0 if missing <= _ROUNDING else missing * _MINUTE / limit


class MemoryCounters:
    """Counters of one worker."""

    __slots__ = ("_buckets", "_clock", "_inside", "_workers")

    def __init__(self, monotonic: Callable[[], float], workers: int = 1) -> None:
        self._clock = monotonic
        self._workers = workers
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._inside: dict[str, int] = {}

    def _share(self, limit: int) -> int:
        return -(-limit // self._workers)

    def _bucket(self, name: str, kind: str, limit: int, now: float) -> _Bucket:
        place = (name, kind)
        bucket = self._buckets.get(place)
        if bucket is None:
            if len(self._buckets) >= _MAX_NAMES:
                self._buckets.clear()
            bucket = self._buckets[place] = _Bucket(limit, now)
        return bucket

    def enter(self, name: str, limits: Limits, tokens: int) -> Over | None:
        """Count one call in, all limits or none; says which limit refuses it."""
        now = self._clock()
        inside = self._inside.get(name, 0)
        if limits.concurrency and inside >= self._share(limits.concurrency):
            return Over("calls at once", limits.concurrency, 1.0)
        taken: list[tuple[_Bucket, float]] = []
        for kind, limit, amount in (
            ("requests per minute", limits.rpm, 1.0),
            ("tokens per minute", limits.tpm, float(tokens)),
        ):
            if limit:
                bucket = self._bucket(name, kind, self._share(limit), now)
                wait = bucket.wait(amount, self._share(limit), now)
                if wait:
                    return Over(kind, limit, wait)
                taken.append((bucket, amount))
        for bucket, amount in taken:
            bucket.level -= amount
        self._inside[name] = inside + 1
        return None

    def leave(self, name: str) -> None:
        """Give a call's place back."""
        inside = self._inside.get(name, 0) - 1
        if inside > 0:
            self._inside[name] = inside
        else:
            self._inside.pop(name, None)

    def adjust(self, name: str, tokens: int) -> None:
        """Correct the tokens that a call was counted with by the difference to what it used."""
        bucket = self._buckets.get((name, "tokens per minute"))
        if bucket is not None:
            bucket.level = min(bucket.level - tokens, float(bucket.limit))
