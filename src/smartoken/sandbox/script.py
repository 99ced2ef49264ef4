"""From a request and a card to what will be said: thinking, text, tool calls, finish reasons and usage. Pure.

Nothing here knows a wire: ``shapes`` turns a script into the chunks of one vendor. The same request and card always
give the same script.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import orjson

from smartoken.sandbox.cards import Card, Usage
from smartoken.sandbox.counting import Template, pieces, prompt_bound, prompt_tokens, text_of
from smartoken.sandbox.samples import sample

MAX_CHOICES = 8
MAX_QUOTE = 300
DEFAULT_WORST = 16
MAX_TOKENS = 1_000_000
_OVERRUN = 600  # how far `ignores-max-tokens` goes beyond twice the limit
_WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "then", "rests")
_THOUGHT = "The user said something. I will repeat it and keep it short."


@dataclass(frozen=True, slots=True)
class Counts:
    """True token counts of a whole answer; ``prompt`` includes cache reads and writes, ``completion`` the thinking."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call: the tool's name and its arguments, in tokens."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice; every string of ``thinking`` and ``text`` is one token."""

    thinking: tuple[str, ...]
    text: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    finish: str


@dataclass(frozen=True, slots=True)
class Script:
    """What will be said, and what it truly counts."""

    choices: tuple[Choice, ...]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Asked:
    """What a chat body asks for, read once."""

    body: dict[str, Any]
    stream: bool = False
    include_usage: bool = False
    limit: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str = "auto"  # auto, none, required, or the name of a function after "="
    schema: Mapping[str, Any] | None = None  # JSON mode; an empty one for json_object
    quoted: str = ""  # the last user message, or the tool's answer
    answers_tool: bool = field(default=False)
    begun: str = ""  # what the answer begins with: said before, to be gone on from


def _tool_choice(value: Any) -> str:
    if isinstance(value, Mapping):
        function = value.get("function")
        return f"={function.get('name', '')}" if isinstance(function, Mapping) else "required"
    return value if isinstance(value, str) else "auto"


def _schema(value: Any) -> Mapping[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    if value.get("type") == "json_object":
        return {}
    if value.get("type") != "json_schema":
        return None
    form = value.get("json_schema")
    schema = form.get("schema") if isinstance(form, Mapping) else None
    return schema if isinstance(schema, Mapping) else {}


def _quoted(messages: list[dict[str, Any]]) -> tuple[str, bool]:
    last = messages[-1]
    if last.get("role") in {"tool", "function"}:
        return text_of(last.get("content")), True
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content")), False
    return text_of(last.get("content")), False


def read_asked(body: dict[str, Any], limit_fields: tuple[str, ...]) -> Asked:
    """Read a body whose ``messages`` is known to be a list of objects, not empty."""
    limit = next((body[name] for name in limit_fields if body.get(name) is not None), None)
    n, stop, options = body.get("n"), body.get("stop"), body.get("stream_options")
    tools = body.get("tools")
    quoted, answers_tool = _quoted(body["messages"])
    return Asked(
        body=body,
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        limit=limit if isinstance(limit, int) else None,
        n=min(max(n, 1), MAX_CHOICES) if isinstance(n, int) else 1,
        stop=(stop,) if isinstance(stop, str) else tuple(each for each in stop or () if isinstance(each, str)),
        tools=tuple(each["function"] for each in tools or () if isinstance(each.get("function"), dict)),
        tool_choice=_tool_choice(body.get("tool_choice")),
        schema=_schema(body.get("response_format")),
        quoted=quoted,
        answers_tool=answers_tool,
    )


def _filler(start: list[str], length: int) -> list[str]:
    length = min(length, MAX_TOKENS)
    if len(start) >= length:
        return start[:length]
    return start + [f" {word}" for word in islice(cycle(_WORDS), length - len(start))]


def _sentence(asked: Asked, index: int) -> str:
    quote = asked.quoted if len(asked.quoted) <= MAX_QUOTE else f"{asked.quoted[:MAX_QUOTE]}…"
    said = "The tool said" if asked.answers_tool else "You said"
    return f'{said}: "{quote}"' + (f" (choice {index + 1})" if index else "")


def _json_text(asked: Asked, card: Card, index: int) -> str:
    value: Any = sample(asked.schema) if asked.schema else {"answer": _sentence(asked, index)}
    text = orjson.dumps(value).decode()
    return text[: max(1, len(text) // 2)] if card.json == "cut" else text


def _text(asked: Asked, card: Card, index: int) -> list[str]:
    if card.text:
        said = pieces(card.text)
    elif card.json in {"always", "cut"} or asked.schema is not None:
        return pieces(_json_text(asked, card, index))
    else:
        said = pieces(_sentence(asked, index))
    if not card.obeys_limit and not card.tokens:
        return _filler(said, 2 * (asked.limit or 0) + _OVERRUN)
    return _filler(said, card.tokens) if card.tokens else said


def _stopped(text: list[str], stops: tuple[str, ...]) -> list[str]:
    """Cut before the first stop sequence; the cut piece may end inside a token."""
    if not stops:
        return text
    whole = "".join(text)
    places = [found for stop in stops if stop and (found := whole.find(stop)) >= 0]
    return pieces(whole[: min(places)]) if places else text


def _continued(text: list[str], begun: str) -> list[str]:
    """Return what is left of an answer whose beginning is given; one that begins otherwise is told whole after it."""
    whole = "".join(text)
    return pieces(whole[len(begun) :]) if begun and whole.startswith(begun) else text


def _wants_call(asked: Asked, card: Card) -> bool:
    if asked.answers_tool or asked.tool_choice == "none":
        return False
    if card.calls == "always":
        return True
    forced = asked.tool_choice == "required" or asked.tool_choice.startswith("=")
    return bool(asked.tools) and (forced or card.calls == "auto")


def _calls(asked: Asked, card: Card) -> list[ToolCall]:
    named = asked.tool_choice.removeprefix("=") if asked.tool_choice.startswith("=") else ""
    default: Mapping[str, Any] = {
        "name": named or "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    first = next((index for index, each in enumerate(asked.tools) if each.get("name") == named), 0)
    order = [*asked.tools[first:], *asked.tools[:first]] or [default]
    return [
        ToolCall(str(tool.get("name")), tuple(pieces(orjson.dumps(sample(tool.get("parameters"))).decode())))
        for tool in islice(cycle(order), max(1, card.call_count))
    ]


def _thinking(card: Card, thinks: bool) -> list[str]:
    if not thinks or card.think == 0:
        return []
    said = pieces(_THOUGHT)
    return _filler(said, card.think) if card.think > 0 else said


def _choice(asked: Asked, card: Card, thinks: bool, index: int) -> Choice:
    if card.worst:
        length = min(DEFAULT_WORST if asked.limit is None else asked.limit, MAX_TOKENS)
        return Choice((), tuple(_filler([], length)), (), card.finish or "length")
    thinking = _thinking(card, thinks)
    calls = _calls(asked, card) if _wants_call(asked, card) else []
    text = [] if calls else _continued(_stopped(_text(asked, card, index), asked.stop), asked.begun)
    finish = "tool_calls" if calls else "length" if card.json == "cut" else "stop"
    left = MAX_TOKENS if asked.limit is None or not card.obeys_limit else asked.limit
    spent = len(thinking) + len(text) + sum(len(call.arguments) for call in calls)
    if spent > left:
        finish = "length"
        thinking = thinking[:left]
        left -= len(thinking)
        text = text[:left]
        left -= len(text)
        kept: list[ToolCall] = []
        for call in calls:
            if left <= 0:
                break
            kept.append(ToolCall(call.name, call.arguments[:left]))
            left -= len(call.arguments)
        calls = kept
    return Choice(tuple(thinking), tuple(text), tuple(calls), card.finish or finish)


def compose(asked: Asked, card: Card, *, thinks: bool) -> Script:
    """Decide the whole answer; ``thinks`` is whether this vendor thinks about this request."""
    choices = tuple(_choice(asked, card, thinks, index) for index in range(asked.n))
    if card.prompt_tokens >= 0:
        prompt = card.prompt_tokens
    elif card.worst:
        template = Template(card.base, card.per_message, card.tools_base, card.per_tool)
        prompt = min(prompt_bound(asked.body, template), card.context)
    else:
        prompt = prompt_tokens(asked.body)
    reasoning = sum(len(each.thinking) for each in choices)
    said = sum(len(each.text) + sum(len(call.arguments) for call in each.calls) for each in choices)
    cached = min(card.cached, prompt)
    return Script(choices, Counts(prompt, reasoning + said, cached, min(card.cache_write, prompt - cached), reasoning))


def reported(counts: Counts, how: Usage) -> Counts:
    """Return the counts that the wire will claim; the odd types of ``bool`` and ``text`` are made by the shape."""
    match how:
        case Usage.ZERO:
            return Counts()
        case Usage.NEGATIVE:
            return Counts(-counts.prompt, -5, 0, 0, 0)
        case Usage.HUGE:
            return Counts(10**12, 10**12, 0, 0, 0)
        case _:
            return counts
