"""Checks that prove the books: figures that are kept twice must be equal, always.

Each check reads one snapshot (``db.read``: between two statements of a writing transaction others commit) and returns
what it compared and where two figures differ. Its result is stored with the time; a drift is an event for the staff and
an error in the log. ``jobs`` runs them, ``smartoken reconcile books`` and ``POST /admin/reconciliation`` run them now;
doctor and metrics show the newest results.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from smartoken.billing.journal import FINAL, read_folder
from smartoken.operations import check_queries
from smartoken.operations.events import Event, tell
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.usage.records import COLUMNS

_logger = logging.getLogger(__name__)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SETTLED_WITHIN_MS = 60_000  # a call that ended longer ago is in the ledger, or the flush has failed for a minute
MOST_SHOWN = 100
KEPT_MS = DAY_MS
JOURNAL = "journal"
_TOTAL_MS = COLUMNS.index("total_ms")
Found = tuple[int, list[check_queries.Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check: what it proves, how often, and how."""

    name: str
    every_ms: int
    words: str
    run: Callable[[Connection, int], Found]  # (connection, now)


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of a check found."""

    name: str
    compared: int
    drifts: tuple[check_queries.Finding, ...]
    took_ms: int = 0


CHECKS: tuple[Check, ...] = (
    Check(
        "trial_balance",
        MINUTE_MS,
        "All books of a currency, and the postings of each transfer, sum to zero.",
        lambda conn, _now: check_queries.trial_balance(conn),
    ),
    Check(
        "balances",
        MINUTE_MS,
        "What is kept of funds and of the house's books is the sum of their postings.",
        lambda conn, _now: check_queries.balances(conn),
    ),
    Check(
        "leases",
        MINUTE_MS,
        "What a row shows as held is the sum of the leases on it, and every lease belongs to a worker that is there.",
        lambda conn, _now: check_queries.held(conn),
    ),
    Check(
        "windows",
        HOUR_MS,
        "What a budget's window shows as used is what the calls that count in it were charged.",
        lambda conn, now: check_queries.windows(conn, now - DAY_MS),
    ),
    Check(
        "charges",
        HOUR_MS,
        "Every spend of the ledger is the sum of the charges of its calls.",
        lambda conn, _now: check_queries.charges(conn),
    ),
    Check(
        "sums_by_hour",
        HOUR_MS,
        "The sums by hour that reports show are the sums of the calls of the last two days.",
        lambda conn, now: check_queries.sums_by_hour(conn, (now - 2 * DAY_MS) // HOUR_MS * HOUR_MS),
    ),
)
BY_NAME: Mapping[str, Check] = {each.name: each for each in CHECKS}
JOURNAL_WORDS = "Every call whose end this node's journals hold is in the ledger within a minute."


def journalled(root: Path, now_ms: int) -> list[str]:
    """Return the calls whose end the journals below a data dir hold for longer than settlement takes."""
    found: dict[str, None] = {}
    for folder in sorted((root / JOURNAL).glob("ep_*")):
        try:
            records = list(read_folder(folder))
        except OSError:  # a segment was let go while its folder was read: its calls are stored
            continue
        for each in records:
            if each.kind == FINAL:
                entry = orjson.loads(each.payload)
                created_ms, took_ms = entry["record"][1], _took(entry["record"])
                if created_ms + took_ms < now_ms - SETTLED_WITHIN_MS:
                    found[entry["id"]] = None
    return list(found)


def _took(record: list[Any]) -> int:
    """Return how long a call took; its place in the record is that of ``usage.records``."""
    value = record[_TOTAL_MS]
    return value if isinstance(value, int) else 0


def examine(conn: Connection, name: str, now_ms: int) -> Result:
    """Run one check of the store on this connection's snapshot."""
    begun = time.monotonic()
    compared, faults = BY_NAME[name].run(conn, now_ms)
    return Result(name, compared, tuple(faults), int((time.monotonic() - begun) * 1000))


def examine_journal(conn: Connection, ids: list[str]) -> Result:
    """Compare the ids of journals with the ledger."""
    return Result(JOURNAL, len(ids), tuple((each, 1, 0) for each in check_queries.unstored(conn, ids)))


def note(conn: Connection, work: Work, result: Result) -> None:
    """Store a result; a drift is told and logged."""
    count = len(result.drifts)
    drifts = [{"subject": name, "expected": expected, "found": found} for name, expected, found in result.drifts]
    row = {
        "name": result.name,
        "created_ms": work.now_ms,
        "took_ms": result.took_ms,
        "compared": result.compared,
        "drifts": drifts[:MOST_SHOWN],
        "drift_count": count,
    }
    check_queries.add_result(conn, row, work.now_ms - KEPT_MS)
    if count:
        _logger.error("the books drift: %s has %d differences, first %s", result.name, count, result.drifts[0])
        facts = {"check": result.name, "differences": count, "first": drifts[:5]}
        once = f"books:{result.name}:{work.now_ms // DAY_MS}:{drifts[0]['subject']}"[:300]
        tell(conn, work, Event("books.drift", f"check:{result.name}", None, facts, once))


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored result as the API shows it; amounts are nano-units, as they are compared."""
    check = BY_NAME.get(row["name"])
    return {
        "check": row["name"],
        "words": check.words if check is not None else JOURNAL_WORDS,
        "at": instant_text(row["created_ms"]),
        "took_ms": row["took_ms"],
        "compared": row["compared"],
        "ok": row["drift_count"] == 0,
        "drift_count": row["drift_count"],
        "drifts": row["drifts"],
    }


def latest(conn: Connection) -> list[dict[str, Any]]:
    """Return the newest result of each check; for doctor and metrics."""
    return [shown(each) for each in check_queries.newest_results(conn)]


def drifts(conn: Connection) -> int:
    """Return how many differences the newest checks found."""
    return sum(int(each["drift_count"]) for each in check_queries.newest_results(conn))


def report(conn: Connection, work: Work, name: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the newest result of each check, or the results of one, newest first.

    Raises:
        PermissionDeniedError: the actor may not reconcile.

    """
    demand(work.actor, Permission.RECONCILE)
    if name is None:
        return latest(conn)
    return [shown(each) for each in check_queries.results_of(conn, name, limit)]


def examine_all(conn: Connection, work: Work, ids: list[str]) -> list[Result]:
    """Run every check on one snapshot; ``ids`` are those of ``journalled``. Nothing is stored.

    Raises:
        PermissionDeniedError: the actor may not reconcile.

    """
    demand(work.actor, Permission.RECONCILE)
    return [*(examine(conn, each.name, work.now_ms) for each in CHECKS), examine_journal(conn, ids)]


def note_all(conn: Connection, work: Work, results: list[Result]) -> list[dict[str, Any]]:
    """Store results, and return the newest of each check.

    Raises:
        PermissionDeniedError: the actor may not reconcile.

    """
    demand(work.actor, Permission.RECONCILE)
    for each in results:
        note(conn, work, each)
    return latest(conn)
