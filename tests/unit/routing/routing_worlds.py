"""Routes, offers and a view of them, made small for tests."""

from dataclasses import dataclass, field

from smartoken.catalog.offers import DataPolicy
from smartoken.routing.routes import Candidate, Given, Needs, Route, Tier
from smartoken.routing.strategies import Share, Turns


@dataclass
class Facts:
    """A view whose every fact is written down."""

    waits: dict = field(default_factory=dict)
    times: dict = field(default_factory=dict)
    anyway: set = field(default_factory=set)

    def wait_s(self, offer):
        return self.waits.get(offer, 0.0)

    def last_resort(self, offer):
        return offer in self.anyway

    def ttft_ms(self, offer):
        return self.times.get(offer)


@dataclass(frozen=True)
class Rule:
    """A data policy."""

    regions: tuple = ()
    no_training: bool = False


def offers(**regions):
    """Return candidates by name, each in the region given (None: unknown)."""
    return {
        name: Candidate(name, name.partition("_")[0], DataPolicy(region=region, trains=False))
        for name, region in regions.items()
    }


def route(*tiers, **more):
    """Return a route; a tier is a mapping of offers to percents, or a whole ``Tier``."""
    made = tuple(
        each if isinstance(each, Tier) else Tier(tuple(Share(name, percent) for name, percent in each.items()))
        for each in tiers
    )
    return Route("test/alpha", made, **more)


def given(needs=None, view=None, turns=None):
    """Return what one decision is made from."""
    return Given(needs or Needs(), view or Facts(), (turns or Turns()).take)


def names(decision):
    """Return the order of a decision."""
    return [each.offer for each in decision.order]
