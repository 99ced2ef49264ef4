"""Prices as they stand in files, the same in the catalog and in ``apply``.

    price = { currency = "USD", input = "0.50", cached_input = "0.05", output = "1.50" }
    price.bands = [{ up_to_prompt_tokens = 128000, input = "...", output = "..." }, { input = "...", output = "..." }]

Bands are tried in order, the first that fits gives the rates of the whole call, so the last ones must fit every call:
without that, a long prompt would have no price.
"""

import re
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smartoken.catalog.holidays import CALENDARS
from smartoken.catalog.offers import Band, Price, Promotion, TimeOfDay
from smartoken.catalog.strict import Table

CURRENCIES = ("USD", "CNY")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_PERCENT_MOST = 1000


def read_price(table: Table, *, sourced: bool = False) -> Price:
    """Read a price from its table; with ``sourced`` its source and the source's date are required.

    Raises:
        CatalogError: a key is missing or wrong, or the bands leave some calls without a price.

    """
    flat = "bands" not in table
    return Price(
        currency=table.text("currency", choices=CURRENCIES),
        bands=(_read_band(table, bounded=False),) if flat else _read_bands(table),
        time_of_day=_read_hours(table.maybe_table("time_of_day")),
        promotion=_read_promotion(table.maybe_table("promotion")),
        source=table.text("source") if sourced else table.text("source", ""),
        source_date=table.coarse_day("source_date") if sourced or "source_date" in table else "",
        region=table.maybe_text("region"),
        note=table.text("note", ""),
    )


def _read_band(table: Table, *, bounded: bool) -> Band:
    return Band(
        input=table.rate("input"),
        output=table.rate("output"),
        cached_input=table.maybe_rate("cached_input"),
        cache_write=table.maybe_rate("cache_write"),
        audio_input=table.maybe_rate("audio_input"),
        up_to_prompt_tokens=_bound(table, "up_to_prompt_tokens") if bounded else None,
        up_to_output_tokens=_bound(table, "up_to_output_tokens") if bounded else None,
        thinking=table.flag("thinking") if bounded and "thinking" in table else None,
    )


def _bound(table: Table, key: str) -> int | None:
    return table.whole(key, least=1) if key in table else None


def _read_bands(table: Table) -> tuple[Band, ...]:
    bands = tuple(_read_band(each, bounded=True) for each in table.tables("bands"))
    for thinking in (False, True):
        fitting = [each for each in bands if each.thinking in (None, thinking)]
        if not any(each.up_to_prompt_tokens is None and each.up_to_output_tokens is None for each in fitting):
            word = "with" if thinking else "without"
            raise table.error(f"`bands` leave long calls {word} thinking unpriced: end with an open band", "bands")
        prompts = [each.up_to_prompt_tokens or 2**53 for each in fitting]
        if prompts != sorted(prompts):
            raise table.error("`bands` must go from short to long prompts: the first that fits is taken", "bands")
    return bands


def _read_hours(table: Table | None) -> TimeOfDay | None:
    if table is None:
        return None
    weekdays = table.wholes("weekdays")
    if not weekdays or not set(weekdays) <= set(range(1, 8)):
        raise table.error("`weekdays` must be numbers from 1 (Monday) to 7 (Sunday)", "weekdays")
    return TimeOfDay(
        zone=_zone(table),
        peak=tuple(_span(table, each) for each in table.texts("peak")),
        weekdays=weekdays,
        holidays=table.text("holidays", choices=CALENDARS) if "holidays" in table else None,
        off_peak_percent=table.whole("off_peak_percent", most=_PERCENT_MOST),
    )


def _span(table: Table, text: str) -> tuple[time, time]:
    match = _HOURS.fullmatch(text)
    if not match:
        raise table.error(f'`peak` must hold spans such as "09:00-12:00", not {text!r}', "peak")
    start, end = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if start >= end:
        raise table.error(f"`peak` {text!r} must end after it starts; write two spans across midnight", "peak")
    return start, end


def _read_promotion(table: Table | None) -> Promotion | None:
    if table is None:
        return None
    return Promotion(
        percent=table.whole("percent", most=_PERCENT_MOST),
        until=table.day("until"),
        zone=_zone(table),
        note=table.text("note", ""),
    )


def _zone(table: Table) -> str:
    zone = table.text("zone")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:  # a folder of the zone database is an OSError
        message = f'`zone` must be an IANA name such as "Asia/Shanghai", not {zone!r}'
        raise table.error(message, "zone") from problem
    return zone
