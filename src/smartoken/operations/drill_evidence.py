"""A drill as a page of Markdown, to be filed where launches are decided. Pure."""

from collections.abc import Mapping
from typing import Any

from smartoken.operations.drill_figures import SIDES

_FIGURES = (
    "ended", "workers", "calls", "answered", "broken_calls", "eligible", "eligible_answered", "after_content",
    "ended_honestly", "untouched", "untouched_answered", "hung_up", "attempts", "broken_attempts", "charged_usd",
    "primary_back_after_s", "primary_rests_s",
)  # fmt: skip
_TIMES = {
    "ttft_ms": "first token",
    "total_ms": "whole answer",
    "unaffected_ttft_ms": "first token of calls that the fault did not touch",
}
# What a figure says that is not known, or not needed.
_NOTHING = {"primary_back_after_s": "not while the drill waited", "primary_rests_s": "it answers again"}


def in_words(name: str, figure: Any) -> str:
    """Return a figure of a drill as a person reads it."""
    return _NOTHING.get(name, "none") if figure is None else str(figure)


def evidence(drill: Mapping[str, Any]) -> str:
    """Return a drill as a page of Markdown, to be filed where launches are decided."""
    result, terms = drill["result"], drill["terms"]
    why_not = result.get("why_not", [])
    verdict = "Still running" if drill["passed"] is None else "Passed" if drill["passed"] else "Failed"
    lines = [
        f"# Fallback drill {drill['id']}",
        "",
        f"- Model: `{drill['model']}`; primary offer `{result.get('primary')}`",
        f"- Fault: `{terms['fault']}` on {terms['percent']} % of the attempts at the primary",
        f"- Run at {drill['at']} by {drill['actor']}; {'live traffic' if terms.get('live') else 'calls of the drill'}",
        f"- **{verdict}**{': ' + '; '.join(why_not) if why_not else ''}",
        "",
        "| figure | value |",
        "|---|---|",
    ]
    lines += [f"| {name.replace('_', ' ')} | {in_words(name, result[name])} |" for name in _FIGURES if name in result]
    for name in ("cost_of_failed_attempts", "errors_to_clients", "failed_attempts_by_cause"):
        counts = ", ".join(f"{code}: {count}" for code, count in sorted(result.get(name, {}).items()))
        lines.append(f"| {name.replace('_', ' ')} | {counts or 'none'} |")
    lines += ["", "| time in ms | without the fault | with it | added |", "|---|---|---|---|"]
    for name, what in _TIMES.items():
        for part in ("p50", "p95"):
            times = result.get(name, {}).get(part)
            if times is not None:
                shown = ("unknown" if times[each] is None else str(times[each]) for each in SIDES)
                lines.append(f"| {what}, {part} | {' | '.join(shown)} |")
    rows = result.get("rows", [])
    if rows:
        lines += ["", "| call | fault | end | answered by | attempts | charge USD |", "|---|---|---|---|---|---|"]
    for each in rows:
        tried = " → ".join(f"{one['offer']} ({one['failure'] or 'answered'})" for one in each["attempts"])
        met = each.get("fault") or "none"
        lines.append(
            f"| {each['call']} | {met} | {each['end']} | {each['offer'] or 'nobody'} | {tried} | {each['charge_usd']} |"
        )
    return "\n".join(lines) + "\n"
