"""API tokens of the staff: named, with a role, shown once, kept as a digest.

A token is looked up for every request, so that a revoked or expired one is refused at once. The token of the
environment (``SMARTOKEN_ADMIN_TOKEN``) and the one in ``run.json`` are not stored here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.identity.keys import STAFF_PREFIX, digest
from smartoken.operations import audit, fields, queries
from smartoken.operations.office import Work
from smartoken.operations.rights import STAFF, Actor, ActorKind, Permission, Role, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.store.access_tables import access_tokens
from smartoken.store.vault import Secret

BUILT_IN = ("local", "SMARTOKEN_ADMIN_TOKEN")  # names of the tokens that are not stored


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was just made, with its text for this once."""

    token: dict[str, Any]
    secret: Secret


def shown(row: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Return a token as the API shows it."""
    expired = row["expires_ms"] is not None and row["expires_ms"] <= now_ms
    return {
        "id": row["id"],
        "name": row["name"],
        "role": row["role"],
        "prefix": STAFF_PREFIX,
        "last4": row["last4"],
        "status": "revoked" if row["revoked_ms"] is not None else "expired" if expired else "active",
        "created_at": instant_text(row["created_ms"]),
        "created_by": row["created_by"],
        "expires_at": instant_text(row["expires_ms"]) if row["expires_ms"] is not None else None,
        "revoked_at": instant_text(row["revoked_ms"]) if row["revoked_ms"] is not None else None,
    }


def create(conn: Connection, work: Work, name: str, role: str, expires_at: str | None) -> Made:
    """Make a token.

    Raises:
        InvalidRequestError: the name is taken, the role is none of the staff's, the expiry is no time to come.

    """
    demand(work.actor, Permission.TOKENS_WRITE)
    name = fields.text(name, "name", 100)
    taken = {each.casefold() for each in (*BUILT_IN, *(row["name"] for row in queries.rows(conn, access_tokens)))}
    if name.casefold() in taken:  # two people whose names differ by a capital alone would read as one
        raise InvalidRequestError(f"There is a token {name!r} already; names are not used twice.", param="name")
    if role not in {each.value for each in STAFF}:
        raise InvalidRequestError(f"`role` must be one of {', '.join(STAFF)}.", param="role")
    expires_ms = fields.instant(expires_at, "expires_at") if expires_at is not None else None
    if expires_ms is not None and expires_ms <= work.now_ms:
        raise InvalidRequestError("`expires_at` must be in the future.", param="expires_at")
    secret = work.mint_token()
    row = {
        "id": work.id("token"),
        "name": name,
        "role": role,
        "digest": digest(work.pepper, secret),
        "last4": secret[-4:],
        "created_ms": work.now_ms,
        "created_by": work.actor.label,
        "expires_ms": expires_ms,
        "revoked_ms": None,
    }
    queries.insert(conn, access_tokens, row)
    made = shown(row, work.now_ms)
    audit.append(conn, work, audit.Entry("token.create", f"token:{row['id']}", None, made))
    return Made(made, Secret(secret))


def page(conn: Connection, work: Work, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return tokens, oldest first."""
    demand(work.actor, Permission.TOKENS_READ)
    return [shown(row, work.now_ms) for row in queries.page(conn, access_tokens, after, limit, {})]


def revoke(conn: Connection, work: Work, asked: str) -> dict[str, Any]:
    """End a token, named by id or name, for good; revoking it again changes nothing.

    Raises:
        NotFoundError: there is no such token.

    """
    demand(work.actor, Permission.TOKENS_WRITE)
    found = queries.rows(conn, access_tokens, id=asked) or queries.rows(conn, access_tokens, name=asked)
    if not found:
        raise NotFoundError(f"There is no token {asked[:80]!r}.", param="token")
    row = dict(found[0])
    if row["revoked_ms"] is None:
        row["revoked_ms"] = work.now_ms
        queries.update(conn, access_tokens, {"id": row["id"]}, {"revoked_ms": work.now_ms})
        audit.append(conn, work, audit.Entry("token.revoke", f"token:{row['id']}", None, shown(row, work.now_ms)))
    return shown(row, work.now_ms)


def actor_of(conn: Connection, token_digest: bytes, now_ms: int) -> Actor | None:
    """Return whose token has this digest; None for nobody's, a revoked or an expired one."""
    found = queries.rows(conn, access_tokens, digest=token_digest)
    if not found:
        return None
    row = found[0]
    if row["revoked_ms"] is not None or (row["expires_ms"] is not None and row["expires_ms"] <= now_ms):
        return None
    return Actor(ActorKind.ADMIN, row["name"], role=Role(row["role"]))
