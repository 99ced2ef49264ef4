"""Money in the memory of a worker: holds taken from leases before a call, grown while it streams, settled after it.

Admission asks no database as long as the leases in hand cover the call; what is short is leased in one transaction,
one at a time for each account, the others waiting in line for at most a second. Money fails closed: without a journal,
without a store that answers, or for a worker that was declared dead, nothing new starts.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from smartoken.billing.admission import Short
from smartoken.billing.bound import HoldPlan, Reach, TooDear, UnboundedError, first_hold, next_hold
from smartoken.billing.bound import Wish as Length
from smartoken.billing.budgets import BudgetWindow, windows_of
from smartoken.billing.grants import burn_order
from smartoken.billing.leases import Hold, Lease, LeaseBook
from smartoken.billing.prices import Tariff
from smartoken.billing.refusals import refused
from smartoken.billing.wallet import Ask, Grown
from smartoken.clock import Clock
from smartoken.errors import InvalidRequestError, LedgerUnavailableError, LimitError
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.lengths import length_of, reach_of
from smartoken.operations.money_view import MoneyView

WAIT_S = 1.0
FOREVER_MS = 1 << 62
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
    primed: bool = False  # the leases' figures were read once


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
    growing: asyncio.Task[bool] | None = field(default=None)


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

    __slots__ = ("_bank", "_clock", "_locks", "_places", "book", "closed", "view")

    def __init__(self, bank: Bank, view: MoneyView, clock: Clock) -> None:
        self._bank = bank
        self._clock = clock
        self._places: dict[tuple[str, str], Place] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.book = LeaseBook()
        self.view = view
        self.closed: Callable[[], str | None] = lambda: None  # why nothing new may start, or None

    def renew(self, view: MoneyView) -> None:
        """Take over new facts of money; calls under way keep what they hold."""
        self.view = view
        self._places.clear()

    def _place(self, call: Call, model: str) -> Place:
        key = call.caller.key
        now_ms = self._clock.now_ns() // 1_000_000
        place = self._places.get((key.id, model))
        if place is not None and now_ms < place.until_ms:
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
        place = self._place(call, plan.model.model.id)
        tariffs = (tariff,)
        try:
            reach, length = reach_of(call, plan), length_of(call, plan)
            if not place.primed:
                await self._extend(call, place, [Ask(each.row, 1) for each in self._all(place)])
                place.primed = True
            found = self._try(call, place, (tariffs, reach, length))
            if isinstance(found, Lacking):
                found = await self._in_line(call, place, (tariffs, reach, length))
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
        if not place.primed:
            await self._extend(call, place, [Ask(each.row, 1) for each in self._all(place)])
            place.primed = True
        available = self.book.available(place.window_leases, place.fund_leases)
        found = first_hold((tariff,), reach, length, available)
        need = found.need_nano if isinstance(found, TooDear) else found.nano
        verdict = self.book.verdict(need, place.window_leases, place.fund_leases)
        refusal = refused(verdict, need, place.windows) if verdict is not None else None
        return Quote(found, available, refusal)

    @staticmethod
    def _all(place: Place) -> tuple[Lease, ...]:
        return (*place.window_leases, *place.fund_leases)

    def _try(self, call: Call, place: Place, terms: tuple[tuple[Tariff, ...], Reach, Length]) -> Held | Lacking:
        """Take the hold from the leases in hand, or say what they lack."""
        tariffs, reach, length = terms
        book, windows, funds = self.book, place.window_leases, place.fund_leases
        plan = first_hold(tariffs, reach, length, book.available(windows, funds))
        need = plan.need_nano if isinstance(plan, TooDear) else plan.nano
        if isinstance(plan, TooDear):
            short = Short(tuple((each.row, need - each.free) for each in windows if each.free < need), need)
            return Lacking(short, need)
        taken = book.admit(plan.nano, windows, funds, self._clock.now_ns() // 1_000_000)
        if isinstance(taken, Short):
            return Lacking(taken, need)
        return Held(taken, plan, tariffs, reach, plan.tokens, place, call.caller.account.id)

    async def _in_line(self, call: Call, place: Place, terms: tuple[tuple[Tariff, ...], Reach, Length]) -> Held:
        """Extend the leases, one call of an account at a time, until the call fits or is refused.

        Raises:
            LimitError: it does not fit what the rows have, as they were just read.
            LedgerUnavailableError: others were faster for a whole second.

        """
        account = call.caller.account.id
        lock = self._locks.setdefault(account, asyncio.Lock())
        until = self._clock.monotonic() + WAIT_S
        async with lock:
            while True:
                found = self._try(call, place, terms)
                if isinstance(found, Held):
                    return found
                asks = self.book.asks(found.short, place.fund_leases)
                await self._extend(call, place, [Ask(row, need) for row, need in asks] or self._ask_all(place))
                found = self._try(call, place, terms)
                if isinstance(found, Held):
                    return found
                verdict = self.book.verdict(found.need, place.window_leases, place.fund_leases)
                if verdict is not None:
                    raise refused(verdict, found.need, place.windows)
                if self._clock.monotonic() >= until:
                    raise LedgerUnavailableError("The money is there but could not be held in time.", retry_after_s=1.0)
                await asyncio.sleep(0.02)

    def _ask_all(self, place: Place) -> list[Ask]:
        return [Ask(each.row, 1) for each in self._all(place)]

    async def _extend(self, call: Call, place: Place, asks: Sequence[Ask]) -> None:
        try:
            grown = await self._bank.grow(call.caller.account.id, asks, place.windows)
        except Exception as error:
            raise LedgerUnavailableError(
                "The ledger does not answer; nothing was started.", retry_after_s=5.0
            ) from error
        for each in grown:
            self.book.granted(each.facts, each.amount)

    async def grow(self, held: Held, call: Call) -> bool:
        """Let a streaming answer's hold grow by a step; false when no money is left for it."""
        book, place = self.book, held.place
        for attempt in (0, 1):
            spare = book.available(place.window_leases, place.fund_leases)
            step = next_hold(held.plan, held.tariffs, held.reach, held.tokens, spare)
            if step is None:
                break
            short = book.extend(held.hold, step.more_nano, self._clock.now_ns() // 1_000_000)
            if short is None:
                held.tokens = step.tokens
                return True
            if attempt == 0:
                asks = book.asks(short, place.fund_leases)
                await self._extend(call, place, [Ask(row, need) for row, need in asks] or self._ask_all(place))
        held.exhausted = True
        return False


def _valid_until(windows: Sequence[BudgetWindow], view: MoneyView, account: str, now_ms: int) -> int:
    """Return when the rows of a key and model change by time alone: a window ends, a grant begins or expires."""
    moments = [int(each.window.end.timestamp() * 1000) for each in windows if each.window.end is not None]
    for fund in view.funds.get(account, ()):
        moments += [each for each in (fund.effective_ms, fund.expires_ms) if each is not None and each > now_ms]
    return min(moments, default=FOREVER_MS)
