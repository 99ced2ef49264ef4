"""Non-streamed answers in one shape. Pure.

Whatever the dialect, ``body`` is OpenAI's ``chat.completion``: only its members, reasoning in ``reasoning_content``,
finish reasons of OpenAI's set, tool calls with ids, usage in OpenAI's words. ``id`` and ``model`` are left as they
came; the gateway sets its own. Members of a vendor's own (``name``, ``audio_content``, ``base_resp``,
``input_sensitive`` ...) do not travel; ``system_fingerprint``, ``service_tier`` and ``logprobs`` do.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from smartoken.errors import FailureClass
from smartoken.providers import think
from smartoken.providers.dialect import REASONING_DETAILS, REASONING_TAGS, THINK_TAGS, Dialect
from smartoken.providers.failures import Failure, judge, read_error
from smartoken.providers.read_json import read_json
from smartoken.providers.reasoning import fingerprint
from smartoken.providers.toolcalls import ToolCalls
from smartoken.providers.usage import read_usage, usage_block
from smartoken.tokens import TokenUsage

MAX_NAME = 200  # characters of the name of a model
KEPT_TOP = ("system_fingerprint", "service_tier")
KEPT_MESSAGE = ("refusal", "annotations", "audio", "function_call")


_new = tuple.__new__  # half the price of a named tuple's own


class Answer(NamedTuple):
    """A whole answer; a tuple because one is made per call. With ``failure`` set ``body`` is empty, but usage may be
    there all the same.

    ``reasoning_text`` and ``tool_call_ids`` are what the reasoning store remembers.
    """

    body: dict[str, Any]
    usage: TokenUsage | None = None
    failure: Failure | None = None
    has_content: bool = False
    finish: str | None = None
    reasoning_text: str = ""
    tool_call_ids: tuple[str, ...] = ()


def bad_answer(message: str, status: int | None = 200) -> Failure:
    """Return the failure of an answer that is not one of this protocol."""
    return Failure(FailureClass.BAD_ANSWER, message, status=status)


def served_name(model: Any) -> str:
    """Return the name that the upstream gave its model: kept with the call and shown, so bounded and printable."""
    if type(model) is not str:
        return ""
    if len(model) <= MAX_NAME and model.isprintable():
        return model
    return "".join(each for each in model[:MAX_NAME] if each.isprintable())


def details_text(details: Any) -> str:
    """Return the text of ``reasoning_details``."""
    if not isinstance(details, list):
        return ""
    return "".join(each["text"] for each in details if isinstance(each, dict) and isinstance(each.get("text"), str))


def text_of(content: Any) -> str:
    """Return content as text; lists of text parts are joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(each["text"] for each in content if isinstance(each, dict) and isinstance(each.get("text"), str))
    return ""


def reasoning_of(dialect: Dialect, message: Mapping[str, Any]) -> str:
    """Return the thinking text of a message or delta, whichever field carries it."""
    for name in dialect.reasoning_fields:
        found = message.get(name)
        if isinstance(found, str) and found:
            return found
    if REASONING_DETAILS in dialect.repairs:
        return details_text(message.get("reasoning_details"))
    return ""


def _repaired(dialect: Dialect, content: str, reasoning: str) -> tuple[str, str]:
    """Return content and reasoning after the named repairs that the dialect lists."""
    if THINK_TAGS in dialect.repairs:
        splitter = think.ThinkSplitter()
        fed, rest = splitter.feed(content), splitter.flush()
        reasoning, content = reasoning + fed[0] + rest[0], fed[1] + rest[1]
    if REASONING_TAGS in dialect.repairs:
        reasoning = reasoning.replace(think.OPEN, "").replace(think.CLOSE, "")
    return content, reasoning


def _calls_of(raw: list[Any], answer_id: str) -> list[dict[str, Any]]:
    calls = ToolCalls()
    for place, call in enumerate(raw):
        if isinstance(call, dict):
            calls.feed({**call, "index": place}, answer_id)
    return calls.made


def _read_message(dialect: Dialect, message: Mapping[str, Any], answer_id: str) -> dict[str, Any]:
    content, reasoning = text_of(message.get("content")), reasoning_of(dialect, message)
    if dialect.repairs:
        content, reasoning = _repaired(dialect, content, reasoning)
    raw_calls = message.get("tool_calls")
    calls = _calls_of(raw_calls, answer_id) if isinstance(raw_calls, list) else None
    read: dict[str, Any] = {"role": "assistant", "content": content or (None if calls else "")}
    if reasoning:
        read["reasoning_content"] = reasoning
    if calls:
        read["tool_calls"] = calls
    for name in KEPT_MESSAGE:
        kept = message.get(name)
        if kept is not None:
            read[name] = kept
    return read


def finish_of(dialect: Dialect, raw: Any) -> tuple[str | None, FailureClass | None]:
    """Return the finish reason in OpenAI's words, or the failure that it really is; unknown words become ``stop``."""
    if not isinstance(raw, str) or not raw:
        return None, None
    failed = dialect.finish_failures.get(raw)
    return (None, failed) if failed is not None else (dialect.finish.get(raw, "stop"), None)


def _usage_of(dialect: Dialect, payload: Mapping[str, Any], choices: list[Any]) -> TokenUsage | None:
    usage = read_usage(dialect.usage, payload.get("usage"))
    if usage is None and "choice" in dialect.usage.places and choices and isinstance(choices[0], dict):
        usage = read_usage(dialect.usage, choices[0].get("usage"))
    return usage


def _holds_content(message: Mapping[str, Any]) -> bool:
    if message["content"]:
        return True
    return any(message.get(name) for name in ("reasoning_content", "tool_calls", *KEPT_MESSAGE))


def _read_choice(dialect: Dialect, choice: Any, place: int, answer_id: str) -> dict[str, Any] | Failure:
    """Read one choice, or return why the whole answer is none."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return bad_answer("a choice of the provider's answer has no message")
    finish, failed = finish_of(dialect, choice.get("finish_reason"))
    if failed is not None:
        said = choice["finish_reason"]
        return Failure(failed, f"the provider ended the answer with {said}", said, 200)
    read = _read_message(dialect, message, answer_id)
    return {
        "index": place,
        "message": read,
        "logprobs": choice.get("logprobs"),
        "finish_reason": finish or ("tool_calls" if "tool_calls" in read else "stop"),
    }


def _read_plainly(dialect: Dialect, payload: Any) -> tuple[dict[str, Any], TokenUsage | None] | None:
    """Read the choice of the answer that most are, one text that needs no repair, and its usage; None for others."""
    if type(payload) is not dict or dialect.repairs or "error" in payload or "base_resp" in payload:
        return None
    choices = payload.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return None
    choice: dict[str, Any] = choices[0]
    message, said = choice.get("message"), choice.get("finish_reason")
    if type(message) is not dict or message.get("tool_calls") is not None:
        return None
    text = message.get("content")
    finish = dialect.finish.get(said) if type(said) is str and said not in dialect.finish_failures else None
    if type(text) is not str or not text or finish is None:
        return None
    for name in dialect.reasoning_fields:
        if message.get(name):
            return None
    usage = read_usage(dialect.usage, payload.get("usage"))
    if usage is None and "choice" in dialect.usage.places:
        return None
    read: dict[str, Any] = {"role": "assistant", "content": text}
    for name in KEPT_MESSAGE:
        kept = message.get(name)
        if kept is not None:
            read[name] = kept
    return {"index": 0, "message": read, "logprobs": choice.get("logprobs"), "finish_reason": finish}, usage


def read_answer(dialect: Dialect, payload: Any, *, created: int = 0) -> Answer:
    """Read a decoded 200 body.

    A 200 with an error inside, without choices, or whose finish reason means that the provider broke down comes back
    with ``failure``. ``created`` (seconds since the epoch) is used where the provider gave no time.
    """
    plainly = _read_plainly(dialect, payload)
    if plainly is not None:
        choice, usage = plainly
        body = _body_of(payload, [choice], usage, created)
        return _new(Answer, (body, usage, None, True, choice["finish_reason"], "", ()))
    error = read_error(payload)
    if error is not None:
        return Answer({}, failure=judge(dialect, error, 200))
    choices = payload.get("choices") if isinstance(payload, dict) else None
    if not isinstance(choices, list) or not choices:
        return Answer({}, failure=bad_answer("the provider's answer has no choices"))
    usage = _usage_of(dialect, payload, choices)
    given_id = payload.get("id")
    answer_id = given_id if isinstance(given_id, str) else ""
    read_choices: list[dict[str, Any]] = []
    for place, choice in enumerate(choices):
        read = _read_choice(dialect, choice, place, answer_id)
        if isinstance(read, Failure):
            return Answer({}, usage, read)
        read_choices.append(read)
    first = read_choices[0]["message"]
    return Answer(
        _body_of(payload, read_choices, usage, created),
        usage,
        None,
        _holds_content(first) or any(_holds_content(each["message"]) for each in read_choices[1:]),
        read_choices[0]["finish_reason"],
        first.get("reasoning_content", ""),
        tuple([fingerprint(call) for call in first.get("tool_calls", ())]),
    )


def _body_of(
    payload: Mapping[str, Any], choices: list[dict[str, Any]], usage: TokenUsage | None, created: int
) -> dict[str, Any]:
    given_id, when = payload.get("id"), payload.get("created")
    body: dict[str, Any] = {
        "id": given_id if isinstance(given_id, str) else "",
        "object": "chat.completion",
        "created": when if isinstance(when, int) and when > 0 else created,
        "model": served_name(payload.get("model")),
        "choices": choices,
    }
    if usage is not None:
        body["usage"] = usage_block(usage)
    for name in KEPT_TOP:
        kept = payload.get(name)
        if isinstance(kept, str):
            body[name] = kept
    return body


def read_answer_bytes(dialect: Dialect, raw: bytes, *, created: int = 0) -> Answer:
    """Read a 200 body as it came; blank lines before the JSON (DeepSeek's keep-alive) are skipped."""
    if not raw.strip():
        return Answer({}, failure=bad_answer("the provider's answer is empty"))
    try:
        payload = read_json(raw)
    except orjson.JSONDecodeError:
        return Answer({}, failure=bad_answer("the provider's answer is not valid JSON"))
    return read_answer(dialect, payload, created=created)
