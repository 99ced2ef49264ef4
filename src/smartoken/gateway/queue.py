"""What is tried next after a failure: another key of the same offer, the same offer again, the next one, or nothing.

A call that is answered at once costs nothing here. A second try of the same offer is a retry: at most as many as the
route allows, after a pause that grows and is drawn by chance within it, and only while the worker's budget of retries
lasts (one for every ten calls, and a few in hand), so that a provider in trouble is not met with twice the load.
"""

from collections import deque
from collections.abc import Iterator
from random import random

from smartoken.gateway.call import Plan, Target
from smartoken.gateway.pools import Pools
from smartoken.providers.failures import Failure
from smartoken.providers.setup import UpstreamKey
from smartoken.routing.reactions import KEY_STATES, MAY_RECOVER, Action, Left, Position, react

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
RETRIES_A_CALL, RETRIES_IN_HAND = 0.1, 10.0


class Retries:
    """A worker's budget of retries."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = RETRIES_IN_HAND

    def earn(self) -> None:
        """Note a call."""
        if self._left < RETRIES_IN_HAND:
            self._left += RETRIES_A_CALL

    def spend(self) -> bool:
        """Take one retry; false when none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Queue:
    """The targets of one call, the next one first."""

    __slots__ = ("_again", "_attempts", "_plan", "_pools", "_repeated", "_retries", "_waiting")

    def __init__(self, plan: Plan, pools: Pools, retries: Retries) -> None:
        self._plan = plan
        self._pools = pools
        self._retries = retries
        self._waiting = deque(plan.targets)
        self._attempts = 0
        self._repeated = 0
        self._again: Target | None = None
        retries.earn()

    def __iter__(self) -> Iterator[Target]:
        """Yield targets until none is left; each is looked at anew where time may have passed since it was planned.

        Between the plan and the first attempt lies the hold of money, during which others may have filled a key.
        """
        while True:
            if self._again is not None:
                target, self._again = self._again, None
            elif self._waiting:
                target = self._waiting.popleft()
                if self._attempts or target.key.rpm or target.key.concurrency:
                    key = self._pools.pick_key(target.offer, self._plan.options.max_in_flight)
                    if isinstance(key, UpstreamKey):
                        target = target if key is target.key else target._replace(key=key)
                    elif self._waiting:
                        continue  # it rests by now, and another is left
            else:
                return
            self._attempts += 1
            yield target

    def beside(self) -> Target | None:
        """Take the next target that may be used now, for an attempt beside the one under way; None if there is none."""
        for place, target in enumerate(() if self.used_up else self._waiting):
            key = self._pools.pick_key(target.offer, self._plan.options.max_in_flight)
            if isinstance(key, UpstreamKey):
                del self._waiting[place]
                self._attempts += 1
                return target._replace(key=key)
        return None

    def put_back(self, target: Target) -> None:
        """Take back a target that was not tried after all."""
        self._attempts -= 1
        self._waiting.appendleft(target)

    @property
    def used_up(self) -> bool:
        """Whether as many attempts were made as the route allows."""
        return self._attempts >= self._plan.options.max_attempts

    def failed(self, target: Target, failure: Failure) -> float | None:
        """Return the pause before the next attempt; None when no other may be made."""
        options = self._plan.options
        if self._attempts >= options.max_attempts:
            return None
        other = self._other_key(target, failure)
        left = Left.OFFERS if other is not None or self._waiting else Left.NOTHING
        reaction = react(failure.kind, Position.BEFORE_CONTENT, left, next_after_refusal=options.next_after_refusal)
        if reaction.action is Action.TELL:
            return None
        if other is not None:
            self._again = target._replace(key=other, why="another key of the same provider")
            return 0.0
        if self._waiting:
            return 0.0
        if failure.kind in MAY_RECOVER and self._repeated < options.retries and self._retries.spend():
            self._repeated += 1
            self._again = target._replace(why=f"retry {self._repeated} of the same offer")
            longest: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._repeated)
            pause = longest * (0.5 + random() / 2)  # noqa: S311 - jitter is no secret
            return max(pause, min(failure.retry_after_s or 0.0, LONGEST_PAUSE_S))
        return None

    def _other_key(self, target: Target, failure: Failure) -> UpstreamKey | None:
        """Return another key of the same offer, when the failure was the key's alone."""
        if failure.kind not in KEY_STATES or len(target.offer.provider.keys) == 1:
            return None
        key = self._pools.pick_key(target.offer, self._plan.options.max_in_flight)
        return key if isinstance(key, UpstreamKey) and key is not target.key else None
