"""What a call costs: a price list, a moment and a usage give a charge. Pure.

A price becomes a *tariff* at one instant, when the hour of day and a promotion have been applied to its rates; the
tariff is fixed at admission and gives the rates of the whole call once its lengths are known. The first band whose
bounds all hold gives every rate; nothing is marginal. The last band that fits the call's thinking is open-ended, since
a vendor's last bound is the model's own maximum. A percentage rounds a rate up to a whole pico-unit, as a conversion
of currency does, so the lines of a charge multiply out exactly; the sum is rounded up once.

The thinking of a call is a fact of what came back, and a band by answer length counts reasoning as answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from smartoken.catalog.offers import Band, Price, Promotion, TimeOfDay
from smartoken.money import PICO_PER_NANO, convert_nano
from smartoken.tokens import TokenUsage

HUNDRED = 100
_new = tuple.__new__  # half the price of a named tuple's own
HolidayCheck = Callable[[str, date], bool]
Line = tuple[str, int, int]  # what, tokens, pico-units per token


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of one whole call, in pico-units per token of the price's currency, all percentages applied."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    band: int  # its place in the price's list
    time_percent: int = HUNDRED  # what the hour of day made of the listed rates
    promotion_percent: int = HUNDRED
    # The most that one prompt token can cost: a cached price is never assumed, a cache write may be dearer.
    dearest_input: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dearest_input", max(self.input, self.cached_input, self.cache_write))

    @property
    def factor_percent(self) -> int:
        """Both percentages together, rounded up to a whole one; for display, the rates carry the exact figure."""
        return -(-self.time_percent * self.promotion_percent // HUNDRED)


class Charge(NamedTuple):
    """An amount in nano-units and how it was worked out: ``(what, tokens, rate)`` for each count above zero.

    A tuple because two are made for every call.
    """

    nano: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a provider takes for a usage, in its currency, and the same in USD where a rate is known."""

    nano: int
    currency: str
    usd_nano: int | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Tier:
    """A band of a tariff: inclusive bounds (``None``: open) and the rates within them."""

    up_to_prompt: int | None
    up_to_output: int | None
    rates: Rates

    def fits(self, prompt: int, output: int) -> bool:
        """Whether a call of these lengths is within the bounds."""
        return (self.up_to_prompt is None or prompt <= self.up_to_prompt) and (
            self.up_to_output is None or output <= self.up_to_output
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price at one instant: the bands of calls without and with thinking, each list ending open."""

    currency: str
    plain: tuple[Tier, ...]
    thinking: tuple[Tier, ...]

    def tiers(self, *, thinking: bool) -> tuple[Tier, ...]:
        """Return the bands that a call is tried against, in order."""
        return self.thinking if thinking else self.plain

    def rates(self, *, prompt: int, output: int, thinking: bool) -> Rates:
        """Return the rates of a call of these lengths."""
        tiers = self.tiers(thinking=thinking)
        for each in tiers:
            if each.fits(prompt, output):
                return each.rates
        return tiers[-1].rates  # not reached, the last one is open

    def charge(self, usage: TokenUsage, *, thinking: bool) -> Charge:
        """Return the charge for a usage.

        Raises:
            ValueError: the counts contradict each other.

        """
        tiers = self.thinking if thinking else self.plain
        if len(tiers) == 1:  # most prices have one band
            return charge(tiers[0].rates, usage)
        return charge(self.rates(prompt=usage.prompt, output=usage.completion, thinking=thinking), usage)


def hour_percent(hours: TimeOfDay | None, at: datetime, is_holiday: HolidayCheck) -> int:
    """Return what the hour of day makes of the listed rates, in percent.

    Rates are those listed within ``[start, end)`` of a peak span on a listed weekday that is no holiday, all judged in
    the price's own zone; outside of them the off-peak percentage holds.
    """
    if hours is None:
        return HUNDRED
    local = at.astimezone(ZoneInfo(hours.zone))
    if local.isoweekday() not in hours.weekdays:
        return hours.off_peak_percent
    if hours.holidays is not None and is_holiday(hours.holidays, local.date()):
        return hours.off_peak_percent
    clock = local.time()
    if any(start <= clock < end for start, end in hours.peak):
        return HUNDRED
    return hours.off_peak_percent


def promotion_percent(promotion: Promotion | None, at: datetime) -> int:
    """Return what a promotion makes of the rates: its percentage through its last day in its zone, then 100."""
    if promotion is None or at.astimezone(ZoneInfo(promotion.zone)).date() > promotion.until:
        return HUNDRED
    return promotion.percent


def tariff(price: Price, at: datetime, is_holiday: HolidayCheck) -> Tariff:
    """Return the price as it stands at an instant (aware).

    Raises:
        ValueError: the price has no band, or the instant names no zone.

    """
    if at.tzinfo is None:
        raise ValueError("a price is asked at an aware instant")
    if not price.bands:
        raise ValueError("a price has at least one band")
    hour = hour_percent(price.time_of_day, at, is_holiday)
    promotion = promotion_percent(price.promotion, at)
    tiers = [(each.thinking, _tier(place, each, hour, promotion)) for place, each in enumerate(price.bands)]
    plain, thinking = _open(tiers, thinking=False), _open(tiers, thinking=True)
    return Tariff(price.currency, plain, plain if thinking == plain else thinking)


def scaled(rate: int, hour: int, promotion: int = HUNDRED) -> int:
    """Return what two percentages make of a listed rate, rounded up to a whole pico-unit."""
    return -(-rate * hour * promotion // (HUNDRED * HUNDRED))


def _tier(place: int, band: Band, hour: int, promotion: int) -> Tier:
    def stands(rate: int | None) -> int:
        return scaled(band.input if rate is None else rate, hour, promotion)

    found = Rates(
        input=stands(band.input),
        cached_input=stands(band.cached_input),
        cache_write=stands(band.cache_write),
        output=stands(band.output),
        band=place,
        time_percent=hour,
        promotion_percent=promotion,
    )
    return Tier(band.up_to_prompt_tokens, band.up_to_output_tokens, found)


def _open(tiers: Sequence[tuple[bool | None, Tier]], *, thinking: bool) -> tuple[Tier, ...]:
    fitting = [tier for wanted, tier in tiers if wanted is None or wanted is thinking]
    chosen = fitting or [tier for _, tier in tiers]  # a list that forgets one kind of call still prices it
    return (*chosen[:-1], Tier(None, None, chosen[-1].rates))


def rates(price: Price, *, prompt: int, output: int, thinking: bool, at: datetime, is_holiday: HolidayCheck) -> Rates:
    """Return the rates of a call whose lengths are known, at the instant of its admission.

    Raises:
        ValueError: the price has no band, or the instant names no zone.

    """
    return tariff(price, at, is_holiday).rates(prompt=prompt, output=output, thinking=thinking)


def charge(found: Rates, usage: TokenUsage) -> Charge:
    """Return the charge for a usage: summed exactly, rounded up once to a nano-unit.

    Raises:
        ValueError: a count is negative, or more was cached than sent.

    """
    prompt, completion, cached, write, _, _, _ = usage
    fresh = prompt - cached - write
    if fresh < 0 or cached < 0 or write < 0 or completion < 0:
        raise ValueError(f"the counts contradict each other: {usage}")
    pico = 0
    lines: tuple[Line, ...] = ()
    if fresh:
        lines = (("input", fresh, found.input),)
        pico = fresh * found.input
    if cached:
        lines += (("cached_input", cached, found.cached_input),)
        pico += cached * found.cached_input
    if write:
        lines += (("cache_write", write, found.cache_write),)
        pico += write * found.cache_write
    if completion:
        lines += (("output", completion, found.output),)
        pico += completion * found.output
    return _new(Charge, (-(-pico // PICO_PER_NANO), lines))


def cost(charged: Charge, currency: str, fx_nano: int | None) -> Cost:
    """Return a provider's charge with its worth in USD by a rate in nano-USD per unit; ``None`` is an unknown rate."""
    if currency == "USD":
        return Cost(charged.nano, currency, charged.nano, charged.lines)
    usd = None if fx_nano is None else convert_nano(charged.nano, fx_nano)
    return Cost(charged.nano, currency, usd, charged.lines)
