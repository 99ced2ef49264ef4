"""Step 6: what the call costs, and its record: exactly one a call, written in batches off the hot path.

The charge is decided here, at once and in integers, by the price that was in force when the call was made and the
billing matrix (docs/billing.md). The record waits in memory for the next flush; a flush that fails is tried again with
the same records, and inserting a record twice has no effect.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from smartoken.billing.prices import Charge, Tariff, tariff
from smartoken.catalog.offers import Price
from smartoken.clock import Clock
from smartoken.gateway.call import Call, EndReason, Outcome, Part, Plan
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.seams import charge_of, price_lines
from smartoken.gateway.till import Held, Till
from smartoken.tokens import TokenUsage
from smartoken.usage.records import CallRecord

FREE = Charge(0, ())
# Ends for which nothing is charged whatever was counted: no output reached the client, or the fault is ours.
_FREE_ENDS = frozenset({EndReason.UPSTREAM_ERROR, EndReason.REFUSED, EndReason.OUR_FAULT, EndReason.ZERO_OUTPUT})
_logger = logging.getLogger(__name__)
HolidayCheck = Callable[[str, date], bool]
_MAX_TARIFFS = 4_096
_MOST_EVIDENCE = 200  # characters
_UNKNOWN = (None, None, None, None, None, None, False)  # counts, their source, whether they are doubted
_new = tuple.__new__  # half the price of a named tuple's own
_text = str.__str__  # of a word of an enumeration, as a plain string


class Bill(NamedTuple):
    """What a call comes to: its price and cost worked out, what was paid of it, and from where."""

    sell: Charge
    cost: Charge | None  # None: what the provider takes is not known
    paid: int
    bound: int = 0
    overrun: int = 0
    lines: list[list[Any]] = []  # noqa: RUF012 - never changed: a record takes it over as it is
    windows: list[str] = []  # noqa: RUF012 - likewise


class Tariffs:
    """Prices as they stand at an instant; those that no hour and no date changes are worked out once."""

    __slots__ = ("_fixed", "_is_holiday")

    def __init__(self, is_holiday: HolidayCheck) -> None:
        self._is_holiday = is_holiday
        self._fixed: dict[int, tuple[Price, Tariff]] = {}  # by identity; the price is kept, so its id stays its own

    def at(self, price: Price, instant: datetime) -> Tariff:
        """Return the tariff of a price at an instant."""
        found = self._fixed.get(id(price))
        if found is not None:
            return found[1]
        made = tariff(price, instant, self._is_holiday)
        if price.time_of_day is None and price.promotion is None:
            if len(self._fixed) >= _MAX_TARIFFS:
                self._fixed.clear()
            self._fixed[id(price)] = (price, made)
        return made


class Settler:
    """Prices outcomes and keeps the records until they are stored."""

    __slots__ = ("_clock", "_flushing", "_logbook", "_store", "_tariffs", "_till", "_waiting")

    def __init__(
        self,
        store: Callable[[Sequence[CallRecord]], Awaitable[None]],
        tariffs: Tariffs,
        clock: Clock,
        till: Till,
        logbook: Logbook,
    ) -> None:
        self._store = store
        self._tariffs = tariffs
        self._till = till
        self._logbook = logbook
        self._clock = clock
        self._waiting: list[CallRecord] = []
        self._flushing: list[CallRecord] = []

    @property
    def waiting(self) -> int:
        """How many records are not stored yet."""
        return len(self._waiting) + len(self._flushing)

    def settle(self, call: Call, plan: Plan | None, outcome: Outcome, held: Held | None) -> CallRecord:
        """Price the outcome, pay it from what is held, journal it, and keep its record for the next flush.

        What went past the hold is not the customer's: it is noted as the house's overrun.
        """
        sell, cost = FREE, None
        usage, target = outcome.usage, outcome.target
        if plan is not None and usage is not None and outcome.end not in _FREE_ENDS and plan.model.price is not None:
            tariff = self._tariffs.at(plan.model.price, call.now)
            if outcome.parts:
                sell = charge_of(outcome.parts, tariff)
            else:
                sell = tariff.charge(usage, thinking=outcome.thinking)
        if outcome.parts:
            cost = self._cost_of(call, outcome.parts)
        elif target is not None and target.offer.cost is not None:
            cost = FREE
            if usage is not None:
                cost = self._tariffs.at(target.offer.cost, call.now).charge(usage, thinking=outcome.thinking)
        for each in (*outcome.lost, *outcome.parts):
            price = each.target.offer.cost
            if price is not None:
                spent = self._tariffs.at(price, call.now).charge(each.usage, thinking=each.thinking)
                outcome.attempts[each.place - 1].cost = (spent.nano, price.currency)
        if held is None:
            record = self._record(call, plan, outcome, Bill(sell, cost, sell.nano))
        else:
            bound = held.hold.nano
            paid = self._till.book.settle(held.hold, sell.nano)
            windows = held.place.rows if paid.paid else []
            bill = Bill(sell, cost, paid.paid, bound, paid.overrun, [list(line) for line in paid.lines], windows)
            record = self._record(call, plan, outcome, bill)
            try:
                self._logbook.final(record)
            except OSError:
                _logger.exception("the journal has no room for call %s; its record waits in memory only", call.id)
        self._waiting.append(record)
        return record

    def _cost_of(self, call: Call, parts: Sequence[Part]) -> Charge | None:
        """Return what the parts of an answer cost us; None where one is not known, or in another currency."""
        prices = [each.target.offer.cost for each in parts]
        known = [each for each in prices if each is not None]
        worth = {(each.target.offer.cost.currency, each.target.offer.fx_id) for each in parts if each.target.offer.cost}
        if len(known) < len(parts) or len(worth) > 1:
            return None
        charges = [
            self._tariffs.at(price, call.now).charge(each.usage, thinking=each.thinking)
            for price, each in zip(known, parts, strict=True)
        ]
        return Charge(sum(each.nano for each in charges), ())

    def _record(self, call: Call, plan: Plan | None, outcome: Outcome, bill: Bill) -> CallRecord:
        key, request, target = call.caller.key, call.request, outcome.target
        model, version = (request.model, "") if plan is None else (plan.model.model.id, plan.model.price_version)
        provider = offer_id = cost_currency = fx_id = None
        if target is not None:
            offer = target.offer
            provider, offer_id, fx_id = offer.provider.id, offer.offer.id, offer.fx_id
            cost_currency = offer.cost.currency if offer.cost is not None else None
        counts: tuple[int | str | bool | None, ...] = _UNKNOWN
        if outcome.usage is not None:
            prompt, completion, cached, cache_write, reasoning, source, suspect = outcome.usage
            counts = (prompt, cached, cache_write, completion, reasoning, _text(source), suspect)
        lines = bill.sell.lines
        return _new(  # the fields in their order; by name it takes four times as long
            CallRecord,
            (
                call.id, call.now_ms, key.account_id, key.id, key.environment, key.owner, key.workflow, request.user,
                request.model, model, outcome.model_served, provider, offer_id, request.stream,
                outcome.status, None if outcome.error is None else outcome.error.code, _text(outcome.end),
                *counts,
                bill.paid, bill.bound, bill.overrun, None if bill.cost is None else bill.cost.nano,
                cost_currency, fx_id, version,
                price_lines(outcome.parts, bill.sell) if outcome.parts
                else [{"what": what, "tokens": tokens, "rate": rate} for what, tokens, rate in lines],
                outcome.ttft_ms, int((self._clock.monotonic() - call.started) * 1000),
                [attempt.row() for attempt in outcome.attempts],
                outcome.evidence and _one_line(outcome.evidence), call.ip,
                bill.lines, bill.windows, None,
            ),
        )  # fmt: skip

    def recent(self, call_id: str) -> CallRecord | None:
        """Return a record that is not stored yet."""
        for batch in (self._waiting, self._flushing):
            for record in batch:
                if record.id == call_id:
                    return record
        return None

    async def flush(self) -> int:
        """Store what waits; returns how many records. Raises what the store raised, and keeps the records."""
        if not self._flushing:
            self._flushing, self._waiting = self._waiting, []
        batch = self._flushing
        if not batch:
            return 0
        await self._store(batch)
        self._flushing = []
        return len(batch)

    async def run(self, every_s: float = 1.0) -> None:
        """Flush again and again until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.flush()
            except Exception:  # the loop of a worker task: whatever the store raises, the records are kept
                _logger.exception("usage records could not be stored; they are kept and tried again")


def _one_line(evidence: str) -> str:
    """Return evidence as its column takes it; it may name what a client asked for."""
    return "".join(each for each in evidence[:_MOST_EVIDENCE] if each.isprintable())


def usage_object(usage: TokenUsage, charge_usd: str | None) -> dict[str, object]:
    """Return usage in OpenAI's shape, with the charge where it is known."""
    shown: dict[str, object] = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    if usage.cache_write:
        shown["prompt_tokens_details"] = {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write}
    if charge_usd is not None:
        shown["charge_usd"] = charge_usd
    return shown
