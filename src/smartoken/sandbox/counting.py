"""How the sandbox counts tokens: one simple rule, so that a test can count by hand. Pure.

**A token is a run of ASCII letters, digits and underscores, or any other single character that is not white space;
white space belongs to the token after it** (white space at the very end is one token). So ``"Hello, world"`` is three
tokens, ``"你好"`` two. The pieces joined give the text back, which is why a stream can carry one token a chunk. A token
has at least one byte, so a text never has more tokens than UTF-8 bytes.

A prompt is the texts of its messages (content, names and arguments of tool calls, ``reasoning_content``), 3 tokens for
each message, 3 for the prompt, 85 for each part that is not text, and its tool schemas as compact JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

BASE_TOKENS = 3
MESSAGE_TOKENS = 3
MEDIA_TOKENS = 85

_PIECE = re.compile(r"\s*(?:[A-Za-z0-9_]+|[^\sA-Za-z0-9_])|\s+")


def pieces(text: str) -> list[str]:
    """Cut a text into its tokens; joined they are the text again."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """Count the tokens of a text."""
    return len(_PIECE.findall(text))


def text_of(content: Any) -> str:
    """Return the text of a message's content, whether it is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def _texts(message: dict[str, Any]) -> Iterator[str]:
    yield text_of(message.get("content"))
    thinking = message.get("reasoning_content")
    if isinstance(thinking, str):
        yield thinking
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield str(function.get("name") or "")
            yield str(function.get("arguments") or "")


def _media_parts(message: dict[str, Any]) -> int:
    content = message.get("content")
    if not isinstance(content, list):
        return 0
    return sum(1 for part in content if isinstance(part, dict) and not isinstance(part.get("text"), str))


def prompt_tokens(body: dict[str, Any]) -> int:
    """Count the prompt of a chat body by the rule of this module."""
    messages: list[dict[str, Any]] = body["messages"]
    total = BASE_TOKENS + MESSAGE_TOKENS * len(messages)
    for message in messages:
        total += sum(map(count, _texts(message))) + MEDIA_TOKENS * _media_parts(message)
    if body.get("tools"):
        total += count(orjson.dumps(body["tools"]).decode())
    return total


@dataclass(frozen=True, slots=True)
class Template:
    """The tokens that a chat template may add at most: for the prompt, a message, having tools, and each tool."""

    base: int = 256
    message: int = 16
    tools: int = 512
    tool: int = 64


def prompt_bound(body: dict[str, Any], template: Template) -> int:
    """Return the most that a prompt could cost: a token for each UTF-8 byte of text, and the whole template."""
    messages: list[dict[str, Any]] = body["messages"]
    total = template.base + template.message * len(messages)
    for message in messages:
        total += sum(len(text.encode()) for text in _texts(message))
    if body.get("response_format") is not None:
        total += len(orjson.dumps(body["response_format"]))
    tools = body.get("tools")
    if tools:
        total += template.tools + template.tool * len(tools) + len(orjson.dumps(tools))
    return total
