"""The set-up as the store has it now, in the shape of ``setup_items``, so that it compares with a file.

The facts ``setup.items`` and ``setup.variables`` remember what ``apply`` made (and what it disabled), and the names of
the variables that secrets came from; no secret is in either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from smartoken.identity.queries import account_rows, budget_rows, key_rows
from smartoken.money import amount_text
from smartoken.operations import queries
from smartoken.operations.demo import ACCOUNT as DEMO
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_items import Item, Kind
from smartoken.store.money_tables import transfers
from smartoken.store.schema import fx_rates, models, offers, provider_keys, providers

ITEMS_FACT, VARIABLES_FACT, SITE_FACT = "setup.items", "setup.variables", "setup.site"
ACTIVE, DISABLED = "active", "disabled"
_NO_POLICY: Mapping[str, Any] = {"regions": [], "no_training": False}


@dataclass(frozen=True, slots=True)
class Stored:
    """An item of the store: its row's id, and whether it is in use."""

    item: Item
    row_id: str
    enabled: bool
    gone: bool = False  # a revoked key: it never returns
    ledgered: bool = False  # an account that money was moved for: its books are kept, so it is never deleted


@dataclass(frozen=True, slots=True)
class StoredSetup:
    """Everything that a set-up file can describe, by label."""

    items: Mapping[str, Stored]
    managed: Mapping[str, str]  # label -> active | disabled: what ``apply`` made, and what it disabled
    variables: Mapping[str, str]  # label -> the variable that its secret came from


def json_fact(conn: Connection, name: str) -> dict[str, Any]:
    """Return a fact that is kept as JSON; empty where there is none."""
    kept = queries.fact(conn, name)
    found: dict[str, Any] = {} if kept is None else orjson.loads(kept)
    return found


def stored_setup(conn: Connection) -> StoredSetup:
    """Read the whole set-up; the demo account is not part of it."""
    found = [*_site(conn), *_rates(conn), *_providers(conn), *_models(conn), *_accounts(conn)]
    return StoredSetup(
        {each.item.label: each for each in found}, json_fact(conn, ITEMS_FACT), json_fact(conn, VARIABLES_FACT)
    )


def _site(conn: Connection) -> list[Stored]:
    view = json_fact(conn, SITE_FACT)
    return [Stored(Item(Kind.SITE, "", view), "", enabled=True)] if view else []


def _rates(conn: Connection) -> list[Stored]:
    found = []
    for row in queries.rows(conn, fx_rates):
        whole, fraction = divmod(row["rate_nano"], 10**9)
        rate = f"{whole}.{str(fraction).rjust(9, '0').rstrip('0') or '0'}"
        item = Item(Kind.FX, f"{row['pair']} {row['valid_from']}", {"rate": rate, "source": row["source"]})
        found.append(Stored(item, row["id"], enabled=True))
    return found


def _providers(conn: Connection) -> list[Stored]:
    found = []
    for row in queries.rows(conn, providers):
        options = {name: value for name, value in (row["options"] or {}).items() if name in ("proxy", "region")}
        view = {
            "dialect": row["dialect"],
            "base_url": row["base_url"],
            "allow_private": bool(row["allow_private"]),
            "timeouts": row["timeouts"],
            **options,
        }
        found.append(Stored(Item(Kind.PROVIDER, row["id"], view), row["id"], bool(row["enabled"])))
    for row in queries.rows(conn, provider_keys):
        view = {"rpm": row["rpm"], "concurrency": row["concurrency"]}
        item = Item(Kind.PROVIDER_KEY, f"{row['provider_id']}/{row['name']}", view, row["provider_id"])
        found.append(Stored(item, row["id"], bool(row["enabled"])))
    return found


def _models(conn: Connection) -> list[Stored]:
    found = []
    for row in queries.rows(conn, models):
        view = {name: value for name, value in row["definition"].items() if name != "price_version"}
        found.append(Stored(Item(Kind.MODEL, row["id"], view), row["id"], bool(row["enabled"])))
    for row in queries.rows(conn, offers):
        view = {
            "provider": row["provider_id"],
            "upstream_model": row["upstream_model"],
            "tier": row["tier"],
            "share": row["share"],
            **(row["definition"] or {}),
        }
        item = Item(Kind.OFFER, row["id"], view, row["model_id"])
        found.append(Stored(item, row["id"], bool(row["enabled"])))
    return found


def _policy(stored: Mapping[str, Any] | None) -> dict[str, Any]:
    kept = {**_NO_POLICY, **(stored or {})}
    return {"regions": sorted(kept["regions"] or ()), "no_training": bool(kept["no_training"])}


def _accounts(conn: Connection) -> list[Stored]:
    budgets: dict[tuple[str, str], dict[str, str]] = {}
    for row in budget_rows(conn):
        budgets.setdefault((row["scope"], row["scope_id"]), {})[row["period"]] = amount_text(row["limit_nano"])
    found, slugs = [], {}
    ledgered = queries.values(conn, transfers, "account_id")
    for row in account_rows(conn):
        if row["slug"] == DEMO:
            continue
        slugs[row["id"]] = row["slug"]
        view = {
            "name": row["name"],
            "timezone": row["timezone"],
            "billing": row["billing"],
            "credit_limit": amount_text(row["credit_limit_nano"]),
            "policy": _policy(row["policy"]),
            "budgets": budgets.get(("account", row["id"]), {}),
        }
        if row["owner_email"]:
            view["owner_email"] = row["owner_email"]
        item = Item(Kind.ACCOUNT, row["slug"], view, once={"balance": row["opening_balance_nano"]})
        found.append(Stored(item, row["id"], row["status"] == "active", ledgered=row["id"] in ledgered))
    for row in key_rows(conn):
        if row["account_id"] in slugs:
            slug = slugs[row["account_id"]]
            item = Item(Kind.KEY, f"{slug}/{row['name']}", _key_view(row, budgets), slug)
            found.append(Stored(item, row["id"], row["status"] == "active", gone=row["status"] == "revoked"))
    return found


def _key_view(row: Mapping[str, Any], budgets: Mapping[tuple[str, str], dict[str, str]]) -> dict[str, Any]:
    view = {
        "environment": row["environment"],
        "models": list(row["models"]),
        "budgets": budgets.get(("key", row["id"]), {}),
        "policy": _policy(row["policy"]),
        "allowed_ips": sorted(row["allowed_ips"]),
        "allowed_origins": sorted(row["allowed_origins"]),
        "limits": {name: row[name] for name in ("rpm", "tpm", "concurrency")},
    }
    optional = {"owner": row["owner"], "workflow": row["workflow"]}
    view.update({name: value for name, value in optional.items() if value})
    if (row["options"] or {}).get("continuation"):
        view["continuation"] = True
    if row["expires_ms"] is not None:
        view["expires_at"] = instant_text(row["expires_ms"])
    return view
