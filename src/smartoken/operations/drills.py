"""Fallback drills as they are kept: what was asked, what came of it, when; also those that are still running.

Running one is the running workers' business: they find it here, and whoever asks for an end of it says so here. What
becomes of it is written once, whoever comes first. What a drill on live traffic has shown is read from the records of
its calls, whichever worker took them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.operations import audit, queries, route_queries
from smartoken.operations.drill_figures import live_figures
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.store.route_tables import drills

RUNNING = "running"
SETTLING_MS = 4_000  # after the fault is taken away, until the records of its calls are stored
COMPARED_MS = 600_000  # calls so long before are what calls under the fault are compared with
LOST_MS = 30_000  # after its latest end a drill of which nothing was heard is over
_FOLLOWED_MS = 2 * 3_600_000  # no drill is longer
_MOST_CALLS = 2_000


class Running(NamedTuple):
    """A drill under way, as workers need it."""

    id: str
    live: bool
    primary: str
    terms: dict[str, Any]
    until_ms: int  # when the fault is taken away
    stopped: bool
    due_ms: int  # when somebody has to write what came of it


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a drill as the API shows it."""
    result = row["result"]
    state = result.get("state") or result.get("ended") or "finished"
    return {
        "id": row["id"],
        "at": instant_text(row["created_ms"]),
        "model": row["model"],
        "actor": row["actor"],
        "state": state,
        "passed": None if state == RUNNING else row["passed"],
        "terms": row["terms"],
        "result": result,
    }


def begin(conn: Connection, work: Work, terms: Mapping[str, Any], primary: str, longest_ms: int) -> dict[str, Any]:
    """Store that a drill begins; ``primary`` is the offer that it breaks.

    Raises:
        InvalidRequestError: the live traffic of the model is already broken by another one.

    """
    demand(work.actor, Permission.DRILLS_WRITE)
    queries.lock_changes(conn)
    model, live = str(terms["model"]).lower(), terms["live"] is not None
    for each in route_queries.running_drills(conn, work.now_ms - _FOLLOWED_MS):
        if live and each["model"] == model and each["terms"]["live"] is not None:
            raise InvalidRequestError(
                f"The live traffic of {model[:80]} is already drilled, as {each['id']}.",
                param="live",
                remedy=f"Wait for its end, or stop it: smartoken drill stop {each['id']}",
            )
    row = {
        "id": work.id("drill"),
        "created_ms": work.now_ms,
        "model": model,
        "actor": work.actor.name,
        "passed": False,
        "terms": dict(terms),
        "result": {"state": RUNNING, "primary": primary, "ends_ms": work.now_ms + longest_ms, "parts": {}},
    }
    queries.insert(conn, drills, row)
    told = {"model": model, "fault": terms["fault"], "live": terms["live"]}
    audit.append(conn, work, audit.Entry("drill.run", f"drill:{row['id']}", None, told))
    return shown(row)


def stop(conn: Connection, work: Work, drill_id: str) -> dict[str, Any]:
    """Ask for the end of a drill; the workers that run it hear of it within a second.

    Raises:
        NotFoundError: there is none of this id.
        InvalidRequestError: it is over.

    """
    demand(work.actor, Permission.DRILLS_WRITE)
    row = _locked(conn, drill_id)
    result = row["result"]
    if result.get("state") != RUNNING:
        raise InvalidRequestError(f"The drill {drill_id[:80]} is over.", param="id")
    if "stopped_ms" not in result:
        row["result"] = {**result, "stopped_ms": work.now_ms, "stopped_by": work.actor.name}
        queries.update(conn, drills, {"id": drill_id}, {"result": row["result"]})
        audit.append(conn, work, audit.Entry("drill.stop", f"drill:{drill_id}", None, {"model": row["model"]}))
    return shown(row)


def finish(conn: Connection, work: Work, drill_id: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Store what came of a drill, unless that is done."""
    demand(work.actor, Permission.DRILLS_WRITE)
    row = _locked(conn, drill_id)
    before = row["result"]
    if before.get("state") == RUNNING:
        who = {name: before[name] for name in ("stopped_by",) if name in before}
        row |= {"passed": bool(result["passed"]), "result": {**result, **who}}
        queries.update(conn, drills, {"id": drill_id}, {"passed": row["passed"], "result": row["result"]})
        told = {"model": row["model"], "passed": row["passed"], "ended": result.get("ended")}
        audit.append(conn, work, audit.Entry("drill.end", f"drill:{drill_id}", None, told))
    return shown(row)


def running(conn: Connection, now_ms: int) -> list[Running]:
    """Return the drills under way, for the workers that run them."""
    found = []
    for each in route_queries.running_drills(conn, now_ms - _FOLLOWED_MS):
        result, live = each["result"], each["terms"]["live"] is not None
        until = min(result["ends_ms"], result.get("stopped_ms", result["ends_ms"]))
        due = until + SETTLING_MS if live else result["ends_ms"] + LOST_MS
        found.append(Running(each["id"], live, result["primary"], each["terms"], until, "stopped_ms" in result, due))
    return found


def report(conn: Connection, drill_id: str, worker: str, part: Mapping[str, int]) -> None:
    """Store what one worker has counted of a drill on live traffic, while it is running."""
    row = route_queries.drill(conn, drill_id, lock=True)
    if row is not None and row["result"].get("state") == RUNNING:
        result = row["result"]
        parts = {**result["parts"], worker: dict(part)}
        queries.update(conn, drills, {"id": drill_id}, {"result": {**result, "parts": parts}})


def conclude(conn: Connection, work: Work, drill_id: str) -> None:
    """Write what came of a drill that is due: from the records of its calls, or that its worker was lost."""
    row = _locked(conn, drill_id)
    result = row["result"]
    if result.get("state") != RUNNING:
        return
    stopped = "stopped_ms" in result
    if row["terms"]["live"] is None:
        lost = {"passed": False, "ended": "lost", "why_not": ["the worker that ran it ended"], "rows": []}
        finish(conn, work, drill_id, {**lost, "primary": result["primary"]})
        return
    begun, ended = row["created_ms"], min(result["ends_ms"], result.get("stopped_ms", result["ends_ms"]))
    model = row["terms"]["model"]
    before = route_queries.calls_of_model(conn, model, (begun - COMPARED_MS, begun), _MOST_CALLS)
    during = route_queries.calls_of_model(conn, model, (begun, ended), _MOST_CALLS)
    figures = live_figures(result["primary"], before, during, result["parts"], "stopped" if stopped else "finished")
    finish(conn, work, drill_id, {**figures, "seconds": round((ended - begun) / 1000, 1)})


def _locked(conn: Connection, drill_id: str) -> dict[str, Any]:
    row = route_queries.drill(conn, drill_id, lock=True)
    if row is None:
        raise NotFoundError(f"There is no drill {drill_id[:80]!r}.", param="id")
    return row


def page(
    conn: Connection, work: Work, place: tuple[str | None, int], model: str | None, state: str = "any"
) -> list[dict[str, Any]]:
    """Return drills, newest first, without the rows of their calls; ``place`` is (after, limit)."""
    demand(work.actor, Permission.DRILLS_READ)
    if state == RUNNING:
        rows = route_queries.running_drills(conn, work.now_ms - _FOLLOWED_MS)
        found = [shown(each) for each in rows if model is None or each["model"] == model.lower()]
    else:
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
