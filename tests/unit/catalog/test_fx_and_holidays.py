"""Exchange rates by day, and the holidays that decide peak hours."""

from datetime import date

import pytest

from smartoken.catalog.fx import FxRate, FxTable, FxUnknownError
from smartoken.catalog.holidays import covers, is_holiday

SPRING = FxRate("CNY/USD", 100, date(2026, 3, 1), "a")
SUMMER = FxRate("CNY/USD", 200, date(2026, 6, 1), "b")
OTHER = FxRate("EUR/USD", 300, date(2026, 1, 1), "c")
TABLE = FxTable((SUMMER, OTHER, SPRING))


@pytest.mark.parametrize(
    ("day", "rate", "age"),
    [
        (date(2026, 1, 1), SPRING, 0),  # before the first rate: the first
        (date(2026, 3, 1), SPRING, 0),
        (date(2026, 5, 31), SPRING, 91),
        (date(2026, 6, 1), SUMMER, 0),
        (date(2026, 6, 15), SUMMER, 14),
    ],
)
def test_the_rate_of_a_day_is_the_newest_that_holds(day, rate, age):
    assert TABLE.on("CNY/USD", day) == rate
    assert TABLE.age_days("CNY/USD", day) == age


def test_the_newest_rate_may_lie_in_the_future():
    assert TABLE.newest("CNY/USD") == SUMMER


def test_an_operators_rate_replaces_one_of_the_same_day_and_joins_the_others():
    mine = FxRate("CNY/USD", 999, date(2026, 6, 1), "mine")
    joined = TABLE.with_rates((mine,))
    assert joined.newest("CNY/USD") == mine
    assert joined.on("CNY/USD", date(2026, 4, 1)) == SPRING
    assert len(joined.rates) == 3


def test_a_pair_without_any_rate_is_an_error_that_names_the_fix():
    with pytest.raises(FxUnknownError, match=r"no exchange rate for JPY/USD: add one with \[\[fx\]\]"):
        TABLE.newest("JPY/USD")


@pytest.mark.parametrize(
    ("calendar", "day", "expected"),
    [
        ("CN", date(2026, 10, 1), True),  # National Day
        ("CN", date(2026, 10, 7), True),  # the last day off in exchange
        ("CN", date(2026, 10, 8), False),
        ("CN", date(2026, 2, 17), True),  # Spring Festival
        ("CN", date(2026, 11, 28), False),  # an ordinary Saturday is not a holiday; weekdays decide
        ("CN", date(2026, 10, 10), False),  # a Saturday worked in exchange stays a Saturday
        ("CN", date(2099, 10, 1), False),  # a year that is not known counts as working days
        ("US", date(2026, 7, 4), False),  # a calendar that is not known
    ],
)
def test_public_holidays_are_known_and_unknown_years_count_as_peak(calendar, day, expected):
    assert is_holiday(calendar, day) is expected


@pytest.mark.parametrize(("calendar", "year", "known"), [("CN", 2026, True), ("CN", 2099, False), ("US", 2026, False)])
def test_a_year_without_holidays_can_be_told(calendar, year, known):
    assert covers(calendar, year) is known
