"""Exchange rates with the day from which each holds. Pure."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class FxRate:
    """One dated rate: nano-units of the second currency of ``pair`` for one unit of the first."""

    pair: str  # "CNY/USD"
    rate_nano: int
    valid_from: date
    source: str


class FxUnknownError(LookupError):
    """No rate of this pair is known."""


@dataclass(frozen=True, slots=True)
class FxTable:
    """Every known rate; the newest one that is valid on a day counts."""

    rates: tuple[FxRate, ...] = ()

    def on(self, pair: str, day: date) -> FxRate:
        """Return the rate of a day; before the first rate's day, the first.

        Raises:
            FxUnknownError: the table has no rate of this pair.

        """
        dated = sorted((each for each in self.rates if each.pair == pair), key=lambda each: each.valid_from)
        if not dated:
            raise FxUnknownError(f"no exchange rate for {pair}: add one with [[fx]]")
        return next((each for each in reversed(dated) if each.valid_from <= day), dated[0])

    def newest(self, pair: str) -> FxRate:
        """Return the rate with the latest day.

        Raises:
            FxUnknownError: the table has no rate of this pair.

        """
        return self.on(pair, date.max)

    def age_days(self, pair: str, day: date) -> int:
        """Return how many days ago the rate of that day came into force; never negative."""
        return max(0, (day - self.on(pair, day).valid_from).days)

    def with_rates(self, rates: tuple[FxRate, ...]) -> "FxTable":
        """Return the table with an operator's rates added; they win over shipped ones of the same day."""
        replaced = {(each.pair, each.valid_from) for each in rates}
        kept = tuple(each for each in self.rates if (each.pair, each.valid_from) not in replaced)
        return FxTable((*kept, *rates))
