"""The small calls that test a dialect's claims on a live provider, and what they can cost at most. Pure.

At most 25 calls, each translated by the dialect as the gateway would send it; ``probe.py`` judges what comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from smartoken.catalog.offers import Model, Offer
from smartoken.errors import FailureClass
from smartoken.providers import continuing
from smartoken.providers.dialect import THINK_TAGS, Action, Dialect
from smartoken.providers.requests import fits, upstream_body

MAX_CALLS = 25
_SHORT, _LONG = 8, 512
_ASK = [{"role": "user", "content": "Reply with the single word: ready"}]
_SUM = [{"role": "user", "content": "What is 17 + 25? Think first, then give the number only."}]
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_WEATHER = [{"role": "user", "content": "Use the tool: weather in Paris?"}]
_TURN: list[dict[str, Any]] = [
    *_WEATHER,
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "call_probe_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_probe_1", "content": "sunny, 21 degrees"},
]


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """One small call and the claim that it tests.

    ``expect`` names the check in ``CHECKS``; ``value`` is what the check compares with.
    """

    name: str
    claim: str
    body: dict[str, Any]
    expect: str
    value: Any = None
    wrong_key: bool = False
    path: str | None = None  # another path than the dialect's, relative to the host

    @property
    def streams(self) -> bool:
        """Whether the answer is an event stream."""
        return self.body.get("stream") is True

    @property
    def output_bound(self) -> int:
        """The most output tokens that the call can cost, as far as the vendor keeps its own limit."""
        limit = self.body.get("max_tokens") or self.body.get("max_completion_tokens") or _LONG
        return int(limit) + int(self.body.get("thinking_budget") or 0)


class _Calls:
    """Collects calls for one dialect, model and offer."""

    def __init__(self, dialect: Dialect, model: Model, offer: Offer) -> None:
        self.dialect, self.model, self.offer = dialect, model, offer
        self.made: list[ProbeCall] = []

    def add(
        self, name: str, claim: str, asked: Mapping[str, Any], expect: str, value: Any = None, *, limit: int = _SHORT
    ) -> None:
        """Add a call translated by the dialect, as the gateway would send it."""
        body = upstream_body(self.dialect, self.model, self.offer, asked, limit=limit).body
        self.made.append(ProbeCall(name, claim, body, expect, value))

    def add_raw(self, name: str, claim: str, extra: Mapping[str, Any], expect: str, value: Any = None) -> None:
        """Add a call with a field that the gateway would refuse or rename, as it is."""
        body = upstream_body(self.dialect, self.model, self.offer, {"messages": _ASK}, limit=_SHORT).body
        self.made.append(ProbeCall(name, claim, {**body, **extra}, expect, value))


def _usage_calls(calls: _Calls, dialect: Dialect) -> None:
    shape = dialect.usage
    place = "choice" if "choice" in shape.places else "finish" if shape.on_finish_chunk else "tail"
    streamed = {"messages": _ASK, "stream": True}
    calls.add("stream", f"a stream carries usage at {place}", streamed, "usage_at", place, limit=_LONG)
    calls.add("stream_unasked", "", streamed, "usage_at" if shape.unasked else "no_usage", place, limit=_LONG)
    last = calls.made.pop()
    body = {name: value for name, value in last.body.items() if name != "stream_options"}
    claim = "usage comes unasked" if shape.unasked else "usage comes only when asked"
    calls.made.append(ProbeCall("stream_unasked", claim, body, last.expect, last.value))
    asked = {"messages": [{"role": "user", "content": "word " * 1_400 + "\nReply: ready"}]}
    for turn in ("first", "second"):
        claim = f"cached tokens stand under {' or '.join(shape.cached)} ({turn} of two equal prompts)"
        calls.add(f"cache_{turn}", claim, asked, "cached_path", shape.cached, limit=_LONG)


def _limit_calls(calls: _Calls, dialect: Dialect, model: Model) -> None:
    long_text = [{"role": "user", "content": "Count from 1 to 60 in words."}]
    for each in dialect.limits:
        covers = each.covers_reasoning is not False or not model.reasoning.supported
        claim = f"{each.name} is taken and " + ("covers thinking" if covers else "leaves thinking out")
        if model.reasoning.supported and each.covers_reasoning is None:
            claim = f"{each.name} is taken and covers thinking (unknown so far, counted as no)"
        body = upstream_body(dialect, model, calls.offer, {"messages": long_text}, limit=None).body
        expect = "limit" if covers else "limit_open"
        calls.made.append(ProbeCall(f"limit_{each.name}", claim, {**body, each.name: _SHORT}, expect, _SHORT))


def _thinking_calls(calls: _Calls, dialect: Dialect, model: Model) -> None:
    if not model.reasoning.supported or not dialect.switch.translated:
        return
    if model.reasoning.default_on is not None:
        word = "thinks" if model.reasoning.default_on else "does not think"
        expect = "thinking" if model.reasoning.default_on else "no_reasoning"
        calls.add(
            "thinking_default", f"this model {word} unless told otherwise", {"messages": _SUM}, expect, limit=_LONG
        )
    if model.reasoning.can_disable is not False and dialect.switch.name is not None:
        off = {"messages": _SUM, "enable_thinking": False}
        calls.add("thinking_off", "thinking can be switched off", off, "no_reasoning", limit=_LONG)
        on = {"messages": _SUM, "enable_thinking": True}
        calls.add("thinking_on", "thinking comes in reasoning_content", on, "reasoning_field", limit=_LONG)
    elif model.reasoning.can_disable is False and dialect.switch.name == "thinking":
        claim = "this model cannot stop thinking"
        extra = {"messages": _SUM, "thinking": {"type": dialect.switch.off}, dialect.limits[0].name: _LONG}
        calls.add_raw("thinking_forced", claim, extra, "thinks_on")
    words = [each for each in model.reasoning.efforts if each != "none"] if dialect.switch.effort_field else []
    for word in dict.fromkeys(words[:1] + words[-1:]):
        asked = {"messages": _SUM, "reasoning_effort": word}
        calls.add(f"effort_{word}", f"the effort {word} is taken and thinks", asked, "reasoning_field", limit=_LONG)
    if THINK_TAGS in dialect.repairs:
        extra = {"reasoning_split": False, "messages": _SUM, dialect.limits[0].name: _LONG}
        calls.add_raw("think_tags", "without reasoning_split thinking is put into content", extra, "think_tags")


def _tool_calls(calls: _Calls, dialect: Dialect, model: Model) -> None:
    if model.abilities.tools is False:
        return
    asked = {"messages": _WEATHER, "tools": [_TOOL]}
    calls.add("tool", "a tool call comes whole", asked, "tool_call", limit=_LONG)
    streams = {**asked, "stream": True}
    if any(each.streamed_tools_only for each in dialect.always):
        calls.add("tool_stream", "tool arguments are streamed when asked", streams, "tool_streamed", limit=_LONG)
    else:
        calls.add("tool_stream", "a streamed tool call comes whole", streams, "tool_call", limit=_LONG)
    turn = {"messages": _TURN, "tools": [_TOOL]}
    if not dialect.replays_reasoning:
        calls.add("tool_turn", "a tool turn without reasoning_content is taken", turn, "accepted", limit=_LONG)
    elif model.reasoning.supported:
        claim = "a tool turn that lost reasoning_content is refused"
        calls.add("tool_turn", claim, turn, "refused", "request_fault", limit=_LONG)
        kept = [{**each, "reasoning_content": " "} if each["role"] == "assistant" else each for each in _TURN]
        turn = {"messages": kept, "tools": [_TOOL]}
        calls.add("tool_turn_space", "a single space stands in for lost reasoning", turn, "accepted", limit=_LONG)


_BREAKING: Mapping[str, Any] = {
    "temperature": 1.9,
    "n": 2,
    "tool_choice": "required",
    "presence_penalty": 1,
    "logprobs": True,
}


def _rule_calls(calls: _Calls, dialect: Dialect, offer: Offer) -> None:
    seen: set[str] = set()
    for rule in dialect.rules:
        known = rule.param in _BREAKING and rule.param not in seen
        if rule.action is Action.REFUSE and known and rule.thinking is None and fits(offer.upstream_model, rule.models):
            seen.add(rule.param)
            extra = {rule.param: _BREAKING[rule.param]}
            if rule.param == "tool_choice":
                extra |= {"tools": [_TOOL]}
            expect = "one_choice" if rule.param == "n" else "refused"
            calls.add_raw(f"rule_{rule.param}", f"{rule.param}: {rule.why}", extra, expect, "request_fault")


def probe_calls(dialect: Dialect, model: Model, offer: Offer) -> tuple[ProbeCall, ...]:
    """Return the calls that check this dialect's claims on one offer: at most 25, most telling first."""
    calls = _Calls(dialect, model, offer)
    plain = {"messages": _ASK}
    calls.add("answer", "a plain call is answered in the shape that we read", plain, "answers", limit=_LONG)
    calls.add("counts", "usage is valid and its parts lie inside the wholes", plain, "counts_add_up", limit=_LONG)
    _usage_calls(calls, dialect)
    _tool_calls(calls, dialect, model)
    _thinking_calls(calls, dialect, model)
    _limit_calls(calls, dialect, model)
    _rule_calls(calls, dialect, offer)
    calls.add_raw("wrong_key", "a wrong key is classified as such", {}, "refused", FailureClass.KEY_INVALID.value)
    last = calls.made.pop()
    calls.made.append(ProbeCall(last.name, last.claim, last.body, last.expect, last.value, wrong_key=True))
    extra = {"model": "no-such-model-of-ours"}
    lacks = FailureClass.KEY_LACKS_MODEL.value
    calls.add_raw("wrong_model", "an unknown model is no fault of the request", extra, "refused", lacks)
    if model.abilities.json_mode is not False:
        asked = {
            "messages": [{"role": "user", "content": 'Reply with this JSON only: {"ready": true}'}],
            "response_format": {"type": "json_object"},
        }
        calls.add("json", "json_object is taken", asked, "json", limit=_LONG)
    if dialect.continuation is not None and continuing.obstacle(dialect, model, offer) is None:
        known = dialect.continuation
        body = continuing.continued(dialect, model, {"messages": _ASK}, "rea")
        calls.add("continue", f"a beginning marked {known.field} is continued", body, "accepted")
        last = calls.made.pop()
        calls.made.append(ProbeCall(last.name, last.claim, last.body, last.expect, path=known.path))
    return tuple(calls.made[:MAX_CALLS])


def token_bound(dialect: Dialect, calls: Sequence[ProbeCall]) -> tuple[int, int]:
    """Return the most (prompt, output) tokens that the calls can consume; a byte is at least a token."""
    prompt = output = 0
    for call in calls:
        messages = call.body["messages"]
        text = len(orjson.dumps({"m": messages, "t": call.body.get("tools", [])}))
        prompt += text + dialect.template.tokens(len(messages), len(call.body.get("tools", ())))
        output += call.output_bound
    return prompt, output


def cost_bound_nano(dialect: Dialect, calls: Sequence[ProbeCall], input_pico: int, output_pico: int) -> int:
    """Return the most that the calls can cost in nano-units, at rates in pico-units per token; rounded up."""
    prompt, output = token_bound(dialect, calls)
    return -(-(prompt * input_pico + output * output_pico) // 1000)
