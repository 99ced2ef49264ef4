"""Reports of usage: sums by group turned into what is shown, the largest charge first. Pure.

A day is a day of the zone that is asked for. A period that reaches back beyond what is kept has no figures at all:
``available: false``, never a sum that is silently too small.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from smartoken.money import amount_text

RETENTION_DAYS = 400
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MOST_GROUPS = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTS = ("calls", "errors", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
_ADDED = (*_COUNTS, "charge_nano", "ttft_sum_ms", "ttft_count", "total_sum_ms")


def kept_from(now_ms: int) -> int:
    """Return the first hour whose sums are kept."""
    return (now_ms - RETENTION_DAYS * DAY_MS) // HOUR_MS * HOUR_MS


def by_day(rows: Iterable[Mapping[str, Any]], zone: tzinfo) -> list[dict[str, Any]]:
    """Return sums by hour added up by the days of a zone, the name being the date."""
    days: dict[str, dict[str, Any]] = {}
    for row in rows:
        moment = _EPOCH + timedelta(milliseconds=row["name"][0])
        name = moment.astimezone(zone).date().isoformat()
        day = days.setdefault(name, {"name": (name,), **dict.fromkeys(_ADDED, 0)})
        for each in _ADDED:
            day[each] += row[each]
    return [days[name] for name in sorted(days)]


def total(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums of all groups together."""
    found = dict.fromkeys(_ADDED, 0)
    for row in rows:
        for each in _ADDED:
            found[each] += row[each]
    return figures(found)


def figures(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of sums: counts, money as a decimal string, mean times."""
    return {
        **{name: row[name] for name in _COUNTS},
        "charge_usd": amount_text(row["charge_nano"]),
        "mean_ttft_ms": row["ttft_sum_ms"] // row["ttft_count"] if row["ttft_count"] else None,
        "mean_total_ms": row["total_sum_ms"] // row["calls"] if row["calls"] else None,
    }


def named(group_by: str, name: Sequence[Any]) -> dict[str, Any]:
    """Return what names a group: a key by name, id and account, the others by themselves."""
    if group_by == "key":
        return {"key": name[1], "key_id": name[0], "account": name[2]}
    if group_by == "account":
        return {"account": name[1], "account_id": name[0]}
    return {group_by: name[0] or None}


def listed(group_by: str, rows: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the rows of a report, and the sum of those beyond the first thousand, if there are so many."""
    found = list(rows)
    if group_by != "day":
        found.sort(key=lambda row: (-row["charge_nano"], -row["calls"], tuple(str(each) for each in row["name"])))
    rest = found[MOST_GROUPS:]
    shown = [{**named(group_by, row["name"]), **figures(row)} for row in found[:MOST_GROUPS]]
    return shown, total(rest) if rest else None
