"""API keys: made and rotated with their text shown once, changed, paused, revoked. The account is in every query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.identity import accounts as identity
from smartoken.identity import queries as rows
from smartoken.money import amount_text
from smartoken.operations import audit, exposures, fields, queries
from smartoken.operations.accounts import account_id_of, changed_entry
from smartoken.operations.budget_figures import with_figures
from smartoken.operations.limits import set_budgets
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand, scope
from smartoken.operations.setup_accounts import instant_text
from smartoken.store import access_queries
from smartoken.store.schema import api_keys, budgets
from smartoken.store.vault import Secret

STATUSES = ("active", "paused")
REVOKED = "revoked"
USUAL_OVERLAP_HOURS = 24
CONTINUATION = "continuation"  # an answer that breaks off may be gone on with elsewhere; off unless it is asked for
Wanted = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A key with the text that is shown this once."""

    key: dict[str, Any]
    secret: Secret


@dataclass(frozen=True, slots=True)
class Filter:
    """Which keys are asked for."""

    account: str | None = None
    name: str | None = None
    status: str | None = None
    environment: str | None = None


def shown(conn: Connection, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return keys as the API shows them: never their text, only the first characters and the last four."""
    ids = [row["id"] for row in found]
    slugs = {row["id"]: row["slug"] for row in rows.account_rows(conn)}
    secrets: dict[str, list[Mapping[str, Any]]] = {}
    for each in rows.secret_rows(conn, ids):
        secrets.setdefault(each["key_id"], []).append(each)
    limits: dict[str, list[dict[str, str]]] = {}
    for each in queries.rows_in(conn, budgets, "scope_id", ids):
        budget = {"limit": amount_text(each["limit_nano"]), "period": each["period"]}
        limits.setdefault(each["scope_id"], []).append(budget)
    seen = exposures.shown(conn, ids)
    return [
        _shown(row, secrets.get(row["id"], ()))
        | _exposed(row, seen.get(row["id"]))
        | {"account": slugs.get(row["account_id"]), "budgets": limits.get(row["id"], [])}
        for row in found
    ]


def _exposed(row: Mapping[str, Any], seen: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what was seen of a key; one that is in service is shown as exposed, and works until it is rotated."""
    if seen is None:
        return {"exposed": None}
    found = {"where": seen["place"], "at": instant_text(seen["created_ms"])}
    return {"exposed": found, "status": "exposed" if row["status"] == "active" else row["status"]}


def _shown(row: Mapping[str, Any], secrets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    current = next((each for each in reversed(secrets) if each["valid_until_ms"] is None), None)
    newest = current or (secrets[-1] if secrets else None)
    ends = [each["valid_until_ms"] for each in secrets if each["valid_until_ms"] is not None and each is not newest]
    policy = row["policy"] or {}
    return {
        "id": row["id"],
        "account_id": row["account_id"],
        "name": row["name"],
        "environment": row["environment"],
        "owner": row["owner"],
        "workflow": row["workflow"],
        "prefix": newest["prefix"] if newest is not None else None,
        "last4": newest["last4"] if newest is not None else None,
        "models": list(row["models"]),
        "allowed_ips": list(row["allowed_ips"]),
        "allowed_origins": list(row["allowed_origins"]),
        "limits": {name: row[name] for name in fields.LIMITS},
        "policy": {"regions": list(policy.get("regions") or ()), "no_training": bool(policy.get("no_training"))},
        "continuation": bool((row["options"] or {}).get(CONTINUATION)),
        "status": row["status"],
        "expires_at": instant_text(row["expires_ms"]) if row["expires_ms"] is not None else None,
        "created_at": instant_text(row["created_ms"]),
        "revoked_at": instant_text(row["revoked_ms"]) if row["revoked_ms"] is not None else None,
        "former_secret_until": instant_text(max(ends)) if ends else None,
    }


def page(conn: Connection, work: Work, wanted: Filter, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return keys, oldest first."""
    own = account_id_of(conn, work, Permission.KEYS_READ, wanted.account)
    where = {"account_id": own, "name": wanted.name, "status": wanted.status, "environment": wanted.environment}
    where = {name: value for name, value in where.items() if value is not None}
    return _told(conn, work, shown(conn, queries.page(conn, api_keys, after, limit, where)))


def one(conn: Connection, work: Work, key_id: str) -> dict[str, Any]:
    """Return one key; raises ``NotFoundError`` also for another account's."""
    return _told(conn, work, shown(conn, [_row(conn, work, Permission.KEYS_READ, key_id)]))[0]


def _told(conn: Connection, work: Work, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return with_figures(conn, work, "key", found)


def _row(conn: Connection, work: Work, permission: Permission, key_id: str) -> Mapping[str, Any]:
    row = rows.key_by_id(conn, scope(work.actor, permission), key_id)
    if row is None:
        raise NotFoundError(f"There is no key {key_id[:80]!r} of this account.", param="key_id")
    return row


def create(conn: Connection, work: Work, account: str | None, wanted: Wanted) -> Made:
    """Make a key; its text is in the answer and nowhere else.

    Raises:
        InvalidRequestError: a field is wrong, no account is named, or the account has a key of this name.

    """
    account_id = account_id_of(conn, work, Permission.KEYS_WRITE, account)
    if account_id is None:
        raise InvalidRequestError("Name the account that the key belongs to.", param="account")
    columns = _columns(wanted, work.now_ms)
    if "name" not in columns:
        raise InvalidRequestError("A key needs a `name`.", param="name")
    _refuse_taken(conn, account_id, columns["name"], None)
    row = {**identity.plain_key(work.id("key"), account_id, columns["name"], work.now_ms), **columns}
    secret = work.mint()
    identity.add_key(conn, row, secret, work.pepper)
    set_budgets(conn, work, ("key", str(row["id"])), wanted.get("budgets", ()))
    made = shown(conn, [row])[0]
    audit.append(conn, work, audit.Entry("key.create", f"key:{row['id']}", None, made))
    return Made(_told(conn, work, [made])[0], Secret(secret))


def _refuse_taken(conn: Connection, account_id: str, name: str, own_id: str | None) -> None:
    taken = rows.key_by_name(conn, account_id, name)
    if taken is None or taken["id"] == own_id:
        return
    why = "was revoked and keeps its name for the history" if taken["status"] == REVOKED else "exists already"
    raise InvalidRequestError(f"A key named {name!r} {why}; choose another name.", param="name")


def change(conn: Connection, work: Work, key_id: str, wanted: Wanted) -> dict[str, Any]:
    """Change a key's facts, budgets or status (active, paused); what is not named stays.

    Raises:
        NotFoundError: the account has no such key.
        InvalidRequestError: a field is wrong, or the key was revoked.

    """
    row = _row(conn, work, Permission.KEYS_WRITE, key_id)
    _refuse_revoked(row)
    before = shown(conn, [row])[0]
    columns = _columns(wanted, work.now_ms)
    if wanted.get("status", "active") not in STATUSES:
        raise InvalidRequestError(f"`status` must be one of {', '.join(STATUSES)}; DELETE revokes.", param="status")
    if "name" in columns:
        _refuse_taken(conn, row["account_id"], columns["name"], key_id)
    if columns:
        identity.change_key(conn, key_id, columns)
    if "status" in wanted:
        identity.set_status(conn, key_id, wanted["status"], work.now_ms)
    if "budgets" in wanted:
        set_budgets(conn, work, ("key", key_id), wanted["budgets"])
    after = shown(conn, [_row(conn, work, Permission.KEYS_WRITE, key_id)])[0]
    if after != before:
        audit.append(conn, work, changed_entry("key.change", f"key:{key_id}", before, after))
    return _told(conn, work, [after])[0]


def rotate(conn: Connection, work: Work, key_id: str, overlap_hours: int | None) -> Made:
    """Give a key a new text; the old one works for the overlap. Budget, limits and history stay with the key.

    Without ``overlap_hours`` it is a day, or nothing for a key that is exposed. The key is exposed no more.

    Raises:
        NotFoundError: the account has no such key.
        InvalidRequestError: the key was revoked, or the overlap is beyond a week.

    """
    row = _row(conn, work, Permission.KEYS_WRITE, key_id)
    _refuse_revoked(row)
    if overlap_hours is None:
        overlap_hours = 0 if exposures.shown(conn, [key_id]) else USUAL_OVERLAP_HOURS
    secret = work.mint()
    identity.rotate(conn, key_id, secret, work.pepper, (work.now_ms, overlap_hours))
    access_queries.clear_exposures(conn, key_id, work.now_ms)
    made = shown(conn, [_row(conn, work, Permission.KEYS_WRITE, key_id)])[0]
    after = {"last4": made["last4"], "overlap_hours": overlap_hours}
    audit.append(conn, work, audit.Entry("key.rotate", f"key:{key_id}", None, after))
    return Made(_told(conn, work, [made])[0], Secret(secret))


def expose(conn: Connection, work: Work, key_id: str, where: str) -> dict[str, Any]:
    """Say that a key was seen where others can read it: its owner is told, and it works until it is rotated.

    Whoever may see a key may say so.

    Raises:
        NotFoundError: the account has no such key.
        InvalidRequestError: the key was revoked, or the place is not named.

    """
    row = _row(conn, work, Permission.KEYS_READ, key_id)
    _refuse_revoked(row)
    exposures.expose(conn, work, key_id, where)
    return one(conn, work, key_id)


def scan(conn: Connection, work: Work, text: str, where: str) -> list[dict[str, Any]]:
    """Look for keys of this gateway in a text and note each as exposed; returns those that the actor may see."""
    demand(work.actor, Permission.KEYS_READ)
    found = exposures.scan(conn, work, text, where)
    own = [rows.key_by_id(conn, scope(work.actor, Permission.KEYS_READ), each) for each in dict.fromkeys(found)]
    return _told(conn, work, shown(conn, [each for each in own if each is not None]))


def revoke(conn: Connection, work: Work, key_id: str) -> dict[str, Any]:
    """End a key for good; revoking it again changes nothing.

    Raises:
        NotFoundError: the account has no such key.

    """
    row = _row(conn, work, Permission.KEYS_WRITE, key_id)
    if row["status"] != REVOKED:
        identity.set_status(conn, key_id, REVOKED, work.now_ms)
        access_queries.clear_exposures(conn, key_id, work.now_ms)
        entry = audit.Entry("key.revoke", f"key:{key_id}", {"status": row["status"]}, {"status": REVOKED})
        audit.append(conn, work, entry)
    return _told(conn, work, shown(conn, [_row(conn, work, Permission.KEYS_WRITE, key_id)]))[0]


def _refuse_revoked(row: Mapping[str, Any]) -> None:
    if row["status"] == REVOKED:
        raise InvalidRequestError("The key was revoked, which is final; make another one.", param="key_id")


def _columns(wanted: Wanted, now_ms: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "name" in wanted:
        found["name"] = fields.text(wanted["name"], "name", 200)
        if "/" in found["name"]:
            raise InvalidRequestError("`name` must not hold a slash.", param="name")
    if "environment" in wanted:
        found["environment"] = fields.text(wanted["environment"], "environment", 64)
    for name, most in (("owner", 254), ("workflow", 200)):
        if name in wanted:
            found[name] = fields.maybe_text(wanted[name], name, most)
    if "models" in wanted:
        found["models"] = fields.patterns(wanted["models"])
    if "allowed_ips" in wanted:
        found["allowed_ips"] = fields.addresses(wanted["allowed_ips"])
    if "allowed_origins" in wanted:
        found["allowed_origins"] = fields.origins(wanted["allowed_origins"])
    if CONTINUATION in wanted:
        found["options"] = {CONTINUATION: True} if wanted[CONTINUATION] else {}
    if "policy" in wanted:
        found["policy"] = fields.policy(wanted["policy"])
    if "limits" in wanted:
        limits = wanted["limits"]
        found.update({name: fields.limit(limits[name], f"limits.{name}") for name in fields.LIMITS if name in limits})
    if "expires_at" in wanted:
        expires = wanted["expires_at"]
        found["expires_ms"] = fields.instant(expires, "expires_at") if expires is not None else None
        if found["expires_ms"] is not None and found["expires_ms"] <= now_ms:
            raise InvalidRequestError(
                "`expires_at` must be in the future; to end a key now, pause or revoke it.", param="expires_at"
            )
    return found
