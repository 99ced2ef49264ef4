"""A streaming answer and its money: counted as it grows, checkpointed, and ended before it outgrows what is held.

Counting errs upward between two estimates (a character is at most a token), so an answer never passes its hold
unnoticed; an estimate is made only when the rough figure comes near it.
"""

from smartoken.billing.bound import ignores_limit, must_stop, safe_below, wants_more
from smartoken.gateway.call import Call
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.meter import Meter
from smartoken.gateway.till import Held, Till

CHECKPOINT_TOKENS = 20
CHECKPOINT_S = 1.0


class Purse:
    """What one streaming call may still spend."""

    __slots__ = ("_call", "_checked_at", "_checked_pieces", "_held", "_logbook", "_safe_below", "_till")

    def __init__(self, call: Call, held: Held, till: Till, logbook: Logbook) -> None:
        self._call = call
        self._held = held
        self._till = till
        self._logbook = logbook
        self._checked_pieces = 0
        self._checked_at = 0.0
        self._safe_below = 0  # counts below it want no more, as far as the hold reached when it was worked out

    def plainly_covers(self, meter: Meter, now: float) -> bool:
        """Whether the hold is far from its end, by figures that cost nothing; notes a checkpoint in time."""
        self.check(meter, now)
        most = meter.most_tokens
        if most < self._safe_below:
            return True
        held, choices = self._held, self._call.request.n
        if most >= held.tokens or wants_more(held.plan, held.tokens, most, choices):
            return False
        self._safe_below = min(held.tokens, safe_below(held.plan, held.tokens, choices))
        return True

    def surely_covers(self, meter: Meter, text: str) -> bool:
        """Whether the hold is far from its end also with one more text; false where that takes a closer look."""
        return meter.most_tokens + 3 * len(text) < self._safe_below

    def check(self, meter: Meter, now: float) -> None:
        """Note a checkpoint in time."""
        pieces = meter.pieces
        if pieces - self._checked_pieces >= CHECKPOINT_TOKENS or now - self._checked_at >= CHECKPOINT_S:
            self._checked_pieces, self._checked_at = pieces, now
            self._logbook.progress(self._call.id, pieces, self._held)

    async def covers(self, meter: Meter) -> bool:
        """Whether the answer may go on, by a closer count; grows the hold when it comes near its end."""
        held, choices = self._held, self._call.request.n
        counted = meter.counted_tokens()
        # An estimate of digits or hexadecimal text can be twice the truth: an honest answer is never cut on its word.
        if ignores_limit(held.plan, max(meter.pieces, counted // 2), choices):
            return False
        if not held.exhausted and wants_more(held.plan, held.tokens, counted, choices):
            await self._till.grow(held, self._call)
        return not (held.exhausted and must_stop(held.plan, held.tokens, counted, choices))
