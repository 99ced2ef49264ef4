"""A whole answer put together from a stream is the one that the vendor would have given whole; one suite for all."""

from typing import Any

import pytest

from contract.dialects.models import ALWAYS_ON, HYBRID, PLAIN
from contract.dialects.wires import WIRES, sse
from smartoken.errors import FailureClass
from smartoken.providers.answers import Answer, read_answer
from smartoken.providers.collect import Collector
from smartoken.providers.registry import DIALECTS, dialect
from smartoken.providers.requests import collects

EVERY = sorted(DIALECTS)
MESSAGES = [{"role": "user", "content": "Hello"}]


def collected(dialect_id: str, raw: bytes, step: int = 0, most: int = 1 << 20) -> Answer:
    collector = Collector(dialect(dialect_id), most)
    for place in range(0, len(raw), step or len(raw)):
        collector.take(raw[place : place + (step or len(raw))])
    collector.take(b"")
    assert collector.done
    return collector.answer()


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(("thinks", "calls"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_collected_answer_is_the_whole_answer(dialect_id: str, thinks: bool, calls: bool, step: int) -> None:
    wire = WIRES[dialect_id]
    whole = read_answer(dialect(dialect_id), wire.answer(thinks=thinks, calls=calls))
    found = collected(dialect_id, sse(wire.payloads(thinks=thinks, calls=calls)), step)
    assert found.failure is None
    assert found.usage == whole.usage
    assert (found.has_content, found.finish) == (whole.has_content, whole.finish)
    assert len(found.tool_call_ids) == len(whole.tool_call_ids) == calls
    ours, theirs = found.body["choices"][0]["message"], whole.body["choices"][0]["message"]
    assert {name: str(each).strip() for name, each in ours.items() if name != "tool_calls"} == {
        name: str(each).strip() for name, each in theirs.items() if name != "tool_calls"
    }
    assert ours.get("tool_calls") == theirs.get("tool_calls")


def test_a_stream_that_breaks_off_is_a_failure_and_no_answer() -> None:
    found = collected("qwen", sse(WIRES["qwen"].payloads()[:3], done=False))
    assert found.failure is not None
    assert found.failure.kind is FailureClass.CUT
    assert found.body == {}


def test_an_answer_that_is_too_large_is_a_failure() -> None:
    found = collected("qwen", sse(WIRES["qwen"].payloads()), step=50, most=200)
    assert found.failure is not None
    assert "larger than 200 bytes" in found.failure.message


def test_several_answers_and_their_logprobs_stay_apart() -> None:
    def chunk(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
        logprobs = {"content": [{"token": text, "logprob": -0.1}]}
        choice = {"index": index, "delta": {"content": text}, "logprobs": logprobs, "finish_reason": finish}
        return {"id": "c", "model": "m", "created": 5, "choices": [choice]}

    found = collected("openai", sse([chunk(1, "b"), chunk(0, "a"), chunk(1, "B", "length"), chunk(0, "A", "stop")]))
    assert [(each["message"]["content"], each["finish_reason"]) for each in found.body["choices"]] == [
        ("aA", "stop"),
        ("bB", "length"),
    ]
    assert [[row["token"] for row in each["logprobs"]["content"]] for each in found.body["choices"]] == [
        ["a", "A"],
        ["b", "B"],
    ]
    assert (found.body["id"], found.body["model"], found.body["created"]) == ("c", "m", 5)


# dialect, model, upstream model, body, whether a whole answer is collected from a stream
ASKED = [
    ("qwen", ALWAYS_ON, "qwen3-235b-a22b-thinking-2507", {}, True),
    ("qwen", ALWAYS_ON, "qwen3-235b-a22b-thinking-2507", {"max_tokens": 50}, True),
    ("qwen", HYBRID, "qwen3-32b", {}, True),
    ("qwen", HYBRID, "qwen3-32b", {"enable_thinking": False}, False),
    ("qwen", HYBRID, "qwen3.8-max", {}, True),  # what is thought may be beyond the limit that is sent
    ("qwen", HYBRID, "qwen3.8-max", {"max_tokens": 50}, True),
    ("qwen", HYBRID, "qwen3.8-max", {"max_tokens": 50, "enable_thinking": False}, False),
    ("qwen", PLAIN, "qwen3-coder-plus", {}, False),
    ("deepseek", HYBRID, "deepseek-v4-pro", {}, False),  # its limit covers thinking
    ("volcengine", HYBRID, "doubao-seed-2-1-pro", {}, False),  # hidden thinking cannot be counted in a stream either
    ("openai", PLAIN, "qwq-32b", {}, False),
]


@pytest.mark.parametrize(("dialect_id", "model", "upstream", "body", "expected"), ASKED)
def test_what_can_only_be_counted_as_it_comes_is_asked_for_as_a_stream(
    dialect_id: str, model: Any, upstream: str, body: dict[str, Any], expected: bool
) -> None:
    assert collects(dialect(dialect_id), model, upstream, {"messages": MESSAGES, **body}) is expected
