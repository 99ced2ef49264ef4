"""How long a call may become, in the terms of the bound: from the request, the model and the offers planned. Pure.

The bytes of everything that reaches the model bound its prompt, with the frame of the widest template among the
offers; what none of the candidates is known to do counts as the worst.
"""

from typing import Any

import orjson

from smartoken.billing.bound import Reach, prompt_bound, text_bytes
from smartoken.billing.bound import Wish as Length
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.meter import prompt_text
from smartoken.providers.registry import dialect
from smartoken.providers.requests import ASSUMED_LIMIT, collects, hides_reasoning, limit_covers_reasoning, stays_silent

_PLAIN = 2  # members of a message with a role and a text, as most are
_MEDIA = frozenset({"image_url", "video_url", "input_audio", "file", "video", "image"})


def has_media(body: dict[str, Any]) -> bool:
    """Whether a message carries a picture, sound, video or file: their tokens are not in their bytes."""
    for message in body["messages"]:
        content = message.get("content")
        if type(content) is list and any(part.get("type") in _MEDIA for part in content):
            return True
    return False


def plain_bytes(messages: list[dict[str, Any]]) -> int | None:
    """Return the bytes of the texts of messages that are a role and a text; None where one of them is more."""
    total = 0
    for message in messages:
        content = message.get("content")
        if type(content) is not str or len(message) != _PLAIN:
            return None
        total += len(content) if content.isascii() else text_bytes(content)
    return total


def reach_of(call: Call, plan: Plan) -> Reach:
    """Return how far the call's prompt may reach.

    Raises:
        UnboundedError: media in a model whose context is unknown.

    """
    body = call.request.body
    form, tools, messages = body.get("response_format"), body.get("tools") or (), body["messages"]
    targets, context = plan.targets, plan.model.model.context
    overhead = max(
        [dialect(target.offer.provider.dialect).template.tokens(len(messages), len(tools)) for target in targets]
    )
    plain = plain_bytes(messages) if form is None and not tools else None
    if plain is not None:
        most = plain + overhead
        return Reach(most if context is None or most < context else context, context, call.request.n)
    texts = prompt_text(body)
    if form is not None:
        texts.append(orjson.dumps(form).decode())
    media = None if has_media(body) else 0
    prompt = prompt_bound(texts, overhead=overhead, context=context, media=media)
    return Reach(prompt, context, call.request.n)


def length_of(call: Call, plan: Plan) -> Length:
    """Return what is known of the answer's length, the worst over the planned offers."""
    model, body = plan.model.model, call.request.body
    limit = call.request.limit
    covered, countable = True, True
    streamed = call.request.stream
    if not model.reasoning.supported:  # nothing is thought: the limit covers all of it, and a whole answer is no stream
        seen = streamed and not any(
            hides_reasoning(dialect(each.offer.provider.dialect), each.offer.offer.upstream_model)
            for each in plan.targets
        )
        return Length(limit, model.max_output, 0, seen)
    for target in plan.targets:
        spoken = dialect(target.offer.provider.dialect)
        silent = plan.thinking is not True and stays_silent(spoken, model, body)
        covered = covered and (silent or limit_covers_reasoning(spoken, model, body, limit or ASSUMED_LIMIT))
        upstream = target.offer.offer.upstream_model
        if not streamed:
            countable = countable and collects(spoken, model, upstream, body)
        countable = countable and not hides_reasoning(spoken, upstream)
    beyond: int | None = 0
    if not covered:
        asked = body.get("thinking_budget")
        beyond = asked if isinstance(asked, int) else model.reasoning.max_budget_tokens
    return Length(limit, model.max_output, beyond, countable)
