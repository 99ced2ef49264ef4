"""Routes, offers and a view of them, made small for tests."""

from dataclasses import dataclass, field

from smartoken.catalog.offers import DataPolicy
from smartoken.routing.routes import Candidate, Given, Needs, Preferences, Route, Strategy, Tier
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


SG = Rule(regions=("sg",))
REGIONS, NAMES = ("sg", "cn", "us", None), "abcdefgh"


def random_plan(chance):
    """Return a random route over random offers, asked for in a random way, some of them resting."""
    regions = {name: chance.choice(REGIONS) for name in chance.sample(NAMES, chance.randint(1, 6))}
    tiers = []
    for _ in range(chance.randint(1, 3)):
        chosen = chance.sample(sorted(regions), chance.randint(1, min(4, len(regions))))
        shares = tuple(Share(name, chance.randint(0, 100)) for name in chosen)
        tiers.append(Tier(shares, chance.choice(list(Strategy))))
    wanted = Preferences(
        order=tuple(chance.sample(NAMES, chance.randint(0, 3))),
        ignore=tuple(chance.sample(NAMES, chance.randint(0, 2))),
        fallbacks=chance.random() < 0.5,
        strategy=chance.choice([None, *Strategy]),
    )
    view = Facts(
        waits={name: chance.choice([None, 0.0, 5.0, 50.0]) for name in chance.sample(NAMES, chance.randint(0, 5))},
        times={name: chance.random() * 900 for name in chance.sample(NAMES, chance.randint(0, 8))},
        anyway=set(chance.sample(NAMES, chance.randint(0, 5))),
    )
    needs = Needs(rules=(SG,), preferences=wanted, sticky=chance.choice([None, "a session", "another"]))
    return route(*tiers), regions, needs, view
