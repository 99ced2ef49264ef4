"""Step 2: what will be tried, in order. Pure: a decision over the directory, the call and how the offers fare.

A model id resolves case-insensitively, then through aliases (vendors' own ids, OpenRouter's, retired names); ``@name``
is the account's named route. The data policy of key, account and call is applied before anything else and no fallback
can leave it. An offer whose provider cannot take a parameter that the client sent is passed over; when none can, the
client is told which parameter. A model with one offer has nothing to decide, and pays nothing for it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from smartoken.errors import (
    InvalidRequestError,
    ModelNotAllowedError,
    ModelNotConfiguredError,
    ModelNotFoundError,
    ModelNotPricedError,
    NoCompliantRouteError,
    UpstreamFailedError,
    UpstreamUnavailableError,
)
from smartoken.gateway.call import Call, Plan, Target, Wish
from smartoken.gateway.needs import needs_of
from smartoken.identity.scopes import allows
from smartoken.operations.directory import Directory, ServedModel, ServedOffer
from smartoken.operations.lanes import Lane
from smartoken.providers.setup import UpstreamKey
from smartoken.routing.preferences import FIELDS, NOTHING, Asked, read_asked
from smartoken.routing.routes import Because, Decision, Excluded, Given, Options, View, breach, decide
from smartoken.routing.strategies import Share

_ROUTED = frozenset(FIELDS)


class KeyPools(Protocol):
    """The upstream keys as planning sees them."""

    def pick_key(self, offer: ServedOffer, bound: int = 0) -> UpstreamKey | float | None:
        """Return a key to use now, or the seconds to wait for one (None: until a person acts)."""

    def anyway(self, offer: ServedOffer, bound: int = 0) -> UpstreamKey | None:
        """Return the key to try when everything rests, if only the provider's failures rest it."""

    def view(self, model: ServedModel, options: Options) -> View:
        """Return how the offers of a model fare."""

    def turn(self, shares: tuple[Share, ...]) -> int:
        """Return the number of a tier's turn."""


class Desk(Protocol):
    """What planning needs of the upstreams."""

    @property
    def pools(self) -> KeyPools:
        """The upstream keys."""

    def prepared(self, target: Target, wish: Wish) -> Target:
        """Give a target the body that its provider takes, or raise InvalidRequestError that names a parameter."""


class Named(NamedTuple):
    """What the name in ``model`` leads to."""

    model: ServedModel
    warnings: tuple[str, ...] = ()
    thinking: bool | None = None  # what a retired name stood for
    then: tuple[str, ...] = ()  # models to try after it


def resolve(directory: Directory, asked: str, account_id: str = "") -> Named:
    """Find the model that a name leads to.

    Raises:
        ModelNotFoundError: nothing has this id, alias or name.

    """
    name = asked.lower()
    model = directory.models.get(name)
    if model is not None:
        return Named(model)
    alias = directory.aliases.get(name)
    if alias is not None:
        model = directory.models.get(alias.model.lower())
        if model is not None:
            said = f"{asked} is served as {model.model.id}"
            if alias.kind == "retired":
                said = f"{asked} was retired by its vendor; {model.model.id} answers instead"
            return Named(model, (said,), alias.retired.thinking if alias.retired is not None else None)
    if name.startswith("@"):
        named = directory.named.get((account_id, name[1:]))
        if named is None:
            raise ModelNotFoundError(f"This account has no route `{asked[:100]}`.", param="model")
        found = directory.models.get(named.model.lower())
        if found is not None:
            return Named(found, (f"{asked} is served as {found.model.id}",), None, named.fallbacks)
    raise ModelNotFoundError(f"There is no model `{asked[:100]}` here.", param="model")


def _check_callable(call: Call, model: ServedModel) -> None:
    if not allows(call.caller.key.models, model.model.id):
        raise ModelNotAllowedError(f"This key may not use `{model.model.id}`.", param="model")
    if model.price is None:
        why = model.model.price_unknown or "no sell price is set"
        raise ModelNotPricedError(f"`{model.model.id}` has no price: {why}.", param="model")
    if not model.offers:
        raise ModelNotConfiguredError(
            f"`{model.model.id}` is in the catalog, but no provider key for it is set here.",
            param="model",
            remedy=f"Set {' or '.join(model.missing)} and restart, or add the provider with `smartoken apply`."
            if model.missing
            else None,
        )


def _no_route(model: ServedModel, excluded: Sequence[Excluded], *, named: bool) -> NoCompliantRouteError:
    policy = any(each.because is Because.POLICY for each in excluded)
    what = "keeps the data policy" if policy else "may answer this call"
    listed = [f"{each.offer if named else f'offer {n}'}: {each.why}" for n, each in enumerate(excluded, 1)]
    return NoCompliantRouteError(f"No offer of `{model.model.id}` {what}.", param="model", details={"excluded": listed})


def _only_offer(
    call: Call, model: ServedModel, desk: Desk, *, named: bool
) -> tuple[ServedOffer, UpstreamKey | float | None]:
    """Return the one offer of a plain lane with its key."""
    offer = model.offers[0]
    for rule in (call.caller.account.policy, call.caller.key.policy):
        if rule.regions or rule.no_training:
            why = breach(rule, offer.offer.policy)
            if why is not None:
                raise _no_route(model, [Excluded(offer.offer.id, Because.POLICY, why)], named=named)
    key = desk.pools.pick_key(offer)
    return offer, key if isinstance(key, UpstreamKey) else desk.pools.anyway(offer) or key


def _decided(call: Call, model: ServedModel, lane: Lane, asked: Asked, desk: Desk) -> Decision:
    """Decide; when nothing is able or long enough as far as the catalog knows, the provider is asked."""
    needs = needs_of(call, lane, asked)
    view = desk.pools.view(model, lane.route.options)
    decision = decide(lane.route, lane.candidates, Given(needs, view, desk.pools.turn))
    soft = (Because.ABILITY, Because.CONTEXT)
    if not decision.order and any(each.because in soft for each in decision.excluded):
        unsure = needs._replace(abilities=frozenset(), prompt_tokens=0)
        decision = decide(lane.route, lane.candidates, Given(unsure, view, desk.pools.turn))
    return decision


def _choices(
    call: Call, model: ServedModel, lane: Lane, asked: Asked, desk: Desk, *, named: bool
) -> list[tuple[ServedOffer, UpstreamKey | float | None, str]]:
    """Return the offers to try with their keys, or the waits of those that rest.

    Raises:
        NoCompliantRouteError: nothing may answer, and waiting would not help.

    """
    if lane.plain and asked is NOTHING:
        return [(*_only_offer(call, model, desk, named=named), "")]
    bound = lane.route.options.max_in_flight
    offers = {each.offer.id: each for each in model.offers}
    decision = _decided(call, model, lane, asked, desk)
    found: list[tuple[ServedOffer, UpstreamKey | float | None, str]] = []
    for each in decision.order[: lane.route.options.max_attempts]:
        offer = offers[each.offer]
        key = desk.pools.anyway(offer, bound) if decision.last_resort else desk.pools.pick_key(offer, bound)
        found.append((offer, key, f"priority {each.tier}: {each.scored.why}"))
    if not found:
        resting = [each for each in decision.excluded if each.because is Because.RESTING]
        if not resting:
            raise _no_route(model, decision.excluded, named=named)
        found = [(offers[each.offer], each.wait_s, "") for each in resting]
    return found


def _after(model: ServedModel, names: Sequence[str]) -> tuple[str, ...]:
    """Return further models in their order; lists made for OpenRouter name the first again, or one twice."""
    own = model.model.id.lower()
    first_named = {each.lower(): each for each in reversed(names)}
    return tuple(first_named[each] for each in dict.fromkeys(map(str.lower, names)) if each != own)


def plan_call(call: Call, directory: Directory, desk: Desk, instead: str | None = None) -> Plan:
    """Decide the order of attempts; ``instead`` names another model than the call does.

    Raises:
        RequestError, AccessError: the model is unknown, out of scope, or no compliant offer takes the parameters.
        ServiceError: the model is not configured or priced, or every key of it is parked.

    """
    body = call.request.body
    asked = NOTHING if _ROUTED.isdisjoint(body) else read_asked(body)
    named = resolve(directory, instead or call.request.model, call.caller.account.id)
    model = directory.sold(named.model, call.caller.account.price_list, call.now_ms)
    _check_callable(call, model)
    lane = directory.lane(model)
    targets: list[Target] = []
    refused: InvalidRequestError | None = None
    waits: list[float | None] = []
    for offer, key, why in _choices(call, model, lane, asked, desk, named=directory.show_providers):
        if not isinstance(key, UpstreamKey):
            waits.append(key)
            continue
        target = Target(offer, key, {}, (), why)
        if not targets:
            try:
                target = desk.prepared(target, Wish(call, model, named.thinking, call.request.limit))
            except InvalidRequestError as error:
                refused = refused or error
                continue
        targets.append(target)
    if targets:
        then = _after(model, (*named.then, *asked.models)) if named.then or asked.models else ()
        return Plan(
            model, tuple(targets), named.warnings, call.request.limit, named.thinking, directory.show_providers,
            lane.route.options, then,
        )  # fmt: skip
    if refused is not None:
        raise refused
    raise unavailable(model.model.id, waits)


def unavailable(model_id: str, waits: Sequence[float | None]) -> UpstreamUnavailableError:
    """Return the error for a model none of whose keys may be used now; Retry-After where waiting helps."""
    times = [wait for wait in waits if wait is not None]
    if times:
        return UpstreamUnavailableError(
            f"Every provider key for `{model_id}` is cooling down.", retry_after_s=max(1.0, min(times))
        )
    return UpstreamFailedError(f"Every provider key for `{model_id}` is parked until an operator acts.")
