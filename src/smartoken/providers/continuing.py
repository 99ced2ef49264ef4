"""How an answer that broke off is gone on with elsewhere: a request whose last message is what was said. Pure.

Only for vendors whose dialect documents it, without thinking: what was thought stays with the provider that thought it,
and a second thinking in the middle of an answer would be one that nobody asked for.
"""

from collections.abc import Mapping
from typing import Any

from smartoken.catalog.offers import Model, Offer
from smartoken.providers.dialect import Dialect
from smartoken.providers.requests import fits
from smartoken.providers.thinking import FIELDS


def obstacle(dialect: Dialect, model: Model, offer: Offer) -> str | None:
    """Return why an offer cannot go on from a given beginning, None when it can.

    What is not known of the model is the dialect's to say.
    """
    known = dialect.continuation
    if known is None or fits(offer.upstream_model, known.not_for):
        return "its vendor documents no continuation"
    if (offer.abilities or model.abilities).prefix is False:
        return "it is known not to continue a beginning"
    if model.reasoning.supported and model.reasoning.can_disable is False:
        return "it always thinks"
    return None


def continued(dialect: Dialect, model: Model, body: Mapping[str, Any], said: str) -> dict[str, Any]:
    """Return the chat body that asks for the rest of an answer of which ``said`` was sent; the client's stays as it is.

    Raises:
        ValueError: the dialect documents none; ask ``obstacle`` first.

    """
    known = dialect.continuation
    if known is None:
        raise ValueError(f"{dialect.id} documents no continuation")
    begun = {"role": "assistant", "content": said, known.field: True}
    out = {**body, "messages": [*body["messages"], begun]}
    if model.reasoning.supported:
        out = {name: value for name, value in out.items() if name not in FIELDS}
        out["enable_thinking"] = False
    return out


def continued_path(dialect: Dialect, base_path: str) -> str | None:
    """Return the path, from the host on, that takes such a body; None where it is the usual one."""
    known = dialect.continuation
    if known is None or known.path is None:
        return None
    return base_path.removesuffix("/v1") + known.path
