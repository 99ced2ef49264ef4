"""Usage: sums over the hours of a period, grouped by model, key, account, owner, day and the like."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError
from smartoken.operations import fields
from smartoken.operations.accounts import account_id_of
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission
from smartoken.operations.setup_accounts import instant_text
from smartoken.usage import report_queries, reports

DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: times in milliseconds, ``None`` for the last 30 days until now."""

    group_by: str = "model"
    from_ms: int | None = None
    to_ms: int | None = None
    account: str | None = None
    timezone: str = "UTC"


def report(conn: Connection, work: Work, asked: Question) -> dict[str, Any]:
    """Return a report; ``from`` and ``to`` are whole hours, widened to hold what was asked for.

    Raises:
        InvalidRequestError: there is no such grouping, or the period ends before it begins.
        PermissionDeniedError: the actor may not see usage, or asks for another account's.

    """
    account_id = account_id_of(conn, work, Permission.USAGE_READ, asked.account)
    if asked.group_by not in report_queries.GROUPS:
        known = ", ".join(report_queries.GROUPS)
        raise InvalidRequestError(f"`group_by` must be one of {known}.", param="group_by")
    zone = ZoneInfo(fields.zone(asked.timezone))
    to_ms = work.now_ms if asked.to_ms is None else asked.to_ms
    from_ms = to_ms - DEFAULT_DAYS * reports.DAY_MS if asked.from_ms is None else asked.from_ms
    if from_ms >= to_ms:
        raise InvalidRequestError("`from` must be before `to`.", param="from")
    span = (from_ms // reports.HOUR_MS * reports.HOUR_MS, -(-to_ms // reports.HOUR_MS) * reports.HOUR_MS)
    kept = reports.kept_from(work.now_ms)
    found: dict[str, Any] = {
        "group_by": asked.group_by,
        "from": instant_text(span[0]),
        "to": instant_text(span[1]),
        "kept_from": instant_text(kept),
        "available": span[0] >= kept,
    }
    if not found["available"]:
        return {**found, "data": [], "rest": None, "total": None}
    rows = report_queries.sums(conn, asked.group_by, account_id, span)
    if asked.group_by == "day":
        rows = list(reports.by_day(rows, zone))
    shown, rest = reports.listed(asked.group_by, rows)
    return {**found, "data": shown, "rest": rest, "total": reports.total(rows)}
