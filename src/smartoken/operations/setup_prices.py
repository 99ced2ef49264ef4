"""Prices between their shape and the words of the set-up file, in which the store keeps them. Pure.

``written`` and ``read_price`` are each other's inverse; amounts are decimal strings, hours are ``"09:00-12:00"``.
"""

from collections.abc import Mapping
from datetime import date, time
from typing import Any

from smartoken.catalog.offers import Band, Price, Promotion, TimeOfDay
from smartoken.money import parse_rate, rate_text

_RATES = ("input", "output", "cached_input", "cache_write", "audio_input")
_BOUNDS = ("up_to_prompt_tokens", "up_to_output_tokens", "thinking")
_WORDS = ("source", "source_date", "region", "note")


def written(price: Price) -> dict[str, Any]:
    """Return a price in the words of the set-up file; one open band is written flat."""
    shown: dict[str, Any] = {"currency": price.currency}
    bands = [_written_band(each) for each in price.bands]
    if len(bands) == 1 and not any(name in bands[0] for name in _BOUNDS):
        shown.update(bands[0])
    else:
        shown["bands"] = bands
    hours, promotion = price.time_of_day, price.promotion
    if hours is not None:
        shown["time_of_day"] = {
            "zone": hours.zone,
            "peak": [f"{start:%H:%M}-{end:%H:%M}" for start, end in hours.peak],
            "weekdays": list(hours.weekdays),
            "off_peak_percent": hours.off_peak_percent,
        }
        if hours.holidays is not None:
            shown["time_of_day"]["holidays"] = hours.holidays
    if promotion is not None:
        until = promotion.until.isoformat()
        shown["promotion"] = {"percent": promotion.percent, "until": until, "zone": promotion.zone}
        if promotion.note:
            shown["promotion"]["note"] = promotion.note
    shown.update({name: getattr(price, name) for name in _WORDS if getattr(price, name)})
    return shown


def _written_band(band: Band) -> dict[str, Any]:
    shown: dict[str, Any] = {name: getattr(band, name) for name in _BOUNDS if getattr(band, name) is not None}
    shown.update({name: rate_text(getattr(band, name)) for name in _RATES if getattr(band, name) is not None})
    return shown


def read_price(stored: Mapping[str, Any] | None) -> Price | None:
    """Return a stored price."""
    if stored is None:
        return None
    hours, promotion = stored.get("time_of_day"), stored.get("promotion")
    return Price(
        currency=stored["currency"],
        bands=tuple(_band(each) for each in stored.get("bands") or [stored]),
        time_of_day=_hours(hours) if hours else None,
        promotion=_promotion(promotion) if promotion else None,
        source=stored.get("source", ""),
        source_date=stored.get("source_date", ""),
        region=stored.get("region"),
        note=stored.get("note", ""),
    )


def _band(stored: Mapping[str, Any]) -> Band:
    facts: dict[str, Any] = {name: parse_rate(stored[name]) for name in _RATES if stored.get(name) is not None}
    return Band(**facts, **{name: stored[name] for name in _BOUNDS if name in stored})


def _hours(stored: Mapping[str, Any]) -> TimeOfDay:
    spans = [each.split("-") for each in stored["peak"]]
    return TimeOfDay(
        zone=stored["zone"],
        peak=tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in spans),
        weekdays=tuple(stored["weekdays"]),
        holidays=stored.get("holidays"),
        off_peak_percent=stored["off_peak_percent"],
    )


def _promotion(stored: Mapping[str, Any]) -> Promotion:
    until = date.fromisoformat(stored["until"])
    return Promotion(stored["percent"], until, stored["zone"], stored.get("note", ""))
