"""What somebody should be told: budgets that run out, keys that were seen in public, jobs that fail.

An event is stored in the transaction of what it tells of. Whoever delivers events (mail, webhooks) reads them here; an
account sees its own, the staff all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from smartoken.operations.accounts import account_id_of
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission
from smartoken.operations.setup_accounts import instant_text
from smartoken.store import access_queries as queries


@dataclass(frozen=True, slots=True)
class Event:
    """What happened; ``once`` names what is told one time only, ``account_id`` None is for the staff alone."""

    kind: str  # "budget.alert"
    subject: str  # "key:key_0192..."
    account_id: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    once: str | None = None


def tell(conn: Connection, work: Work, event: Event) -> bool:
    """Store an event; false if the same one was told before."""
    row = {
        "id": work.id("event"),
        "created_ms": work.now_ms,
        "account_id": event.account_id,
        "kind": event.kind,
        "subject": event.subject,
        "facts": dict(event.facts),
        "once": event.once,
    }
    return queries.add_event(conn, row)


def page(
    conn: Connection, work: Work, account: str | None, place: tuple[str | None, int], kind: str | None
) -> list[dict[str, Any]]:
    """Return events, newest first; ``place`` is (after, limit).

    Raises:
        PermissionDeniedError: the right is lacking, or a member asked for another account.

    """
    own = account_id_of(conn, work, Permission.EVENTS_READ, account)
    wanted = {name: value for name, value in (("account_id", own), ("kind", kind)) if value is not None}
    after, limit = place
    shown = ("id", "account_id", "kind", "subject", "facts")
    return [
        {**{name: row[name] for name in shown}, "created_at": instant_text(row["created_ms"])}
        for row in queries.event_page(conn, after, limit, wanted)
    ]
