"""Fallback drills as they are kept: what was asked, what came of it, when; exported as evidence.

Running one is the running worker's business; here it is permitted, stored and audited.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import NotFoundError
from smartoken.operations import audit, queries, route_queries
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.store.route_tables import drills

_FIGURES = (
    "ended", "calls", "answered", "broken_calls", "eligible", "eligible_answered", "after_content", "ended_honestly",
    "untouched", "untouched_answered", "hung_up", "attempts", "broken_attempts", "charged_usd", "primary_back_after_s",
    "primary_rests_s",
)  # fmt: skip
_TIMES = {
    "ttft_ms": "first token",
    "total_ms": "whole answer",
    "unaffected_ttft_ms": "first token of calls that the fault did not touch",
}
_SIDES = ("without_fault", "with_fault", "added")


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a drill as the API shows it."""
    return {
        "id": row["id"],
        "at": instant_text(row["created_ms"]),
        "model": row["model"],
        "actor": row["actor"],
        "passed": row["passed"],
        "terms": row["terms"],
        "result": row["result"],
    }


def keep(conn: Connection, work: Work, terms: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Store a drill that was run."""
    demand(work.actor, Permission.DRILLS_WRITE)
    row = {
        "id": work.id("drill"),
        "created_ms": work.now_ms,
        "model": str(terms["model"]).lower(),
        "actor": work.actor.name,
        "passed": bool(result["passed"]),
        "terms": dict(terms),
        "result": dict(result),
    }
    queries.insert(conn, drills, row)
    told = {"model": row["model"], "fault": terms["fault"], "live": terms["live"], "passed": row["passed"]}
    audit.append(conn, work, audit.Entry("drill.run", f"drill:{row['id']}", None, told))
    return shown(row)


def page(conn: Connection, work: Work, place: tuple[str | None, int], model: str | None) -> list[dict[str, Any]]:
    """Return drills, newest first, without the rows of their calls; ``place`` is (after, limit)."""
    demand(work.actor, Permission.DRILLS_READ)
    found = [shown(each) for each in route_queries.drills_page(conn, *place, model.lower() if model else None)]
    return [{**each, "result": {**each["result"], "rows": []}} for each in found]


def one(conn: Connection, work: Work, drill_id: str) -> dict[str, Any]:
    """Return one drill with the rows of its calls.

    Raises:
        NotFoundError: there is none of this id.

    """
    demand(work.actor, Permission.DRILLS_READ)
    row = route_queries.drill(conn, drill_id)
    if row is None:
        raise NotFoundError(f"There is no drill {drill_id[:80]!r}.", param="id")
    return shown(row)


def evidence(drill: Mapping[str, Any]) -> str:
    """Return a drill as a page of Markdown, to be filed where launches are decided."""
    result, terms = drill["result"], drill["terms"]
    why_not = result.get("why_not", [])
    lines = [
        f"# Fallback drill {drill['id']}",
        "",
        f"- Model: `{drill['model']}`; primary offer `{result.get('primary')}`",
        f"- Fault: `{terms['fault']}` on {terms['percent']} % of the attempts at the primary",
        f"- Run at {drill['at']} by {drill['actor']}; {'live traffic' if terms.get('live') else 'calls of the drill'}",
        f"- **{'Passed' if drill['passed'] else 'Failed'}**{': ' + '; '.join(why_not) if why_not else ''}",
        "",
        "| figure | value |",
        "|---|---|",
    ]
    lines += [f"| {name.replace('_', ' ')} | {result[name]} |" for name in _FIGURES if name in result]
    for name in ("cost_of_failed_attempts", "errors_to_clients", "failed_attempts_by_cause"):
        counts = ", ".join(f"{code}: {count}" for code, count in sorted(result.get(name, {}).items()))
        lines.append(f"| {name.replace('_', ' ')} | {counts or 'none'} |")
    lines += ["", "| time in ms | without the fault | with it | added |", "|---|---|---|---|"]
    for name, what in _TIMES.items():
        for part in ("p50", "p95"):
            times = result.get(name, {}).get(part)
            if times is not None:
                shown = ("unknown" if times[each] is None else str(times[each]) for each in _SIDES)
                lines.append(f"| {what}, {part} | {' | '.join(shown)} |")
    rows = result.get("rows", [])
    if rows:
        lines += ["", "| call | fault | end | answered by | attempts | charge USD |", "|---|---|---|---|---|---|"]
    for each in rows:
        tried = " → ".join(f"{one['offer']} ({one['failure'] or 'answered'})" for one in each["attempts"])
        met = each.get("fault") or "none"
        lines.append(f"| {each['call']} | {met} | {each['end']} | {each['offer']} | {tried} | {each['charge_usd']} |")
    return "\n".join(lines) + "\n"
