"""Who may do what: every operation names one permission, and what nobody was given is denied. Pure.

An actor is one of the staff, who see every account; a member, who sees one; or the system (jobs and the start-up of
this very process). Each has one role, and a role has what ``GRANTED`` lists for it: no role implies another. ``scope``
turns a right into the account that the query must name, so that one account's objects do not even exist for another.
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
    WALLET_READ = "wallet:read"  # balance, history, statements
    EVENTS_READ = "events:read"
    MONEY_WRITE = "money:write"  # deposits, withdrawals, refunds, reversals
    ADJUST = "wallet:adjust"  # adjustments and grants by an operator
    APPROVE = "money:approve"  # what waits for a second person
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    CODES_READ = "codes:read"
    CODES_WRITE = "codes:write"
    REDEEM = "codes:redeem"
    PRICES_READ = "prices:read"
    PRICES_WRITE = "prices:write"
    RECONCILE = "money:reconcile"
    ROUTES_READ = "routes:read"
    ROUTES_WRITE = "routes:write"
    DRILLS_READ = "drills:read"
    DRILLS_WRITE = "drills:write"
    JOBS_READ = "jobs:read"


class ActorKind(StrEnum):
    """What kind of actor asks."""

    ADMIN = "admin"  # one of the staff, whatever the role
    MEMBER = "member"
    SYSTEM = "system"


class Role(StrEnum):
    """What an actor is here for: the staff's roles, those of an account's members, and the system's own."""

    ADMIN = "admin"
    OPERATOR = "operator"
    FINANCE = "finance"
    SUPPORT = "support"
    OWNER = "account-owner"
    DEVELOPER = "account-developer"
    ACCOUNT_FINANCE = "account-finance"
    VIEWER = "account-viewer"
    SYSTEM = "system"


STAFF = (Role.ADMIN, Role.OPERATOR, Role.FINANCE, Role.SUPPORT)
MEMBERS = (Role.OWNER, Role.DEVELOPER, Role.ACCOUNT_FINANCE, Role.VIEWER)
_LETTERS = dict(zip("aofsODFVy", (*STAFF, *MEMBERS, Role.SYSTEM), strict=True))


def _given(letters: str) -> frozenset[Role]:
    """Read a cell of the table: admin, operator, finance, support; Owner, Developer, Finance, Viewer; sYstem."""
    return frozenset(_LETTERS[each] for each in letters)


GRANTED: dict[Permission, frozenset[Role]] = {
    Permission.KEYS_READ: _given("aofsODFVy"),
    Permission.KEYS_WRITE: _given("aoODy"),
    Permission.CALLS_READ: _given("aofsODFVy"),
    Permission.USAGE_READ: _given("aofsODFVy"),
    Permission.ACCOUNTS_READ: _given("aofsy"),
    Permission.ACCOUNTS_WRITE: _given("aoy"),
    Permission.PROVIDERS_READ: _given("aofsy"),
    Permission.MODELS_READ: _given("aofsy"),
    Permission.SETUP_READ: _given("aoy"),
    Permission.SETUP_WRITE: _given("ay"),
    Permission.AUDIT_READ: _given("afy"),
    Permission.WALLET_READ: _given("aofsODFVy"),
    Permission.EVENTS_READ: _given("aofsODFVy"),
    Permission.MONEY_WRITE: _given("afy"),
    Permission.ADJUST: _given("aofy"),
    Permission.APPROVE: _given("af"),
    Permission.TOKENS_READ: _given("a"),
    Permission.TOKENS_WRITE: _given("a"),
    Permission.CAMPAIGNS_READ: _given("aofsy"),
    Permission.CAMPAIGNS_WRITE: _given("aoy"),
    Permission.CODES_READ: _given("aosy"),
    Permission.CODES_WRITE: _given("aoy"),
    Permission.REDEEM: _given("aoOFy"),
    Permission.PRICES_READ: _given("aofsy"),
    Permission.PRICES_WRITE: _given("afy"),
    Permission.RECONCILE: _given("aofy"),
    Permission.ROUTES_READ: _given("aosy"),
    Permission.ROUTES_WRITE: _given("aoy"),
    Permission.DRILLS_READ: _given("aosy"),
    Permission.DRILLS_WRITE: _given("aoy"),
    Permission.JOBS_READ: _given("aosy"),
}
_USUAL = {ActorKind.ADMIN: Role.ADMIN, ActorKind.MEMBER: Role.OWNER, ActorKind.SYSTEM: Role.SYSTEM}
_POSSIBLE = {ActorKind.ADMIN: STAFF, ActorKind.MEMBER: MEMBERS, ActorKind.SYSTEM: (Role.SYSTEM,)}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks. ``account_id`` is a member's account; ``name`` is what the audit log shows.

    Without ``role`` an actor is the first of its kind: admin of the staff, owner of an account.

    Raises:
        ValueError: the role is not one of this kind's.

    """

    kind: ActorKind
    name: str
    account_id: str | None = None
    role: Role | None = None

    def __post_init__(self) -> None:
        """Refuse a role of another kind."""
        if self.role is not None and self.role not in _POSSIBLE[self.kind]:
            raise ValueError(f"a {self.kind} cannot have the role {self.role}")

    @property
    def acts_as(self) -> Role:
        """The role whose rights count."""
        return self.role or _USUAL[self.kind]

    @property
    def label(self) -> str:
        """The name by which the ledger and the audit log know the actor."""
        return f"{self.kind.value}:{self.name}"


SYSTEM = Actor(ActorKind.SYSTEM, "system")


def may(actor: Actor, permission: Permission) -> bool:
    """Whether an actor was given a permission; a member of no account has none."""
    lost = actor.kind is ActorKind.MEMBER and actor.account_id is None
    return not lost and actor.acts_as in GRANTED.get(permission, frozenset())


def demand(actor: Actor, permission: Permission) -> None:
    """Refuse an actor that was not given the permission.

    Raises:
        PermissionDeniedError: the actor's role lacks it, or a member belongs to no account.

    """
    if not may(actor, permission):
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
