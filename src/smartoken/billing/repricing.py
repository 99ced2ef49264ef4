"""The charge of a stored call worked out again: by the version that it was priced with, or by another price. Pure.

What a record does not say is whether the call thought, which some prices ask; the lines of its charge tell it, since
they show the rates that were taken. A charge that cannot be worked out again is None, never a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from smartoken.billing.prices import Charge, HolidayCheck, Line, Tariff, tariff
from smartoken.catalog.offers import Price
from smartoken.money import charge_nano
from smartoken.tokens import TokenUsage

# Ends for which nothing is charged whatever was counted (docs/billing.md); a test holds them against the gateway's.
FREE_ENDS = frozenset({"upstream_error", "refused", "our_fault", "zero_output", "unknown_dispatch"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = Mapping[str, Any]


@dataclass(slots=True)
class Repricer:
    """Works charges out again; tariffs that no hour and no date changes are made once."""

    is_holiday: HolidayCheck
    _fixed: dict[int, tuple[Price, Tariff]] = field(default_factory=dict)

    def _tariff(self, price: Price, created_ms: int) -> Tariff:
        found = self._fixed.get(id(price))
        if found is not None:
            return found[1]
        made = tariff(price, _EPOCH + timedelta(milliseconds=created_ms), self.is_holiday)
        if price.time_of_day is None and price.promotion is None:
            self._fixed[id(price)] = (price, made)
        return made

    def exactly(self, price: Price, row: Row) -> int | None:
        """Return the charge by the price that the call was priced with, or None if its lines show other rates."""
        if _free(row) or usage_of(row) is None:
            return 0 if not row["price_lines"] else None
        found = self._tariff(price, row["created_ms"])
        lines: list[Line] = []
        for each in parts_of(row):
            charged = _exactly(found, each)
            if charged is None:
                return None
            lines += charged.lines
        return charge_nano([(tokens, rate) for _, tokens, rate in lines])

    def by(self, price: Price, row: Row, priced_by: Price | None) -> tuple[int | None, bool]:
        """Return the charge by another price, and whether it had to be assumed that the call did or did not think.

        ``priced_by`` is the price of the call's own version, where it is stored.
        """
        if _free(row):
            return 0, False
        usage = usage_of(row)
        if usage is None:
            return (0, False) if not row["charge_nano"] else (None, False)
        found = self._tariff(price, row["created_ms"])
        lines: list[Line] = []
        guessed = False
        for each in parts_of(row):
            part = usage_of(each)
            if part is None:
                return None, False
            told = False if found.thinking == found.plain else self._thought(priced_by, each, part)
            thinking = part.reasoning > 0 if told is None else told
            guessed = guessed or told is None
            lines += found.charge(part, thinking=thinking).lines
        return charge_nano([(tokens, rate) for _, tokens, rate in lines]), guessed

    def _thought(self, priced_by: Price | None, row: Row, usage: TokenUsage) -> bool | None:
        """Return whether the call thought, as its own price's lines tell; None where they do not."""
        if usage.reasoning > 0:
            return True
        if priced_by is None:
            return None
        found = self._tariff(priced_by, row["created_ms"])
        if found.thinking == found.plain:
            return None
        fits = [each for each in (False, True) if same_lines(found.charge(usage, thinking=each), row["price_lines"])]
        return fits[0] if len(fits) == 1 else None


def _free(row: Row) -> bool:
    return row["end_reason"] in FREE_ENDS


def usage_of(row: Row) -> TokenUsage | None:
    """Return what a record says was used; None where nothing is known or the counts contradict each other."""
    prompt, completion = row["prompt_tokens"], row["completion_tokens"]
    if prompt is None or completion is None:
        return None
    cached, write = row["cached_tokens"] or 0, row["cache_write_tokens"] or 0
    if prompt < cached + write:
        return None
    return TokenUsage(prompt, completion, cached, write, row["reasoning_tokens"] or 0)


def _exactly(found: Tariff, row: Row) -> Charge | None:
    usage = usage_of(row)
    if usage is None:
        return None
    charges = (found.charge(usage, thinking=thinking) for thinking in (False, True))
    return next((each for each in charges if same_lines(each, row["price_lines"])), None)


def parts_of(row: Row) -> list[Row]:
    """Return the call once for each attempt that told a part of its answer, as its lines say; mostly there is one."""
    lines = row["price_lines"]
    if not any("attempt" in each for each in lines):
        return [row]
    found: list[Row] = []
    for place, attempt in enumerate(dict.fromkeys(each["attempt"] for each in lines)):
        own = [each for each in lines if each["attempt"] == attempt]
        told = {each["what"]: each["tokens"] for each in own}
        cached, write, output = told.get("cached_input", 0), told.get("cache_write", 0), told.get("output", 0)
        counts = {
            "prompt_tokens": told.get("input", 0) + cached + write,
            "cached_tokens": cached,
            "cache_write_tokens": write,
            "completion_tokens": output,
            "reasoning_tokens": min(row["reasoning_tokens"] or 0, output)
            if place == 0
            else 0,  # the rest thinks no more
        }
        found.append({**row, **counts, "price_lines": own})
    return found


def same_lines(charged: Charge, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a charge has the very lines of a record."""
    return [tuple(each) for each in charged.lines] == [(each["what"], each["tokens"], each["rate"]) for each in lines]
