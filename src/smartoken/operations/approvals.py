"""What one actor asked for and another must allow: adjustments and grants above the set amount.

The amount stands in the set-up file (``[site] approval_limit``). Whoever asked never decides, and the two tokens of
this machine count as one person. A request is decided once; until then no money moves.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError, PermissionDeniedError
from smartoken.money import amount_text, parse_amount
from smartoken.operations import audit, events, exposures, queries
from smartoken.operations.office import Work
from smartoken.operations.rights import Actor, ActorKind, Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_stored import SITE_FACT, json_fact
from smartoken.operations.tokens import BUILT_IN
from smartoken.store import access_queries
from smartoken.store.access_tables import approvals

DEFAULT_LIMIT = "100.00"
STATUSES = ("waiting", "approved", "rejected")
Row = Mapping[str, Any]


def limit_nano(conn: Connection) -> int:
    """Return the amount above which a second person must agree."""
    return parse_amount(json_fact(conn, SITE_FACT).get("approval_limit", DEFAULT_LIMIT))


def shown(row: Row) -> dict[str, Any]:
    """Return an approval as the API shows it."""
    decided = row["decided_ms"]
    return {
        **{name: row[name] for name in ("id", "account_id", "kind", "wanted", "asked_by", "status", "decided_by")},
        "created_at": instant_text(row["created_ms"]),
        "amount": amount_text(row["nano"]),
        "decided_at": instant_text(decided) if decided is not None else None,
        "reason": row["reason"],
        "transfer": row["transfer_id"],
    }


def ask(conn: Connection, work: Work, account_id: str, request: tuple[str, int], wanted: Row) -> dict[str, Any]:
    """Keep a request until somebody else decides; ``request`` is (kind, nano). Returns the answer to it."""
    kind, nano = request
    row = {
        "id": work.id("approval"),
        "created_ms": work.now_ms,
        "account_id": account_id,
        "kind": kind,
        "nano": nano,
        "wanted": dict(wanted),
        "asked_by": work.actor.label,
        "status": "waiting",
        "decided_by": None,
        "decided_ms": None,
        "reason": None,
        "transfer_id": None,
    }
    queries.insert(conn, approvals, row)
    facts = {"kind": kind, "amount": amount_text(nano), "asked_by": work.actor.label}
    events.tell(conn, work, events.Event("approval.waiting", f"approval:{row['id']}", None, facts))
    audit.append(conn, work, audit.Entry("approval.ask", f"approval:{row['id']}", None, facts, wanted["reason"]))
    return shown(row)


def page(conn: Connection, work: Work, status: str | None, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return approvals, oldest first; raises ``InvalidRequestError`` for a status that there is not."""
    demand(work.actor, Permission.APPROVE)
    if status is not None and status not in STATUSES:
        raise InvalidRequestError(f"`status` must be one of {', '.join(STATUSES)}.", param="status")
    wanted = {} if status is None else {"status": status}
    return [shown(row) for row in queries.page(conn, approvals, after, limit, wanted)]


def one(conn: Connection, work: Work, approval_id: str) -> dict[str, Any]:
    """Return an approval, also to whoever asked for it."""
    demand(work.actor, Permission.ADJUST)
    return shown(row_of(conn, approval_id))


def row_of(conn: Connection, approval_id: str) -> Row:
    """Return a stored approval; raises ``NotFoundError``."""
    found = queries.rows(conn, approvals, id=approval_id)
    if not found:
        raise NotFoundError(f"There is no approval {approval_id[:80]!r}.", param="approval")
    return found[0]


def _person(label: str) -> str:
    built_in = {Actor(ActorKind.ADMIN, name).label for name in BUILT_IN}
    return "this machine" if label in built_in else label


def decide(conn: Connection, work: Work, approval_id: str, status: str, reason: str | None) -> Row:
    """Decide what waits, as somebody else than who asked; returns the row as it was.

    Raises:
        PermissionDeniedError: the right is lacking, or the actor asked for it.
        InvalidRequestError: it was decided before.

    """
    demand(work.actor, Permission.APPROVE)
    row = row_of(conn, approval_id)
    if status == "approved" and _person(row["asked_by"]) == _person(work.actor.label):
        raise PermissionDeniedError(
            "Whoever asked for it cannot approve it.",
            remedy="Let another person approve it, with a token of their own (`smartoken token create`), which "
            "commands take as SMARTOKEN_TOKEN.",
        )
    if reason is not None:
        reason = exposures.cleaned(conn, work, reason, "reason", 500)
    changes = {"status": status, "decided_by": work.actor.label, "decided_ms": work.now_ms, "reason": reason}
    if not access_queries.decide(conn, approval_id, changes):
        raise InvalidRequestError(f"It was {row['status']} by {row['decided_by']} before.", param="approval")
    facts = {"amount": amount_text(row["nano"]), "asked_by": row["asked_by"]}
    audit.append(conn, work, audit.Entry(f"approval.{status}", f"approval:{approval_id}", None, facts, reason))
    return row


def reject(conn: Connection, work: Work, approval_id: str, reason: str | None) -> dict[str, Any]:
    """Refuse what waits; whoever asked may take it back so too. Raises as ``decide`` does."""
    decide(conn, work, approval_id, "rejected", reason)
    return shown(row_of(conn, approval_id))
