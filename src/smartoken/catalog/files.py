"""The shipped catalog, read strictly from ``catalog/data`` and checked as a whole.

    data/models/<vendor>/<slug>.toml      what is sold; the path is the id
    data/offers/<provider>/<slug>.toml    a model at a provider; the offer's id is ``provider:slug``
    data/providers/<id>.toml              hosts, key variables, data policy
    data/fx.toml                          dated exchange rates

Loading fails closed: one wrong file, and there is no catalog. All of it takes well under 150 ms; the files are read
once in a process, only prices are worked out again for another markup or rate.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Self

from smartoken.catalog.aliases import AliasClashError, all_aliases
from smartoken.catalog.fx import FxTable
from smartoken.catalog.model_file import listed_at, read_model, read_offer
from smartoken.catalog.offers import Alias, AliasKind, DataPolicy, Model, Offer
from smartoken.catalog.provider_file import read_fx, read_provider
from smartoken.catalog.providers import ProviderRecord
from smartoken.catalog.sell import NO_MARKUP, list_price, sell_price
from smartoken.catalog.strict import Table, read_toml

_WHOLE_SHARE = 100
_CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that the product knows of models before an operator adds anything. Mappings are read-only."""

    models: Mapping[str, Model]
    offers: Mapping[str, Offer]
    providers: Mapping[str, ProviderRecord]
    fx: FxTable
    aliases: Mapping[str, Alias]  # by lower-case name

    def resolve(self, name: str) -> tuple[Model, Alias | None] | None:
        """Return the model that a name means, in any case, and the alias that led there; None for no model."""
        lowered = name.lower()
        model = self.models.get(lowered)
        if model is not None:
            return model, None
        alias = self.aliases.get(lowered)
        return None if alias is None else (self.models[alias.model], alias)

    def offers_of(self, model_id: str) -> tuple[Offer, ...]:
        """Return the offers of a model, first tier first."""
        found = [each for each in self.offers.values() if each.model == model_id]
        return tuple(sorted(found, key=lambda each: (each.tier, -each.share, each.id)))

    def priced(self, listed: Mapping[str, str], fx: FxTable, markup: Decimal) -> Self:
        """Return the catalog with sell prices worked out from the offers that ``listed`` names by model."""
        models = dict(self.models)
        for model_id, offer_id in listed.items():
            price = list_price(self.offers[offer_id])
            if price is not None:
                models[model_id] = replace(models[model_id], price=sell_price(price, fx, markup))
        return replace(self, models=MappingProxyType(models), fx=fx)


def load_catalog(*, markup: Decimal = NO_MARKUP, fx: FxTable | None = None) -> Catalog:
    """Return the shipped catalog, with sell prices at the newest exchange rate and the operator's markup.

    Raises:
        CatalogError: a shipped file is wrong.
        FxUnknownError: the table handed in cannot turn a list price into USD.

    """
    catalog, listed = _shipped()
    return catalog.priced(listed, fx or catalog.fx, markup)


@cache
def list_currencies() -> Mapping[str, str]:
    """Return, by model, the currency of the list price that its sell price is worked out from."""
    catalog, listed = _shipped()
    prices = {model: list_price(catalog.offers[offer]) for model, offer in listed.items()}
    return MappingProxyType({model: price.currency for model, price in prices.items() if price is not None})


@cache
def _shipped() -> tuple[Catalog, Mapping[str, str]]:
    return read_catalog(files("smartoken.catalog") / "data")


def read_catalog(root: Traversable) -> tuple[Catalog, Mapping[str, str]]:
    """Read a catalog's folder; the second part names, by model, the offer whose list price is the sell price.

    Raises:
        CatalogError: a file is wrong by itself or against the others.

    """
    fx_table = read_toml(root / "fx.toml", "fx.toml")
    fx = read_fx(fx_table)
    fx_table.done()
    providers = _read_providers(root)
    models, model_tables = _read_models(root)
    offers, offer_tables = _read_offers(root, providers, models)
    listed = _check_models(models, offers, model_tables)
    _check_shares(offers, offer_tables)
    aliases = _check_aliases(models, offers, model_tables)
    named = {model_id: _with_aliases(model, aliases) for model_id, model in models.items()}
    catalog = Catalog(
        models=MappingProxyType(named),
        offers=MappingProxyType(offers),
        providers=MappingProxyType(providers),
        fx=fx,
        aliases=MappingProxyType(aliases),
    )
    return catalog, MappingProxyType(listed)


def _files(folder: Traversable, shown: str) -> Iterator[tuple[str, Table]]:
    """Yield the stem and table of each TOML file of a folder, by name."""
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            yield file.name.removesuffix(".toml"), read_toml(file, f"{shown}/{file.name}")


def _folders(root: Traversable, name: str) -> Iterator[Traversable]:
    return iter(sorted((each for each in (root / name).iterdir() if each.is_dir()), key=lambda each: each.name))


def _read_providers(root: Traversable) -> dict[str, ProviderRecord]:
    providers = {}
    for stem, table in _files(root / "providers", "providers"):
        providers[stem] = read_provider(table, stem)
        table.done()
    return providers


def _read_models(root: Traversable) -> tuple[dict[str, Model], dict[str, Table]]:
    models, tables = {}, {}
    for folder in _folders(root, "models"):
        for stem, table in _files(folder, f"models/{folder.name}"):
            model = read_model(table)
            if model.id != f"{folder.name}/{stem}" or model.id != model.id.lower():
                raise table.error(f"`id` must be {folder.name.lower()}/{stem.lower()}, as the file lies", "id")
            models[model.id], tables[model.id] = model, table
    return models, tables


def _read_offers(
    root: Traversable, providers: Mapping[str, ProviderRecord], models: Mapping[str, Model]
) -> tuple[dict[str, Offer], dict[str, Table]]:
    offers, tables = {}, {}
    for folder in _folders(root, "offers"):
        provider = providers.get(folder.name)
        for stem, table in _files(folder, f"offers/{folder.name}"):
            if provider is None:
                raise table.error(f"there is no providers/{folder.name}.toml")
            offer = read_offer(table, f"{folder.name}:{stem}", folder.name)
            if offer.model not in models:
                raise table.error(f"`model`: there is no models/{offer.model}.toml", "model")
            regions = {each.id for each in provider.regions}
            for price in (offer.price, *offer.prices_other):
                if price is not None and price.region is not None and price.region not in regions:
                    raise table.error(f"a price names region {price.region!r}; {provider.id} has {sorted(regions)}")
            table.done()
            if offer.policy == DataPolicy():
                offer = replace(offer, policy=provider.region_for("").policy, policy_of_host=True)
            offers[offer.id], tables[offer.id] = offer, table
    return offers, tables


def _check_models(
    models: Mapping[str, Model], offers: Mapping[str, Offer], tables: Mapping[str, Table]
) -> dict[str, str]:
    by_place = {(each.model, each.provider): each for each in offers.values()}
    sold = {each.model for each in offers.values()}
    listed = {}
    for model_id, model in models.items():
        table = tables[model_id]
        if model.replaced_by is not None and model.replaced_by not in models:
            raise table.error(f"`replaced_by`: there is no models/{model.replaced_by}.toml", "replaced_by")
        if model_id not in sold and model.status == _CURRENT:
            raise table.error("a current model needs an offer: add offers/<provider>/<slug>.toml", "status")
        provider = listed_at(table)
        if provider is not None:
            offer = by_place.get((model_id, provider))
            if offer is None or list_price(offer) is None:
                raise table.error(f"`list_of`: {provider} has no priced offer of this model", "price")
            listed[model_id] = offer.id
        table.done()
    return listed


def _check_shares(offers: Mapping[str, Offer], tables: Mapping[str, Table]) -> None:
    shares: dict[tuple[str, int], int] = {}
    places: set[tuple[str, str]] = set()
    for offer in offers.values():
        if (offer.model, offer.provider) in places:
            raise tables[offer.id].error(f"{offer.provider} has a second offer of {offer.model}", "model")
        places.add((offer.model, offer.provider))
        shares[offer.model, offer.tier] = shares.get((offer.model, offer.tier), 0) + offer.share
    for offer in offers.values():
        total = shares[offer.model, offer.tier]
        if total != _WHOLE_SHARE:
            raise tables[offer.id].error(f"shares of {offer.model} in tier {offer.tier} add to {total}, not 100")


def _check_aliases(
    models: Mapping[str, Model], offers: Mapping[str, Offer], tables: Mapping[str, Table]
) -> dict[str, Alias]:
    try:
        return all_aliases(models, offers.values())
    except AliasClashError as problem:
        raise tables[problem.model].error(str(problem)) from problem


def _with_aliases(model: Model, aliases: Mapping[str, Alias]) -> Model:
    mine = [each for each in aliases.values() if each.model == model.id and each.kind != AliasKind.RETIRED]
    return replace(
        model,
        aliases=tuple(sorted(each.name for each in mine)),
        openrouter_ids=tuple(sorted(each.name for each in mine if each.kind == AliasKind.OPENROUTER)),
    )
