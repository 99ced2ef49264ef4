"""What routing needs to know of a model as it is served here: its route and the facts of its offers. Pure.

Made at the first call of a model under a directory, and kept with that directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from smartoken.catalog.fx import FxTable, FxUnknownError
from smartoken.catalog.offers import Abilities, Price
from smartoken.operations.served import ServedModel, ServedOffer
from smartoken.routing.routes import Ability, Candidate, Condition, Route, route_of
from smartoken.routing.strategies import INPUT_WEIGHT, OUTPUT_WEIGHT

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Lane:
    """A route with what is known of its offers; ``plain`` lanes have one offer and nothing to decide."""

    route: Route
    candidates: Mapping[str, Candidate]
    plain: bool


@dataclass(frozen=True, slots=True)
class NamedRoute:
    """What an account's ``@name`` stands for: a model, and the models that are tried after it."""

    name: str
    model: str
    fallbacks: tuple[str, ...] = ()


def blended_pico(price: Price | None, fx: FxTable) -> int | None:
    """Return what a token costs on average at the first band, in pico-USD; ``None`` where it is not known."""
    if price is None or not price.bands:
        return None
    band = price.bands[0]
    native = (band.input * INPUT_WEIGHT + band.output * OUTPUT_WEIGHT) // (INPUT_WEIGHT + OUTPUT_WEIGHT)
    if price.currency == "USD":
        return native
    try:
        return native * fx.newest(f"{price.currency}/USD").rate_nano // _NANO
    except FxUnknownError:
        return None


def candidate_of(model: ServedModel, served: ServedOffer, fx: FxTable) -> Candidate:
    """Return what routing knows of an offer; what the offer does not say of itself is the model's."""
    offer, sold = served.offer, model.model
    able: Abilities = offer.abilities or sold.abilities
    reasoning = offer.reasoning or sold.reasoning
    seen = offer.input_modalities or sold.input_modalities
    return Candidate(
        offer=offer.id,
        provider=served.provider.id,
        policy=offer.policy,
        context=offer.context or sold.context,
        abilities={
            Ability.TOOLS: able.tools,
            Ability.VISION: True if "image" in seen else able.vision,
            Ability.JSON_SCHEMA: able.json_schema,
            Ability.THINKING: reasoning.supported or None,
        },
        cost_pico=blended_pico(served.cost, fx),
    )


def lane_of(model: ServedModel, published: Route | None, fx: FxTable) -> Lane:
    """Return a model's lane: the route that was published, or the one that follows from the set-up."""
    route = published or route_of(
        model.model.id, ((each.offer.id, each.offer.tier, each.offer.share) for each in model.offers)
    )
    plain = len(route.tiers) == 1 and len(route.tiers[0].shares) == 1 and route.tiers[0].when == Condition()
    candidates = {each.offer.id: candidate_of(model, each, fx) for each in model.offers}
    plain = plain and len(candidates) == 1 and route.tiers[0].shares[0].offer in candidates
    return Lane(route, candidates, plain)
