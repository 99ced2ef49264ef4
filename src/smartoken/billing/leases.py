"""Leases in memory: what this worker owns of each row, and what its calls hold of that. Does no I/O.

A lease goes to the store as an absolute amount, so a repeated flush is harmless; hence a worker runs one transaction
over leases at a time. What was charged leaves a lease in the store only in the transaction that adds it to the row's
``used``, with the record of its call: in between, the store would see money as free that is spent. When something is
short, a worker has the leases extended that ``asks`` names, in one transaction with what it gave back of them, and
tries again. Amounts are nano-USD.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smartoken.billing.admission import Carved, RowFacts, Settled, Short, Verdict, carve, verdict

_SECOND_MS = 1_000


class HoldClosedError(RuntimeError):
    """The hold was settled before; a call settles once."""


class Lease:
    """This worker's part of one row. ``amount`` is owned, ``in_calls`` of it is held by calls under way.

    ``spent`` was charged and waits for a flush; it has left ``amount`` already. ``excess`` is what goes back as soon as
    no call holds it, because the row's limit was lowered or money is owed on it. A row whose figures were not seen yet
    is ``blocked``.
    """

    __slots__ = (
        "amount",
        "blocked",
        "calls",
        "excess",
        "in_calls",
        "limit",
        "others",
        "pace",
        "row",
        "since_ms",
        "spent",
        "stored",
        "taken",
        "touched_ms",
        "used",
    )

    def __init__(self, row: str) -> None:
        self.row = row
        self.amount = 0
        self.in_calls = 0
        self.calls = 0  # those under way that may take from it, also if they hold nothing of it yet
        self.spent = 0
        self.stored = 0  # the amount that the store has
        self.excess = 0
        self.blocked = True
        self.limit = 0
        self.used = 0  # as the store has it; ours that waits for a flush is in ``spent``
        self.others = 0  # leases of other workers
        self.touched_ms = 0
        self.pace = 0  # what calls took of it in the last whole second
        self.taken = 0  # and since ``since_ms``
        self.since_ms = 0

    @property
    def per_second(self) -> int:
        """What calls take of it a second, as far as it is known."""
        return max(self.pace, self.taken)

    def take(self, amount: int, now_ms: int) -> None:
        """Hold an amount of it for a call."""
        self.in_calls += amount
        self.touched_ms = now_ms
        passed = now_ms - self.since_ms
        if not 0 <= passed < _SECOND_MS:  # a clock that was set back begins anew
            self.pace = self.taken if passed < 2 * _SECOND_MS else 0
            self.taken, self.since_ms = 0, now_ms
        self.taken += amount

    @property
    def free(self) -> int:
        """What no call holds."""
        return self.amount - self.in_calls

    @property
    def unleased(self) -> int:
        """What the store could lease to this worker now, by the figures last seen; what waits for a flush is not."""
        return max(0, self.limit - self.used - self.others - self.stored)

    @property
    def room(self) -> int:
        """What one more call could hold by the figures last seen, with what the store may lease."""
        return max(0, self.limit - self.used - self.spent - self.in_calls - self.others)

    def shed(self) -> None:
        """Give back what is in excess, as far as no call holds it."""
        back = min(self.excess, self.free)
        if back > 0:
            self.amount -= back
            self.excess -= back

    def facts(self) -> RowFacts:
        """Return the row's figures with our own charges in, and as held what calls hold here and others lease."""
        return RowFacts(self.row, self.limit, self.used + self.spent, self.in_calls + self.others)


def _lack(bound: int, funds: Sequence[Lease]) -> int:
    """Return how much of a bound the leases lack for it to burn in order: what the store has of a fund comes first."""
    rest, lack = bound, 0
    for fund in funds:
        rest -= max(0, min(rest, fund.free))
        more = min(rest, fund.unleased)
        rest -= more
        lack += more
    return lack + rest


class Hold:
    """What one call holds: its amount in each window, and its shares of the funds in burn order."""

    __slots__ = ("funds", "nano", "open", "shares", "windows")

    def __init__(
        self, windows: tuple[Lease, ...], funds: tuple[Lease, ...], nano: int, shares: list[list[int]]
    ) -> None:
        self.windows = windows
        self.funds = funds
        self.nano = nano
        self.shares = shares  # [place among the funds, amount], in burn order
        self.open = True

    def lines(self) -> tuple[tuple[str, int], ...]:
        """Return ``(row, amount)`` of each fund."""
        funds = self.funds
        return tuple([(funds[place].row, amount) for place, amount in self.shares])


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A lease as a flush writes it: ``amount`` and ``in_calls`` are absolute, ``spent`` the flush adds to used."""

    row: str
    amount: int
    in_calls: int
    spent: int


class LeaseBook:
    """All leases of one worker. Not safe between threads: one event loop owns it."""

    __slots__ = ("_dirty", "_leases")

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._dirty: set[str] = set()

    def lease(self, row: str) -> Lease:
        """Return the lease of a row, an empty one if there was none; calls keep it while they run."""
        found = self._leases.get(row)
        if found is None:
            found = self._leases[row] = Lease(row)
        return found

    def leases(self, rows: Iterable[str]) -> tuple[Lease, ...]:
        """Return the leases of several rows, in their order."""
        return tuple(map(self.lease, rows))

    def rows(self) -> tuple[str, ...]:
        """Return the rows that this worker has leases of."""
        return tuple(sorted(self._leases))

    def observe(self, facts: RowFacts) -> None:
        """Take over a row's figures from the store, where ``held`` includes this worker's lease as last stored.

        When that is more than the limit, since it was lowered or money is owed, the excess goes back at the next flush,
        at once what no call holds and the rest as calls end.
        """
        lease = self.lease(facts.row)
        lease.limit, lease.used, lease.others = facts.limit, facts.used, max(0, facts.held - lease.stored)
        lease.blocked = facts.limit <= 0
        lease.excess = max(0, lease.used + lease.spent + lease.others + lease.amount - lease.limit)
        if lease.excess:
            lease.shed()
            self._dirty.add(lease.row)

    def granted(self, facts: RowFacts, amount: int, now_ms: int = 0) -> None:
        """Add to a lease what the store granted; ``facts`` are the row's figures after the grant."""
        lease = self.lease(facts.row)
        lease.touched_ms = max(lease.touched_ms, now_ms)
        lease.amount += amount
        lease.stored += amount
        self.observe(facts)

    def admit(
        self,
        bound: int,
        windows: tuple[Lease, ...],
        funds: tuple[Lease, ...],
        now_ms: int,
        *,
        in_order: bool = True,
    ) -> Hold | Short:
        """Hold a bound for a call, or say what is short and hold nothing.

        A fund that has money in the store counts as short before a later one is touched, so that burn order holds; a
        second try, after the store was asked, takes what there is (``in_order`` false).
        """
        if self._take_plainly(bound, windows, funds, now_ms):
            shares = [[0, bound]]
        else:
            found = self._take(bound, windows, funds, now_ms, in_order=in_order)
            if isinstance(found, Short):
                return found
            shares = [list(share) for share in found.shares]
        for lease in windows:
            lease.calls += 1
        for lease in funds:
            lease.calls += 1
        return Hold(windows, funds, bound, shares)

    def _take_plainly(self, bound: int, windows: tuple[Lease, ...], funds: tuple[Lease, ...], now_ms: int) -> bool:
        """Take a bound that the first fund has whole, as nearly every one is; false, and nothing taken, otherwise."""
        if not funds:
            return False
        fund = funds[0]
        if fund.amount - fund.in_calls < bound:
            return False
        for lease in windows:
            if lease.blocked or lease.amount - lease.in_calls < bound:
                return False
        dirty = self._dirty
        for lease in windows:
            lease.take(bound, now_ms)
            dirty.add(lease.row)
        fund.take(bound, now_ms)
        dirty.add(fund.row)
        return True

    def _take(
        self, bound: int, windows: tuple[Lease, ...], funds: tuple[Lease, ...], now_ms: int, *, in_order: bool
    ) -> Carved | Short:
        found = carve(bound, windows, funds)
        if isinstance(found, Short):
            return Short(found.windows, _lack(bound, funds)) if in_order else found
        if in_order and found.shares[-1][0] and (lack := _lack(bound, funds)):
            return Short((), lack)
        dirty = self._dirty
        for lease in windows:
            lease.take(bound, now_ms)
            dirty.add(lease.row)
        for place, amount in found.shares:
            lease = funds[place]
            lease.take(amount, now_ms)
            dirty.add(lease.row)
        return found

    def extend(self, hold: Hold, more: int, now_ms: int, *, in_order: bool = True) -> Short | None:
        """Hold more for a call under way; None when it is held, else what is short, and nothing changed.

        Raises:
            HoldClosedError: the call was settled.

        """
        if not hold.open:
            raise HoldClosedError("a settled call holds nothing more")
        added = self._take(more, hold.windows, hold.funds, now_ms, in_order=in_order)
        if isinstance(added, Short):
            return added
        hold.nano += more
        for place, amount in added.shares:
            known = next((each for each in hold.shares if each[0] == place), None)
            if known is None:
                hold.shares.append([place, amount])
            else:
                known[1] += amount
        hold.shares.sort()
        return None

    def settle(self, hold: Hold, charge: int) -> Settled:
        """End a call: its funds pay in burn order up to its hold, everything else is free again.

        Raises:
            HoldClosedError: it was settled or released before.
            ValueError: the charge is negative.

        """
        if not hold.open:
            raise HoldClosedError("a call settles once")
        if charge < 0:
            raise ValueError(f"a charge is never negative, got {charge}")
        hold.open = False
        for lease in hold.funds:
            lease.calls -= 1
        held = hold.nano
        rest = paid = min(charge, held)
        lines: tuple[tuple[str, int], ...] = ()
        for place, amount in hold.shares:
            fund, share = hold.funds[place], min(rest, amount)
            self._leave(fund, amount, share)
            if share:
                lines += ((fund.row, share),)
                rest -= share
        for lease in hold.windows:
            lease.calls -= 1
            self._leave(lease, held, paid)
        return Settled(lines, tuple([each.row for each in hold.windows]), paid, charge - paid)

    def _leave(self, lease: Lease, held: int, paid: int) -> None:
        lease.in_calls -= held
        lease.amount -= paid
        lease.spent += paid
        if lease.excess:
            lease.shed()
        self._dirty.add(lease.row)

    def release(self, hold: Hold) -> None:
        """Free what a call still holds; nothing happens when it was settled. Belongs into every ``finally``."""
        if hold.open:
            self.settle(hold, 0)

    def asks(self, short: Short, funds: Sequence[Lease]) -> tuple[tuple[str, int], ...]:
        """Return what to ask the store for: ``(row, amount)`` by row id; the funds' lack from those that have money."""
        wanted = dict(short.windows)
        rest = short.funds
        for fund in funds:
            if not rest:
                break
            share = min(rest, fund.unleased)
            if share:
                wanted[fund.row] = share
                rest -= share
        return tuple(sorted((row, amount) for row, amount in wanted.items() if amount > 0))

    def available(self, windows: Sequence[Lease], funds: Sequence[Lease]) -> int:
        """Return the most that one more call could hold by the figures last seen, with what the store may lease."""
        most = sum([each.room for each in funds])
        return min([most, *[each.room for each in windows]]) if windows else most

    def verdict(self, bound: int, windows: Sequence[Lease], funds: Sequence[Lease]) -> Verdict | None:
        """Judge a bound by the figures last seen; None when it would fit by them and another try may succeed."""
        return verdict(bound, [each.facts() for each in windows], [each.facts() for each in funds])

    def flush(self, paid: Mapping[str, int] | None = None, rows: Iterable[str] | None = None) -> tuple[LeaseState, ...]:
        """Return every lease that changed, in the order of row ids; call ``flushed`` once they are stored.

        ``paid`` is what the records that are stored with them add to each row's used: the rest of what was charged
        stays in the lease until its record is stored too. Left out, all of it goes. ``rows``: no others.
        """
        states = []
        for row in sorted(self._dirty if rows is None else self._dirty.intersection(rows)):
            lease = self.lease(row)
            now = lease.spent if paid is None else min(lease.spent, paid.get(row, 0))
            states.append(LeaseState(row, lease.amount + lease.spent - now, lease.in_calls, now))
        return tuple(states)

    def flushed(self, states: Sequence[LeaseState]) -> None:
        """Note that a flush was committed; what changed since stays for the next one."""
        for each in states:
            lease = self.lease(each.row)
            lease.spent -= each.spent
            lease.used += each.spent
            lease.stored = each.amount
            if (lease.amount, lease.in_calls, lease.spent) == (each.amount, each.in_calls, 0):
                self._dirty.discard(each.row)

    def give_back(self, row: str, keep: int = 0) -> int:
        """Return what no call holds, beyond ``keep``, to the row at the next flush; returns how much."""
        lease = self.lease(row)
        amount = max(0, lease.free - keep)
        if amount:
            lease.amount -= amount
            self._dirty.add(row)
        return amount

    @property
    def busy(self) -> bool:
        """Whether a call under way is bound to a lease, or a charge waits for its record to be stored."""
        return any(each.calls or each.spent for each in self._leases.values())

    def idle(self, now_ms: int, after_ms: int = 5_000) -> tuple[str, ...]:
        """Return the rows of which something is free and that no call touched for a while."""
        return tuple(
            sorted(each.row for each in self._leases.values() if each.free > 0 and now_ms - each.touched_ms >= after_ms)
        )

    def forget(self) -> int:
        """Drop leases that are empty and stored, such as those of windows that ended; returns how many.

        Whoever keeps leases looks them up again afterwards.
        """
        gone = [
            row
            for row, each in self._leases.items()
            if not (each.amount or each.calls or each.spent or row in self._dirty)
        ]
        for row in gone:
            del self._leases[row]
        return len(gone)
