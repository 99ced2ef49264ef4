"""One suite for every dialect: normal, tool, reasoning, cut by limit, cut off, error; streamed and not."""

from itertools import pairwise
from typing import Any

import orjson
import pytest

from contract.dialects.wires import (
    ARGUMENTS,
    CACHED,
    COMPLETION,
    CONTENT,
    PROMPT,
    REASONING,
    THOUGHT,
    WIRES,
    Wire,
    sse,
)
from smartoken.errors import FailureClass
from smartoken.providers.answers import read_answer, read_answer_bytes
from smartoken.providers.registry import DIALECTS, dialect
from smartoken.providers.streams import StreamEvent, StreamReader
from smartoken.tokens import TokenUsage

EVERY = sorted(DIALECTS)
TOP = {"id", "object", "created", "model", "choices", "system_fingerprint", "service_tier"}
DELTA = {"role", "content", "reasoning_content", "tool_calls"}


def read(dialect_id: str, raw: bytes, step: int = 0) -> list[StreamEvent]:
    reader = StreamReader(dialect(dialect_id))
    events: list[StreamEvent] = []
    for place in range(0, len(raw), step or len(raw)):
        events += reader.feed(raw[place : place + (step or len(raw))])
    return events + reader.close()


def deltas(events: list[StreamEvent]) -> list[dict[str, Any]]:
    return [each.chunk["choices"][0]["delta"] for each in events if each.chunk is not None]


def joined(events: list[StreamEvent], name: str) -> str:
    return "".join(each.get(name) or "" for each in deltas(events))


def last_usage(events: list[StreamEvent]) -> TokenUsage | None:
    counts = [each.usage for each in events if each.usage is not None]
    return counts[-1] if counts else None


def expected_usage(wire: Wire, *, thinks: bool) -> TokenUsage:
    reasoning = REASONING if thinks and wire.has_reasoning_count else 0
    return TokenUsage(PROMPT, COMPLETION, CACHED, 0, reasoning)


def test_every_dialect_has_a_wire_and_every_wire_a_dialect() -> None:
    assert sorted(WIRES) == EVERY


@pytest.mark.parametrize("thinks", [False, True])
@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_whole_answer_comes_in_one_shape(dialect_id: str, thinks: bool) -> None:
    wire = WIRES[dialect_id]
    answer = read_answer(dialect(dialect_id), wire.answer(thinks=thinks), created=5)
    assert answer.failure is None
    assert answer.has_content
    assert set(answer.body) <= TOP | {"usage"}
    assert answer.body["object"] == "chat.completion"
    choice = answer.body["choices"][0]
    assert choice["index"] == 0
    assert choice["finish_reason"] == answer.finish == "stop"
    message = {"role": "assistant", "content": "".join(CONTENT)}
    if thinks:
        assert choice["message"].pop("reasoning_content").strip() == "".join(THOUGHT)
    assert choice["message"] == message
    assert answer.usage == expected_usage(wire, thinks=thinks)
    assert answer.body["usage"]["prompt_tokens_details"] == {"cached_tokens": CACHED}


@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_whole_answer_with_a_tool_call(dialect_id: str) -> None:
    wire = WIRES[dialect_id]
    answer = read_answer(dialect(dialect_id), wire.answer(calls=True, thinks=True))
    choice = answer.body["choices"][0]
    assert answer.finish == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": wire.tool_id, "type": "function", "function": {"name": "weather", "arguments": "".join(ARGUMENTS)}}
    ]
    assert answer.reasoning_text.strip() == "".join(THOUGHT)
    assert len(answer.tool_call_ids) == 1


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize("thinks", [False, True])
@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_stream_comes_in_one_shape(dialect_id: str, thinks: bool, step: int) -> None:
    wire = WIRES[dialect_id]
    raw = (b": keep-alive\n\n" if wire.comments else b"") + sse(wire.payloads(thinks=thinks))
    events = read(dialect_id, raw, step)
    chunks = [each.chunk for each in events if each.chunk is not None]
    assert [each.failure for each in events if each.failure] == []
    assert [each.done for each in events].count(True) == 1
    assert events[-1].done
    assert joined(events, "content") == "".join(CONTENT)
    assert joined(events, "reasoning_content").strip() == ("".join(THOUGHT) if thinks else "")
    assert last_usage(events) == expected_usage(wire, thinks=thinks)
    for chunk in chunks:
        assert set(chunk) <= TOP
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["created"] == 1_790_000_000
        assert set(chunk["choices"][0]) <= {"index", "delta", "finish_reason", "logprobs"}
        assert set(chunk["choices"][0]["delta"]) <= DELTA
    assert ["role" in each for each in deltas(events)] == [True] + [False] * (len(chunks) - 1)
    finishes = [each["choices"][0]["finish_reason"] for each in chunks]
    assert finishes == [None] * (len(chunks) - 1) + ["stop"]
    assert [each.finish for each in events if each.finish] == ["stop"]


@pytest.mark.parametrize("dialect_id", EVERY)
def test_the_first_content_event_is_the_first_text_not_the_role(dialect_id: str) -> None:
    events = read(dialect_id, sse(WIRES[dialect_id].payloads()))
    first = next(each for each in events if each.has_content)
    assert first.chunk is not None
    assert first.chunk["choices"][0]["delta"]["content"] == CONTENT[0]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_streamed_tool_call_is_whole_and_has_its_id_once(dialect_id: str, step: int) -> None:
    wire = WIRES[dialect_id]
    events = read(dialect_id, sse(wire.payloads(calls=True, thinks=True)), step)
    fragments = [call for delta in deltas(events) for call in delta.get("tool_calls", [])]
    assert [each["index"] for each in fragments] == [0] * len(fragments)
    assert [each["id"] for each in fragments if "id" in each] == [wire.tool_id]
    assert [each["function"]["name"] for each in fragments if "name" in each["function"]] == ["weather"]
    assert "".join(each["function"]["arguments"] for each in fragments) == "".join(ARGUMENTS)
    assert next(each.finish for each in events if each.finish) == "tool_calls"
    assert last_usage(events) == expected_usage(wire, thinks=True)


@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_limit_ends_both_forms_with_length(dialect_id: str) -> None:
    wire = WIRES[dialect_id]
    assert read_answer(dialect(dialect_id), wire.answer(finish="length")).finish == "length"
    assert [each.finish for each in read(dialect_id, sse(wire.payloads(finish="length"))) if each.finish] == ["length"]


@pytest.mark.parametrize("dialect_id", EVERY)
def test_usage_is_counted_once_wherever_it_sits(dialect_id: str) -> None:
    events = read(dialect_id, sse(WIRES[dialect_id].payloads()))
    assert len([each for each in events if each.usage is not None]) == 1


@pytest.mark.parametrize("dialect_id", EVERY)
def test_without_asking_usage_comes_where_the_record_says(dialect_id: str) -> None:
    spoken, wire = dialect(dialect_id), WIRES[dialect_id]
    came = last_usage(read(dialect_id, sse(wire.payloads(asked=False)))) is not None
    assert came is spoken.usage.unasked


@pytest.mark.parametrize("dialect_id", EVERY)
@pytest.mark.parametrize("done", [True, False])
def test_a_stream_without_a_finish_reason_is_cut(dialect_id: str, done: bool) -> None:
    payloads = WIRES[dialect_id].payloads(thinks=True)
    until = next(i for i, each in enumerate(payloads) if each["choices"] and each["choices"][0].get("finish_reason"))
    events = read(dialect_id, sse(payloads[:until], done=done))
    assert events[-1].failure is not None
    assert events[-1].failure.kind is FailureClass.CUT
    assert not any(each.done for each in events)


@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_finish_reason_without_done_is_complete(dialect_id: str) -> None:
    events = read(dialect_id, sse(WIRES[dialect_id].payloads(), done=False))
    assert events[-1].done
    assert all(each.failure is None for each in events)


@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_stream_cut_at_any_byte_never_ends_clean_before_its_finish_reason(dialect_id: str) -> None:
    raw = sse(WIRES[dialect_id].payloads(thinks=True))
    finish = raw.index(b'"finish_reason":"stop"')
    for end in range(1, finish, 11):
        events = read(dialect_id, raw[:end])
        assert events[-1].failure is not None, raw[:end]
        assert not any(each.done for each in events)


@pytest.mark.parametrize("dialect_id", EVERY)
def test_malformed_json_in_a_stream_is_a_bad_answer(dialect_id: str) -> None:
    head = sse(WIRES[dialect_id].payloads()[:2], done=False)
    events = read(dialect_id, head + b'data: {"id": "x", "choices": [\n\ndata: [DONE]\n\n')
    assert events[-1].failure is not None
    assert events[-1].failure.kind is FailureClass.BAD_ANSWER


@pytest.mark.parametrize("dialect_id", EVERY)
def test_an_error_event_after_content_is_a_failure_and_ends_the_stream(dialect_id: str) -> None:
    payloads = WIRES[dialect_id].payloads()
    broken = [*payloads[:2], {"error": {"message": "Stream failed", "type": "server_error"}}, *payloads[2:]]
    events = read(dialect_id, sse(broken))
    assert events[-1].failure is not None
    assert events[-1].failure.kind is FailureClass.PROVIDER_CAPACITY
    assert events[-1].failure.message == "Stream failed"


@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_json_error_instead_of_a_stream_is_a_failure(dialect_id: str) -> None:
    events = read(dialect_id, b'\n{"error":{"message":"try later","type":"server_error"}}')
    assert [each.failure.kind for each in events if each.failure] == [FailureClass.PROVIDER_CAPACITY]


@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_whole_answer_instead_of_a_stream_is_read_as_one_chunk(dialect_id: str) -> None:
    events = read(dialect_id, orjson.dumps(WIRES[dialect_id].answer()), 5)
    assert joined(events, "content") == "".join(CONTENT)
    assert events[-1].done
    assert last_usage(events) is not None


@pytest.mark.parametrize("dialect_id", EVERY)
@pytest.mark.parametrize("raw", [b"", b"\n\n\n", b": keep-alive\n\n", b"data: [DONE]\n\n"])
def test_an_empty_stream_is_a_bad_answer(dialect_id: str, raw: bytes) -> None:
    reader = StreamReader(dialect(dialect_id))
    events = reader.feed(raw) + reader.close()
    assert [each.failure.kind for each in events if each.failure] == [FailureClass.BAD_ANSWER]


@pytest.mark.parametrize("dialect_id", EVERY)
@pytest.mark.parametrize("raw", [b"", b"  \n", b"{", b"[]", b'"text"', b'{"choices":null}', b'{"choices":[{}]}'])
def test_a_body_that_is_no_answer_is_a_failure(dialect_id: str, raw: bytes) -> None:
    assert read_answer_bytes(dialect(dialect_id), raw).failure is not None


def test_reading_leaves_the_order_of_texts_as_it_was() -> None:
    events = read("deepseek", sse(WIRES["deepseek"].payloads(thinks=True)))
    kinds = ["reasoning_content" if "reasoning_content" in each else "content" for each in deltas(events)[1:-1]]
    assert all(not (a == "content" and b == "reasoning_content") for a, b in pairwise(kinds))


@pytest.mark.parametrize("place", ["logprobs", "message", "usage", "error"])
def test_an_answer_nested_too_deeply_to_be_written_again_is_a_bad_one(place: str) -> None:
    body = {"choices": [{"message": {"content": "A"}, "logprobs": None, "finish_reason": "stop"}]}
    nested = {"message": {"choices": [{"message": {"content": "A", "audio": "DEEP"}}]}}.get(place)
    raw = orjson.dumps(nested or {**body, "choices": [{**body["choices"][0], place: "DEEP"}]})
    answer = read_answer_bytes(dialect("openai"), raw.replace(b'"DEEP"', b"[" * 300 + b"]" * 300))
    assert answer.failure is not None
    assert answer.failure.kind is FailureClass.BAD_ANSWER
