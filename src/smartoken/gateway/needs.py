"""What a call needs of its offers, from its body: abilities, length, session, policies. Pure.

Only asked where there is something to decide.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from smartoken.gateway.call import Call
from smartoken.gateway.meter import estimate_prompt
from smartoken.operations.lanes import Lane
from smartoken.routing.preferences import Asked
from smartoken.routing.routes import Ability, Needs, Strategy

_SWITCHED_ON = ("enabled", "auto")
_OFF_WORDS = ("none", "minimal")
_PREFIX_CHARS = 4_096  # of each of the first messages: providers cache by what a prompt begins with


def abilities_of(body: Mapping[str, Any]) -> frozenset[Ability]:
    """Return what the body asks for that not every offer can do."""
    found: set[Ability] = set()
    if body.get("tools"):
        found.add(Ability.TOOLS)
    form = body.get("response_format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        found.add(Ability.JSON_SCHEMA)
    thinking, effort = body.get("thinking"), body.get("reasoning_effort")
    switched = isinstance(thinking, dict) and thinking.get("type") in _SWITCHED_ON
    if switched or body.get("enable_thinking") is True or (effort is not None and effort not in _OFF_WORDS):
        found.add(Ability.THINKING)
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list) and any(part.get("type") in ("image_url", "image") for part in content):
            found.add(Ability.VISION)
            break
    return frozenset(found)


def session_of(call: Call, asked: Asked) -> str:
    """Return what keeps a conversation on one offer: its session, or what its prompt begins with. Never leaves us."""
    body = call.request.body
    named = asked.session or body.get("prompt_cache_key")
    if isinstance(named, str):
        return f"{call.caller.account.id}\n{named}"
    seen = blake2b(call.caller.account.id.encode(), digest_size=16)
    for message in body["messages"]:
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        text = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
        seen.update(text[:_PREFIX_CHARS].encode("utf-8", "surrogatepass"))
        if message.get("role") == "user":
            break
    return seen.hexdigest()


def needs_of(call: Call, lane: Lane, asked: Asked) -> Needs:
    """Return what decides for this call."""
    sticky = any(tier.strategy is Strategy.STICKY for tier in lane.route.tiers)
    caller = call.caller
    return Needs(
        caller.key.environment,
        abilities_of(call.request.body),
        estimate_prompt(call.request.body),
        (caller.account.policy, caller.key.policy, *asked.rules),
        asked.preferences,
        session_of(call, asked) if sticky else None,
    )
