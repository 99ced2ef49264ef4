"""Why would this call go here? A decision over the real routes and the real state of the offers, without any call."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import ModelNotFoundError, NotFoundError
from smartoken.identity.facts import Policy
from smartoken.operations import route_words
from smartoken.operations.directory import Directory
from smartoken.operations.lanes import Lane
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.served import ServedModel
from smartoken.routing.preferences import read_provider
from smartoken.routing.routes import ANY, Ability, DataRule, Decision, Given, Needs, View, decide

_ENDLESS = float("inf")


class AllWell:
    """The view of whoever has no worker to ask: nothing rests, nothing was measured."""

    def wait_s(self, offer: str) -> float | None:  # noqa: ARG002 - the shape of a view
        """Return that it may be tried now."""
        return 0.0

    def last_resort(self, offer: str) -> bool:  # noqa: ARG002 - the shape of a view
        """Return that nothing needs one."""
        return False

    def ttft_ms(self, offer: str) -> float | None:  # noqa: ARG002 - the shape of a view
        """Return that nothing was measured."""
        return None


def served_model(directory: Directory, account_id: str | None, asked: str) -> tuple[ServedModel, tuple[str, ...]]:
    """Return the model that a name leads to, by id, alias or the account's named route, and what to say of it.

    Raises:
        ModelNotFoundError: nothing is called so.

    """
    name = asked.strip().lower()
    said: tuple[str, ...] = ()
    if name.startswith("@"):
        named = directory.named.get((account_id or "", name[1:]))
        if named is None:
            raise ModelNotFoundError(f"The account has no route `{asked[:80]}`.", param="model")
        name, said = named.model.lower(), (f"{asked} stands for {', then '.join((named.model, *named.fallbacks))}",)
    if name not in directory.models and name in directory.aliases:
        name = directory.aliases[name].model.lower()
    model = directory.models.get(name)
    if model is None:
        raise ModelNotFoundError(f"There is no model `{asked[:100]}` here.", param="model")
    return model, said


def simulate(_: Connection, work: Work, directory: Directory, view: View, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order of attempts of an imagined call, with scores, and the reason against every other offer.

    Raises:
        ModelNotFoundError, NotFoundError: the model or the key is not here.
        InvalidRequestError: a field is wrong.

    """
    demand(work.actor, Permission.ROUTES_READ)
    rules: list[DataRule] = [Policy(tuple(wanted["regions"]), wanted["no_training"])]
    environment, account = wanted["environment"], None
    if wanted.get("key") is not None:
        caller = next((each.caller for each in directory.keys.values() if each.caller.key.id == wanted["key"]), None)
        if caller is None:
            raise NotFoundError(f"There is no key {str(wanted['key'])[:80]!r} in use.", param="key")
        rules += [caller.account.policy, caller.key.policy]
        environment, account = environment or caller.key.environment, caller.account.id
    model, said = served_model(directory, account, wanted["model"])
    preferences = ANY
    if wanted.get("provider") is not None:
        preferences, more = read_provider(wanted["provider"])
        rules += more
    needs = Needs(
        environment,
        frozenset(Ability(each) for each in wanted["needs"]),
        wanted["prompt_tokens"],
        tuple(rules),
        preferences,
        wanted.get("session"),
    )
    lane = directory.lane(model)
    if wanted.get("route") is not None:
        lane = Lane(route_words.read(model.model.id, wanted["route"], param="route"), lane.candidates, plain=False)
    turn = wanted["turn"]
    decision = decide(lane.route, lane.candidates, Given(needs, view, lambda _: turn))
    return {"model": model.model.id, "warnings": list(said), **explained(lane, decision)}


def explained(lane: Lane, decision: Decision) -> dict[str, Any]:
    """Return a decision as it is shown."""
    tiers = lane.route.tiers
    return {
        "origin": lane.route.origin,
        "order": [
            {
                "offer": each.offer,
                "provider": lane.candidates[each.offer].provider,
                "priority": each.tier,
                "strategy": tiers[each.tier - 1].strategy.value,
                "score": None if each.scored.score == _ENDLESS else each.scored.score,
                "why": each.scored.why,
            }
            for each in decision.order
        ],
        "excluded": [
            {"offer": each.offer, "because": each.because.value, "why": each.why, "back_in_s": each.wait_s}
            for each in decision.excluded
        ],
        "last_resort": decision.last_resort,
        "options": route_words.written(lane.route)["options"],
    }
