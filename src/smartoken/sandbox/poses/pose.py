"""One vendor's shape as a record of small pure functions; ``OPENAI`` is the plain form that the others change.

A ``Scene`` is what every function of one answer sees. Deltas, choices and bodies are built in the vendor's own field
order, with its nulls and its absent keys, because readers stumble over exactly those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from smartoken.sandbox.script import Choice, Counts, ToolCall

Json = dict[str, Any]


class Kind(StrEnum):
    """What a vendor complains about."""

    BROKE = "broke"
    INVALID_KEY = "invalid_key"
    LACKS_MODEL = "lacks_model"
    RATE = "rate"
    RAMP = "ramp"
    OVERLOAD = "overload"
    WINDOW = "window"
    REFUSAL = "refusal"
    TOO_LONG = "too_long"
    MODEL_MISSING = "model_missing"
    BAD_PARAM = "bad_param"


class RefusedError(Exception):
    """The vendor would not take this request."""

    def __init__(self, kind: Kind, message: str = "", param: str | None = None, code: str | None = None) -> None:
        """``code`` replaces the vendor's usual code for this kind."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.code = code


class UsagePlace(StrEnum):
    """Where a stream carries usage."""

    NEVER = "never"
    FINISH = "finish"  # on the finish chunk, whose choices are not empty
    TAIL_ASKED = "tail_asked"  # a last chunk with empty choices, only with include_usage
    TAIL_ALWAYS = "tail_always"
    CHOICE_AND_TAIL = "choice_and_tail"  # inside choices[0] of the finish chunk; and a tail if asked


@dataclass(frozen=True, slots=True)
class Scene:
    """What is the same for all of one answer."""

    id: str
    created: int
    model: str
    hex: str  # 32 hexadecimal digits, the same for the same request
    asked_usage: bool = False
    thinking: bool = False
    odd: frozenset[str] = frozenset()
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wording:
    """One wording of an error: status and body, with ``{message}``, ``{param}``, ``{code}``, ``{model}``, ``{id}``."""

    status: int
    body: Any
    message: str = ""
    code: str = ""


Rule = Callable[[Json], None]


def answer_id(digits: str, _created: int) -> str:
    """Make OpenAI's form of an id."""
    return f"chatcmpl-{digits}"


def chunk(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    """Wrap choices as OpenAI does; ``usage`` is null on every chunk but the last when it was asked for."""
    body: Json = {
        "id": scene.id,
        "object": "chat.completion.chunk",
        "created": scene.created,
        "model": scene.model,
        "system_fingerprint": "fp_sandbox",
        "choices": choices,
    }
    if usage is not None or scene.asked_usage:
        body["usage"] = usage
    return body


def choice(_scene: Scene, index: int, delta: Json, finish: str | None) -> Json:
    """Wrap a delta."""
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def opening(_scene: Scene) -> Json | None:
    """Return the first delta of a choice."""
    return {"role": "assistant", "content": ""}


def think(_scene: Scene, text: str) -> Json:
    """Return a delta of thinking."""
    return {"reasoning_content": text}


def say(_scene: Scene, text: str) -> Json:
    """Return a delta of text."""
    return {"content": text}


def call_id(scene: Scene, place: int, _name: str) -> str:
    """Make the id of a tool call."""
    return f"call_{scene.hex[:22]}{place:02d}"


def open_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    """Return the first fragment of a tool call."""
    return {
        "tool_calls": [
            {"index": place, "id": call_id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        ]
    }


def call_part(_scene: Scene, place: int, part: str) -> Json:
    """Return a fragment of a tool call's arguments."""
    return {"tool_calls": [{"index": place, "function": {"arguments": part}}]}


def closing(_scene: Scene) -> Json:
    """Return the delta beside the finish reason."""
    return {}


def message(_scene: Scene, said: Choice, calls: list[Json]) -> Json:
    """Return the whole message of an answer that is not streamed."""
    body: Json = {"role": "assistant", "content": "".join(said.text) if said.text or not calls else None}
    if said.thinking:
        body["reasoning_content"] = "".join(said.thinking)
    if calls:
        body["tool_calls"] = calls
    body["refusal"] = None
    return body


def whole_call(_scene: Scene, _place: int, call_id: str, call: ToolCall) -> Json:
    """Return a tool call of an answer that is not streamed."""
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": "".join(call.arguments)},
    }


def whole_choice(_scene: Scene, index: int, body: Json, finish: str) -> Json:
    """Wrap a message."""
    return {"index": index, "message": body, "logprobs": None, "finish_reason": finish}


def completion(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    """Wrap choices as the body of an answer that is not streamed."""
    body: Json = {
        "id": scene.id,
        "object": "chat.completion",
        "created": scene.created,
        "model": scene.model,
        "choices": choices,
    }
    if usage is not None:
        body["usage"] = usage
    body["system_fingerprint"] = "fp_sandbox"
    return body


def usage(_scene: Scene, counts: Counts) -> Json:
    """Return the counts as OpenAI names them."""
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def envelope(kind: str, code: str | None = "{code}") -> Json:
    """Return OpenAI's error body for a type; ``param`` and the message come from the case."""
    return {"error": {"message": "{message}", "type": kind, "param": "{param}", "code": code}}


def thinks_if_asked(body: Json) -> bool:
    """Whether any known switch asks for thinking; without one the model does not think."""
    thinking = body.get("thinking")
    if isinstance(thinking, dict) and "type" in thinking:
        return bool(thinking["type"] != "disabled")
    if isinstance(body.get("enable_thinking"), bool):
        return bool(body["enable_thinking"])
    return body.get("reasoning_effort") not in {None, "none"}


def said_off(body: Json) -> bool:
    """Whether any known switch turns thinking off."""
    thinking = body.get("thinking")
    off = isinstance(thinking, dict) and thinking.get("type") == "disabled"
    return off or body.get("enable_thinking") is False or body.get("reasoning_effort") == "none"


Errors = Mapping[Kind, tuple[Wording, ...]]

OPENAI_ERRORS: Errors = MappingProxyType(
    {
        Kind.BROKE: (
            Wording(
                429,
                envelope("insufficient_quota"),
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota",
            ),
        ),
        Kind.INVALID_KEY: (
            Wording(401, envelope("invalid_request_error"), "Incorrect API key provided.", "invalid_api_key"),
        ),
        Kind.LACKS_MODEL: (
            Wording(
                403, envelope("invalid_request_error"), "Project does not have access to {model}.", "model_not_found"
            ),
        ),
        Kind.RATE: (Wording(429, envelope("requests"), "Rate limit reached for requests.", "rate_limit_exceeded"),),
        Kind.RAMP: (Wording(503, envelope("server_error"), "Slow down.", "slow_down"),),
        Kind.OVERLOAD: (
            Wording(503, envelope("server_error", None), "The engine is currently overloaded, please try again later."),
        ),
        Kind.WINDOW: (Wording(429, envelope("requests"), "Rate limit reached for requests.", "rate_limit_exceeded"),),
        Kind.REFUSAL: (
            Wording(
                400,
                envelope("invalid_request_error"),
                "The prompt was refused by the content filter.",
                "content_filter",
            ),
        ),
        Kind.TOO_LONG: (
            Wording(
                400,
                envelope("invalid_request_error"),
                "This model's maximum context length is exceeded by your messages.",
                "context_length_exceeded",
            ),
        ),
        Kind.MODEL_MISSING: (
            Wording(404, envelope("invalid_request_error"), "The model `{model}` does not exist.", "model_not_found"),
        ),
        Kind.BAD_PARAM: (Wording(400, envelope("invalid_request_error", None), "The request is not valid."),),
    }
)


@dataclass(frozen=True, slots=True)
class Pose:
    """Everything that makes a stream look like one vendor's."""

    dialect: str = "openai"
    answer_id: Callable[[str, int], str] = answer_id
    chunk: Callable[[Scene, list[Json], Json | None], Json] = chunk
    choice: Callable[[Scene, int, Json, str | None], Json] = choice
    opening: Callable[[Scene], Json | None] = opening
    think: Callable[[Scene, str], Json] = think
    say: Callable[[Scene, str], Json] = say
    call_id: Callable[[Scene, int, str], str] = call_id
    open_call: Callable[[Scene, int, str, ToolCall], Json] = open_call
    call_part: Callable[[Scene, int, str], Json] = call_part
    last_part: Callable[[Scene, int], Json] | None = None  # an empty fragment that ends a call
    closing: Callable[[Scene], Json] = closing
    message: Callable[[Scene, Choice, list[Json]], Json] = message
    whole_call: Callable[[Scene, int, str, ToolCall], Json] = whole_call
    whole_choice: Callable[[Scene, int, Json, str], Json] = whole_choice
    completion: Callable[[Scene, list[Json], Json | None], Json] = completion
    usage: Callable[[Scene, Counts], Json] = usage
    usage_place: UsagePlace = UsagePlace.TAIL_ASKED
    lumps_calls: Callable[[Scene], bool] = field(default=lambda _scene: False)  # a call in one chunk
    text_on_finish: bool = False  # the finish chunk carries the last text
    tags_thinking: Callable[[Scene], bool] = field(default=lambda _scene: False)  # <think> inside content
    end_of_thinking: Callable[[Scene], Json] | None = None  # a delta between thinking and the rest
    preamble: bytes = b""  # before the first event
    done: bool = True
    finishes: Mapping[str, str] = field(default_factory=dict)  # OpenAI's word to the vendor's
    errors: Errors = field(default_factory=lambda: OPENAI_ERRORS)
    stream_errors: Mapping[Kind, Json] = field(default_factory=dict)  # where they differ from the bodies
    stream_error_event: bytes = b""  # a line before an error event
    done_after_error: bool = False
    request_id_header: str = "x-request-id"
    needs_key: bool = True
    limit_fields: tuple[str, ...] = ("max_completion_tokens", "max_tokens")
    limit_counts_thinking: bool = True
    one_choice: bool = False  # n is not known
    thinks: Callable[[Json], bool] = thinks_if_asked
    rules: tuple[Rule, ...] = ()
    prefix_field: str = ""  # set to true on a last assistant message, it is a beginning to go on from
    prefix_path: str = ""  # a part of the path without which the mark is not looked at


OPENAI = Pose()
PLAIN = Pose(needs_key=False)
