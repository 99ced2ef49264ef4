"""Checks that several vendors make of a request; each raises ``RefusedError`` in the words it is given. Pure."""

from collections.abc import Iterable
from typing import Any

from smartoken.sandbox.poses.pose import Json, Kind, RefusedError, Rule


def refuse(message: str, param: str | None = None, code: str | None = None) -> RefusedError:
    """Return the error for a bad parameter."""
    return RefusedError(Kind.BAD_PARAM, message, param, code)


def one_of(param: str, allowed: Iterable[Any], message: str) -> Rule:
    """Refuse a field whose value, where given, is none of those."""
    values = tuple(allowed)

    def rule(body: Json) -> None:
        value = body.get(param)
        if value is not None and not any(value == each and type(value) is type(each) for each in values):
            raise refuse(message.replace("{value}", str(value)), param)

    return rule


def effort(*allowed: str) -> Rule:
    """Refuse an effort that is no known word; an object is never one."""
    return one_of("reasoning_effort", allowed, "invalid reasoning_effort: {value}")


def thinking_type(*allowed: str, required: bool = True) -> Rule:
    """Refuse a ``thinking`` object whose type is missing or unknown."""

    def rule(body: Json) -> None:
        thinking = body.get("thinking")
        if thinking is None:
            return
        kind = thinking.get("type") if isinstance(thinking, dict) else None
        if kind is None and (required or not isinstance(thinking, dict)):
            raise refuse("invalid thinking: type is required", "thinking")
        if kind is not None and kind not in allowed:
            raise refuse(f"invalid thinking: type must be one of {', '.join(allowed)}", "thinking")

    return rule


def between(param: str, low: float, high: float, message: str, *, open_ends: bool = False) -> Rule:
    """Refuse a number outside an interval; ``open_ends`` leaves the ends out."""

    def rule(body: Json) -> None:
        value = body.get(param)
        if value is None:
            return
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not (low < value < high if open_ends else low <= value <= high):
            raise refuse(message, param)

    return rule


def functions_only(body: Json) -> None:
    """Refuse tools of another type than ``function``."""
    for tool in body.get("tools") or ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind != "function":
            raise refuse(f"unknown variant `{kind}`, expected `function`", "tools")


def lost_thinking(body: Json) -> int | None:
    """Return the place of an assistant turn that called tools and lost its thinking, if there is one."""
    for index, message in enumerate(body["messages"]):
        if message.get("role") == "assistant" and message.get("tool_calls") and not message.get("reasoning_content"):
            return index
    return None


def model_of(body: Json) -> str:
    """Return the model's name without the sandbox's own knobs."""
    return str(body["model"]).partition("?")[0].lower()
