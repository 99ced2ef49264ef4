"""What ``apply`` stored of providers, models, offers and rates, read back into the shapes of catalog and providers.

Definitions are kept in the words of the set-up file (amounts as decimal strings), so that ``export`` gives back what
was applied. A stored model of the catalog's id says only what differs: the rest, and without offers of its own also
the offers, are the catalog's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from smartoken.catalog.fx import FxRate
from smartoken.catalog.offers import DataPolicy, Model, Offer, Reasoning
from smartoken.operations import queries
from smartoken.operations.setup_prices import read_price
from smartoken.providers.proxy import Proxy
from smartoken.providers.setup import ProviderSetup, UpstreamKey
from smartoken.providers.upstream import Timeouts
from smartoken.store.schema import fx_rates, models, offers, provider_keys, providers
from smartoken.store.vault import Place, Secret, Vault


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model of the set-up file with its own offers, first tier first."""

    id: str
    definition: Mapping[str, Any]
    offers: tuple[Offer, ...]

    @property
    def price_version(self) -> str | None:
        """The version of its own price; None where it has none."""
        version = self.definition.get("price_version")
        return None if version is None else str(version)


def key_place(key_id: str) -> Place:
    """Return where a provider key's ciphertext lives."""
    return Place("provider_keys", key_id, "wrapped_secret")


def stored_providers(conn: Connection, vault: Vault) -> list[ProviderSetup]:
    """Return the enabled providers that have an enabled key, with their keys opened.

    Raises:
        VaultError: a key does not open under this secret key.

    """
    keys: dict[str, list[UpstreamKey]] = {}
    for row in queries.rows(conn, provider_keys, enabled=True):
        secret = Secret(vault.unwrap(row["wrapped_secret"], key_place(row["id"])).decode())
        key = UpstreamKey(row["id"], row["name"], secret, row["rpm"], row["concurrency"])
        keys.setdefault(row["provider_id"], []).append(key)
    return [
        _provider(row, tuple(keys[row["id"]]))
        for row in queries.rows(conn, providers, enabled=True)
        if row["id"] in keys
    ]


def _provider(row: Mapping[str, Any], keys: tuple[UpstreamKey, ...]) -> ProviderSetup:
    options = row["options"] or {}
    return ProviderSetup(
        id=row["id"],
        dialect=row["dialect"],
        base_url=row["base_url"],
        keys=keys,
        allow_private=row["allow_private"],
        timeouts=Timeouts(**(row["timeouts"] or {})),
        proxy=Proxy.parse(options["proxy"]) if options.get("proxy") else None,
        region=options.get("region"),
    )


def stored_models(conn: Connection) -> list[StoredModel]:
    """Return the enabled models of the set-up file."""
    by_model: dict[str, list[Offer]] = {}
    for row in queries.rows(conn, offers, enabled=True):
        by_model.setdefault(row["model_id"], []).append(_offer(row))
    return [
        StoredModel(
            row["id"],
            row["definition"],
            tuple(sorted(by_model.get(row["id"], ()), key=lambda each: (each.tier, -each.share, each.id))),
        )
        for row in queries.rows(conn, models, enabled=True)
    ]


def stored_rates(conn: Connection) -> tuple[FxRate, ...]:
    """Return the operator's exchange rates."""
    return tuple(
        FxRate(row["pair"], row["rate_nano"], date.fromisoformat(row["valid_from"]), row["source"])
        for row in queries.rows(conn, fx_rates)
    )


def model_of(stored: StoredModel, base: Model | None) -> Model:
    """Return a stored model over the catalog's one of the same id, where there is one."""
    written = stored.definition
    vendor = stored.id.partition("/")[0]
    model = base or Model(stored.id, stored.id, vendor, vendor, None, None, source="set-up file")
    changes: dict[str, Any] = {name: written[name] for name in ("name", "context", "max_output") if name in written}
    if "price" in written:
        changes["price"] = read_price(written["price"])
    if "input_modalities" in written:
        changes["input_modalities"] = tuple(written["input_modalities"])
    if "abilities" in written:
        changes["abilities"] = replace(model.abilities, **written["abilities"])
    if "reasoning" in written:
        reasoning = written["reasoning"]
        changes["reasoning"] = Reasoning(**{**reasoning, "efforts": tuple(reasoning.get("efforts", ()))})
    return replace(model, **changes)


def _offer(row: Mapping[str, Any]) -> Offer:
    stored = row["definition"] or {}
    return Offer(
        id=row["id"],
        model=row["model_id"],
        provider=row["provider_id"],
        upstream_model=row["upstream_model"],
        price=read_price(stored.get("cost")),
        policy=DataPolicy(**stored.get("policy", {})),
        context=stored.get("context"),
        max_output=stored.get("max_output"),
        tier=row["tier"],
        share=row["share"],
        cancel=stored.get("cancel", "cancel"),
    )
