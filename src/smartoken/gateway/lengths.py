"""How long a call may become, in the terms of the bound: from the request, the model and the offers planned. Pure.

The bytes of everything that reaches the model bound its prompt, with the frame of the widest template among the
offers; what none of the candidates is known to do counts as the worst.
"""

from typing import Any

import orjson

from smartoken.billing.bound import Reach, prompt_bound
from smartoken.billing.bound import Wish as Length
from smartoken.gateway.call import Call, Plan
from smartoken.gateway.meter import prompt_text
from smartoken.providers.registry import dialect
from smartoken.providers.requests import ASSUMED_LIMIT, collects, hides_reasoning, limit_covers_reasoning, stays_silent

_MEDIA = frozenset({"image_url", "video_url", "input_audio", "file", "video", "image"})


def has_media(body: dict[str, Any]) -> bool:
    """Whether a message carries a picture, sound, video or file: their tokens are not in their bytes."""
    for message in body["messages"]:
        content = message.get("content")
        if type(content) is list and any(part.get("type") in _MEDIA for part in content):
            return True
    return False


def reach_of(call: Call, plan: Plan) -> Reach:
    """Return how far the call's prompt may reach.

    Raises:
        UnboundedError: media in a model whose context is unknown.

    """
    body = call.request.body
    texts = prompt_text(body)
    form = body.get("response_format")
    if form is not None:
        texts.append(orjson.dumps(form).decode())
    tools = body.get("tools") or ()
    messages = len(body["messages"])
    overhead = max(
        [dialect(target.offer.provider.dialect).template.tokens(messages, len(tools)) for target in plan.targets]
    )
    context = plan.model.model.context
    media = None if has_media(body) else 0
    prompt = prompt_bound(texts, overhead=overhead, context=context, media=media)
    return Reach(prompt, context, call.request.n)


def length_of(call: Call, plan: Plan) -> Length:
    """Return what is known of the answer's length, the worst over the planned offers."""
    model, body = plan.model.model, call.request.body
    limit = call.request.limit
    covered, countable = True, True
    streamed = call.request.stream
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
