"""The rows of jobs: who runs one now, how the last run went, and what the staff see of it."""

from typing import Any

from sqlalchemy import Connection

from smartoken.identity.keys import without_keys
from smartoken.operations import events
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.store import access_queries as queries

_DAY_MS = 86_400_000
_MOST = 500


def claim(conn: Connection, work: Work, name: str, every_s: int) -> bool:
    """Take a job if it is due; it is due again an interval from now, whatever comes of it."""
    if queries.claim_job(conn, name, work.now_ms, work.now_ms + every_s * 1000):
        return True
    queries.add_job(conn, name)  # the first look at it; the next one takes it
    return queries.claim_job(conn, name, work.now_ms, work.now_ms + every_s * 1000)


def end(conn: Connection, work: Work, name: str, outcome: tuple[bool, str]) -> None:
    """Note how a run went, as ``(well, words)``; a failure is told to the staff once a day."""
    well, words = outcome
    words = without_keys(words)[:_MOST]
    queries.end_job(conn, name, {"ended_ms": work.now_ms, "ok": well, "result": words})
    if not well:
        once = f"job:{name}:{work.now_ms // _DAY_MS}"
        events.tell(conn, work, events.Event("job.failed", f"job:{name}", None, {"result": words}, once))


def shown(conn: Connection) -> list[dict[str, Any]]:
    """Return every job with its last run, by name."""
    times = ("due", "started", "ended")
    return [
        {
            "name": each["name"],
            "runs": each["runs"],
            "ok": each["ok"],
            "result": each["result"],
            **{f"{name}_at": instant_text(each[f"{name}_ms"]) if each[f"{name}_ms"] else None for name in times},
        }
        for each in queries.job_rows(conn)
    ]


def listed(conn: Connection, work: Work) -> list[dict[str, Any]]:
    """Return what the staff see of jobs.

    Raises:
        PermissionDeniedError: the right is lacking.

    """
    demand(work.actor, Permission.JOBS_READ)
    return shown(conn)
