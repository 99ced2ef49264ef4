"""The stretch of time over which a budget counts. Pure.

A window is total, a day, a week from Monday or a month in an IANA zone, ``[start, end)`` as instants. A day begins at
its first instant, also where clocks skip or repeat midnight. The start is part of a window's key, so no job ever resets
anything: another window is another row.

A change of zone applies when the current window ends. The windows of two zones do not meet, so the first one after a
change is stretched or cut to the nearer boundary of the new zone: between half a period and one and a half, and never
one more than either zone has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_time
from enum import StrEnum
from zoneinfo import ZoneInfo


class Period(StrEnum):
    """How long a budget counts."""

    TOTAL = "total"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIDNIGHT = wall_time(0)


@dataclass(frozen=True, slots=True)
class Window:
    """One window; ``end`` is None for a total, which begins at the epoch. Both are UTC."""

    period: Period
    start: datetime
    end: datetime | None

    @property
    def start_ms(self) -> int:
        """Milliseconds since the epoch: the part of the key that makes windows distinct."""
        return (self.start - EPOCH) // timedelta(milliseconds=1)

    def holds(self, at: datetime) -> bool:
        """Whether an instant lies within."""
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True)
class ZoneSince:
    """From which instant an account asked for a zone; the first of a history counts from ever."""

    zone: str
    since: datetime


TOTAL = Window(Period.TOTAL, EPOCH, None)


def window_id(scope: str, scope_id: str, window: Window) -> str:
    """Return the id of a budget's row: scope, period and start make it."""
    return f"window:{scope}:{scope_id}:{window.period}:{window.start_ms}"


def _first_day(period: Period, day: date) -> date:
    if period is Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period is Period.MONTH else day


def _next_first(period: Period, first: date) -> date:
    if period is Period.MONTH:
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if period is Period.WEEK else 1)


def _begins(day: date, zone: ZoneInfo) -> datetime:
    # A midnight that the clocks skip is the instant of the skip; one that they repeat is the earlier of the two.
    return datetime.combine(day, _MIDNIGHT, tzinfo=zone).astimezone(UTC)


def window_in(period: Period, zone: str, at: datetime) -> Window:
    """Return the window of a zone that holds an instant (aware).

    Raises:
        ValueError: the instant names no zone.
        ZoneInfoNotFoundError: no such zone.

    """
    if at.tzinfo is None:
        raise ValueError("a window is asked at an aware instant")
    if period is Period.TOTAL:
        return TOTAL
    found = ZoneInfo(zone)
    first = _first_day(period, at.astimezone(found).date())
    start, end = _begins(first, found), _begins(_next_first(period, first), found)
    while at >= end:  # clocks were set back over midnight: the day before it shows again, the day after has begun
        first = _next_first(period, first)
        start, end = end, _begins(_next_first(period, first), found)
    return Window(period, start, end)


def _after(window: Window, begins: datetime, zone: str) -> Window:
    """Return the window that follows one of another zone: from its end to a boundary of the new zone."""
    natural = window_in(window.period, zone, begins)
    end = natural.end
    if end is not None and begins - natural.start > end - begins:
        end = window_in(window.period, zone, end).end  # what is left of the period joins the next one
    return Window(window.period, begins, end)


def window_at(period: Period, zones: Sequence[ZoneSince], at: datetime) -> Window:
    """Return the window that holds an instant, by an account's history of zones, oldest first.

    Raises:
        ValueError: no zone, an instant without zone.
        ZoneInfoNotFoundError: no such zone.

    """
    if not zones:
        raise ValueError("an account has a zone")
    if period is Period.TOTAL:
        return TOTAL
    zone, place = zones[0].zone, 1
    bridge: Window | None = None  # the first window after the last change
    while place < len(zones) and zones[place].since <= at:
        current = _in_force(period, zone, bridge, zones[place].since)
        if current.end is None or at < current.end:
            return current
        while place + 1 < len(zones) and zones[place + 1].since < current.end:
            place += 1  # of several changes within one window the last one counts
        zone = zones[place].zone
        bridge = _after(current, current.end, zone)
        place += 1
    return _in_force(period, zone, bridge, at)


def _in_force(period: Period, zone: str, bridge: Window | None, at: datetime) -> Window:
    if bridge is not None and bridge.end is not None and at < bridge.end:
        return bridge
    return window_in(period, zone, at)
