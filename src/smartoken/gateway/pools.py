"""The upstream keys of one worker: which may be used now, what rests, how much is under way, whose turn it is.

One a worker, over the pure ``routing.breakers``; it adds the clock, the keys of the set-up and their limits. Where a
vendor counts concurrency by account, the keys of one provider share theirs.
"""

from collections.abc import Mapping
from typing import NamedTuple

from smartoken.clock import Clock
from smartoken.operations.served import ServedModel, ServedOffer
from smartoken.providers.registry import dialect
from smartoken.providers.setup import UpstreamKey
from smartoken.routing.breakers import UNLIMITED, Breakers, Limits
from smartoken.routing.routes import Options, View
from smartoken.routing.strategies import Share, Turns

_BUSY_S = 1.0  # when to look again at an offer with too much under way
Picked = UpstreamKey | float | None  # a key, or the seconds until one may be used (None: until a person acts)


def limits_of(offer: ServedOffer, key: UpstreamKey) -> Limits:
    """Return what one key may carry."""
    if not (key.rpm or key.concurrency):
        return UNLIMITED
    shared = dialect(offer.provider.dialect).keys_share_concurrency
    return Limits(key.rpm, key.concurrency, offer.provider.id if shared else "")


class Fares(NamedTuple):
    """How the offers of one model fare right now."""

    pools: "Pools"
    offers: Mapping[str, ServedOffer]
    bound: int

    def wait_s(self, offer: str) -> float | None:
        """Return 0 if a key may be used now, else the seconds until then."""
        served = self.offers.get(offer)
        picked = self.pools.pick_key(served, self.bound) if served is not None else None
        return 0.0 if isinstance(picked, UpstreamKey) else picked

    def last_resort(self, offer: str) -> bool:
        """Whether it rests for failures of the provider alone."""
        served = self.offers.get(offer)
        return served is not None and self.pools.anyway(served, self.bound) is not None

    def ttft_ms(self, offer: str) -> float | None:
        """Return the running mean of the time to first token."""
        return self.pools.breakers.ttft_ms(offer)


class Pools:
    """Picks keys and remembers how they fared."""

    __slots__ = ("_clock", "breakers", "turns")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.breakers = Breakers()
        self.turns = Turns()

    def turn(self, shares: tuple[Share, ...]) -> int:
        """Return the number of a tier's turn."""
        return self.turns.take(shares)

    def view(self, model: ServedModel, options: Options) -> View:
        """Return how the offers of a model fare."""
        return Fares(self, {each.offer.id: each for each in model.offers}, options.max_in_flight)

    def pick_key(self, offer: ServedOffer, bound: int = 0) -> Picked:
        """Return the first key of the offer's provider that may be used, else the seconds until one may be."""
        breakers, name = self.breakers, offer.offer.id
        if breakers.full(name, bound):
            return _BUSY_S
        now = self._clock.monotonic()
        shortest: float | None = None
        for key in offer.provider.keys:
            limits = limits_of(offer, key) if key.rpm or key.concurrency else UNLIMITED
            wait = breakers.wait(name, key.id, now, limits)
            if wait <= 0:
                return key
            if shortest is None or wait < shortest:
                shortest = wait
        return shortest

    def anyway(self, offer: ServedOffer, bound: int = 0) -> UpstreamKey | None:
        """Return the key to try when everything rests: one that rests for failures of the provider alone."""
        breakers, name = self.breakers, offer.offer.id
        if breakers.full(name, bound):
            return None
        now = self._clock.monotonic()
        able = [
            key
            for key in offer.provider.keys
            if not breakers.hard(name, key.id, now) and breakers.has_room(key.id, now, limits_of(offer, key))
        ]
        return min(able, key=lambda each: breakers.wait(name, each.id, now), default=None)

    def begin(self, offer: ServedOffer, key: UpstreamKey) -> None:
        """Note that an attempt begins."""
        limits = limits_of(offer, key) if key.rpm or key.concurrency else UNLIMITED
        self.breakers.begin(offer.offer.id, key.id, self._clock.monotonic(), limits)

    def end(self, offer: ServedOffer, key: UpstreamKey) -> None:
        """Note that an attempt is over."""
        limits = limits_of(offer, key) if key.rpm or key.concurrency else UNLIMITED
        self.breakers.end(offer.offer.id, key.id, limits)
