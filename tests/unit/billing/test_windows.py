"""Windows by table: the zone's own days, weeks and months, with clocks that jump and zones that change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.windows import TOTAL, Period, ZoneSince, window_at, window_id, window_in

# All instants in UTC.
WINDOWS = """
period zone                | at                  | start            | end              | why
day    UTC                 | 2026-11-03T00:00:00 | 2026-11-03T00:00 | 2026-11-04T00:00 | the first instant is within
day    UTC                 | 2026-11-03T23:59:59 | 2026-11-03T00:00 | 2026-11-04T00:00 | the last second too
day    UTC                 | 2026-11-04T00:00:00 | 2026-11-04T00:00 | 2026-11-05T00:00 | the end is the next window's
day    Asia/Shanghai       | 2026-11-03T15:59:59 | 2026-11-02T16:00 | 2026-11-03T16:00 | 16:00 UTC is midnight
day    Asia/Shanghai       | 2026-11-03T16:00:00 | 2026-11-03T16:00 | 2026-11-04T16:00 |
day    Asia/Kathmandu      | 2026-11-03T12:00:00 | 2026-11-02T18:15 | 2026-11-03T18:15 | a quarter of an hour apart
day    America/New_York    | 2026-03-08T12:00:00 | 2026-03-08T05:00 | 2026-03-09T04:00 | 23 hours: clocks go forward
day    America/New_York    | 2026-11-01T12:00:00 | 2026-11-01T04:00 | 2026-11-02T05:00 | 25 hours: clocks go back
day    America/New_York    | 2026-11-01T06:30:00 | 2026-11-01T04:00 | 2026-11-02T05:00 | the repeated hour
day    Europe/Berlin       | 2026-10-25T23:00:00 | 2026-10-25T23:00 | 2026-10-26T23:00 |
day    America/Havana      | 2026-03-08T12:00:00 | 2026-03-08T05:00 | 2026-03-09T04:00 | midnight does not exist
day    America/Havana      | 2026-11-01T04:30:00 | 2026-11-01T04:00 | 2026-11-02T05:00 | twice: the first counts
day    America/St_Johns    | 2010-11-07T02:30:30 | 2010-11-07T02:30 | 2010-11-08T03:30 | back at 00:01
day    America/St_Johns    | 2010-11-07T03:00:00 | 2010-11-07T02:30 | 2010-11-08T03:30 | Saturday again, but no
day    Pacific/Apia        | 2011-12-30T09:59:59 | 2011-12-29T10:00 | 2011-12-30T10:00 | the last of a day
day    Pacific/Apia        | 2011-12-30T10:00:00 | 2011-12-30T10:00 | 2011-12-31T10:00 | Friday was skipped: Saturday
week   UTC                 | 2026-11-08T23:59:59 | 2026-11-02T00:00 | 2026-11-09T00:00 | Sunday ends the week
week   UTC                 | 2026-11-09T00:00:00 | 2026-11-09T00:00 | 2026-11-16T00:00 | Monday begins it
week   Asia/Shanghai       | 2026-11-08T16:00:00 | 2026-11-08T16:00 | 2026-11-15T16:00 | already Monday there
week   America/New_York    | 2026-03-08T12:00:00 | 2026-03-02T05:00 | 2026-03-09T04:00 | an hour short
week   UTC                 | 2026-12-31T12:00:00 | 2026-12-28T00:00 | 2027-01-04T00:00 | across the year
month  UTC                 | 2028-02-29T12:00:00 | 2028-02-01T00:00 | 2028-03-01T00:00 | a leap year
month  UTC                 | 2026-02-28T23:59:59 | 2026-02-01T00:00 | 2026-03-01T00:00 |
month  UTC                 | 2026-01-31T23:59:59 | 2026-01-01T00:00 | 2026-02-01T00:00 | 31 days
month  UTC                 | 2026-12-31T23:59:59 | 2026-12-01T00:00 | 2027-01-01T00:00 | the year's end
month  Asia/Shanghai       | 2026-10-31T16:00:00 | 2026-10-31T16:00 | 2026-11-30T16:00 | already November there
month  America/New_York    | 2026-11-15T00:00:00 | 2026-11-01T04:00 | 2026-12-01T05:00 | 30 days and an hour
"""


def utc(text):
    year = {6: "2026-", 9: "20"}.get(text.strip().find("T") + 1, "")  # tables leave out what goes without saying
    return datetime.fromisoformat(f"{year}{text.strip()}").replace(tzinfo=UTC)


@pytest.mark.parametrize("row", WINDOWS.strip().splitlines()[1:])
def test_a_window_follows_the_calendar_of_its_zone(row):
    names, at, start, end, _ = row.split("|")
    period, zone = names.split()
    found = window_in(Period(period), zone, utc(at))
    assert (found.start, found.end) == (utc(start), utc(end))
    assert found.holds(utc(at))
    assert not found.holds(found.end)


# Each change as "zone since"; the first zone counts from ever. The year is 2026 where none stands.
CHANGES = """
period | zones                                                 | at               | start            | end
day    | Asia/Shanghai; America/New_York 11-03T10:00      | 11-03T12:00 | 11-02T16:00 | 11-03T16:00
day    | Asia/Shanghai; America/New_York 11-03T10:00      | 11-03T16:00 | 11-03T16:00 | 11-04T05:00
day    | Asia/Shanghai; America/New_York 11-03T10:00      | 11-04T05:00 | 11-04T05:00 | 11-05T05:00
day    | UTC; Asia/Shanghai 11-03T10:00                   | 11-04T00:00 | 11-04T00:00 | 11-04T16:00
day    | UTC; America/New_York 11-03T10:00                | 11-04T00:00 | 11-04T00:00 | 11-05T05:00
month  | Asia/Shanghai; America/New_York 11-03T10:00      | 11-30T15:59 | 10-31T16:00 | 11-30T16:00
month  | Asia/Shanghai; America/New_York 11-03T10:00      | 11-30T16:00 | 11-30T16:00 | 27-01-01T05:00
month  | America/New_York; Asia/Shanghai 11-03T10:00      | 12-01T05:00 | 12-01T05:00 | 12-31T16:00
month  | America/New_York; Asia/Shanghai 11-03T10:00      | 12-31T16:00 | 12-31T16:00 | 27-01-31T16:00
week   | UTC; Asia/Shanghai 11-03T10:00                   | 11-09T00:00 | 11-09T00:00 | 11-15T16:00
day    | UTC; Asia/Tokyo 11-03T10:00; UTC 11-03T11:00         | 11-03T23:00 | 11-03T00:00 | 11-04T00:00
day    | UTC; Asia/Tokyo 11-03T10:00; UTC 11-03T11:00         | 11-04T00:00 | 11-04T00:00 | 11-05T00:00
day    | UTC; Asia/Tokyo 11-03T10:00; UTC 11-04T01:00         | 11-04T14:00 | 11-04T00:00 | 11-04T15:00
day    | UTC; Asia/Tokyo 11-03T10:00; UTC 11-04T01:00         | 11-04T15:00 | 11-04T15:00 | 11-06T00:00
day    | UTC; Asia/Tokyo 11-03T10:00; Asia/Kolkata 11-09T10:00 | 11-09T12:00 | 11-08T15:00 | 11-09T15:00
day    | UTC; Asia/Tokyo 11-03T10:00; Asia/Kolkata 11-09T10:00 | 11-09T15:00 | 11-09T15:00 | 11-10T18:30
day    | UTC; UTC 11-03T10:00                             | 11-04T00:00 | 11-04T00:00 | 11-05T00:00
day    | UTC; Asia/Tokyo 11-03T10:00                      | 11-02T05:00 | 11-02T00:00 | 11-03T00:00
"""


def zones_of(text):
    zones = []
    for each in text.split(";"):
        name, *since = each.split()
        zones.append(ZoneSince(name, utc(since[0]) if since else datetime.min.replace(tzinfo=UTC)))
    return zones


@pytest.mark.parametrize("row", CHANGES.strip().splitlines()[1:])
def test_a_change_of_zone_applies_when_the_current_window_ends(row):
    period, zones, at, start, end = row.split("|")
    found = window_at(Period(period.strip()), zones_of(zones), utc(at))
    assert (found.start, found.end) == (utc(start), utc(end))


def test_a_total_has_no_end_and_no_zone():
    zones = zones_of("UTC; Asia/Tokyo 2026-11-03T10:00")
    assert window_at(Period.TOTAL, zones, utc("2026-11-05T00:00")) == TOTAL
    assert window_in(Period.TOTAL, "Asia/Tokyo", utc("2026-11-05T00:00")) == TOTAL
    assert TOTAL.holds(utc("2199-01-01T00:00"))


def test_windows_need_an_aware_instant_and_a_known_zone():
    with pytest.raises(ValueError, match="aware"):
        window_in(Period.DAY, "UTC", datetime(2026, 1, 1))  # noqa: DTZ001 - the naive instant is the point
    with pytest.raises(ValueError, match="has a zone"):
        window_at(Period.DAY, [], utc("2026-01-01T00:00"))
    with pytest.raises(ZoneInfoNotFoundError):
        window_in(Period.DAY, "Mars/Olympus", utc("2026-01-01T00:00"))


def test_the_start_is_part_of_a_rows_id():
    zones = zones_of("UTC")
    monday, tuesday = (window_at(Period.DAY, zones, utc(f"2026-11-0{day}T12:00")) for day in (2, 3))
    assert window_id("key", "k1", monday) == "window:key:k1:day:1793577600000"
    ids = {
        window_id(scope, name, window)
        for scope in ("key", "account")
        for name in ("k1", "k2")
        for window in (monday, tuesday, window_at(Period.WEEK, zones, utc("2026-11-02T12:00")), TOTAL)
    }
    assert len(ids) == 16


EIGHT = datetime(2008, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "America/Havana", "Pacific/Apia", "America/St_Johns")
instants = st.integers(0, 22 * 366 * 86_400).map(lambda seconds: EIGHT + timedelta(seconds=seconds))


@given(period=st.sampled_from([Period.DAY, Period.WEEK, Period.MONTH]), zone=st.sampled_from(ZONES), at=instants)
def test_windows_of_a_zone_meet_without_gap_or_overlap(period, zone, at):
    found = window_in(period, zone, at)
    assert found.holds(at)
    assert window_in(period, zone, found.start) == found
    following = window_in(period, zone, found.end)
    assert following.start == found.end
    assert window_in(period, zone, found.end - timedelta(microseconds=1)) == found


LENGTHS = {Period.DAY: timedelta(days=1), Period.WEEK: timedelta(days=7), Period.MONTH: timedelta(days=31)}


@given(
    period=st.sampled_from(list(LENGTHS)),
    names=st.lists(st.sampled_from(ZONES), min_size=1, max_size=4),
    changes=st.lists(instants, min_size=3, max_size=3).map(sorted),
    at=instants,
)
def test_windows_meet_across_changes_of_zone_and_no_calendar_is_left_for_long(period, names, changes, at):
    zones = [
        ZoneSince(name, since) for name, since in zip(names, [datetime.min.replace(tzinfo=UTC), *changes], strict=False)
    ]
    found = window_at(period, zones, at)
    assert found.holds(at)
    assert window_at(period, zones, found.start).end == found.end
    assert window_at(period, zones, found.end).start == found.end
    assert LENGTHS[period] * 0.44 < found.end - found.start < LENGTHS[period] * 1.6
