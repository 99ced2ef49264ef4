"""Windows of budgets: days, weeks and months in a zone, over changes of clocks and of zones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.windows import EPOCH, TOTAL, Period, ZoneSince, window_at, window_id, window_in


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# All instants are UTC. 2026-11-03 is a Tuesday.
WINDOWS = """
period zone                | at                  | start               end
day    UTC                 | 2026-11-03T00:00:00 | 2026-11-03T00:00:00 2026-11-04T00:00:00
day    UTC                 | 2026-11-03T23:59:59 | 2026-11-03T00:00:00 2026-11-04T00:00:00
day    Asia/Shanghai       | 2026-11-03T15:59:59 | 2026-11-02T16:00:00 2026-11-03T16:00:00
day    Asia/Shanghai       | 2026-11-03T16:00:00 | 2026-11-03T16:00:00 2026-11-04T16:00:00
day    Asia/Kathmandu      | 2026-11-03T18:15:00 | 2026-11-03T18:15:00 2026-11-04T18:15:00
week   UTC                 | 2026-11-03T12:00:00 | 2026-11-02T00:00:00 2026-11-09T00:00:00
week   UTC                 | 2026-11-02T00:00:00 | 2026-11-02T00:00:00 2026-11-09T00:00:00
week   UTC                 | 2026-11-08T23:59:59 | 2026-11-02T00:00:00 2026-11-09T00:00:00
week   UTC                 | 2027-01-01T00:00:00 | 2026-12-28T00:00:00 2027-01-04T00:00:00
week   America/New_York    | 2026-11-02T04:59:59 | 2026-10-26T04:00:00 2026-11-02T05:00:00
month  UTC                 | 2026-01-31T23:59:59 | 2026-01-01T00:00:00 2026-02-01T00:00:00
month  UTC                 | 2026-02-28T00:00:00 | 2026-02-01T00:00:00 2026-03-01T00:00:00
month  UTC                 | 2028-02-29T12:00:00 | 2028-02-01T00:00:00 2028-03-01T00:00:00
month  UTC                 | 2026-12-31T23:59:59 | 2026-12-01T00:00:00 2027-01-01T00:00:00
month  Asia/Shanghai       | 2026-12-31T16:00:00 | 2026-12-31T16:00:00 2027-01-31T16:00:00
month  America/Los_Angeles | 2026-03-31T12:00:00 | 2026-03-01T08:00:00 2026-04-01T07:00:00
day    Europe/Berlin       | 2026-03-29T10:00:00 | 2026-03-28T23:00:00 2026-03-29T22:00:00  23 hours
day    Europe/Berlin       | 2026-10-25T10:00:00 | 2026-10-24T22:00:00 2026-10-25T23:00:00  25 hours
day    Asia/Beirut         | 2026-03-28T22:30:00 | 2026-03-28T22:00:00 2026-03-29T21:00:00  midnight is skipped
day    Asia/Beirut         | 2026-03-28T21:59:59 | 2026-03-27T22:00:00 2026-03-28T22:00:00
day    Atlantic/Azores     | 2026-10-25T00:30:00 | 2026-10-25T00:00:00 2026-10-26T01:00:00  midnight comes twice
day    Atlantic/Azores     | 2026-10-25T01:30:00 | 2026-10-25T00:00:00 2026-10-26T01:00:00  the second time counts on
day    America/Havana      | 2026-11-01T04:30:00 | 2026-11-01T04:00:00 2026-11-02T05:00:00  midnight comes twice
day    America/Scoresbysund | 2023-10-29T00:30:00 | 2023-10-29T00:00:00 2023-10-30T01:00:00  set back over midnight
day    America/Scoresbysund | 2023-10-29T01:30:00 | 2023-10-29T00:00:00 2023-10-30T01:00:00
day    Pacific/Apia        | 2011-12-30T09:59:59 | 2011-12-29T10:00:00 2011-12-30T10:00:00
day    Pacific/Apia        | 2011-12-30T10:00:00 | 2011-12-30T10:00:00 2011-12-31T10:00:00  Samoa skips the 30th
"""


@pytest.mark.parametrize("row", WINDOWS.strip().splitlines()[1:])
def test_a_window_is_a_whole_period_of_its_zone(row):
    what, at, bounds = (part.split() for part in row.split("|"))
    found = window_in(Period(what[0]), what[1], utc(at[0]))
    assert (found.start, found.end) == (utc(bounds[0]), utc(bounds[1]))
    assert found.holds(utc(at[0]))


# Zones by the instant from which they were asked for; the first column is the instant of the call.
SH, NY = "Asia/Shanghai", "America/New_York"
CHANGES = [
    ("before any change", "day", [(SH, "2020-01-01")], "2026-11-03T12:00:00", "2026-11-02T16", "2026-11-03T16"),
    (
        "asked for at noon, the day of the old zone goes on",
        "day",
        [(SH, "2020-01-01"), ("UTC", "2026-11-03T04:00:00")],
        "2026-11-03T15:59:59",
        "2026-11-02T16",
        "2026-11-03T16",
    ),
    (
        "then eight hours are too few for a day of their own and join the next",
        "day",
        [(SH, "2020-01-01"), ("UTC", "2026-11-03T04:00:00")],
        "2026-11-03T16:00:00",
        "2026-11-03T16",
        "2026-11-05T00",
    ),
    (
        "and from there days are those of the new zone",
        "day",
        [(SH, "2020-01-01"), ("UTC", "2026-11-03T04:00:00")],
        "2026-11-05T00:00:00",
        "2026-11-05T00",
        "2026-11-06T00",
    ),
    (
        "sixteen hours are a short day",
        "day",
        [("UTC", "2020-01-01"), (SH, "2026-11-03T04:00:00")],
        "2026-11-04T01:00:00",
        "2026-11-04T00",
        "2026-11-04T16",
    ),
    (
        "a month ends as the old zone has it and runs to the new one's end",
        "month",
        [(SH, "2020-01-01"), (NY, "2026-11-03T04:00:00")],
        "2026-12-01T00:00:00",
        "2026-11-30T16",
        "2027-01-01T05",
    ),
    (
        "there and back within one window changes nothing",
        "week",
        [("UTC", "2020-01-01"), (SH, "2026-11-03T00:00:00"), ("UTC", "2026-11-04T00:00:00")],
        "2026-11-09T00:00:00",
        "2026-11-09T00",
        "2026-11-16T00",
    ),
    (
        "of two changes within one window the last counts",
        "day",
        [("UTC", "2020-01-01"), (NY, "2026-11-03T01:00:00"), (SH, "2026-11-03T02:00:00")],
        "2026-11-04T01:00:00",
        "2026-11-04T00",
        "2026-11-04T16",
    ),
    (
        "a change asked for within a stretched window waits for its end",
        "day",
        [(SH, "2020-01-01"), ("UTC", "2026-11-03T04:00:00"), (SH, "2026-11-04T12:00:00")],
        "2026-11-04T20:00:00",
        "2026-11-03T16",
        "2026-11-05T00",
    ),
    ("a total knows no zone", "total", [(SH, "2020-01-01"), (NY, "2026-01-01")], "2026-11-03T00:00:00", None, None),
    (
        "a zone asked for at the very end",
        "day",
        [("UTC", "2020-01-01"), (SH, "2026-11-04T00:00:00")],
        "2026-11-04T01:00:00",
        "2026-11-04T00",
        "2026-11-05T00",
    ),
]


@pytest.mark.parametrize(
    ("period", "zones", "at", "start", "end"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_a_change_of_zone_applies_when_the_window_ends(period, zones, at, start, end):
    found = window_at(Period(period), [ZoneSince(zone, utc(since)) for zone, since in zones], utc(at))
    if start is None:
        assert found == TOTAL
        return
    assert (found.start, found.end) == (utc(start), utc(end))


ZONES = [SH, NY, "UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
zones = st.sampled_from(ZONES)
periods = st.sampled_from([Period.DAY, Period.WEEK, Period.MONTH])
instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
LONGEST = {
    Period.DAY: timedelta(hours=25),
    Period.WEEK: timedelta(days=7, hours=1),
    Period.MONTH: timedelta(days=31, hours=1),
}


@given(periods, zones, instants)
def test_the_windows_of_a_zone_follow_each_other_without_gap_or_overlap(period, zone, at):
    one = window_in(period, zone, at)
    assert one.holds(at)
    assert not one.holds(one.end)
    after = window_in(period, zone, one.end)
    assert after.start == one.end
    assert one.start.astimezone(ZoneInfo(zone)).hour in (0, 1)
    assert one.end - one.start <= LONGEST[period]


@given(periods, st.lists(st.tuples(zones, instants), min_size=1, max_size=4), instants)
def test_windows_over_any_changes_of_zone_follow_each_other_and_stay_near_a_period(period, history, at):
    asked = [ZoneSince(*each) for each in sorted(history, key=lambda each: each[1])]
    one = window_at(period, asked, at)
    assert one.holds(at)
    after = window_at(period, asked, one.end)
    assert after.start == one.end
    assert one.end - one.start <= LONGEST[period] * 3 / 2 + timedelta(hours=1)
    assert window_at(period, asked, one.start) == one


def test_windows_are_told_apart_by_scope_period_and_start():
    at = utc("2026-11-03T12:00:00")
    day = window_in(Period.DAY, "UTC", at)
    assert window_id("key", "key_1", day) == "window:key:key_1:day:1793664000000"
    ids = {
        window_id(scope, name, window_in(period, "UTC", at + timedelta(days=days)))
        for scope in ("key", "account")
        for name in ("a", "b")
        for period in Period
        for days in (0, 31)
    }
    assert len(ids) == 2 * 2 * (3 * 2 + 1)
    assert window_id("key", "a", TOTAL) == "window:key:a:total:0"
    assert TOTAL.start == EPOCH
    assert TOTAL.holds(at)


def test_a_window_needs_an_aware_instant_and_a_zone_that_exists():
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the naive instant is the point
    with pytest.raises(ValueError, match="aware"):
        window_in(Period.DAY, "UTC", naive)
    with pytest.raises(ZoneInfoNotFoundError):
        window_in(Period.DAY, "Mars/Olympus", utc("2026-01-01"))
    with pytest.raises(ValueError, match="has a zone"):
        window_at(Period.DAY, [], utc("2026-01-01"))
