"""A clock that a test moves by hand."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until it is moved; wall clock and monotonic clock move together."""

    def __init__(self, start: datetime = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = timedelta()

    def advance(self, seconds: float = 0, **parts: float) -> None:
        """Move forward: ``advance(5)``, ``advance(hours=2)``."""
        self._elapsed += timedelta(seconds=seconds, **parts)

    def now(self) -> datetime:
        """The wall clock as aware UTC."""
        return self._start + self._elapsed

    def now_ns(self) -> int:
        """The wall clock in nanoseconds since the epoch."""
        return self.now_ms() * 1_000_000

    def now_ms(self) -> int:
        """The wall clock in milliseconds since the epoch."""
        return (self.now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    def monotonic(self) -> float:
        """Seconds since the clock was made, and a thousand."""
        return 1000 + self._elapsed.total_seconds()
