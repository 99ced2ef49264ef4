"""When a second attempt is started beside the first, and how many there may be. Pure: times are handed in.

The wait is the time within which the offer spoke in 95 of its last 100 calls; before it was seen often enough, the
route's own figure. The allowance is strict: of the calls of a model so far, never more than its percentage had a second
attempt, and a quiet hour saves up a few at most.
"""

from collections import deque

LEAST_SEEN, KEPT = 20, 100  # times to first content of an offer
PERCENTILE = 95
IN_HAND = 10  # second attempts that may be saved up
_WHOLE = 100


class Hedges:
    """What one worker knows of the offers and models whose routes hedge."""

    __slots__ = ("_earned", "_times")

    def __init__(self) -> None:
        self._times: dict[str, deque[int]] = {}  # offer -> milliseconds
        self._earned: dict[str, int] = {}  # model -> hundredths of a second attempt

    def note(self, offer: str, ttft_ms: int) -> None:
        """Note when an offer spoke first; of one that was cancelled, how long it had been silent."""
        times = self._times.get(offer)
        if times is None:
            times = self._times[offer] = deque(maxlen=KEPT)
        times.append(ttft_ms)

    def after_ms(self, offer: str, usual_ms: int) -> int:
        """Return how long to wait for an offer's first content; ``usual_ms`` while too little was seen of it."""
        times = self._times.get(offer)
        if times is None or len(times) < LEAST_SEEN:
            return usual_ms
        rank = -(-len(times) * PERCENTILE // _WHOLE)
        return sorted(times)[rank - 1]

    def earn(self, model: str, percent: int) -> None:
        """Note a call of a model whose route lets so many of them have a second attempt."""
        self._earned[model] = min(self._earned.get(model, 0) + percent, _WHOLE * IN_HAND)

    def spend(self, model: str) -> bool:
        """Take the allowance for a second attempt; false when it does not cover one."""
        earned = self._earned.get(model, 0)
        if earned < _WHOLE:
            return False
        self._earned[model] = earned - _WHOLE
        return True

    def give_back(self, model: str) -> None:
        """Note that the second attempt was not started after all."""
        self.earn(model, _WHOLE)
