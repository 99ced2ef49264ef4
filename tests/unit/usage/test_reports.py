"""Reports: days by zone, largest charge first, and never a sum that is silently too small."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.usage import reports

HOUR = reports.HOUR_MS
FIELDS = ("calls", "errors", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "charge_nano",
          "ttft_sum_ms", "ttft_count", "total_sum_ms")  # fmt: skip


def row(name, **figures):
    return {"name": name, **dict.fromkeys(FIELDS, 0), **figures}


# hour (UTC, from the epoch), zone, the day it belongs to
DAYS = [
    (0, "UTC", "1970-01-01"),
    (23, "UTC", "1970-01-01"),
    (24, "UTC", "1970-01-02"),
    (16, "Asia/Shanghai", "1970-01-02"),
    (15, "Asia/Shanghai", "1970-01-01"),
    (4, "America/New_York", "1969-12-31"),
]


@pytest.mark.parametrize(("hour", "zone", "day"), DAYS)
def test_an_hour_belongs_to_the_day_of_its_zone(hour, zone, day):
    found = reports.by_day([row((hour * HOUR,), calls=1)], ZoneInfo(zone))
    assert [(each["name"], each["calls"]) for each in found] == [((day,), 1)]


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 10**6)), max_size=50))
def test_days_add_up_to_what_the_hours_hold(hours):
    rows = [row((hour * HOUR,), charge_nano=nano, calls=1) for hour, nano in hours]
    days = reports.by_day(rows, ZoneInfo("Europe/Berlin"))
    assert reports.total(days) == reports.total(rows)
    assert [each["name"] for each in days] == sorted(each["name"] for each in days)


def test_the_largest_charge_comes_first_and_the_rest_is_summed():
    rows = [row((f"m{number}",), charge_nano=number, calls=1) for number in range(reports.MOST_GROUPS + 5)]
    shown, rest = reports.listed("model", rows)
    assert shown[0] == {"model": "m1004", **reports.figures(rows[-1])}
    assert len(shown) == reports.MOST_GROUPS
    assert rest is not None
    assert rest["calls"] == 5
    assert rest["charge_usd"] == "0.00000001"


def test_a_group_without_a_name_is_null_and_a_mean_without_values_too():
    shown, rest = reports.listed("user", [row(("",), calls=2, total_sum_ms=30)])
    assert (shown[0]["user"], shown[0]["mean_total_ms"], shown[0]["mean_ttft_ms"], rest) == (None, 15, None, None)


def test_what_is_kept_begins_four_hundred_days_ago_at_a_whole_hour():
    now = 1_800_000_000_123
    assert reports.kept_from(now) % HOUR == 0
    assert now - reports.kept_from(now) < 400 * reports.DAY_MS + HOUR
