"""How figures look on a page: prices, tokens, dates. Unknown is an em dash, never nought. Pure."""

import re
from datetime import date

from markupsafe import Markup, escape

from smartoken.catalog.offers import Band, Price, TimeOfDay
from smartoken.money import MICRO, amount_text, rate_text

UNKNOWN = "—"
_MINUS = "\u2212"
_THOUSAND, _MILLION = 1_000, 1_000_000
_THREE_DIGITS = 100  # a whole part below this leaves room for a tenth
_EXACT_BELOW = 10_000
_SHOWN_PLACES = 4
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_PARTS = 3
_MINUTE_S = 60
_ADDRESS = re.compile(r"(https?://[^\s();,]*[^\s();,.:])")
_REGIONS = {
    "cn": "mainland China",
    "sg": "Singapore",
    "us": "United States",
    "hk": "Hong Kong",
    "eu": "European Union",
    "local": "this machine",
}


def price(pico: int | None) -> str:
    """Return a rate per 1M tokens as ``$0.28``, at most four places; the exact figure is ``exact_price``."""
    if pico is None:
        return UNKNOWN
    unit = MICRO // 10**_SHOWN_PLACES
    rounded = -(-pico // unit) * unit if 0 < pico < unit else (pico + unit // 2) // unit * unit
    return f"${rate_text(rounded)}"


def exact_price(pico: int | None) -> str:
    """Return a rate in full, for titles and exports."""
    return UNKNOWN if pico is None else f"${rate_text(pico)}"


def dollars(nano: int, places: int = 2) -> str:
    """Return an amount rounded to so many places, never to nought if it is more than that."""
    unit = 10 ** (9 - places)
    rounded = (abs(nano) + unit // 2) // unit * unit
    if rounded == 0 and nano:
        return f"under ${amount_text(unit)}"
    text = amount_text(rounded)
    whole, _, fraction = text.partition(".")
    return f"{_MINUS if nano < 0 else ''}${int(whole):,}.{fraction.ljust(min(places, 2), '0')}"


def tokens(count: int | None) -> str:
    """Return a number of tokens: exact below 10,000, then 3 digits with k or M."""
    if count is None:
        return UNKNOWN
    if count < _EXACT_BELOW:
        return f"{count:,}"
    for size, letter in ((_MILLION, "M"), (_THOUSAND, "k")):
        if count >= size:
            whole, rest = divmod(count, size)
            tenth = rest * 10 // size
            return f"{whole}.{tenth}{letter}" if tenth and whole < _THREE_DIGITS else f"{whole}{letter}"
    return f"{count:,}"


def day(value: date | str | None) -> str:
    """Return a date as ``24 Nov 2026``; a text as precise as its source: ``Oct 2026``, ``2026``."""
    if value is None or value == "":
        return UNKNOWN
    text = value.isoformat() if isinstance(value, date) else value
    parts = text.split("-")
    if len(parts) == 1 or not all(each.isdigit() for each in parts):
        return text
    month = date(int(parts[0]), int(parts[1]), 1).strftime("%b")
    return f"{int(parts[2])} {month} {parts[0]}" if len(parts) == _DAY_PARTS else f"{month} {parts[0]}"


def lasting(ms: int) -> str:
    """Return a duration: ``812 ms``, ``1.56 s``, ``2 m 04 s``, ``3 h 05 m``."""
    if ms < _THOUSAND:
        return f"{ms} ms"
    seconds, rest = divmod(ms, _THOUSAND)
    if seconds < _MINUTE_S:
        return f"{seconds}.{rest // 10:02} s" if rest else f"{seconds} s"
    minutes, seconds = divmod(seconds, _MINUTE_S)
    if minutes < _MINUTE_S:
        return f"{minutes} m {seconds:02} s"
    return f"{minutes // _MINUTE_S} h {minutes % _MINUTE_S:02} m"


def region(code: str | None) -> str:
    """Return where data goes in words."""
    return "not known" if code is None else _REGIONS.get(code, code)


def yes_no(fact: bool | None) -> str:
    """Return a fact as a word."""
    return "unknown" if fact is None else ("yes" if fact else "no")


def band_words(band: Band, before: Band | None) -> str:
    """Return when a band holds, in words."""
    words = []
    if band.thinking is not None:
        words.append("thinking" if band.thinking else "no thinking")
    if band.up_to_prompt_tokens is not None:
        words.append(f"prompt up to {band.up_to_prompt_tokens:,}")
    elif before is not None and before.up_to_prompt_tokens is not None:
        words.append(f"prompt above {before.up_to_prompt_tokens:,}")
    if band.up_to_output_tokens is not None:
        words.append(f"answer up to {band.up_to_output_tokens:,}")
    elif before is not None and before.up_to_output_tokens is not None:
        words.append(f"answer above {before.up_to_output_tokens:,}")
    return ", ".join(words) or "Every call"


def hours_words(hours: TimeOfDay) -> str:
    """Return a price's hours in words."""
    days = sorted(hours.weekdays)
    named = f"{_WEEKDAYS[days[0] - 1]}\u2013{_WEEKDAYS[days[-1] - 1]}" if days else "no day"
    spans = " and ".join(f"{a:%H:%M}\u2013{b:%H:%M}" for a, b in hours.peak)
    holidays = ", except Chinese public holidays" if hours.holidays else ""
    return f"Peak hours are {named} {spans} {hours.zone}{holidays}; all others cost {hours.off_peak_percent} %."


def cached_rate(band: Band) -> int:
    """Return what a cached prompt token costs: the input rate where no cache rate is listed."""
    return band.input if band.cached_input is None else band.cached_input


def cited(source: str) -> Markup:
    """Return a source with its addresses as links, named by host and path."""
    parts = _ADDRESS.split(source)
    return Markup().join(
        Markup('<a class="source" href="{0}" rel="noopener">{1}</a>').format(each, each.partition("//")[2].rstrip("/"))
        if place % 2
        else escape(each)
        for place, each in enumerate(parts)
    )


def first_band(listed: Price | None) -> Band | None:
    """Return the band that short calls fall into."""
    return listed.bands[0] if listed is not None else None
