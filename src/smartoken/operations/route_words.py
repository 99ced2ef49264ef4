"""Routes in the words of the API and of the set-up file, checked and written. Pure.

A definition is ``{"tiers": [{"strategy", "when", "offers": [{"offer", "share"}]}], "options": {...}}``; what is left
out has its default. Every refusal names the field and the fix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from smartoken.errors import InvalidRequestError
from smartoken.routing.routes import Ability, Condition, Options, Route, Strategy, Tier
from smartoken.routing.strategies import Share

MOST_TIERS, MOST_OFFERS, MOST_ATTEMPTS = 8, 16, 16
MOST_PROMPT = 100_000_000  # tokens
_WHOLE = 100
_RANGES = {
    "retries": (0, 3),
    "max_attempts": (1, MOST_ATTEMPTS),
    "hedge_extra_percent": (0, 100),
    "hedge_after_ms": (50, 60_000),
    "max_in_flight": (0, 1_000_000),
}
PUBLISHED = "published"


def _refuse(param: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"`{param}` {rule}.", param=param)


def _names(value: Any, param: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise _refuse(param, "must be a list of texts")
    return value


def _known(value: Mapping[str, Any], known: Sequence[str], param: str) -> None:
    for name in value:
        if name not in known:
            raise _refuse(f"{param}.{name}", f"is not known here; known are {', '.join(known)}")


def _object(value: Any, param: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _refuse(param, "must be an object")
    return value


def _condition(value: Any, param: str) -> Condition:
    found = _object(value, param)
    _known(found, ("environments", "needs", "min_prompt_tokens"), param)
    needs = _names(found.get("needs", []), f"{param}.needs")
    for each in needs:
        if each not in set(Ability):
            raise _refuse(f"{param}.needs", f"holds {each[:40]!r}; abilities are {', '.join(Ability)}")
    tokens = found.get("min_prompt_tokens", 0)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or not 0 <= tokens <= MOST_PROMPT:
        raise _refuse(f"{param}.min_prompt_tokens", f"must be a whole number from 0 (any prompt) to {MOST_PROMPT}")
    environments = tuple(_names(found.get("environments", []), f"{param}.environments"))
    return Condition(environments, tuple(Ability(each) for each in needs), tokens)


def _share(value: Any, param: str) -> Share:
    found = _object(value, param)
    _known(found, ("offer", "share"), param)
    offer, share = found.get("offer"), found.get("share", _WHOLE)
    if not isinstance(offer, str) or not offer:
        raise _refuse(f"{param}.offer", "must be the id of an offer; GET /admin/models lists them")
    if not isinstance(share, int) or isinstance(share, bool) or not 0 <= share <= _WHOLE:
        raise _refuse(f"{param}.share", "must be a whole number from 0 to 100")
    return Share(offer, share)


def _tier(value: Any, param: str) -> Tier:
    found = _object(value, param)
    _known(found, ("strategy", "when", "offers"), param)
    listed = found.get("offers")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_OFFERS:
        raise _refuse(f"{param}.offers", f"must be a list of 1 to {MOST_OFFERS} offers")
    shares = tuple(_share(each, f"{param}.offers[{place}]") for place, each in enumerate(listed))
    total = sum(each.percent for each in shares)
    if total != _WHOLE:
        raise _refuse(f"{param}.offers", f"have shares that add to {total}; make them add to 100")
    strategy = found.get("strategy", Strategy.SHARES)
    if not isinstance(strategy, str) or strategy not in set(Strategy):
        raise _refuse(f"{param}.strategy", f"must be one of {', '.join(Strategy)}")
    return Tier(shares, Strategy(strategy), _condition(found.get("when", {}), f"{param}.when"))


def _options(value: Any, param: str) -> Options:
    found = _object(value, param)
    kinds = {each.name: type(each.default) for each in fields(Options)}
    _known(found, tuple(kinds), param)
    for name, each in found.items():
        if kinds[name] is bool:
            if not isinstance(each, bool):
                raise _refuse(f"{param}.{name}", "must be true or false")
            continue
        low, high = _RANGES[name]
        if not isinstance(each, int) or isinstance(each, bool) or not low <= each <= high:
            raise _refuse(f"{param}.{name}", f"must be a whole number from {low} to {high}")
    return Options(**found)


def read(model: str, definition: Mapping[str, Any], *, param: str = "") -> Route:
    """Return the route that a definition describes.

    Raises:
        InvalidRequestError: a field is wrong; ``param`` names it.

    """
    before = f"{param}." if param else ""
    _known(definition, ("tiers", "options"), param or "route")
    listed = definition.get("tiers")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_TIERS:
        raise _refuse(f"{before}tiers", f"must be a list of 1 to {MOST_TIERS} tiers, the first is tried first")
    tiers = tuple(_tier(each, f"{before}tiers[{place}]") for place, each in enumerate(listed))
    seen: set[str] = set()
    for place, tier in enumerate(tiers):
        for share in tier.shares:
            if share.offer in seen:
                raise _refuse(f"{before}tiers[{place}].offers", f"name {share.offer} a second time")
            seen.add(share.offer)
    return Route(model, tiers, _options(definition.get("options", {}), f"{before}options"), PUBLISHED)


def written(route: Route) -> dict[str, Any]:
    """Return a route's definition, whole."""
    return {
        "tiers": [
            {
                "strategy": tier.strategy.value,
                "when": {
                    "environments": list(tier.when.environments),
                    "needs": [each.value for each in tier.when.needs],
                    "min_prompt_tokens": tier.when.min_prompt_tokens,
                },
                "offers": [{"offer": each.offer, "share": each.percent} for each in tier.shares],
            }
            for tier in route.tiers
        ],
        "options": asdict(route.options),
    }
