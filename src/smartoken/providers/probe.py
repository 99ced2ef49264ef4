"""The verdict on each claim of a dialect that a probe tests on a live provider. Pure.

No dialect here has met its live provider until a report of these claims is committed. ``probe_calls.py`` says what is
asked; the caller sends ``body`` to the dialect's path (``wrong_key`` calls with a made-up key) and hands status,
headers and raw bytes to ``judge``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from smartoken.errors import FailureClass
from smartoken.providers.answers import read_answer_bytes
from smartoken.providers.dialect import Dialect
from smartoken.providers.failures import classify
from smartoken.providers.probe_calls import ProbeCall
from smartoken.providers.sse import SseParser
from smartoken.providers.streams import StreamReader
from smartoken.providers.usage import find, read_usage

_OK = 200


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
