"""What an operator sees of providers and models: what is set up here and what serves, never a secret."""

from collections.abc import Mapping
from typing import Any

from smartoken.operations.directory import Directory, ServedModel
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_prices import written
from smartoken.providers.setup import ProviderSetup


def providers(directory: Directory, work: Work) -> list[dict[str, Any]]:
    """Return the providers in use, by id, with the number of models that each serves.

    Raises:
        PermissionDeniedError: the actor may not see them.

    """
    demand(work.actor, Permission.PROVIDERS_READ)
    serves: dict[str, int] = {}
    for served in directory.models.values():
        for name in {each.provider.id for each in served.offers}:
            serves[name] = serves.get(name, 0) + 1
    return [_provider(each, serves.get(each.id, 0)) for _, each in sorted(directory.providers.items())]


def _provider(setup: ProviderSetup, models: int) -> dict[str, Any]:
    times = ("connect_s", "first_byte_s", "idle_s", "total_s")
    return {
        "id": setup.id,
        "dialect": setup.dialect,
        "base_url": setup.base_url,
        "region": setup.region,
        "allow_private": setup.allow_private,
        "proxy": str(setup.proxy) if setup.proxy is not None else None,
        "timeouts": {name: getattr(setup.timeouts, name) for name in times},
        "keys": [{"name": each.name, "rpm": each.rpm, "concurrency": each.concurrency} for each in setup.keys],
        "origin": setup.origin,
        "models": models,
    }


def models(directory: Directory, work: Work, *, ready: bool | None = None) -> list[dict[str, Any]]:
    """Return models by id, with price, version and offers; ``ready`` keeps those that can be called, or the others.

    Raises:
        PermissionDeniedError: the actor may not see them.

    """
    demand(work.actor, Permission.MODELS_READ)
    found = [each for each in directory.models.values() if ready is None or each.ready is ready]
    return [_model(each) for each in sorted(found, key=lambda each: each.model.id)]


def _model(served: ServedModel) -> dict[str, Any]:
    return {
        "id": served.model.id,
        "name": served.model.name,
        "status": served.model.status,
        "context": served.model.context,
        "max_output": served.model.max_output,
        "ready": served.ready,
        "missing": list(served.missing),
        "price": written(served.price) if served.price is not None else None,
        "price_version": served.price_version,
        "offers": [_offer(each.offer.id, each) for each in served.offers],
    }


def _offer(name: str, served: Any) -> Mapping[str, Any]:
    offer = served.offer
    return {
        "id": name,
        "provider": offer.provider,
        "upstream_model": offer.upstream_model,
        "tier": offer.tier,
        "share": offer.share,
        "cost": written(served.cost) if served.cost is not None else None,
        "region": offer.policy.region,
        "trains": offer.policy.trains,
    }
