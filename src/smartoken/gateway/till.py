"""Money in the memory of a worker: holds taken from leases before a call, grown while it streams, settled after it.

Admission asks no database as long as the leases in hand cover the call; what is short is leased in one transaction,
one at a time for each account, the others waiting in line for at most a second. Whoever waited while the rows were
read is judged by what was read: a crowd at a spent budget costs one transaction. Money fails closed: without a journal,
without a store that answers, or for a worker that was declared dead, nothing new starts.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from smartoken.billing.admission import Refusal, Short, Verdict
from smartoken.billing.bound import HoldPlan, Reach, TooDear, UnboundedError, first_hold, next_hold, whole_hold
from smartoken.billing.bound import Wish as Length
from smartoken.billing.budgets import BudgetWindow, windows_of
from smartoken.billing.grants import burn_order
from smartoken.billing.leases import Hold, Lease, LeaseBook
from smartoken.billing.prices import Tariff
from smartoken.billing.refusals import refused, unpayable
from smartoken.billing.wallet import Ask, Grown
from smartoken.clock import Clock
from smartoken.errors import InvalidRequestError, LedgerUnavailableError, LimitError
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.lengths import length_of, reach_of
from smartoken.operations.money_view import MoneyView

WAIT_S = 1.0
LEDGER_S = 4.0  # how long a call waits for the store; what it asked for is booked whenever the answer comes
_AGAIN_S = 0.02
FOREVER_MS = 1 << 62
IDLE_MS = 5_000
SCARCE_IDLE_MS = 1_000
ALONE_IDLE_MS = 3_600_000
Terms = tuple[tuple[Tariff, ...], Reach, Length]
_UNBOUNDED = "This model's context is unknown here, so a call needs `max_tokens`."


class Bank(Protocol):
    """What the till asks of the store."""

    async def grow(self, account_id: str, asks: Sequence[Ask], windows: Sequence[BudgetWindow]) -> Sequence[Grown]:
        """Make the windows' rows, and lease more of the rows asked for; raises if the store does not answer."""


@dataclass(slots=True)
class Place:
    """The rows of one key and model: kept until a window ends or money's facts change."""

    windows: tuple[BudgetWindow, ...]
    window_leases: tuple[Lease, ...]
    fund_leases: tuple[Lease, ...]
    until_ms: int
    since_ms: int = 0  # a clock that was set back to before it finds the window that holds then
    known: bool = False  # whether the figures of every fund were seen: a new grant has none yet, and burns first
    rows: list[str] = field(init=False)  # of the windows; never changed, so records take it over as it is

    def __post_init__(self) -> None:
        self.rows = [each.row for each in self.windows]

    @property
    def all(self) -> tuple[Lease, ...]:
        """Every row's lease."""
        return (*self.window_leases, *self.fund_leases)


@dataclass(slots=True)
class Held:
    """What one call holds, and how far it may go."""

    hold: Hold
    plan: HoldPlan
    tariffs: tuple[Tariff, ...]
    reach: Reach
    tokens: int  # of one choice, covered by the hold
    place: Place
    account_id: str
    exhausted: bool = False  # an extension was refused: the answer ends where the hold does
    before: int = 0  # pieces of text that another offer sent of the same answer


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the leases in hand lack for a hold of ``need``."""

    short: Short
    need: int


class Quote(NamedTuple):
    """What a call would hold, of how much that is available, and how it would be refused now."""

    plan: HoldPlan | TooDear
    available_nano: int
    refusal: LimitError | None


class Till:
    """The leases and holds of one worker."""

    __slots__ = ("_asking", "_bank", "_clock", "_locks", "_places", "_seen", "_workers", "book", "closed", "view")

    def __init__(self, bank: Bank, view: MoneyView, clock: Clock, workers: int = 1) -> None:
        self._bank = bank
        self._clock = clock
        self._workers = workers
        self._seen: dict[str, float] = {}  # row -> since when its figures are known
        self._asking: set[asyncio.Task[None]] = set()
        self._places: dict[tuple[str, str], Place] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.book = LeaseBook()
        self.view = view
        self.closed: Callable[[], str | None] = lambda: None  # why nothing new may start, or None

    def renew(self, view: MoneyView) -> None:
        """Take over new facts of money; calls under way keep what they hold."""
        self.view = view
        self._places.clear()

    def share_with(self, workers: int) -> None:
        """Take up that the store has so many workers; one that was alone keeps a second of its spend of each row."""
        if workers > 1 and self._workers == 1:
            for row in self.book.rows():
                self.book.give_back(row, self.book.lease(row).per_second)
        self._workers = workers

    def tidy(self, now_ms: int) -> None:
        """Give back what lies idle, and drop leases that are empty.

        With other workers, a lease goes back after five seconds, after one when they have nothing else left to take.
        Alone, one that nothing can be paid from any more goes back, so that what it held can be moved, and any after
        an hour.
        """
        book = self.book
        idle = set(book.idle(now_ms, IDLE_MS if self._workers > 1 else ALONE_IDLE_MS))
        if self._workers > 1:
            idle.update(row for row in book.idle(now_ms, SCARCE_IDLE_MS) if not book.lease(row).unleased)
        else:
            idle.update(self._unusable(now_ms).intersection(book.idle(now_ms, IDLE_MS)))
        for row in idle:
            book.give_back(row)
        if book.forget():
            self._places.clear()  # they keep leases, which may just have gone
            self._seen = {row: since for row, since in self._seen.items() if row in set(book.rows())}

    def _unusable(self, now_ms: int) -> set[str]:
        """Return the rows of this worker that no new call takes from: closed or expired grants, windows that ended."""
        funds = {
            each.id
            for found in self.view.funds.values()
            for each in found
            if each.expires_ms is None or each.expires_ms > now_ms
        }
        windows = {each.row for place in self._places.values() if now_ms < place.until_ms for each in place.windows}
        return set(self.book.rows()) - funds - windows

    def restart(self) -> None:
        """Begin with no lease at all; for a worker whose leases went to others, once its calls are settled."""
        self.book = LeaseBook()
        self._places.clear()
        self._seen.clear()

    def _place(self, call: Call, model: str) -> Place:
        key = call.caller.key
        now_ms = self._clock.now_ns() // 1_000_000
        place = self._places.get((key.id, model))
        if place is not None and place.since_ms <= now_ms < place.until_ms:
            return place
        account = key.account_id
        budgets = (*self.view.budgets.get(("key", key.id), ()), *self.view.budgets.get(("account", account), ()))
        windows = windows_of(budgets, self.view.zones[account], call.now) if budgets else ()
        funds = burn_order(self.view.funds.get(account, ()), model, now_ms)
        place = Place(
            windows,
            self.book.leases(each.row for each in windows),
            self.book.leases(each.id for each in funds),
            _valid_until(windows, self.view, account, now_ms),
            max((each.window.start_ms for each in windows), default=0),
        )
        self._places[key.id, model] = place
        return place

    def windows_of_key(self, key_id: str, account_id: str, at: datetime) -> tuple[BudgetWindow, ...]:
        """Return the windows of a key's own budgets at an instant."""
        budgets = self.view.budgets.get(("key", key_id), ())
        return windows_of(budgets, self.view.zones[account_id], at) if budgets else ()

    def unstored(self, row: str) -> tuple[int, int]:
        """Return what this worker charged to a row since the last flush, and what its calls hold of it now."""
        lease = self.book.lease(row)
        return lease.spent, lease.in_calls

    async def hold(self, call: Call, plan: Plan, tariff: Tariff) -> Held:
        """Hold the money that the call needs before it starts.

        Raises:
            LimitError: it does not fit a budget or the balance; 402 when that is final, 429 when money is only held.
            LedgerUnavailableError: nothing can be held safely.

        """
        why = self.closed()
        if why is not None:
            raise LedgerUnavailableError(f"Money cannot be held right now: {why}.", retry_after_s=5.0)
        model = plan.model.model.id
        place = self._place(call, model)
        tariffs = (tariff,)
        try:
            terms = (tariffs, reach_of(call, plan), length_of(call, plan))
            found = self._try(call, place, terms)
            if isinstance(found, Lacking):
                found = await self._in_line(call, model, terms)
        except UnboundedError:
            raise InvalidRequestError(_UNBOUNDED, param="max_tokens") from None
        return found

    async def quote(self, call: Call, plan: Plan, tariff: Tariff) -> Quote:
        """Return what the call would hold now, by the same decision as ``hold``; nothing is held.

        Raises:
            InvalidRequestError: nothing bounds the call.
            LedgerUnavailableError: what is available cannot be read.

        """
        place = self._place(call, plan.model.model.id)
        try:
            reach, length = reach_of(call, plan), length_of(call, plan)
        except UnboundedError:
            raise InvalidRequestError(_UNBOUNDED, param="max_tokens") from None
        if not all(each.row in self._seen for each in place.all):
            await self._extend(call, place, self._asks(place, Short((), 0)))
        available = self.book.available(place.window_leases, place.fund_leases)
        found = first_hold((tariff,), reach, length, available)
        need = found.need_nano if isinstance(found, TooDear) else found.nano
        verdict = self.book.verdict(need, place.window_leases, place.fund_leases)
        refusal = _refusal(verdict, need, place, plan.model.model.id) if verdict is not None else None
        return Quote(found, available, refusal)

    def _try(self, call: Call, place: Place, terms: Terms, *, in_order: bool = True) -> Held | Lacking:
        """Take the hold from the leases in hand, or say what they lack."""
        tariffs, reach, length = terms
        book, windows, funds = self.book, place.window_leases, place.fund_leases
        if in_order and not place.known:
            place.known = all(each.row in self._seen for each in funds)
            if not place.known:
                return Lacking(Short((), 0), 0)
        plan: HoldPlan | TooDear | None = whole_hold(tariffs, reach, length)
        if plan is None:
            plan = first_hold(tariffs, reach, length, book.available(windows, funds))
        need = plan.need_nano if isinstance(plan, TooDear) else plan.nano
        if isinstance(plan, TooDear):
            return Lacking(_lacking(windows, need), need)
        now_ms = self._clock.now_ns() // 1_000_000
        taken = book.admit(plan.nano, windows, funds, now_ms, in_order=in_order)
        if isinstance(taken, Short):
            return Lacking(taken, need)
        return Held(taken, plan, tariffs, reach, plan.tokens, place, call.caller.account.id)

    async def _in_line(self, call: Call, model: str, terms: Terms) -> Held:
        """Extend the leases, one call of an account at a time, until the call fits or is refused.

        Raises:
            LimitError: it does not fit what the rows have, or others were faster for a whole second.
            LedgerUnavailableError: the store does not answer.

        """
        came = self._clock.monotonic()
        async with self._locks.setdefault(call.caller.account.id, asyncio.Lock()):
            while True:
                place = self._place(call, model)  # anew after each wait: its rows may be others by now
                found = self._try(call, place, terms)
                if isinstance(found, Held):
                    return found
                asks = self._asks(place, found.short)
                verdict = None
                if all(self._seen.get(each.row, -1.0) >= came for each in asks):
                    verdict = self.book.verdict(found.need, place.window_leases, place.fund_leases)
                if verdict is None:
                    await self._extend(call, place, asks)
                    if place is not self._place(call, model):
                        continue
                    found = self._try(call, place, terms, in_order=False)
                    if isinstance(found, Held):
                        return found
                    verdict = self.book.verdict(found.need, place.window_leases, place.fund_leases)
                if verdict is None and self._clock.monotonic() - came >= WAIT_S:
                    verdict = self._outrun(place, found)
                if verdict is not None:
                    self._hand_back(place, found.short, verdict)
                    raise _refusal(verdict, found.need, place, model)
                await asyncio.sleep(_AGAIN_S)

    def _hand_back(self, place: Place, short: Short, verdict: Verdict) -> None:
        """Give others what was too little here: of several workers each may hold a part of the last call's money."""
        if self._workers > 1 and verdict.refusal is Refusal.HELD:
            funds = [each.row for each in place.fund_leases] if short.funds else []
            for row in (*(row for row, _ in short.windows), *funds):
                self.book.give_back(row)

    def _outrun(self, place: Place, found: Lacking) -> Verdict:
        """Return the refusal of a call whose money is there, but was leased by others whenever it was asked for."""
        row = found.short.windows[0][0] if found.short.windows else None
        leases = place.fund_leases if row is None else [self.book.lease(row)]
        facts = [each.facts() for each in leases]
        limit, used = sum(each.limit for each in facts), sum(each.used for each in facts)
        return Verdict(Refusal.HELD, row, limit, used, sum(each.held for each in facts))

    def _asks(self, place: Place, short: Short) -> list[Ask]:
        """Return what to ask the store for; with nothing to be had by the figures last seen, those are read anew."""
        asks = self.book.asks(short, place.fund_leases)
        if not asks or not all(each.row in self._seen for each in place.all):
            known = dict(asks)
            asks = tuple((each.row, known.get(each.row, 0)) for each in place.all)
        return [Ask(row, need, self.book.lease(row).per_second) for row, need in asks]

    async def _extend(self, call: Call, place: Place, asks: Sequence[Ask]) -> None:
        """Ask the store for more; what it grants is booked, also when this call does not wait for it any more."""
        task = asyncio.get_running_loop().create_task(self._grow_leases(call.caller.account.id, asks, place.windows))
        self._asking.add(task)
        task.add_done_callback(self._asked)
        try:
            async with asyncio.timeout(LEDGER_S):
                await asyncio.shield(task)
        except Exception as error:
            raise LedgerUnavailableError(
                "The ledger does not answer; nothing was started.", retry_after_s=5.0
            ) from error

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waited

    async def _grow_leases(self, account_id: str, asks: Sequence[Ask], windows: Sequence[BudgetWindow]) -> None:
        began = self._clock.monotonic()
        book = self.book
        grown = await self._bank.grow(account_id, asks, windows)
        if book is self.book:
            now_ms = self._clock.now_ns() // 1_000_000
            for each in grown:
                book.granted(each.facts, each.amount, now_ms)
                self._seen[each.facts.row] = began

    async def again(self, held: Held, call: Call, plan: Plan, spent_nano: int) -> Held:
        """Hold what a further attempt of a call under way may cost, beside ``spent_nano`` of those before it.

        The rows are those of the call's admission, and so is the price.

        Raises:
            LimitError: it does not fit; what was held stays held.
            LedgerUnavailableError: nothing can be held safely.
            InvalidRequestError: nothing bounds the attempt.

        """
        why = self.closed()
        if why is not None:
            raise LedgerUnavailableError(f"Money cannot be held right now: {why}.", retry_after_s=5.0)
        book, place, hold = self.book, held.place, held.hold
        windows, funds = place.window_leases, place.fund_leases
        try:
            reach, length = reach_of(call, plan), length_of(call, plan)
        except UnboundedError:
            raise InvalidRequestError(_UNBOUNDED, param="max_tokens") from None
        spare, more, short = max(0, hold.nano - spent_nano), 0, Short((), 0)
        for last in (False, True):
            found = first_hold(held.tariffs, reach, length, book.available(windows, funds) + spare)
            if isinstance(found, TooDear):
                more = found.need_nano - spare
                short = _lacking(windows, more)
            else:
                more, now_ms = found.nano - spare, self._clock.now_ns() // 1_000_000
                lack = book.extend(hold, more, now_ms, in_order=not last) if more > 0 else None
                if lack is None:
                    return Held(hold, found, held.tariffs, reach, found.tokens, place, held.account_id)
                short = lack
            if not last:
                await self._extend(call, place, self._asks(place, short))
        verdict = book.verdict(more, windows, funds) or self._outrun(place, Lacking(short, more))
        raise refused(verdict, more, place.windows)

    async def grow(self, held: Held, call: Call) -> bool:
        """Let a streaming answer's hold grow by a step; false when no money is left for it, or none can be had now."""
        book, place = self.book, held.place
        for last in (False, True):
            spare = book.available(place.window_leases, place.fund_leases)
            step = next_hold(held.plan, held.tariffs, held.reach, held.tokens, spare)
            if step is None:
                break
            now_ms = self._clock.now_ns() // 1_000_000
            short = book.extend(held.hold, step.more_nano, now_ms, in_order=not last)
            if short is None:
                held.tokens = step.tokens
                return True
            if not last:
                try:
                    await self._extend(call, place, self._asks(place, short))
                except LedgerUnavailableError:
                    break  # the answer goes on as far as its hold reaches
        held.exhausted = True
        return False


def _refusal(verdict: Verdict, need: int, place: Place, model: str) -> LimitError:
    """Return what the caller is told: which limit it was, or that no fund of the account is for this model."""
    if verdict.refusal is Refusal.BALANCE and not place.fund_leases:
        return unpayable(model, need)
    return refused(verdict, need, place.windows)


def _lacking(windows: Sequence[Lease], need: int) -> Short:
    """Return what the leases in hand lack for an amount that no call so short could do with less of."""
    return Short(tuple((each.row, need - each.free) for each in windows if each.free < need), need)


def _valid_until(windows: Sequence[BudgetWindow], view: MoneyView, account: str, now_ms: int) -> int:
    """Return when the rows of a key and model change by time alone: a window ends, a grant begins or expires."""
    moments = [int(each.window.end.timestamp() * 1000) for each in windows if each.window.end is not None]
    for fund in view.funds.get(account, ()):
        moments += [each for each in (fund.effective_ms, fund.expires_ms) if each is not None and each > now_ms]
    return min(moments, default=FOREVER_MS)
