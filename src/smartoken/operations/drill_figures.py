"""Figures of drills: times side by side, and what the calls of a model tell of a drill on its live traffic. Pure.

Of live traffic only what is kept of each call is known. A call met the fault when an attempt at the primary failed; it
is *eligible* when that attempt had passed no content on.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from smartoken.money import amount_text

SIDES = ("without_fault", "with_fault", "added")
_P95 = 0.95
_BROKEN_OFF = ("upstream_cut", "stalled")
_UNANSWERED = ("upstream_error", "zero_output", "our_fault")
_MOST_ROWS = 500
Row = Mapping[str, Any]


def _cut(figures: Sequence[float]) -> tuple[float, float] | None:
    """Return median and 95th percentile."""
    if not figures:
        return None
    ordered = sorted(figures)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * _P95))]


def compared(before: Sequence[float], during: Sequence[float], digits: int = 1) -> dict[str, Any]:
    """Return p50 and p95 of two sets of times side by side, and what the second adds."""
    one, two = _cut(before), _cut(during)
    return {
        name: {
            "without_fault": None if one is None else round(one[place], digits),
            "with_fault": None if two is None else round(two[place], digits),
            "added": None if one is None or two is None else round(two[place] - one[place], digits),
        }
        for place, name in enumerate(("p50", "p95"))
    }


def against(struck: int, ended: str) -> list[str]:
    """Return what speaks against any drill: it broke nothing, or was not ended by itself."""
    why = [] if struck else ["the fault struck no call, so nothing was shown"]
    if ended != "finished":
        told = {"cut_short": "the time was over", "stopped": "somebody stopped it"}
        why.insert(0, told.get(ended, "the worker that ran it ended"))
    return why


def _met(call: Row, primary: str) -> Row | None:
    """Return the attempt at the primary that failed."""
    return next((each for each in call["attempts"] if each["offer"] == primary and each["failure"]), None)


def _answered(call: Row) -> bool:
    return call["end_reason"] not in (*_BROKEN_OFF, *_UNANSWERED, "client_left")


def _times(calls: Sequence[Row], name: str) -> list[float]:
    return [each[name] for each in calls if each[name] is not None]


def _at_once(calls: Sequence[Row], primary: str) -> list[float]:
    return [
        each["ttft_ms"]
        for each in calls
        if each["ttft_ms"] is not None and len(each["attempts"]) == 1 and each["offer"] == primary and _answered(each)
    ]


def live_figures(
    primary: str, before: Sequence[Row], during: Sequence[Row], parts: Mapping[str, Row], ended: str
) -> dict[str, Any]:
    """Return what a drill on live traffic has shown; ``parts`` are what each worker counted."""
    tried = [each for each in during if each["attempts"]]  # the others were refused by us, fault or no fault
    groups: dict[str, list[Row]] = {"eligible": [], "late": [], "untouched": []}
    for each in tried:
        attempt = _met(each, primary)
        late = attempt is not None and attempt.get("ttft_ms") is not None
        groups["untouched" if attempt is None else "late" if late else "eligible"].append(each)
    harmed = {name: [each for each in found if each["end_reason"] in _UNANSWERED] for name, found in groups.items()}
    struck = sum(each["struck"] for each in parts.values())
    why = against(struck, ended)
    told = {
        "eligible": "calls that failed although nothing had reached their client",
        "late": "calls whose answer had begun that did not end honestly",
        "untouched": "calls that the fault did not touch and that were not answered",
    }
    why += [f"{what}: {len(harmed[name])}" for name, what in told.items() if harmed[name]]
    lost: Counter[str] = Counter()
    for each in groups["late"]:
        if each["cost_nano"] and each["cost_currency"] and not _answered(each):
            lost[each["cost_currency"]] += each["cost_nano"]
    one, two = _at_once(before, primary), _at_once(groups["untouched"], primary)
    return {
        "passed": not why,
        "why_not": why,
        "ended": ended,
        "live": True,
        "primary": primary,
        "workers": len(parts),
        "calls": len(tried),
        "answered": sum(map(_answered, tried)),
        "broken_calls": len(groups["eligible"]) + len(groups["late"]),
        "eligible": len(groups["eligible"]),
        "eligible_answered": sum(map(_answered, groups["eligible"])),
        "after_content": len(groups["late"]),
        "ended_honestly": sum(each["end_reason"] in _BROKEN_OFF for each in groups["late"]),
        "untouched": len(groups["untouched"]),
        "untouched_answered": sum(map(_answered, groups["untouched"])),
        "hung_up": sum(each["end_reason"] == "client_left" for each in tried),
        "attempts": sum(len(each["attempts"]) for each in tried),
        "attempts_at_primary": sum(each["attempts"] for each in parts.values()),
        "broken_attempts": struck,
        "errors_to_clients": dict(Counter(each["error_code"] for each in tried if each["error_code"])),
        "failed_attempts_by_cause": dict(
            Counter(tried["failure"] for each in during for tried in each["attempts"] if tried["failure"])
        ),
        "ttft_ms": compared(_times(before, "ttft_ms"), _times(tried, "ttft_ms")),
        "total_ms": compared(_times(before, "total_ms"), _times(tried, "total_ms")),
        "unaffected_ttft_ms": {"calls_without": len(one), "calls_with": len(two), **compared(one, two)},
        "charged_usd": amount_text(sum(each["charge_nano"] for each in tried)),
        "cost_of_failed_attempts": {currency: amount_text(nano) for currency, nano in sorted(lost.items())},
        "rows": [_row(each, name) for name in ("eligible", "late") for each in groups[name]][:_MOST_ROWS],
    }


def _row(call: Row, group: str) -> dict[str, Any]:
    return {
        "call": call["id"],
        "end": call["end_reason"],
        "status": call["status"],
        "offer": call["offer"],
        "fault": "after content" if group == "late" else "before content",
        "attempts": [{name: each.get(name) for name in ("offer", "failure", "why")} for each in call["attempts"]],
        "charge_usd": amount_text(call["charge_nano"]),
    }
