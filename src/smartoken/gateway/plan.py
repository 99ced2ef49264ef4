"""Step 2: what will be tried, in order. Pure: a decision over the directory, the call and the health of offers.

A model id resolves case-insensitively, then through aliases (vendors' own ids, OpenRouter's, retired names). The
data policy of key and account is applied before anything else and no fallback can leave it. An offer whose provider
cannot take a parameter that the client sent is passed over; when none can, the client is told which parameter.
"""

from collections.abc import Callable, Sequence

from smartoken.catalog.offers import DataPolicy
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
from smartoken.identity.facts import Policy
from smartoken.identity.scopes import allows
from smartoken.operations.directory import Directory, ServedModel, ServedOffer
from smartoken.providers.setup import UpstreamKey

# Picks the key to use at an offer now, or says how many seconds to wait for one (None: until a person acts).
KeyPicker = Callable[[ServedOffer], UpstreamKey | float | None]
# Gives a target the body that its provider takes, or raises InvalidRequestError that names a parameter.
Preparer = Callable[[Target, Wish], Target]


def resolve(directory: Directory, asked: str) -> tuple[ServedModel, tuple[str, ...], bool | None]:
    """Find the model that an id names, what to tell the client about the name, and the thinking it stood for.

    Raises:
        ModelNotFoundError: nothing has this id or alias.

    """
    name = asked.lower()
    model = directory.models.get(name)
    if model is not None:
        return model, (), None
    alias = directory.aliases.get(name)
    if alias is not None:
        model = directory.models.get(alias.model.lower())
        if model is not None:
            said = f"{asked} is served as {model.model.id}"
            if alias.kind == "retired":
                said = f"{asked} was retired by its vendor; {model.model.id} answers instead"
            return model, (said,), alias.retired.thinking if alias.retired is not None else None
    raise ModelNotFoundError(f"There is no model `{asked[:100]}` here.", param="model")


def breach(policy: Policy, facts: DataPolicy) -> str | None:
    """Say why an offer breaks a data policy, or ``None``; an unknown fact breaks a set policy."""
    if policy.regions and facts.region not in policy.regions:
        return f"region {facts.region or 'unknown'} is not in {', '.join(policy.regions)}"
    if policy.no_training and facts.trains is not False:
        return "trains on API data" if facts.trains else "whether it trains on API data is unknown"
    return None


def compliant(offers: Sequence[ServedOffer], policies: Sequence[Policy]) -> tuple[list[ServedOffer], list[str]]:
    """Split offers into those that keep every policy and the reasons against the others."""
    if not any(policy.regions or policy.no_training for policy in policies):
        return list(offers), []
    kept: list[ServedOffer] = []
    excluded: list[str] = []
    for each in offers:
        reason = next((found for policy in policies if (found := breach(policy, each.offer.policy))), None)
        if reason is None:
            kept.append(each)
        else:
            excluded.append(f"{each.offer.id}: {reason}")
    return kept, excluded


def _callable_offers(call: Call, model: ServedModel) -> list[ServedOffer]:
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
    kept, excluded = compliant(model.offers, (call.caller.account.policy, call.caller.key.policy))
    if not kept:
        raise NoCompliantRouteError(
            f"No offer of `{model.model.id}` keeps the data policy.", param="model", details={"excluded": excluded}
        )
    return kept


def plan_call(call: Call, directory: Directory, pick_key: KeyPicker, prepare: Preparer) -> Plan:
    """Decide the order of attempts.

    Raises:
        RequestError, AccessError: the model is unknown, out of scope, or no compliant offer takes the parameters.
        ServiceError: the model is not configured or priced, or every key of it is parked.

    """
    model, warnings, thinking = resolve(directory, call.request.model)
    model = directory.sold(model, call.caller.account.price_list, call.now_ms)
    offers = _callable_offers(call, model)
    targets: list[Target] = []
    refused: InvalidRequestError | None = None
    waits: list[float | None] = []
    for each in offers:
        key = pick_key(each)
        if not isinstance(key, UpstreamKey):
            waits.append(key)
            continue
        target = Target(each, key, {})
        if not targets:
            try:
                target = prepare(target, Wish(call, model, thinking, call.request.limit))
            except InvalidRequestError as error:
                refused = refused or error
                continue
        targets.append(target)
    if targets:
        return Plan(model, tuple(targets), warnings, call.request.limit, thinking, directory.show_providers)
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
