"""The charge of a stored call worked out again: by the version that it was priced with, or by another price. Pure.

What a record does not say is whether the call thought, which some prices ask; the lines of its charge tell it, since
they show the rates that were taken. A charge that cannot be worked out again is None, never a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from smartoken.billing.prices import Charge, HolidayCheck, Tariff, tariff
from smartoken.catalog.offers import Price
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
        if _free(row):
            return 0 if not row["price_lines"] else None
        usage = usage_of(row)
        if usage is None:
            return 0 if not row["price_lines"] else None
        found = self._tariff(price, row["created_ms"])
        for thinking in (False, True):
            charged = found.charge(usage, thinking=thinking)
            if same_lines(charged, row["price_lines"]):
                return charged.nano
        return None

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
        if found.thinking == found.plain:
            return found.charge(usage, thinking=False).nano, False
        told = self._thought(priced_by, row, usage)
        thinking = usage.reasoning > 0 if told is None else told
        return found.charge(usage, thinking=thinking).nano, told is None

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


def same_lines(charged: Charge, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a charge has the very lines of a record."""
    return [tuple(each) for each in charged.lines] == [(each["what"], each["tokens"], each["rate"]) for each in lines]
