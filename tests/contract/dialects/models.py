"""Models of the kinds that the thinking switch tells apart, and an offer."""

from smartoken.catalog.offers import Abilities, Model, Offer, Reasoning


def model(reasoning: Reasoning, abilities: Abilities | None = None) -> Model:
    return Model(
        id="family/model",
        name="Model",
        family="family",
        vendor="vendor",
        context=32_768,
        max_output=4_096,
        reasoning=reasoning,
        abilities=abilities or Abilities(),
    )


def offer(upstream: str = "up-model") -> Offer:
    return Offer(id="p:m", model="family/model", provider="p", upstream_model=upstream, price=None)


PLAIN = model(Reasoning())
HYBRID = model(Reasoning(supported=True, can_disable=True, default_on=True, max_budget_tokens=10_000))
EFFORTS = model(Reasoning(supported=True, can_disable=True, default_on=True, efforts=("low", "high", "max")))
SEVEN = model(
    Reasoning(
        supported=True,
        can_disable=True,
        default_on=True,
        efforts=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    )
)
ALWAYS_ON = model(Reasoning(supported=True, can_disable=False, default_on=True))
