"""How each kind of item gets into the store: created, changed, switched on and off, removed.

A writer works in ``apply``'s transaction. Identifiers are kept through every change: a key keeps its budget and its
history, an account its keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Connection

from smartoken.billing.wallet import MONEY
from smartoken.identity import queries as identity
from smartoken.identity.accounts import add_secret
from smartoken.identity.keys import digest
from smartoken.money import parse_amount, parse_fx
from smartoken.operations import queries
from smartoken.operations.limits import open_account, set_budgets, set_credit
from smartoken.operations.office import Work
from smartoken.operations.setup_accounts import instant_ms
from smartoken.operations.setup_items import Item, Kind
from smartoken.operations.setup_stored import SITE_FACT, Stored
from smartoken.operations.stored_models import key_place
from smartoken.operations.zones import note_zone
from smartoken.store import revisions
from smartoken.store.money_tables import funds, money_rows
from smartoken.store.schema import (
    accounts,
    api_key_secrets,
    api_keys,
    budgets,
    fx_rates,
    models,
    offers,
    provider_keys,
    providers,
)
from smartoken.store.vault import Secret

TABLES = {
    Kind.FX: fx_rates,
    Kind.PROVIDER: providers,
    Kind.PROVIDER_KEY: provider_keys,
    Kind.MODEL: models,
    Kind.OFFER: offers,
    Kind.ACCOUNT: accounts,
    Kind.KEY: api_keys,
}
_BESIDE_DEFINITION = ("provider", "upstream_model", "tier", "share")
_EXPIRES = "expires_at"


@dataclass(slots=True)
class Written:
    """What writing has to hand back: the text of keys that were made here, to be shown once."""

    minted: list[tuple[str, Secret]] = field(default_factory=list)


def create(conn: Connection, work: Work, item: Item, written: Written) -> None:
    """Add an item that the store does not have."""
    if item.kind is Kind.SITE:
        queries.put_fact(conn, SITE_FACT, orjson.dumps(dict(item.view)))
    elif item.kind is Kind.KEY:
        _create_key(conn, work, item, written)
    elif item.kind is Kind.ACCOUNT:
        account_id = work.id("acct")
        row = {"id": account_id, "slug": item.name, "status": "active", "created_ms": work.now_ms}
        balance, columns = item.once.get("balance", 0), _columns(item)
        identity.insert_account(conn, {**row, "opening_balance_nano": balance, "price_list": None, **columns})
        open_account(conn, work, account_id, balance, columns["credit_limit_nano"])
        set_budgets(conn, work, ("account", account_id), _budgets(item))
    elif item.kind is Kind.PROVIDER_KEY:
        key_id = work.id("pkey")
        row = {"id": key_id, "provider_id": item.parent, "name": item.name.partition("/")[2], "enabled": True}
        secret = item.secret.value if item.secret is not None else None
        wrapped = work.vault.wrap(_required(secret).reveal().encode(), key_place(key_id))
        queries.insert(conn, provider_keys, {**row, **_columns(item), "wrapped_secret": wrapped})
    elif item.kind is Kind.FX:
        pair, _, day = item.name.partition(" ")
        queries.insert(conn, fx_rates, {"id": work.id("fx"), "pair": pair, "valid_from": day, **_columns(item)})
    else:
        queries.insert(conn, TABLES[item.kind], {"id": item.name, "enabled": True, **_columns(item)})


def change(conn: Connection, work: Work, item: Item, stored: Stored) -> None:
    """Give a stored item the facts of a new one."""
    if item.kind is Kind.SITE:
        queries.put_fact(conn, SITE_FACT, orjson.dumps(dict(item.view)))
        return
    queries.update(conn, TABLES[item.kind], {"id": stored.row_id}, _columns(item))
    if item.kind is Kind.ACCOUNT:
        note_zone(conn, stored.row_id, stored.item.view["timezone"], item.view["timezone"], work.now_ms)
        set_credit(conn, stored.row_id, parse_amount(item.view["credit_limit"]))
    if item.kind in (Kind.ACCOUNT, Kind.KEY):
        scope = "account" if item.kind is Kind.ACCOUNT else "key"
        set_budgets(conn, work, (scope, stored.row_id), _budgets(item))


def switch(conn: Connection, stored: Stored, *, on: bool) -> None:
    """Take an item into use or out of it; nothing of it is lost."""
    kind = stored.item.kind
    if kind is Kind.KEY:
        changes: dict[str, Any] = {"status": "active" if on else "paused"}
    elif kind is Kind.ACCOUNT:
        changes = {"status": "active" if on else "suspended"}
    else:
        changes = {"enabled": on}
    queries.update(conn, TABLES[kind], {"id": stored.row_id}, changes)


def remove(conn: Connection, stored: Stored) -> None:
    """Delete an item with what hangs on it; usage records stay."""
    kind = stored.item.kind
    if kind is Kind.SITE:
        queries.put_fact(conn, SITE_FACT, b"{}")
        return
    if kind is Kind.KEY:
        queries.delete(conn, api_key_secrets, {"key_id": stored.row_id})
    if kind in (Kind.KEY, Kind.ACCOUNT):
        scope = "account" if kind is Kind.ACCOUNT else "key"
        queries.delete(conn, budgets, {"scope": scope, "scope_id": stored.row_id})
    if kind is Kind.ACCOUNT:
        for table in (money_rows, funds):
            queries.delete(conn, table, {"account_id": stored.row_id})
        revisions.bump(conn, MONEY)
    queries.delete(conn, TABLES[kind], {"id": stored.row_id})


def secret_differs(conn: Connection, work: Work, item: Item, stored: Stored) -> bool:
    """Whether the file gives an item another secret than the one in use; one that is not given differs from none."""
    if item.secret is None or item.secret.value is None:
        return False
    given = item.secret.value.reveal()
    if item.kind is Kind.PROVIDER_KEY:
        row = queries.rows(conn, provider_keys, id=stored.row_id)[0]
        opened: bytes = work.vault.unwrap(row["wrapped_secret"], key_place(stored.row_id))
        return opened != given.encode()
    return owner_of(conn, work, item.secret.value) != stored.row_id


def owner_of(conn: Connection, work: Work, secret: Secret) -> str | None:
    """Return the id of the key that has or had this text."""
    found = queries.rows(conn, api_key_secrets, digest=digest(work.pepper, secret.reveal()))
    return str(found[0]["key_id"]) if found else None


def rotated_out(conn: Connection, work: Work, secret: Secret) -> bool:
    """Whether a newer text has taken the place of this one."""
    found = queries.rows(conn, api_key_secrets, digest=digest(work.pepper, secret.reveal()))
    return bool(found) and found[0]["valid_until_ms"] is not None


def replace_secret(conn: Connection, work: Work, item: Item, stored: Stored) -> None:
    """Give an item the secret of the file; an API key's former one ends at once."""
    secret = _required(item.secret.value if item.secret is not None else None)
    if item.kind is Kind.PROVIDER_KEY:
        wrapped = work.vault.wrap(secret.reveal().encode(), key_place(stored.row_id))
        queries.update(conn, provider_keys, {"id": stored.row_id}, {"wrapped_secret": wrapped})
        return
    identity.end_secrets(conn, stored.row_id, work.now_ms)
    add_secret(conn, stored.row_id, secret.reveal(), work.pepper, work.now_ms)


def _required(secret: Secret | None) -> Secret:
    if secret is None:
        raise LookupError("a secret is needed here; the plan checks that there is one")
    return secret


def _create_key(conn: Connection, work: Work, item: Item, written: Written) -> None:
    account = identity.account_by_slug(conn, item.parent)
    if account is None:
        raise LookupError(f"account {item.parent} is written before its keys")
    row = {
        "id": work.id("key"),
        "account_id": account["id"],
        "name": item.name.partition("/")[2],
        "status": "active",
        "created_ms": work.now_ms,
        "revoked_ms": None,
    }
    identity.insert_key(conn, {**row, **_columns(item)})
    secret = item.secret.value if item.secret is not None else None
    if secret is None:
        secret = Secret(work.mint())
        written.minted.append((item.name, secret))
    add_secret(conn, str(row["id"]), secret.reveal(), work.pepper, work.now_ms)
    set_budgets(conn, work, ("key", str(row["id"])), _budgets(item))


def _budgets(item: Item) -> list[dict[str, str]]:
    return [{"period": period, "limit": limit} for period, limit in item.view["budgets"].items()]


def price_version(price: Mapping[str, Any]) -> str:
    """Return the version of a price by its content: the same price has the same version, whenever it is applied."""
    return f"apply:{sha256(orjson.dumps(dict(price), option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]}"


def _columns(item: Item) -> dict[str, Any]:
    view = item.view
    if item.kind is Kind.FX:
        return {"rate_nano": parse_fx(view["rate"]), "source": view["source"]}
    if item.kind is Kind.PROVIDER:
        options = {name: view[name] for name in ("proxy", "region") if name in view}
        return {name: view[name] for name in ("dialect", "base_url", "allow_private", "timeouts")} | {
            "options": options
        }
    if item.kind is Kind.PROVIDER_KEY:
        return dict(view)
    if item.kind is Kind.MODEL:
        version = {"price_version": price_version(view["price"])} if "price" in view else {}
        return {"definition": {**view, **version}}
    if item.kind is Kind.OFFER:
        own = {name: value for name, value in view.items() if name not in _BESIDE_DEFINITION}
        beside = {name: view[name] for name in ("upstream_model", "tier", "share")}
        return {**beside, "provider_id": view["provider"], "model_id": item.parent, "definition": own}
    if item.kind is Kind.ACCOUNT:
        same = {name: view[name] for name in ("name", "timezone", "billing", "policy")}
        return {**same, "credit_limit_nano": parse_amount(view["credit_limit"]), "owner_email": view.get("owner_email")}
    same = {name: view[name] for name in ("environment", "models", "policy", "allowed_ips", "allowed_origins")}
    expires = instant_ms(view[_EXPIRES]) if _EXPIRES in view else None
    optional = {"owner": view.get("owner"), "workflow": view.get("workflow"), "expires_ms": expires}
    optional["options"] = {"continuation": True} if view.get("continuation") else {}
    return {**same, **view["limits"], **optional}
