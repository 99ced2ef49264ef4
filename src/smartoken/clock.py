"""Time handed in, never fetched: the protocol that every part takes, and the real one.

``now`` is aware UTC for records; ``now_ns`` is the same instant as an integer of nanoseconds since the epoch;
``monotonic`` is for durations and deadlines.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a part may ask about time."""

    def now(self) -> datetime:
        """Return the wall clock as aware UTC."""

    def now_ns(self) -> int:
        """Return the wall clock in nanoseconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds that never step back."""


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now(self) -> datetime:
        """Return the wall clock as aware UTC."""
        return datetime.now(UTC)

    def now_ns(self) -> int:
        """Return the wall clock in nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return time.monotonic()
