"""The audit log: append-only, each entry hashed over the one before, so that a change or a gap shows.

``h_n = SHA-256(h_{n-1} + canonical entry)``. The object of an entry is an id or a name, never a key; what was before
and after is written by the operation with every secret replaced.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Connection

from smartoken.identity.keys import PREFIX, STAFF_PATTERN
from smartoken.operations import queries
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.store.schema import audit

_PAGE = 1000
_HIDDEN = re.compile(rf"{PREFIX}[0-9A-Za-z]{{5,}}|{STAFF_PATTERN}")  # a key beyond its first characters, or a token
_SHOWN = ("id", "created_ms", "actor", "action", "object", "before", "after", "reason", "ip")


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to one object."""

    action: str  # "key.rotate"
    object: str  # "key:key_0192..."
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str | None = None


class SecretInAuditError(RuntimeError):
    """An operation tried to write a key into the audit log; nothing of it is stored."""


def _hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    shown = {name: row[name] for name in _SHOWN}
    return sha256(previous + orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).digest()


def _next_id(work: Work, head: str | None) -> str:
    """Return an id behind the head's: entries of the same millisecond keep the order in which they were written."""
    fresh = work.id("audit")
    if head is None or fresh > head:
        return fresh
    return f"audit_{int(head.removeprefix('audit_'), 16) + 1:032x}"


def append(conn: Connection, work: Work, entry: Entry) -> None:
    """Add an entry in the transaction of what it tells of.

    Raises:
        SecretInAuditError: the entry holds the text of an API key.

    """
    queries.lock_changes(conn)
    head = queries.newest_entry(conn)
    row = {
        "id": _next_id(work, head["id"] if head is not None else None),
        "created_ms": work.now_ms,
        "actor": work.actor.label,
        "action": entry.action,
        "object": entry.object,
        "before": dict(entry.before) if entry.before is not None else None,
        "after": dict(entry.after) if entry.after is not None else None,
        "reason": entry.reason,
        "ip": work.ip,
    }
    if PREFIX in entry.object or _HIDDEN.search(orjson.dumps([row[name] for name in _SHOWN]).decode()):
        raise SecretInAuditError(f"the audit entry {entry.action} would hold a key")
    previous = bytes(head["hash"]) if head is not None else b""
    queries.insert(conn, audit, {**row, "hash": _hash(previous, row)})


def page(conn: Connection, work: Work, after: str | None, limit: int, object_name: str | None) -> list[dict[str, Any]]:
    """Return entries, newest first.

    Raises:
        PermissionDeniedError: the actor may not read the log.

    """
    demand(work.actor, Permission.AUDIT_READ)
    wanted = {} if object_name is None else {"object": object_name}
    return [{name: row[name] for name in _SHOWN} for row in queries.audit_page(conn, after, limit, wanted)]


def broken_at(conn: Connection) -> str | None:
    """Return the id of the first entry whose hash does not follow from what is before it; None if all do."""
    previous, after = b"", ""
    while True:
        entries = queries.audit_from(conn, after, _PAGE)
        for row in entries:
            if _hash(previous, row) != bytes(row["hash"]):
                return str(row["id"])
            previous, after = bytes(row["hash"]), str(row["id"])
        if len(entries) < _PAGE:
            return None


def check(conn: Connection, work: Work) -> str | None:
    """Follow the chain as an actor; the first broken entry's id, or None.

    Raises:
        PermissionDeniedError: the actor may not read the log.

    """
    demand(work.actor, Permission.AUDIT_READ)
    return broken_at(conn)
