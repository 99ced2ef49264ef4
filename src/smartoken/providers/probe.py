"""What a probe checks on a live provider: the claims of a dialect as small calls, and the verdict on each. Pure.

No dialect here has met its live provider until a report of these claims is committed. A probe is at most 25 calls;
``token_bound`` says beforehand what they can consume. The caller sends ``body`` to the dialect's path (``wrong_key``
calls with a made-up key) and hands status, headers and raw bytes to ``judge``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from smartoken.catalog.offers import Model, Offer
from smartoken.errors import FailureClass
from smartoken.providers import continuing
from smartoken.providers.answers import read_answer_bytes
from smartoken.providers.dialect import THINK_TAGS, Action, Dialect
from smartoken.providers.failures import classify
from smartoken.providers.requests import fits, upstream_body
from smartoken.providers.sse import SseParser
from smartoken.providers.streams import StreamReader
from smartoken.providers.usage import find, read_usage

MAX_CALLS = 25
_OK = 200
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


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """The verdict on one claim; ``seen`` is short and safe to print. ``holds`` None: the call could not tell."""

    claim: str
    expected: str
    seen: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back, read raw (as the vendor wrote it) and read through the dialect."""

    status: int
    raw: tuple[dict[str, Any], ...] = ()  # decoded events, or the body alone
    text: str = ""
    reasoning: str = ""
    calls: int = 0
    finish: str | None = None
    usage: Any = None
    failure: FailureClass | None = None
    param: str | None = None
    message: str = ""
    done: bool = False
    raw_reasoning: bool = False
    raw_tags: bool = False
    usage_places: tuple[str, ...] = field(default=())


def _raw_facts(payloads: Sequence[dict[str, Any]]) -> tuple[bool, bool, tuple[str, ...]]:
    """Return whether reasoning_content came, whether think tags came, and where usage sat."""
    reasoning = tags = False
    places: list[str] = []
    for each in payloads:
        choices = each.get("choices")
        choices = [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
        for choice in choices:
            part = choice.get("delta") or choice.get("message") or {}
            reasoning = reasoning or bool(part.get("reasoning_content"))
            tags = tags or "think>" in str(part.get("content") or "")
            if isinstance(choice.get("usage"), dict):
                places.append("choice")
        if isinstance(each.get("usage"), dict) and each["usage"]:
            places.append("tail" if not choices else "finish" if choices[0].get("finish_reason") else "chunk")
    return reasoning, tags, tuple(dict.fromkeys(places))


def see(dialect: Dialect, call: ProbeCall, status: int, headers: Mapping[str, str], raw: bytes) -> Seen:
    """Read what came back for a call."""
    if status != _OK:
        failure = classify(dialect, status, headers, raw)
        return Seen(status, failure=failure.kind, param=failure.param, message=failure.message)
    if not call.streams:
        answer = read_answer_bytes(dialect, raw)
        payloads = (orjson.loads(raw),) if answer.failure is None else ()
        message = answer.body["choices"][0]["message"] if answer.body else {}
        failed = answer.failure
        seen = Seen(
            status,
            payloads,
            text=message.get("content") or "",
            reasoning=answer.reasoning_text,
            calls=len(message.get("tool_calls", ())),
            finish=answer.finish,
            usage=answer.usage,
            failure=failed.kind if failed else None,
            message=failed.message if failed else "",
            done=failed is None,
        )
    else:
        seen = _see_stream(dialect, raw)
    reasoning, tags, places = _raw_facts(seen.raw)
    return _with_raw(seen, reasoning=reasoning, tags=tags, places=places)


def _with_raw(seen: Seen, *, reasoning: bool, tags: bool, places: tuple[str, ...]) -> Seen:
    names = {name: getattr(seen, name) for name in Seen.__slots__}
    return Seen(**{**names, "raw_reasoning": reasoning, "raw_tags": tags, "usage_places": places})


def _see_stream(dialect: Dialect, raw: bytes) -> Seen:
    parser, reader = SseParser(), StreamReader(dialect)
    payloads = []
    for each in (*parser.feed(raw), *parser.close()):
        try:
            payload = orjson.loads(each.data)
        except orjson.JSONDecodeError:
            continue
        if isinstance(payload, dict):
            payloads.append(payload)
    events = (*reader.feed(raw), *reader.close())
    deltas = [choice["delta"] for each in events if each.chunk is not None for choice in each.chunk["choices"]]
    failed = next((each.failure for each in events if each.failure is not None), None)
    return Seen(
        _OK,
        tuple(payloads),
        text="".join(each.get("content") or "" for each in deltas),
        reasoning="".join(each.get("reasoning_content") or "" for each in deltas),
        calls=len(reader.tool_calls),
        finish=next((each.finish for each in events if each.finish), None),
        usage=next((each.usage for each in reversed(events) if each.usage is not None), None),
        failure=failed.kind if failed else None,
        message=failed.message if failed else "",
        done=any(each.done for each in events),
    )


def _usage_path(dialect: Dialect, seen: Seen) -> str:
    """Return under which of the dialect's cached paths a count was found."""
    for payload in seen.raw:
        block = payload.get("usage")
        if isinstance(block, dict) and read_usage(dialect.usage, block) is not None:
            found = [path for path in dialect.usage.cached if find(block, (path,)) is not None]
            return found[0] if found else "none of them"
    return "no usage"


def _has_calls(payload: dict[str, Any]) -> bool:
    return any((choice.get("delta") or {}).get("tool_calls") for choice in payload.get("choices") or ())


def _finish_words(seen: Seen) -> set[str]:
    """Return the finish reasons as the vendor wrote them."""
    choices = [choice for each in seen.raw for choice in each.get("choices") or ()]
    return {str(each["finish_reason"]) for each in choices if each.get("finish_reason")}


# name -> (words for "expected", check). Each check returns whether the claim holds; None where the call cannot tell.
Check = Callable[[Dialect, Seen, Any], bool | None]
CHECKS: Mapping[str, tuple[str, Check]] = {
    "answers": (
        "200 with text, a finish reason that we know, and usage",
        lambda d, s, _v: bool(s.text and s.finish and s.usage) and _finish_words(s) <= set(d.finish),
    ),
    "usage_at": ("usage at {}", lambda _d, s, v: v in s.usage_places if s.done else False),
    "no_usage": ("no usage unless asked", lambda _d, s, _v: not s.usage_places if s.done else False),
    "counts_add_up": (
        "counts valid, cached and reasoning inside prompt and completion",
        lambda _d, s, _v: s.usage is not None and not s.usage.suspect,
    ),
    "cached_path": ("cached tokens under one of {}", lambda d, s, v: _usage_path(d, s) in v if s.usage else False),
    "limit": (
        "finish length, at most {} output tokens",
        lambda _d, s, v: s.finish == "length" and s.usage is not None and s.usage.completion <= v,
    ),
    "limit_open": (
        "accepted, thinking not held by it ({} tokens)",
        lambda _d, s, v: None if s.usage is None else s.done and s.usage.completion >= v,
    ),
    "accepted": ("200", lambda _d, s, _v: s.status == _OK and s.failure is None),
    "thinking": ("200 with thinking", lambda _d, s, _v: s.done and bool(s.reasoning)),
    "no_reasoning": ("200 without thinking", lambda _d, s, _v: s.done and not s.reasoning and not s.raw_tags),
    "reasoning_field": ("thinking in reasoning_content", lambda _d, s, _v: s.raw_reasoning),
    "think_tags": ("thinking as <think> in content", lambda _d, s, _v: s.raw_tags and bool(s.reasoning)),
    "tool_call": (
        "one whole tool call, finish tool_calls",
        lambda _d, s, _v: s.calls >= 1 and s.finish == "tool_calls",
    ),
    "tool_streamed": (
        "one whole tool call in several pieces",
        lambda _d, s, _v: s.calls >= 1 and sum(_has_calls(each) for each in s.raw) > 1,
    ),
    "refused": ("refused with {}", lambda _d, s, v: s.failure is not None and s.failure.value == v),
    "thinks_on": (
        "refused, or thinking all the same",
        lambda _d, s, _v: s.failure is FailureClass.REQUEST_FAULT or bool(s.reasoning),
    ),
    "one_choice": (
        "refused, or one choice all the same",
        lambda _d, s, _v: s.failure is FailureClass.REQUEST_FAULT or [len(p.get("choices", ())) for p in s.raw] == [1],
    ),
    "json": ("200 with a JSON object as text", lambda _d, s, _v: s.done and s.text.strip().startswith("{")),
}


def _explain(seen: Seen) -> str:
    if seen.failure is not None:
        return f"{seen.status}, {seen.failure.value}: {seen.message}"[:200]
    counts = "no usage"
    if seen.usage is not None:
        counts = f"{seen.usage.prompt}+{seen.usage.completion} tokens ({seen.usage.reasoning} thinking)"
    places = ",".join(seen.usage_places) or "nowhere"
    return f"{seen.status}, finish {seen.finish}, {counts}, usage at {places}, {seen.calls} tool calls"[:200]


_UNLUCKY = frozenset(
    {
        FailureClass.KEY_BROKE,
        FailureClass.OWN_RATE_LIMIT,
        FailureClass.PROVIDER_CAPACITY,
        FailureClass.RAMP_TOO_FAST,
        FailureClass.WINDOW_USED_UP,
    }
)


def _could_not_tell(call: ProbeCall, seen: Seen) -> bool:
    """Say whether the call failed for a reason that has nothing to do with its claim."""
    if call.expect == "refused" and seen.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    return seen.failure in _UNLUCKY or (seen.failure is FailureClass.KEY_INVALID and not call.wrong_key)


def judge(
    dialect: Dialect, call: ProbeCall, status: int, raw: bytes, headers: Mapping[str, str] | None = None
) -> ClaimResult:
    """Compare what came back with the claim. ``raw`` is the whole body or stream, ``headers`` lower-case."""
    seen = see(dialect, call, status, headers or {}, raw)
    words, check = CHECKS[call.expect]
    expected = words.format(", ".join(call.value) if isinstance(call.value, tuple) else call.value)
    if _could_not_tell(call, seen):
        return ClaimResult(call.claim, expected, _explain(seen), None)
    return ClaimResult(call.claim, expected, _explain(seen), check(dialect, seen, call.value))


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
