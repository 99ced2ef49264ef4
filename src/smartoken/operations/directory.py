"""Everything a worker needs to know to serve calls, as one frozen snapshot: keys, accounts, models, offers, providers.

Loaded whole when the directory's revision moved, never patched; a call keeps the snapshot that it was planned with.
Joins the shipped catalog, what ``apply`` stored, and what the environment enables (which is never stored).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from smartoken.catalog.files import Catalog, load_catalog
from smartoken.catalog.fx import FxRate
from smartoken.catalog.offers import Alias, AliasKind, Model, Offer, Price
from smartoken.catalog.providers import offer_at
from smartoken.identity.accounts import StoredKey, all_accounts, all_keys
from smartoken.identity.facts import Account, Caller
from smartoken.operations.setup_stored import SITE_FACT, json_fact
from smartoken.operations.stored_models import (
    StoredModel,
    model_of,
    stored_models,
    stored_providers,
    stored_rates,
)
from smartoken.providers.setup import ProviderSetup
from smartoken.store import revisions
from smartoken.store.vault import Vault


@dataclass(frozen=True, slots=True)
class ServedOffer:
    """An offer with the provider as it is set up here; ``cost`` is what we pay, where it is known."""

    offer: Offer
    provider: ProviderSetup
    cost: Price | None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model with everything needed to sell it here."""

    model: Model
    price: Price | None  # in USD
    price_version: str
    offers: tuple[ServedOffer, ...]  # those with a provider set up, first tier first
    missing: tuple[str, ...] = ()  # the settings, any of which would make it callable

    @property
    def ready(self) -> bool:
        """Whether it can be called now."""
        return self.price is not None and bool(self.offers)


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
    models: Mapping[str, ServedModel]  # by lower-case id
    aliases: Mapping[str, Alias]  # by lower-case name
    providers: Mapping[str, ProviderSetup]
    origins: frozenset[str] = field(default_factory=frozenset)
    show_providers: bool = True  # false: provider names leave headers, calls, errors and public pages


def load(conn: Connection, catalog: Catalog, vault: Vault, extras: Extras) -> Directory:
    """Read the whole directory in one transaction.

    Raises:
        VaultError: a provider key does not open under this secret key.

    """
    revision = revisions.current(conn)
    accounts = {each.id: each for each in all_accounts(conn)}
    keys = _entries(all_keys(conn), accounts)
    providers = {each.id: each for each in extras.providers}
    providers.update({each.id: each for each in stored_providers(conn, vault)})
    sold = with_rates(catalog, stored_rates(conn))
    models = {model.id: _from_catalog(model, sold, providers) for model in sold.models.values()}
    models.update({each.model.id.lower(): each for each in extras.models})
    models.update({each.id.lower(): _from_store(each, sold, providers) for each in stored_models(conn)})
    return Directory(
        revision=revision,
        keys=keys,
        accounts=accounts,
        models=models,
        aliases=_aliases(sold, models),
        providers=providers,
        origins=frozenset(origin for each in keys.values() for origin in each.caller.key.allowed_origins),
        show_providers=bool(json_fact(conn, SITE_FACT).get("show_providers", True)),
    )


def with_rates(catalog: Catalog, rates: tuple[FxRate, ...]) -> Catalog:
    """Return the catalog with an operator's exchange rates; sell prices that come from another currency follow."""
    return load_catalog(fx=catalog.fx.with_rates(rates)) if rates else catalog


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
    version = f"catalog:{model.price.source_date}" if model.price is not None else "none"
    return ServedModel(model, model.price, version, tuple(served), tuple(missing))


def _from_store(stored: StoredModel, catalog: Catalog, providers: Mapping[str, ProviderSetup]) -> ServedModel:
    """Join a stored model with its own offers, or with the catalog's where it has none."""
    base = catalog.models.get(stored.id.lower())
    model = model_of(stored, base)
    from_catalog = _from_catalog(model, catalog, providers) if base is not None else None
    inherited = from_catalog.price_version if from_catalog is not None and "price" not in stored.definition else "apply"
    version = stored.price_version or inherited
    if from_catalog is not None and not stored.offers:
        return replace(from_catalog, price_version=version)
    served = tuple(
        ServedOffer(offer, providers[offer.provider], offer.price)
        for offer in stored.offers
        if offer.provider in providers
    )
    absent = [each.provider for each in stored.offers if each.provider not in providers]
    records = [catalog.providers[name] for name in absent if name in catalog.providers]
    missing = tuple(dict.fromkeys(name for record in records for name in record.env[:1]))
    return ServedModel(model, model.price, version, served, missing)


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
