"""Every name that leads to a model, beside its own id. Pure.

Written names come first: a vendor's second name, OpenRouter's ids, retired names. The rest follows from the offers:
``provider/upstream id``, the bare upstream id, and the part of our id behind the slash, each only where it can mean
one model. Names are lower case; a name that is some model's id always means that model.
"""

from collections.abc import Iterable, Mapping

from smartoken.catalog.offers import Alias, AliasKind, Model, Offer

_RESELLER = "openrouter"  # its upstream ids are the ids that its customers use everywhere


class AliasClashError(ValueError):
    """A model claims a written name that leads to another one already."""

    def __init__(self, name: str, model: str) -> None:
        """Keep the model whose file is at fault."""
        super().__init__(f"the name {name!r} is taken by another model")
        self.model = model


def written_aliases(models: Iterable[Model]) -> dict[str, Alias]:
    """Return the names that stand in the models' files.

    Raises:
        AliasClashError: a name is a model's id, or another model has it too.

    """
    models = tuple(models)
    ids = {model.id for model in models}
    found: dict[str, Alias] = {}
    for model in models:
        for alias in _written(model):
            if alias.name in ids or found.get(alias.name, alias).model != model.id:
                raise AliasClashError(alias.name, model.id)
            found.setdefault(alias.name, alias)
    return found


def _written(model: Model) -> Iterable[Alias]:
    for name in model.aliases:
        kind = AliasKind.OPENROUTER if name in model.openrouter_ids else AliasKind.VENDOR
        yield Alias(name.lower(), model.id, kind)
    for retired in model.retired_names:
        lowered = retired.name.lower()
        yield Alias(lowered, model.id, AliasKind.RETIRED, retired)
        if "/" in lowered:
            yield Alias(lowered.partition("/")[2], model.id, AliasKind.RETIRED, retired)


def all_aliases(models: Mapping[str, Model], offers: Iterable[Offer]) -> dict[str, Alias]:
    """Return written names and those that follow from ids and offers, by name.

    Raises:
        AliasClashError: two models claim one written name.

    """
    found = written_aliases(models.values())
    claims: dict[str, set[tuple[str, AliasKind]]] = {}
    for offer in offers:
        kind = AliasKind.OPENROUTER if offer.provider == _RESELLER else AliasKind.VENDOR
        upstream = offer.upstream_model.lower()
        for name in (upstream, f"{offer.provider}/{upstream}"):
            claims.setdefault(name, set()).add((offer.model, kind))
    for model_id in models:
        claims.setdefault(model_id.partition("/")[2], set()).add((model_id, AliasKind.VENDOR))
    for name, claimants in claims.items():
        if name in models or name in found or len({model for model, _ in claimants}) > 1:
            continue
        model, kind = min(claimants, key=lambda each: each[1] != AliasKind.VENDOR)
        found[name] = Alias(name, model, kind)
    return found
