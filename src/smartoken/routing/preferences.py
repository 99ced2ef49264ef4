"""What a call itself asks of its route: OpenRouter's ``models``, ``provider`` and ``session_id``. Pure.

What can be kept is mapped, what cannot is refused by name: nothing is dropped in silence. None of it ever widens a
data policy: ``data_collection: "deny"`` adds a rule, ``"allow"`` adds nothing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from smartoken.errors import InvalidRequestError
from smartoken.routing.routes import ANY, DataRule, Preferences, Strategy

MODELS, PROVIDER, ROUTE, SESSION = "models", "provider", "route", "session_id"
CONTINUATION = "continuation"  # a member of ``provider``, and an option of keys
FIELDS = (MODELS, PROVIDER, ROUTE, SESSION)  # read here, never sent upstream
MOST_MODELS = 5
MOST_SESSION = 256  # characters, as at OpenRouter
_NAMES_MOST = 32
_SORTS = {"price": Strategy.PRICE, "latency": Strategy.LATENCY}
_NAMED = ("order", "only", "ignore")
_REFUSED = {
    "quantizations": "the catalog does not know the quantization of every offer",
    "max_price": "the sell price of a model is the same at every provider",
    "zdr": "the catalog does not know the retention of every offer",
    "enforce_distillable_text": "the catalog does not know which models allow it",
    "preferred_min_throughput": "no throughput is promised",
    "preferred_max_latency": "use sort: latency",
    "experimental": "it has no fixed meaning",
}


class NoTraining(NamedTuple):
    """The rule that ``data_collection: "deny"`` adds."""

    regions: tuple[str, ...] = ()
    no_training: bool = True


class Asked(NamedTuple):
    """What a body asks of its route."""

    preferences: Preferences = ANY
    rules: tuple[DataRule, ...] = ()
    models: tuple[str, ...] = ()  # to be tried after the call's own model
    session: str | None = None


NOTHING = Asked()


def _refuse(param: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"`{param}` {rule}.", param=param)


def _names(value: Any, param: str) -> tuple[str, ...]:
    listed = isinstance(value, list) and len(value) <= _NAMES_MOST
    if not listed or not all(isinstance(each, str) and each for each in value):
        raise _refuse(param, f"must be a list of at most {_NAMES_MOST} ids of providers or offers")
    return tuple(each.lower() for each in value)


def read_provider(value: Any) -> tuple[Preferences, tuple[DataRule, ...]]:
    """Return what OpenRouter's ``provider`` object asks for.

    Raises:
        InvalidRequestError: a member is wrong, or one that this gateway cannot keep.

    """
    if not isinstance(value, dict):
        raise _refuse(PROVIDER, "must be an object")
    found: dict[str, Any] = {}
    rules: tuple[DataRule, ...] = ()
    for name, each in value.items():
        param = f"{PROVIDER}.{name}"
        if each is None:
            continue
        if name in _NAMED:
            found[name] = _names(each, param)
        elif name == "allow_fallbacks":
            if not isinstance(each, bool):
                raise _refuse(param, "must be true or false")
            found["fallbacks"] = each
        elif name == "data_collection":
            if each not in ("allow", "deny"):
                raise _refuse(param, 'must be "allow" or "deny"')
            rules = (NoTraining(),) if each == "deny" else ()
        elif name == "sort":
            if not isinstance(each, str) or each not in _SORTS:
                raise _refuse(param, 'must be "price" or "latency"; nothing else is measured here')
            found["strategy"] = _SORTS[each]
        elif name in ("require_parameters", CONTINUATION):
            if not isinstance(each, bool):
                raise _refuse(param, "must be true or false")  # either way: an offer that cannot is passed over
        else:
            raise _refuse(param, f"is not kept here: {_REFUSED.get(name, 'it is not known')}")
    return Preferences(**found), rules


def read_asked(body: Mapping[str, Any]) -> Asked:
    """Return what a body asks of its route.

    Raises:
        InvalidRequestError: a field is wrong, or one that this gateway cannot keep.

    """
    preferences, rules = read_provider(body[PROVIDER]) if body.get(PROVIDER) is not None else (ANY, ())
    models = body.get(MODELS)
    if models is not None:
        listed = isinstance(models, list) and 1 <= len(models) <= MOST_MODELS
        if not listed or not all(isinstance(each, str) and each.strip() for each in models):
            raise _refuse(MODELS, f"must be a list of 1 to {MOST_MODELS} ids of models")
    if body.get(ROUTE) not in (None, "fallback"):
        raise _refuse(ROUTE, 'must be "fallback", the only one there is')
    session = body.get(SESSION)
    if session is not None and (not isinstance(session, str) or len(session) > MOST_SESSION):
        raise _refuse(SESSION, "must be a text of at most 256 characters")
    return Asked(preferences, rules, tuple(models or ()), session or None)
