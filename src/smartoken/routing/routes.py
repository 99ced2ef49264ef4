"""Where a call would go, and why. Pure: a route, what the call needs and how the offers fare give an ordered list.

A route is an ordered list of tiers ("Priority 1" is tried first); inside a tier a strategy orders the offers. Before
anything is ordered, every offer that may not answer is excluded with its reason: the data policies first (a fact that
is unknown breaks a policy that is set), so that no fallback, hedge or continuation can leave them; then what the
client allows, what the call needs, and what rests. What was excluded is told, never dropped in silence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from smartoken.catalog.offers import DataPolicy
from smartoken.routing.strategies import Scored, Share, by_latency, by_price, by_shares, by_stickiness


class Strategy(StrEnum):
    """How the offers of one tier are ordered; docs/routing.md has the weights."""

    SHARES = "shares"
    PRICE = "price"
    LATENCY = "latency"
    STICKY = "sticky"


class Ability(StrEnum):
    """What a call may need of an offer."""

    TOOLS = "tools"
    VISION = "vision"
    JSON_SCHEMA = "json_schema"
    THINKING = "thinking"


class Because(StrEnum):
    """Why an offer was excluded."""

    POLICY = "policy"  # of the account or the key: nothing gets around it
    CLIENT = "client"  # the call itself names or bars providers
    ABILITY = "ability"
    CONTEXT = "context"
    CONDITION = "condition"  # its tier is for other calls
    RESTING = "resting"  # it may answer again after a while
    ABSENT = "absent"  # no provider of it is set up here


class DataRule(Protocol):
    """A data policy: empty regions mean any."""

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that data may go to."""

    @property
    def no_training(self) -> bool:
        """Whether only offers that are known not to train on it may see it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Which calls a tier is for; empty: all of them. Every ability named must be needed by the call."""

    environments: tuple[str, ...] = ()
    needs: tuple[Ability, ...] = ()
    min_prompt_tokens: int = 0

    def fits(self, needs: "Needs") -> bool:
        """Whether a call is one that the tier is for."""
        return (
            (not self.environments or needs.environment in self.environments)
            and needs.abilities.issuperset(self.needs)
            and needs.prompt_tokens >= self.min_prompt_tokens
        )


@dataclass(frozen=True, slots=True)
class Tier:
    """Offers that are tried before those of the next tier; their shares add to 100."""

    shares: tuple[Share, ...]
    strategy: Strategy = Strategy.SHARES
    when: Condition = field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class Options:
    """What a route allows beyond the order of its offers."""

    max_attempts: int = 6
    retries: int = 0  # of the last offer left, after a pause
    next_after_refusal: bool = False  # another provider is tried after a content policy refused
    hedge: bool = False  # a second attempt beside a first one that is slow to speak
    hedge_extra_percent: int = 10  # of what the calls can cost, at most, may be added by second attempts
    hedge_after_ms: int = 2_000  # until enough was seen of the first offer to know when it is slow
    max_in_flight: int = 0  # per offer and worker; 0: the default bound


@dataclass(frozen=True, slots=True)
class Route:
    """How calls of one model go; ``origin`` says whether it was published here or follows from the set-up."""

    model: str
    tiers: tuple[Tier, ...]
    options: Options = field(default_factory=Options)
    origin: str = "set-up"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of an offer that decides whether and when it is tried; ``None`` is unknown."""

    offer: str
    provider: str
    policy: DataPolicy
    context: int | None = None
    abilities: Mapping[Ability, bool | None] = field(default_factory=dict)
    cost_pico: int | None = None  # what we pay a token, blended; see docs/routing.md


class Preferences(NamedTuple):
    """What the call itself asks of its providers, by provider or offer id, lower case."""

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fallbacks: bool = True
    strategy: Strategy | None = None


ANY = Preferences()


class Needs(NamedTuple):
    """What decides for one call."""

    environment: str = ""
    abilities: frozenset[Ability] = frozenset()
    prompt_tokens: int = 0
    rules: tuple[DataRule, ...] = ()
    preferences: Preferences = ANY
    sticky: str | None = None  # the session, or what its prompt begins with


class View(Protocol):
    """How the offers fare right now."""

    def wait_s(self, offer: str) -> float | None:
        """Return 0 if the offer may be tried now, else the seconds until then; None: until a person acts."""

    def last_resort(self, offer: str) -> bool:
        """Whether an offer that rests may be tried when nothing else is left: only failures of the provider rest it."""

    def ttft_ms(self, offer: str) -> float | None:
        """Return the time to first token that is to be expected; None: not seen yet."""


class Excluded(NamedTuple):
    """An offer that will not be tried."""

    offer: str
    because: Because
    why: str
    wait_s: float | None = None


class Placed(NamedTuple):
    """An offer in the order in which it will be tried."""

    offer: str
    tier: int  # 1 is tried first
    scored: Scored


class Decision(NamedTuple):
    """The order of attempts and everything that led to it."""

    order: tuple[Placed, ...]
    excluded: tuple[Excluded, ...]
    last_resort: bool = False  # everything rests after failures; the one that is due back soonest is tried


def breach(rule: DataRule, facts: DataPolicy) -> str | None:
    """Say why an offer breaks a data policy, or ``None``; an unknown fact breaks a set policy."""
    if rule.regions and facts.region not in rule.regions:
        return f"region {facts.region or 'unknown'} is not in {', '.join(rule.regions)}"
    if rule.no_training and facts.trains is not False:
        return "trains on API data" if facts.trains else "whether it trains on API data is unknown"
    return None


def route_of(model: str, offers: Iterable[tuple[str, int, int]]) -> Route:
    """Return the route that follows from (offer, tier, share) of the set-up; shares are made to add to 100."""
    tiers: dict[int, list[Share]] = {}
    for offer, tier, share in offers:
        tiers.setdefault(tier, []).append(Share(offer, share))
    return Route(model, tuple(Tier(tuple(shares)) for _, shares in sorted(tiers.items())))


def _why_not(candidate: Candidate, needs: Needs) -> Excluded | None:
    offer = candidate.offer
    for rule in needs.rules:
        reason = breach(rule, candidate.policy)
        if reason is not None:
            return Excluded(offer, Because.POLICY, reason)
    wanted = needs.preferences
    names = {offer.lower(), candidate.provider.lower()}
    if wanted.only and names.isdisjoint(wanted.only):
        return Excluded(offer, Because.CLIENT, "the call names other providers in provider.only")
    if not names.isdisjoint(wanted.ignore):
        return Excluded(offer, Because.CLIENT, "the call names it in provider.ignore")
    if wanted.order and not wanted.fallbacks and names.isdisjoint(wanted.order):
        return Excluded(offer, Because.CLIENT, "the call allows no fallback outside provider.order")
    for ability in sorted(needs.abilities):
        if candidate.abilities.get(ability) is False:
            return Excluded(offer, Because.ABILITY, f"it has no {ability.value.replace('_', ' ')}")
    if candidate.context is not None and needs.prompt_tokens > candidate.context:
        return Excluded(
            offer, Because.CONTEXT, f"about {needs.prompt_tokens} prompt tokens, its context is {candidate.context}"
        )
    return None


def _ordered(tier: Tier, shares: Sequence[Share], given: "Given", candidates: Mapping[str, Candidate]) -> list[Scored]:
    strategy = given.needs.preferences.strategy or tier.strategy
    if len(shares) == 1:
        return [Scored(shares[0].offer, 0.0, "the only one left in its tier")]
    if strategy is Strategy.PRICE:
        return by_price(shares, {each.offer: candidates[each.offer].cost_pico for each in shares})
    if strategy is Strategy.LATENCY:
        return by_latency(shares, {each.offer: given.view.ttft_ms(each.offer) for each in shares}, given.turn)
    if strategy is Strategy.STICKY and given.needs.sticky is not None:
        return by_stickiness(shares, given.needs.sticky)
    return by_shares(shares, given.turn)


class Given(NamedTuple):
    """What one decision is made from beside route and candidates. ``turn`` counts the turns of a set of shares."""

    needs: Needs
    view: View
    turn: Callable[[tuple[Share, ...]], int]


def decide(route: Route, candidates: Mapping[str, Candidate], given: Given) -> Decision:
    """Return the offers in the order in which they are tried, with the reason against each of the others.

    Nothing that breaks a data policy is ever in the order, whatever else is asked.
    """
    needs = given.needs
    excluded: list[Excluded] = []
    resting: list[tuple[Excluded, int]] = []
    placed: list[Placed] = []
    for number, tier in enumerate(route.tiers, 1):
        fits = tier.when.fits(needs)
        left: list[Share] = []
        for share in tier.shares:
            candidate = candidates.get(share.offer)
            if candidate is None:
                excluded.append(Excluded(share.offer, Because.ABSENT, "its provider is not set up here"))
                continue
            reason = _why_not(candidate, needs)
            if reason is None and not fits:
                reason = Excluded(share.offer, Because.CONDITION, f"priority {number} is for other calls")
            if reason is not None:
                excluded.append(reason)
                continue
            wait = given.view.wait_s(share.offer)
            if wait is None or wait > 0:
                words = "it rests until a person acts" if wait is None else f"it rests for {wait:.1f} s more"
                resting.append((Excluded(share.offer, Because.RESTING, words, wait), number))
            else:
                left.append(share)
        if left:
            placed.extend(Placed(each.offer, number, each) for each in _ordered(tier, left, given, candidates))
    if not placed:
        anyway = [each for each in resting if given.view.last_resort(each[0].offer)]
        if anyway:
            soonest, number = min(anyway, key=lambda each: each[0].wait_s or 0.0)
            why = Scored(soonest.offer, 0.0, f"last resort: everything rests, and {soonest.why}")
            excluded.extend(each for each, _ in resting if each is not soonest)
            return Decision((Placed(soonest.offer, number, why),), tuple(excluded), last_resort=True)
    excluded.extend(each for each, _ in resting)
    return Decision(_preferred(placed, needs.preferences, candidates), tuple(excluded))


def _preferred(
    placed: Sequence[Placed], wanted: Preferences, candidates: Mapping[str, Candidate]
) -> tuple[Placed, ...]:
    """Move what the call names in ``provider.order`` to the front, in that order."""
    order = tuple(placed)
    if wanted.order:
        rank = {name: place for place, name in enumerate(wanted.order)}
        last = len(rank)

        def place_of(each: Placed) -> int:
            provider = candidates[each.offer].provider.lower()
            return min(rank.get(each.offer.lower(), last), rank.get(provider, last))

        order = tuple(sorted(order, key=place_of))
    return order[:1] if not wanted.fallbacks and not wanted.order else order
