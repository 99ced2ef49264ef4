"""Whether a call may start: its bound taken from leases, all or nothing. Pure.

A *row* is anything with a limit: a fund (what was paid in) or a budget's window (what may be spent). A *lease* is the
part of a row's free money that one worker owns; the store keeps ``used + sum of leases <= limit`` whenever it grants
one. A call needs its whole bound from the lease of each of its windows, and once more from its funds together, in
burn order. ``carve`` decides that and changes nothing; ``leases`` applies it. There is no way past it: no trusted
caller and no small call. When nothing can be leased any more, ``verdict`` tells a limit that is spent (402) from money
that only waits in calls under way (429). Amounts are nano-USD.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class Open(Protocol):
    """What ``carve`` asks of a lease."""

    @property
    def row(self) -> str:
        """The row's id."""

    @property
    def free(self) -> int:
        """What this worker owns of the row and no call holds."""

    @property
    def blocked(self) -> bool:
        """Whether the row admits nothing at all, calls that cost nothing included."""


@dataclass(frozen=True, slots=True)
class RowFacts:
    """A row as the store has it; ``held`` is the sum of all workers' leases."""

    row: str
    limit: int
    used: int
    held: int

    @property
    def free(self) -> int:
        """What could still be leased."""
        return max(0, self.limit - self.used - self.held)


class Carved(NamedTuple):
    """The bound fits: what each fund would hold, in burn order, as ``(place among the funds, amount)``."""

    shares: tuple[tuple[int, int], ...]


class Short(NamedTuple):
    """The bound does not fit the leases: what each short row lacks, and what the funds lack together."""

    windows: tuple[tuple[str, int], ...]
    funds: int


def carve(bound: int, windows: Sequence[Open], funds: Sequence[Open]) -> Carved | Short:
    """Take a bound from each window's lease and from the funds together, or say what is short; nothing changes."""
    short = False
    for each in windows:
        if each.free < bound or each.blocked:
            short = True
            break
    shares: list[tuple[int, int]] = []
    rest = bound
    for place, fund in enumerate(funds):
        free = fund.free
        if free >= rest:
            shares.append((place, rest))
            rest = 0
            break
        if free > 0:
            shares.append((place, free))
            rest -= free
    if short or rest or not funds:
        lacking = ((each.row, bound - each.free) for each in windows if each.free < bound or each.blocked)
        return Short(tuple(lacking), rest)
    return Carved(tuple(shares))


class Refusal(StrEnum):
    """Why a call does not start."""

    SPENT = "spent"  # nothing is left of a budget
    TOO_LARGE = "too_large"  # something is left of a budget, less than the call could cost
    BALANCE = "balance"  # the funds together cannot pay for the call
    HELD = "held"  # the money is there, in calls under way


@dataclass(frozen=True, slots=True)
class Verdict:
    """The refusal, the row behind it (None: the funds together) and that row's figures, held by others included."""

    refusal: Refusal
    row: str | None
    limit: int
    used: int
    held: int

    @property
    def permanent(self) -> bool:
        """Whether waiting for calls under way would not help: 402 rather than 429."""
        return self.refusal is not Refusal.HELD


def verdict(bound: int, windows: Sequence[RowFacts], funds: Sequence[RowFacts]) -> Verdict | None:
    """Judge a bound by the rows' own figures; ``held`` of each row is what other calls hold. None: it fits.

    A permanent refusal goes before a passing one, a window's before the funds'.
    """
    for each in windows:
        left = max(0, each.limit - each.used)  # a call that costs nothing fits what is spent, but not what is blocked
        if each.limit <= 0 or left < bound:
            refusal = Refusal.SPENT if left == 0 else Refusal.TOO_LARGE
            return Verdict(refusal, each.row, each.limit, each.used, each.held)
    limit = sum(each.limit for each in funds)
    used = sum(each.used for each in funds)
    held = sum(each.held for each in funds)
    paying = sum(max(0, each.limit - each.used) for each in funds)
    if not funds or paying < bound:
        return Verdict(Refusal.BALANCE, None, limit, used, held)
    for each in windows:
        if each.free < bound:
            return Verdict(Refusal.HELD, each.row, each.limit, each.used, each.held)
    if sum(each.free for each in funds) < bound:
        return Verdict(Refusal.HELD, None, limit, used, held)
    return None


def extension(free: int, need: int, spend_per_s: int, workers: int) -> int:
    """Return how much of a row's free money to lease, at least the need; 0 when the need is not there.

    A single worker takes all. One of several takes a second of its spend, at most half of its even share, and exactly
    the need once money is scarce, so that what is free stays within reach of all.
    """
    if need > free or free <= 0:
        return 0
    if workers <= 1:
        return free
    if free < 2 * workers * need:
        return need
    return max(need, min(spend_per_s, free // (2 * workers)))


class Settled(NamedTuple):
    """What a call paid: ``(row, amount)`` by fund, the same total in each window, and what went past its hold."""

    lines: tuple[tuple[str, int], ...]
    windows: tuple[str, ...]
    paid: int
    overrun: int


def settle_late(charge: int, windows: Sequence[RowFacts], funds: Sequence[RowFacts]) -> Settled:
    """Charge a call whose lease was given up before its end was known: from what is free now, the rest is overrun.

    ``funds`` are those that the call held, in burn order; the figures are the store's. No limit is passed for it.

    Raises:
        ValueError: the charge is negative.

    """
    if charge < 0:
        raise ValueError(f"a charge is never negative, got {charge}")
    rest = most = min((charge, *(each.free for each in windows)))
    lines: list[tuple[str, int]] = []
    for each in funds:
        share = min(rest, each.free)
        if share:
            lines.append((each.row, share))
            rest -= share
    paid = most - rest
    return Settled(tuple(lines), tuple(each.row for each in windows), paid, charge - paid)
