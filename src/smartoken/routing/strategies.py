"""How the offers of one tier are ordered: shares, lowest price, lowest latency, sticky. Pure.

Every order comes with a score and its reason, so that a decision can be read. The weights are published in
docs/routing.md; a test reads them there.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import gcd, log
from typing import NamedTuple

INPUT_WEIGHT, OUTPUT_WEIGHT = 3, 1  # of the blended cost of a token
LATENCY_ALPHA = 0.2  # weight of the newest time to first token in the running mean
NEAR_PERCENT = 20  # latencies this close to the best count as equal, and shares decide between them
EXPLORE_EVERY = 20  # one turn in so many goes by shares, so that no figure grows old
_HASH_BYTES = 8
_HASH_SPAN = float(1 << (8 * _HASH_BYTES))


class Share(NamedTuple):
    """An offer's part of a tier, in percent of its calls."""

    offer: str
    percent: int


class Scored(NamedTuple):
    """An offer with what put it in its place; lower scores come first."""

    offer: str
    score: float
    why: str


# Counts the turns of a set of shares: the number of this one, from 0.
Turner = Callable[[tuple[Share, ...]], int]


@lru_cache(maxsize=4096)
def wheel(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return one round of smooth weighted round robin: the index of each turn, as evenly spread as can be."""
    divisor = gcd(*weights) or 1
    weights = tuple(each // divisor for each in weights)
    total = sum(weights)
    if total == 0:
        return tuple(range(len(weights)))
    current = [0] * len(weights)
    turns = []
    for _ in range(total):
        current = [have + weight for have, weight in zip(current, weights, strict=True)]
        chosen = max(range(len(weights)), key=current.__getitem__)
        current[chosen] -= total
        turns.append(chosen)
    return tuple(turns)


class Turns:
    """Counts the turns of each set of shares, one a worker: sets differ by what is excluded, each is exact."""

    __slots__ = ("_counts",)
    _MOST = 10_000

    def __init__(self) -> None:
        self._counts: dict[tuple[Share, ...], int] = {}

    def take(self, shares: tuple[Share, ...]) -> int:
        """Return the number of this turn, from 0."""
        turn = self._counts.get(shares, 0)
        if turn == 0 and len(self._counts) >= self._MOST:
            self._counts.clear()
        self._counts[shares] = turn + 1
        return turn


def by_shares(shares: Sequence[Share], turn: Turner) -> list[Scored]:
    """Order by smooth weighted round robin: whose turn it is, then whose turns come next."""
    kept = tuple(shares)
    weights = tuple(each.percent for each in kept)
    round_of = wheel(weights)
    start = turn(kept) % len(round_of)
    seen: dict[int, int] = {}
    for step in range(len(round_of)):
        seen.setdefault(round_of[(start + step) % len(round_of)], step)
        if len(seen) == len(kept):
            break
    for index in range(len(kept)):
        seen.setdefault(index, len(round_of))  # a share of 0 is a spare
    total = sum(weights) or 1
    return [
        Scored(kept[index].offer, float(step), f"share {100 * weights[index] / total:.0f} %, its turn is in {step}")
        for index, step in seen.items()
    ]


def by_price(shares: Sequence[Share], costs: Mapping[str, int | None]) -> list[Scored]:
    """Order by what a token costs us; what has no known cost comes last, equal costs go by share."""
    known = [each for each in shares if costs[each.offer] is not None]
    known.sort(key=lambda each: (costs[each.offer], -each.percent))
    found = [
        Scored(each.offer, float(costs[each.offer] or 0), f"{costs[each.offer]} pico-USD a token, blended 3:1")
        for each in known
    ]
    return [*found, *(Scored(each.offer, float("inf"), "its cost is unknown") for each in shares if each not in known)]


def by_latency(shares: Sequence[Share], times: Mapping[str, float | None], turn: Turner) -> list[Scored]:
    """Order by the running mean of the time to first token; what was never seen comes first, so that it is."""
    kept = tuple(shares)
    number = turn(kept)
    unseen = [Scored(each.offer, 0.0, "no time to first token seen yet") for each in kept if times[each.offer] is None]
    seen = {each.offer: time for each in kept if (time := times[each.offer]) is not None}
    by_time = [Scored(offer, time, _time(time)) for offer, time in sorted(seen.items(), key=lambda each: each[1])]
    if unseen:
        first = number % len(unseen)
        return [*unseen[first:], *unseen[:first], *by_time]
    if number % EXPLORE_EVERY == EXPLORE_EVERY - 1:
        return by_shares(kept, lambda _: number // EXPLORE_EVERY)
    near = [each for each in kept if seen[each.offer] * 100 <= by_time[0].score * (100 + NEAR_PERCENT)]
    order = [each.offer for each in by_shares(near, lambda _: number)]
    return [*(Scored(offer, seen[offer], _time(seen[offer])) for offer in order), *by_time[len(near) :]]


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms to first token"


def by_stickiness(shares: Sequence[Share], sticky: str) -> list[Scored]:
    """Order by weighted rendezvous hash: one session keeps its offer, and loses it only when that one drops out."""

    def score(each: Share) -> float:
        raw = blake2b(f"{sticky}\n{each.offer}".encode(), digest_size=_HASH_BYTES).digest()
        unit = (int.from_bytes(raw) + 1) / (_HASH_SPAN + 1)
        return -log(unit) / max(each.percent, 1)

    scored = [Scored(each.offer, score(each), "rendezvous hash of the session") for each in shares]
    return sorted(scored, key=lambda each: each.score)
