"""OpenAI's chat completions: the request checked, answers and errors written. Pure.

Known fields are checked for type and range and never changed; unknown ones travel on untouched. A field sent as
``null`` counts as absent, as it does at OpenAI.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from smartoken.errors import InvalidRequestError
from smartoken.gateway.protocols.body import read_object

_new = tuple.__new__  # half the price of a named tuple's own
MOST_SHOWN = 60  # characters of a wrong value that its refusal shows
MAX_CHOICES = 8
MAX_MESSAGES = 10_000
MAX_LIMIT = 10_000_000
MAX_STOP = 16
MAX_MODEL_LENGTH = 200
MAX_USER_LENGTH = 512
MAX_TOOLS = 1_024
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_TALKING = ("user", "assistant", "system", "tool")  # compared, since what a client sends need not be hashable


class ChatRequest(NamedTuple):
    """A checked body and the facts that the pipeline needs from it; a tuple because one is made per call."""

    body: dict[str, Any]
    model: str
    stream: bool
    wants_usage: bool
    limit: int | None  # output tokens asked for, whichever field carried it
    n: int
    user: str | None


def _fail(param: str, rule: str, got: Any) -> InvalidRequestError:
    if got is None:
        return InvalidRequestError(f"`{param}` must be {rule}; it is missing or null.", param=param)
    shown = orjson.dumps(got).decode()  # in the client's words: it sent JSON
    if len(shown) > MOST_SHOWN:
        shown = f"{shown[:57]}..."
    return InvalidRequestError(f"`{param}` must be {rule}, got {shown}.", param=param)


_NUMBERS = (int, float)  # the very types that JSON is read into, so that true and false are none


def _is_int(value: Any) -> bool:
    return type(value) is int


def _number(low: float, high: float) -> tuple[str, Callable[[Any], bool]]:
    return f"a number from {low:g} to {high:g}", lambda v: type(v) in _NUMBERS and low <= v <= high


def _whole(low: int, high: int) -> tuple[str, Callable[[Any], bool]]:
    return f"a whole number from {low} to {high}", lambda v: type(v) is int and low <= v <= high


def _of(kind: type, words: str) -> tuple[str, Callable[[Any], bool]]:
    return words, lambda v: isinstance(v, kind)


def _stop_ok(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, list) and len(value) <= MAX_STOP and all(isinstance(each, str) for each in value)


def _tools_ok(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_TOOLS
        and all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in value)
    )


def _format_ok(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in ("text", "json_object", "json_schema")


# The table of known fields: name -> (rule in words, check). What is not here is not ours to judge.
RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "stream": _of(bool, "true or false"),
    "stream_options": _of(dict, "an object"),
    "max_tokens": _whole(1, MAX_LIMIT),
    "max_completion_tokens": _whole(1, MAX_LIMIT),
    "n": _whole(1, MAX_CHOICES),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "seed": ("a whole number", _is_int),
    "logprobs": _of(bool, "true or false"),
    "top_logprobs": _whole(0, 20),
    "logit_bias": _of(dict, "an object"),
    "stop": (f"a string or a list of at most {MAX_STOP} strings", _stop_ok),
    "tools": (f"a list of at most {MAX_TOOLS} objects with a `type`", _tools_ok),
    "tool_choice": ("a string or an object", lambda v: isinstance(v, str | dict)),
    "parallel_tool_calls": _of(bool, "true or false"),
    "response_format": ('an object whose `type` is "text", "json_object" or "json_schema"', _format_ok),
    "reasoning_effort": _of(str, "a string"),
    "enable_thinking": _of(bool, "true or false"),
    "thinking_budget": _whole(0, MAX_LIMIT),
    "thinking": _of(dict, "an object"),
    "user": (
        f"a string of at most {MAX_USER_LENGTH} characters, none of them NUL",
        lambda v: isinstance(v, str) and len(v) <= MAX_USER_LENGTH and "\0" not in v,
    ),
    "metadata": _of(dict, "an object"),
}


def _check_message(index: int, message: Any) -> None:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise _fail(where, "an object with `role` and `content`", message)
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise _fail(f"{where}.role", f"one of {', '.join(sorted(ROLES))}", role)
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(isinstance(each, dict) for each in calls)):
        raise _fail(f"{where}.tool_calls", "a list of objects", calls)
    content = message.get("content")
    if isinstance(content, str):
        return
    if content is None:
        if role == "assistant":
            return  # a turn that only calls tools
        raise _fail(f"{where}.content", "a string or a list of parts", content)
    if not isinstance(content, list):
        raise _fail(f"{where}.content", "a string or a list of parts", content)
    for place, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise _fail(f"{where}.content[{place}]", "an object with a `type`", part)
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise _fail(f"{where}.content[{place}].text", "a string", part.get("text"))


def _output_limit(body: Mapping[str, Any]) -> int | None:
    old, new = body.get("max_tokens"), body.get("max_completion_tokens")
    if old is not None and new is not None and old != new:
        raise InvalidRequestError(
            "`max_tokens` and `max_completion_tokens` differ; send one of them.", param="max_completion_tokens"
        )
    limit = new if new is not None else old
    return limit if isinstance(limit, int) else None


def read_chat(raw: bytes) -> ChatRequest:
    """Check a request body.

    Raises:
        InvalidRequestError: with ``param`` naming the field, for anything that is not a valid chat request.

    """
    body = read_object(raw)
    model = body.get("model")
    if not isinstance(model, str) or not model.strip() or len(model) > MAX_MODEL_LENGTH or "\0" in model:
        raise _fail("model", "the id of a model, as GET /v1/models lists it", model)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _fail("messages", "a list with at least one message", messages)
    if len(messages) > MAX_MESSAGES:
        raise InvalidRequestError(f"`messages` has more than {MAX_MESSAGES} entries.", param="messages")
    for index, message in enumerate(messages):
        usual = type(message) is dict and message.get("role") in _TALKING and type(message.get("content")) is str
        if usual and "tool_calls" not in message:
            continue  # as most messages are
        _check_message(index, message)
    for name, value in body.items():
        if value is None or name not in RULES:
            continue
        words, holds = RULES[name]
        if not holds(value):
            raise _fail(name, words, value)
    options = body.get("stream_options")
    wants = options.get("include_usage") if isinstance(options, dict) else None
    if wants is not None and not isinstance(wants, bool):
        raise _fail("stream_options.include_usage", "true or false", wants)
    stream, limit, n = body.get("stream") is True, _output_limit(body), body.get("n") or 1
    return _new(ChatRequest, (body, model.strip(), stream, wants is True, limit, n, body.get("user")))
