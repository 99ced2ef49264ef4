"""When a second attempt is started beside the first, and what all of them may add. Pure: times are handed in.

The wait is the time within which the offer spoke in 95 of its last 100 calls; before it was seen often enough, the
route's own figure. The allowance is strict and in money, since the calls that are slow are often those that are long:
second attempts never come to more than their percentage of what the calls of the model so far could cost at most. A
quiet time saves up a few at most.
"""

from collections import deque

LEAST_SEEN, KEPT = 20, 100  # times to first content of an offer
PERCENTILE = 95
IN_HAND = 10  # second attempts of calls like the last one that may be saved up
_WHOLE = 100


class Hedges:
    """What one worker knows of the offers and models whose routes hedge."""

    __slots__ = ("_earned", "_times")

    def __init__(self) -> None:
        self._times: dict[str, deque[int]] = {}  # offer -> milliseconds
        self._earned: dict[str, int] = {}  # model -> hundredths of nano-USD

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

    def earn(self, model: str, percent: int, worth: int) -> None:
        """Note a call that can cost ``worth`` at most, of a model whose route lets so much be added by second ones."""
        earned = self._earned.get(model, 0)
        most = max(earned, worth * _WHOLE * IN_HAND)
        self._earned[model] = min(earned + percent * worth, most)

    def spend(self, model: str, worth: int) -> bool:
        """Take the allowance for a second attempt that can cost so much; false when it does not cover that."""
        earned = self._earned.get(model, 0)
        if earned < worth * _WHOLE:
            return False
        self._earned[model] = earned - worth * _WHOLE
        return True

    def give_back(self, model: str, worth: int) -> None:
        """Note that the second attempt was not started after all."""
        self._earned[model] = self._earned.get(model, 0) + worth * _WHOLE
