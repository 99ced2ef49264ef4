"""The door of accounts and keys: what is stored becomes the frozen facts that others use, and back.

Secrets pass through here once, when a key is made or rotated; what stays is a digest and the parts that may be shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa

from smartoken.errors import InvalidRequestError, KeyRevokedError, NotFoundError
from smartoken.identity import queries
from smartoken.identity.facts import Account, ApiKey, Policy
from smartoken.identity.keys import digest, shown
from smartoken.store import revisions

HOUR_MS = 3_600_000
MAX_OVERLAP_HOURS = 168
ACTIVE, PAUSED, REVOKED = STATUSES = ("active", "paused", "revoked")


@dataclass(frozen=True, slots=True)
class KeySecret:
    """What is kept of one secret."""

    digest: bytes
    prefix: str
    last4: str
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with its secrets, the current one last."""

    key: ApiKey
    secrets: tuple[KeySecret, ...]


def read_policy(stored: Mapping[str, Any] | None) -> Policy:
    """Return a stored data policy."""
    stored = stored or {}
    return Policy(tuple(stored.get("regions") or ()), bool(stored.get("no_training")))


def read_account(row: Mapping[str, Any]) -> Account:
    """Return a stored account."""
    return Account(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        owner_email=row["owner_email"],
        timezone=row["timezone"],
        billing=row["billing"],
        credit_limit_nano=row["credit_limit_nano"],
        policy=read_policy(row["policy"]),
        status=row["status"],
        price_list=row["price_list"],
    )


def read_key(row: Mapping[str, Any], secrets: tuple[KeySecret, ...]) -> ApiKey:
    """Return a stored key; what is shown of it is its newest secret."""
    newest = secrets[-1] if secrets else None
    return ApiKey(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        environment=row["environment"],
        owner=row["owner"],
        workflow=row["workflow"],
        models=tuple(row["models"]),
        allowed_ips=tuple(ip_network(each, strict=False) for each in row["allowed_ips"]),
        allowed_origins=tuple(row["allowed_origins"]),
        rpm=row["rpm"],
        tpm=row["tpm"],
        concurrency=row["concurrency"],
        policy=read_policy(row["policy"]),
        options=row["options"] or {},
        status=row["status"],
        expires_ms=row["expires_ms"],
        created_ms=row["created_ms"],
        prefix=newest.prefix if newest is not None else "",
        last4=newest.last4 if newest is not None else "",
    )


def all_accounts(conn: sa.Connection) -> list[Account]:
    """Return every account."""
    return [read_account(each) for each in queries.account_rows(conn)]


def _secrets(rows: list[Mapping[str, Any]]) -> dict[str, list[KeySecret]]:
    found: dict[str, list[KeySecret]] = {}
    for each in rows:
        secret = KeySecret(each["digest"], each["prefix"], each["last4"], each["valid_until_ms"])
        found.setdefault(each["key_id"], []).append(secret)
    return found


def all_keys(conn: sa.Connection, account_id: str | None = None) -> list[StoredKey]:
    """Return every key with its secrets, of one account or of all."""
    rows = queries.key_rows(conn, account_id)
    secrets = _secrets(queries.secret_rows(conn, account_id=account_id))
    return [_stored(each, secrets) for each in rows]


def _stored(row: Mapping[str, Any], secrets: Mapping[str, list[KeySecret]]) -> StoredKey:
    own = tuple(secrets.get(row["id"], ()))
    return StoredKey(read_key(row, own), own)


def one_key(conn: sa.Connection, account_id: str | None, key_id: str) -> StoredKey | None:
    """Return a key that belongs to the account (``None``: to any), or ``None``."""
    row = queries.key_by_id(conn, account_id, key_id)
    return None if row is None else _stored(row, _secrets(queries.secret_rows(conn, [key_id])))


def plain_key(key_id: str, account_id: str, name: str, now_ms: int) -> dict[str, Any]:
    """Return a new key's row with nothing special about it."""
    return {
        "id": key_id,
        "account_id": account_id,
        "name": name,
        "environment": "development",
        "owner": None,
        "workflow": None,
        "models": [],
        "allowed_ips": [],
        "allowed_origins": [],
        "rpm": 0,
        "tpm": 0,
        "concurrency": 0,
        "policy": {},
        "options": {},
        "status": "active",
        "expires_ms": None,
        "created_ms": now_ms,
        "revoked_ms": None,
    }


def add_key(conn: sa.Connection, row: Mapping[str, Any], secret: str, pepper: bytes) -> None:
    """Store a new key and the digest of its secret."""
    queries.insert_key(conn, row)
    add_secret(conn, row["id"], secret, pepper, row["created_ms"])
    revisions.bump(conn)


def add_secret(conn: sa.Connection, key_id: str, secret: str, pepper: bytes, now_ms: int) -> None:
    """Store a further secret of a key, by digest."""
    prefix, last4 = shown(secret)
    queries.insert_secret(
        conn,
        {
            "digest": digest(pepper, secret),
            "key_id": key_id,
            "prefix": prefix,
            "last4": last4,
            "created_ms": now_ms,
            "valid_until_ms": None,
        },
    )


def rotate(conn: sa.Connection, key_id: str, secret: str, pepper: bytes, times: tuple[int, int]) -> None:
    """Give a key a new secret; ``times`` is (now, overlap in hours), after which the old ones end.

    The key keeps its id, and with it budgets, limits and history; a paused one stays paused.

    Raises:
        InvalidRequestError: the overlap is not from 0 to 168 hours.
        NotFoundError, KeyRevokedError: there is no such key, or it was revoked for good.

    """
    now_ms, overlap_hours = times
    if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
        raise InvalidRequestError(f"The overlap must be from 0 to {MAX_OVERLAP_HOURS} hours.", param="overlap_hours")
    status = _status(conn, key_id)
    if status == REVOKED:
        raise KeyRevokedError("A revoked key cannot be rotated; create a new one.")
    queries.end_secrets(conn, key_id, now_ms + overlap_hours * HOUR_MS)
    add_secret(conn, key_id, secret, pepper, now_ms)
    revisions.bump(conn)


def set_status(conn: sa.Connection, key_id: str, status: str, now_ms: int) -> None:
    """Pause, resume (``active``) or revoke; seen by every worker within two seconds.

    Revoking is final. Setting the status that a key has changes nothing.

    Raises:
        InvalidRequestError: no such status.
        NotFoundError, KeyRevokedError: there is no such key, or it was revoked for good.

    """
    if status not in STATUSES:
        raise InvalidRequestError(f"The status must be one of {', '.join(STATUSES)}.", param="status")
    before = _status(conn, key_id)
    if before == status:
        return
    if before == REVOKED:
        raise KeyRevokedError("A revoked key never works again; create a new one.")
    changes: dict[str, Any] = {"status": status}
    if status == REVOKED:
        changes["revoked_ms"] = now_ms
        queries.end_secrets(conn, key_id, now_ms)
    queries.update_key(conn, key_id, changes)
    revisions.bump(conn)


def change_key(conn: sa.Connection, key_id: str, changes: Mapping[str, Any]) -> None:
    """Change a key's facts: name, scope, limits, owner, expiry. Its status is for ``set_status``."""
    queries.update_key(conn, key_id, changes)
    revisions.bump(conn)


def add_account(conn: sa.Connection, row: Mapping[str, Any]) -> None:
    """Store a new account."""
    queries.insert_account(conn, row)
    revisions.bump(conn)


def change_account(conn: sa.Connection, account_id: str, changes: Mapping[str, Any]) -> None:
    """Change an account's facts or its status: ``active`` or ``suspended``."""
    queries.update_account(conn, account_id, changes)
    revisions.bump(conn)


def forget_ended(conn: sa.Connection, before_ms: int) -> int:
    """Delete the digests of secrets that ended before an instant; returns how many. Keys themselves stay."""
    gone = queries.drop_ended_secrets(conn, before_ms)
    if gone:
        revisions.bump(conn)
    return gone


def _status(conn: sa.Connection, key_id: str) -> str:
    row = queries.key_by_id(conn, None, key_id)
    if row is None:
        raise NotFoundError("There is no key of this id.")
    return str(row["status"])
