"""What the tests of the traps do with a dialect."""

from typing import Any

import orjson

from contract.dialects.models import PLAIN, offer
from contract.dialects.wires import sse
from smartoken.catalog.offers import Model
from smartoken.errors import FailureClass
from smartoken.providers.failures import classify
from smartoken.providers.registry import dialect
from smartoken.providers.requests import upstream_body
from smartoken.providers.streams import StreamEvent, StreamReader

F = FailureClass


MESSAGES = [{"role": "user", "content": "Hello"}]


def kind_of(dialect_id: str, status: int, body: Any) -> FailureClass:
    return classify(dialect(dialect_id), status, {}, orjson.dumps(body)).kind


def read(dialect_id: str, *payloads: dict[str, Any], done: bool = True) -> list[StreamEvent]:
    reader = StreamReader(dialect(dialect_id))
    return reader.feed(sse(payloads, done=done)) + reader.close()


def chunk(delta: dict[str, Any], finish: str | None = None, **top: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **top}


def sent(dialect_id: str, model: Model = PLAIN, upstream: str = "m", **asked: Any) -> dict[str, Any]:
    return upstream_body(dialect(dialect_id), model, offer(upstream), {"messages": MESSAGES, **asked}, limit=None).body


def texts(events: list[StreamEvent], name: str = "content") -> str:
    return "".join(
        choice["delta"].get(name) or "" for each in events if each.chunk is not None for choice in each.chunk["choices"]
    )


def calls(events: list[StreamEvent]) -> list[dict[str, Any]]:
    """Assemble tool calls as a naive OpenAI client does: by index, adding text."""
    made: dict[int, dict[str, str]] = {}
    for each in events:
        for choice in each.chunk["choices"] if each.chunk is not None else ():
            for call in choice["delta"].get("tool_calls", ()):
                whole = made.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
                whole["id"] += call.get("id", "")
                whole["name"] += call["function"].get("name", "")
                whole["arguments"] += call["function"].get("arguments", "")
    return [made[place] for place in sorted(made)]
