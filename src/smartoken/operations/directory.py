"""Everything a worker needs to know to serve calls, as one frozen snapshot: keys, accounts, models, offers, providers.

Loaded whole when the directory's revision moved, never patched; a call keeps the snapshot that it was planned with.
Joins the shipped catalog, what ``apply`` stored, and what the environment enables (which is never stored).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from smartoken.catalog.files import Catalog, list_currencies, load_catalog
from smartoken.catalog.fx import FxTable
from smartoken.catalog.offers import Alias, AliasKind, Model
from smartoken.catalog.providers import offer_at
from smartoken.catalog.sell import NO_MARKUP
from smartoken.clock import SystemClock
from smartoken.identity.accounts import StoredKey, all_accounts, all_keys
from smartoken.identity.facts import Account, Caller
from smartoken.operations.lanes import Lane, NamedRoute, lane_of
from smartoken.operations.price_stages import FOREVER_MS, Prices, catalog_terms, prices_of
from smartoken.operations.price_store import stored_markup, stored_publications
from smartoken.operations.price_versions import NONE
from smartoken.operations.route_store import stored_named, stored_routes
from smartoken.operations.served import ServedModel, ServedOffer
from smartoken.operations.setup_stored import SITE_FACT, json_fact
from smartoken.operations.stored_models import (
    StoredModel,
    model_of,
    stored_models,
    stored_providers,
    stored_rates,
)
from smartoken.providers.setup import ProviderSetup
from smartoken.routing.routes import Route
from smartoken.store import revisions
from smartoken.store.vault import Vault

__all__ = ["Directory", "Extras", "KeyEntry", "ServedModel", "ServedOffer", "load", "with_terms"]
Terms = Mapping[str, Any]
_SITE_WORDS = ("name", "logo", "support_email", "terms", "privacy")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What a key's digest leads to; a secret that was rotated out has an end."""

    caller: Caller
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Extras:
    """What is served beside the database: providers of the environment and the sandbox, with their models."""

    providers: tuple[ProviderSetup, ...] = ()
    models: tuple[ServedModel, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """The snapshot."""

    revision: int
    keys: Mapping[bytes, KeyEntry]
    accounts: Mapping[str, Account]
    models: Mapping[str, ServedModel]  # by lower-case id, at the standard price of the first stage
    aliases: Mapping[str, Alias]  # by lower-case name
    providers: Mapping[str, ProviderSetup]
    origins: frozenset[str] = field(default_factory=frozenset)
    show_providers: bool = True  # false: provider names leave headers, calls, errors and public pages
    site: Mapping[str, str] = field(default_factory=dict)  # of the operator: name, logo, support_email ...
    prices: Prices | None = field(default=None, repr=False)
    changes_ms: int = FOREVER_MS  # when the next stage of prices begins
    routes: Mapping[str, Route] = field(default_factory=dict)  # those published, by lower-case model id
    named: Mapping[tuple[str, str], NamedRoute] = field(default_factory=dict)  # by (account id, name)
    fx: FxTable = field(default_factory=FxTable, repr=False)
    lanes: dict[str, Lane] = field(default_factory=dict, repr=False, compare=False)  # made when first asked for

    def lane(self, model: ServedModel) -> Lane:
        """Return how calls of a model go, with the facts of its offers."""
        found = self.lanes.get(model.model.id)
        if found is None:
            route = self.routes.get(model.model.id.lower())
            found = self.lanes[model.model.id] = lane_of(model, route, self.fx)
        return found

    def lane_of_setup(self, model: ServedModel) -> Lane:
        """Return how calls of a model would go without a published route."""
        return lane_of(model, None, self.fx)

    def sold(self, model: ServedModel, price_list: str | None, at_ms: int) -> ServedModel:
        """Return a model at the price that an account with this price list pays at an instant."""
        if (price_list is None and at_ms < self.changes_ms) or self.prices is None:
            return model
        stage = self.prices.stages[0]
        for each in self.prices.stages[1:]:
            if at_ms < each.from_ms:
                break
            stage = each
        return stage.sold(model, price_list)


def load(conn: Connection, catalog: Catalog, vault: Vault, extras: Extras, now_ms: int | None = None) -> Directory:
    """Read the whole directory in one transaction, with the prices in force now and those that are to come.

    Raises:
        VaultError: a provider key does not open under this secret key.

    """
    revision = revisions.current(conn)
    accounts = {each.id: each for each in all_accounts(conn)}
    keys = _entries(all_keys(conn), accounts)
    providers = {each.id: each for each in extras.providers}
    providers.update({each.id: each for each in stored_providers(conn, vault)})
    now = SystemClock().now_ns() // 1_000_000 if now_ms is None else now_ms
    rates, markup, stored = catalog.fx.with_rates(stored_rates(conn)), stored_markup(conn), stored_models(conn)

    def shelf(table: FxTable) -> tuple[Mapping[str, ServedModel], Mapping[str, Terms]]:
        sold = with_terms(table, markup)
        terms: dict[str, Terms] = {}
        found: dict[str, ServedModel] = {}
        for model in sold.models.values():
            if model.price is not None:
                terms[model.id.lower()] = catalog_terms(model.price, list_currencies().get(model.id), table, markup)
            found[model.id.lower()] = _from_catalog(model, sold, providers)
        for each in extras.models:
            terms[each.model.id.lower()] = {"origin": each.price_version}
            found[each.model.id.lower()] = each
        for own in stored:
            if "price" in own.definition or own.id.lower() not in terms:
                terms[own.id.lower()] = {"origin": "apply"}
            found[own.id.lower()] = _from_store(own, sold, providers)
        return found, terms

    prices = prices_of(shelf, stored_publications(conn), rates, now)
    models = prices.stages[0].models
    site = json_fact(conn, SITE_FACT)
    return Directory(
        revision=revision,
        keys=keys,
        accounts=accounts,
        models=models,
        aliases=_aliases(catalog, models),
        providers=providers,
        origins=frozenset(origin for each in keys.values() for origin in each.caller.key.allowed_origins),
        show_providers=bool(site.get("show_providers", True)),
        site={name: str(site[name]) for name in _SITE_WORDS if site.get(name)},
        prices=prices,
        changes_ms=prices.changes_ms,
        routes=stored_routes(conn),
        named=stored_named(conn),
        fx=rates,
    )


def with_terms(table: FxTable, markup: Decimal = NO_MARKUP) -> Catalog:
    """Return the shipped catalog at these exchange rates, with the operator's markup on its prices."""
    return load_catalog(fx=table, markup=markup)


def _entries(keys: Sequence[StoredKey], accounts: Mapping[str, Account]) -> dict[bytes, KeyEntry]:
    return {
        secret.digest: KeyEntry(Caller(stored.key, accounts[stored.key.account_id]), secret.valid_until_ms)
        for stored in keys
        for secret in stored.secrets
    }


def _from_catalog(model: Model, catalog: Catalog, providers: Mapping[str, ProviderSetup]) -> ServedModel:
    served: list[ServedOffer] = []
    missing: list[str] = []
    for offer in catalog.offers_of(model.id):
        setup = providers.get(offer.provider)
        record = catalog.providers[offer.provider]
        if setup is None:
            missing.extend(name for name in record.env[:1] if name not in missing)
            continue
        region = record.region(setup.region) if setup.region else record.region(record.default_region)
        at_host = offer_at(offer, region) if region is not None else offer
        served.append(ServedOffer(at_host, setup, at_host.price))
    return ServedModel(model, model.price, NONE, tuple(served), tuple(missing))


def _from_store(stored: StoredModel, catalog: Catalog, providers: Mapping[str, ProviderSetup]) -> ServedModel:
    """Join a stored model with its own offers, or with the catalog's where it has none."""
    base = catalog.models.get(stored.id.lower())
    model = model_of(stored, base)
    if base is not None and not stored.offers:
        return _from_catalog(model, catalog, providers)
    served = tuple(
        ServedOffer(offer, providers[offer.provider], offer.price)
        for offer in stored.offers
        if offer.provider in providers
    )
    absent = [each.provider for each in stored.offers if each.provider not in providers]
    records = [catalog.providers[name] for name in absent if name in catalog.providers]
    missing = tuple(dict.fromkeys(name for record in records for name in record.env[:1]))
    return ServedModel(model, model.price, NONE, served, missing)


def _aliases(catalog: Catalog, models: Mapping[str, ServedModel]) -> dict[str, Alias]:
    """Return the catalog's aliases, and the bare names of other models where each can mean only one of them."""
    found = {name: alias for name, alias in catalog.aliases.items() if alias.model.lower() in models}
    claims: dict[str, set[str]] = {}
    for lowered, served in models.items():
        if lowered not in catalog.models and served.model.vendor != "sandbox":
            names = {lowered.partition("/")[2], *(each.offer.upstream_model.lower() for each in served.offers)}
            for name in names - {""}:
                claims.setdefault(name, set()).add(lowered)
    for name, owners in claims.items():
        if len(owners) == 1 and name not in models and name not in found:
            found[name] = Alias(name, next(iter(owners)), AliasKind.VENDOR)
    return found
