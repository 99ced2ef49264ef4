"""Accounts: who pays. Made, shown, changed and suspended here; nothing deletes one but ``apply --prune``."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError, PermissionDeniedError
from smartoken.identity import queries as identity
from smartoken.money import amount_text
from smartoken.operations import audit, claims, fields, queries
from smartoken.operations.budget_figures import with_figures
from smartoken.operations.limits import open_account, set_budgets, set_credit
from smartoken.operations.office import Work
from smartoken.operations.rights import ActorKind, Permission, demand
from smartoken.operations.setup_accounts import BILLING, instant_text
from smartoken.operations.zones import note_zone
from smartoken.store import revisions
from smartoken.store.schema import accounts

STATUSES = ("active", "suspended")
Wanted = Mapping[str, Any]


def account_id_of(conn: Connection, work: Work, permission: Permission, asked: str | None) -> str | None:
    """Return the id of the account that a query must name; ``asked`` is a short name or an id. None means all.

    A member learns nothing of other accounts, not even whether they exist.

    Raises:
        PermissionDeniedError: the right is lacking, or a member asked for another account.
        NotFoundError: no account is called so.

    """
    demand(work.actor, permission)
    member = work.actor.kind is ActorKind.MEMBER
    if asked is None:
        return work.actor.account_id if member else None
    row = identity.account_by_slug(conn, asked) or identity.account_by_id(conn, asked)
    if member and (row is None or row["id"] != work.actor.account_id):
        raise PermissionDeniedError("A member sees only its own account.", param="account")
    if row is None:
        raise NotFoundError(f"There is no account {asked[:80]!r}.", param="account")
    return str(row["id"])


def shown(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an account as the API shows it."""
    budgets = identity.budgets_of(conn, "account", row["id"])
    return {
        "id": row["id"],
        "slug": row["slug"],
        "name": row["name"],
        "owner_email": row["owner_email"],
        "timezone": row["timezone"],
        "billing": row["billing"],
        "credit_limit": amount_text(row["credit_limit_nano"]),
        "policy": {"regions": list((row["policy"] or {}).get("regions") or ()),
                   "no_training": bool((row["policy"] or {}).get("no_training"))},
        "budgets": [{"limit": amount_text(each["limit_nano"]), "period": each["period"]} for each in budgets],
        "status": row["status"],
        "price_list": row["price_list"],
        "created_at": instant_text(row["created_ms"]),
    }  # fmt: skip


def page(conn: Connection, work: Work, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return accounts, oldest first; a member's page holds its own."""
    own = account_id_of(conn, work, Permission.ACCOUNTS_READ, None)
    where = {} if own is None else {"id": own}
    found = [shown(conn, row) for row in queries.page(conn, accounts, after, limit, where)]
    return with_figures(conn, work, "account", found)


def one(conn: Connection, work: Work, asked: str) -> dict[str, Any]:
    """Return one account by id or short name."""
    found = shown(conn, _row(conn, account_id_of(conn, work, Permission.ACCOUNTS_READ, asked)))
    return with_figures(conn, work, "account", [found])[0]


def _row(conn: Connection, account_id: str | None) -> Mapping[str, Any]:
    row = identity.account_by_id(conn, account_id) if account_id is not None else None
    if row is None:
        raise NotFoundError("There is no such account.", param="account")
    return row


def create(conn: Connection, work: Work, slug: str, wanted: Wanted) -> dict[str, Any]:
    """Make an account, without money but for what campaigns give new ones.

    Raises:
        InvalidRequestError: a field is wrong, or the short name is taken.

    """
    demand(work.actor, Permission.ACCOUNTS_WRITE)
    if identity.account_by_slug(conn, slug) is not None:
        raise InvalidRequestError(f"There is an account {slug!r} already.", param="slug")
    row: dict[str, Any] = {
        "id": work.id("acct"),
        "slug": fields.slug(slug),
        "name": slug,
        "owner_email": None,
        "timezone": "UTC",
        "billing": "prepaid",
        "credit_limit_nano": 0,
        "policy": {},
        "status": "active",
        "opening_balance_nano": 0,
        "price_list": None,
        "created_ms": work.now_ms,
    }
    columns = _columns(wanted)
    _check_credit({**row, **columns})
    for_new = claims.sign_ups(conn, work)
    identity.insert_account(conn, {**row, **columns})
    open_account(conn, work, str(row["id"]), 0, columns.get("credit_limit_nano", 0))
    set_budgets(conn, work, ("account", str(row["id"])), wanted.get("budgets", ()))
    revisions.bump(conn)
    made = shown(conn, _row(conn, str(row["id"])))
    audit.append(conn, work, audit.Entry("account.create", f"account:{row['id']}", None, made))
    claims.signed_up(conn, work, for_new, str(row["id"]))
    return with_figures(conn, work, "account", [made])[0]


def change(conn: Connection, work: Work, asked: str, wanted: Wanted) -> dict[str, Any]:
    """Change an account's facts, budgets or status; what is not named stays.

    Raises:
        InvalidRequestError: a field is wrong.
        NotFoundError: there is no such account.

    """
    row = _row(conn, account_id_of(conn, work, Permission.ACCOUNTS_WRITE, asked))
    before = shown(conn, row)
    columns = _columns(wanted)
    _check_credit({**row, **columns})
    if columns:
        identity.update_account(conn, row["id"], columns)
        note_zone(conn, row["id"], row["timezone"], columns.get("timezone", row["timezone"]), work.now_ms)
    if "credit_limit_nano" in columns:
        set_credit(conn, row["id"], columns["credit_limit_nano"])
    if "budgets" in wanted:
        set_budgets(conn, work, ("account", row["id"]), wanted["budgets"])
    after = shown(conn, _row(conn, row["id"]))
    if after != before:
        revisions.bump(conn)
        audit.append(conn, work, changed_entry("account.change", f"account:{row['id']}", before, after))
    return with_figures(conn, work, "account", [after])[0]


def changed_entry(action: str, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> audit.Entry:
    """Return an audit entry that holds only what differs."""
    differ = [key for key in after if before.get(key) != after[key]]
    return audit.Entry(action, name, {key: before.get(key) for key in differ}, {key: after[key] for key in differ})


def _columns(wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "name" in wanted:
        found["name"] = fields.text(wanted["name"], "name", 200)
    if "owner_email" in wanted:
        found["owner_email"] = fields.email(wanted["owner_email"], "owner_email")
    if "timezone" in wanted:
        found["timezone"] = fields.zone(wanted["timezone"])
    if "policy" in wanted:
        found["policy"] = fields.policy(wanted["policy"])
    if "credit_limit" in wanted:
        found["credit_limit_nano"] = fields.amount(wanted["credit_limit"], "credit_limit")
    for name, choices in (("billing", BILLING), ("status", STATUSES)):
        if name in wanted:
            if wanted[name] not in choices:
                raise InvalidRequestError(f"`{name}` must be one of {', '.join(choices)}.", param=name)
            found[name] = wanted[name]
    return found


def _check_credit(row: Mapping[str, Any]) -> None:
    if row["credit_limit_nano"] and row["billing"] != "open":
        raise InvalidRequestError('`credit_limit` needs billing "open".', param="credit_limit")
