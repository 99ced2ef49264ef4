"""What is sold here at one instant: models with price, version and the offers that serve them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from smartoken.catalog.offers import Model, Offer, Price
from smartoken.providers.setup import ProviderSetup


@dataclass(frozen=True, slots=True)
class ServedOffer:
    """An offer with the provider as it is set up here; ``cost`` is what we pay, where it is known."""

    offer: Offer
    provider: ProviderSetup
    cost: Price | None
    fx_id: str | None = None  # the rate that turns the cost into USD; None: it is in USD, or no rate is known


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
class Stage:
    """What is sold from an instant on, until the next stage."""

    from_ms: int
    models: Mapping[str, ServedModel]  # by lower-case id, at the standard price
    listed: Mapping[tuple[str, str], ServedModel] = field(default_factory=dict)  # (price list, lower-case id)

    def sold(self, model: ServedModel, price_list: str | None) -> ServedModel:
        """Return a model at the price that a list gives it."""
        name = model.model.id.lower()
        if price_list is not None:
            found = self.listed.get((price_list, name))
            if found is not None:
                return found
        return self.models.get(name, model)
