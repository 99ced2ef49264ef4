"""An account's zone: a change applies when the current window ends, whoever made it and however often."""

from datetime import datetime, timedelta

from smartoken.billing.windows import Period, window_at
from smartoken.operations import accounts
from smartoken.operations.money_view import load_money

SETUP = """
[[account]]
id = "acme"
timezone = "{zone}"
balance = "1.00"
"""


def view(room):
    return room.office.db.run_read(load_money)


def day(room, found, at):
    (account,) = (zones for zones in found.zones.values())
    return window_at(Period.DAY, account, at)


def test_a_day_that_has_begun_ends_as_it_was_and_the_next_ones_follow_the_new_zone(room):
    room.apply(SETUP.format(zone="UTC"))
    before, now = view(room), room.office.clock.now()
    today = day(room, before, now)
    room.write(accounts.change, "acme", {"timezone": "Asia/Shanghai"})
    after = view(room)
    assert after.revision > before.revision, "workers would not look"
    assert day(room, after, now) == today
    following = day(room, after, today.end)
    assert following.start == today.end
    assert following.end == datetime.fromisoformat("2026-11-05T00:00:00+08:00")
    assert day(room, after, following.end).end - following.end == timedelta(days=1)


def test_a_file_that_is_applied_changes_the_zone_in_the_same_way(room):
    room.apply(SETUP.format(zone="UTC"))
    now = room.office.clock.now()
    today = day(room, view(room), now)
    room.apply(SETUP.format(zone="America/New_York"))
    after = view(room)
    assert day(room, after, now) == today
    assert day(room, after, now + timedelta(days=3)).start.hour == 5


def test_of_several_changes_in_one_window_the_last_one_counts(room):
    room.apply(SETUP.format(zone="UTC"))
    for zone in ("Asia/Shanghai", "Europe/Berlin"):
        room.write(accounts.change, "acme", {"timezone": zone})
    found = view(room)
    later = day(room, found, room.office.clock.now() + timedelta(days=3))
    assert later.start.hour == 23


def test_an_account_that_asks_for_the_zone_it_has_changes_nothing(room):
    room.apply(SETUP.format(zone="UTC"))
    before = view(room)
    room.write(accounts.change, "acme", {"timezone": "UTC"})
    assert view(room).zones == before.zones
