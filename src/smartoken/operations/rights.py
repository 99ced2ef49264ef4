"""Who may do what: every operation names one permission, and what nobody was given is denied. Pure.

An actor is an admin (sees every account), a member (sees one), or the system (jobs and the start-up of this very
process). ``scope`` turns a right into the account that the query must name, so that one account's objects do not even
exist for another.
"""

from dataclasses import dataclass
from enum import StrEnum

from smartoken.errors import PermissionDeniedError


class Permission(StrEnum):
    """What can be permitted; routes and operations name one each."""

    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    CALLS_READ = "calls:read"
    USAGE_READ = "usage:read"
    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    PROVIDERS_READ = "providers:read"
    MODELS_READ = "models:read"
    SETUP_READ = "setup:read"
    SETUP_WRITE = "setup:write"
    AUDIT_READ = "audit:read"


class ActorKind(StrEnum):
    """What kind of actor asks."""

    ADMIN = "admin"
    MEMBER = "member"
    SYSTEM = "system"


_STAFF = frozenset({ActorKind.ADMIN, ActorKind.SYSTEM})
_EVERYONE = frozenset(ActorKind)
GRANTED: dict[Permission, frozenset[ActorKind]] = {
    Permission.KEYS_READ: _EVERYONE,
    Permission.KEYS_WRITE: _EVERYONE,
    Permission.CALLS_READ: _EVERYONE,
    Permission.USAGE_READ: _EVERYONE,
    Permission.ACCOUNTS_READ: _STAFF,
    Permission.ACCOUNTS_WRITE: _STAFF,
    Permission.PROVIDERS_READ: _STAFF,
    Permission.MODELS_READ: _STAFF,
    Permission.SETUP_READ: _STAFF,
    Permission.SETUP_WRITE: _STAFF,
    Permission.AUDIT_READ: _STAFF,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks. ``account_id`` is a member's account; ``name`` is what the audit log shows."""

    kind: ActorKind
    name: str
    account_id: str | None = None


SYSTEM = Actor(ActorKind.SYSTEM, "system")


def demand(actor: Actor, permission: Permission) -> None:
    """Refuse an actor that was not given the permission.

    Raises:
        PermissionDeniedError: the actor's kind lacks it, or a member belongs to no account.

    """
    granted = GRANTED.get(permission, frozenset())
    if actor.kind not in granted or (actor.kind is ActorKind.MEMBER and actor.account_id is None):
        raise PermissionDeniedError(f"This needs the permission {permission.value}.")


def scope(actor: Actor, permission: Permission, asked: str | None = None) -> str | None:
    """Return the account that the query must name: a member's own, whatever was asked; None means all accounts.

    Raises:
        PermissionDeniedError: the permission is lacking, or a member asked for another account.

    """
    demand(actor, permission)
    if actor.kind is not ActorKind.MEMBER:
        return asked
    if asked is not None and asked != actor.account_id:
        raise PermissionDeniedError("A member sees only its own account.", param="account")
    return actor.account_id
