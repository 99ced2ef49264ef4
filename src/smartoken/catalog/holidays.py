"""Public holidays for prices by time of day, from PyPI ``chinesecalendar``.

A year that the package lacks counts as working days: rates are then those of peak hours, never too low. ``doctor``
asks ``covers`` and warns before such a year begins. Weekends are not holidays here: a price names its weekdays, and a
Saturday that is worked in exchange for a holiday stays a Saturday.
"""

from datetime import date

from chinese_calendar.constants import holidays

_CHINA: frozenset[date] = frozenset(holidays)
_FIRST_YEAR = min(_CHINA).year
_LAST_YEAR = max(_CHINA).year
CALENDARS = ("CN",)


def is_holiday(calendar: str, day: date) -> bool:
    """Whether a day is a public holiday of the calendar, days taken off in exchange included.

    False for years that the calendar does not cover, and for calendars that are not known.
    """
    return calendar == "CN" and day in _CHINA


def covers(calendar: str, year: int) -> bool:
    """Whether the holidays of a year are known; where not, its holidays are billed as working days."""
    return calendar == "CN" and _FIRST_YEAR <= year <= _LAST_YEAR
