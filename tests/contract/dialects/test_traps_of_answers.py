"""Traps of naive pass-through, by number: how answers come, and what they are counted as."""

import orjson
import pytest

from contract.dialects.models import HYBRID, PLAIN
from contract.dialects.trapped import calls, chunk, read, sent, texts
from contract.dialects.wires import WIRES, sse
from smartoken.providers.answers import read_answer, read_answer_bytes
from smartoken.providers.registry import dialect
from smartoken.providers.requests import limit_covers_reasoning
from smartoken.providers.streams import StreamReader
from smartoken.providers.usage import read_usage


def test_trap_07_minimax_thinks_inside_content_with_split_tags() -> None:
    pieces = ["<th", "ink>Let me", " see.</thi", "nk>\n\nPar", "is"]
    events = read("minimax", *[chunk({"content": each}) for each in pieces], chunk({"content": "."}, "stop"))
    assert texts(events, "reasoning_content") == "Let me see."
    assert texts(events) == "Paris."
    assert sent("minimax")["reasoning_split"] is True
    assert sent("minimax", reasoning_split=False)["reasoning_split"] is False


def test_trap_07_a_closing_tag_split_inside_reasoning_details_is_taken_out() -> None:
    details = [[{"type": "reasoning.text", "text": each}] for each in ("Let me see.\n</thi", "nk>")]
    events = read(
        "minimax",
        *[chunk({"content": "", "reasoning_details": each}) for each in details],
        chunk({"content": "Paris"}),
        chunk({}, "stop"),
    )
    assert texts(events, "reasoning_content") == "Let me see.\n"
    assert texts(events) == "Paris"


def test_trap_07_cumulative_content_becomes_deltas() -> None:
    pieces = ["Checking ", "Checking now", "Checking now, done"]
    events = read("minimax", *[chunk({"content": each}) for each in pieces], chunk({}, "stop"))
    assert texts(events) == "Checking now, done"


@pytest.mark.parametrize("asked", [True, False])
def test_trap_09_kimi_usage_is_taken_once_from_choice_and_tail(asked: bool) -> None:
    events = read("moonshot", *WIRES["moonshot"].payloads(asked=asked))
    assert [each.usage.total for each in events if each.usage is not None] == [65]


def test_trap_10_kimi_cached_tokens_stand_at_the_top() -> None:
    usage = read_usage(dialect("moonshot").usage, {"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 8})
    assert usage is not None
    assert usage.cached == 8


@pytest.mark.parametrize("dialect_id", ["deepseek", "zhipu"])
def test_trap_11_usage_on_the_finish_chunk_is_found(dialect_id: str) -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 4}
    events = read(dialect_id, chunk({"content": "Hi"}), chunk({"content": ""}, "stop", usage=counts))
    assert [each.usage.total for each in events if each.usage is not None] == [7]
    assert all("usage" not in each.chunk for each in events if each.chunk is not None)


@pytest.mark.parametrize("dialect_id", ["qwen", "volcengine", "minimax"])
def test_trap_12_usage_is_always_asked_and_its_chunk_is_hidden(dialect_id: str) -> None:
    assert sent(dialect_id, stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(dialect_id)
    events = read(dialect_id, *WIRES[dialect_id].payloads())
    assert all(each.chunk["choices"] for each in events if each.chunk is not None)


def test_trap_13_mimo_sends_the_usage_chunk_unasked() -> None:
    events = read("xiaomi", *WIRES["xiaomi"].payloads(asked=False))
    assert [each.usage.total for each in events if each.usage is not None] == [65]
    assert events[-1].done
    assert "stream_options" not in sent("xiaomi", stream=True)


def test_trap_14_deepseek_keep_alives_are_no_progress() -> None:
    reader = StreamReader(dialect("deepseek"))
    assert reader.feed(b": keep-alive\n\n: keep-alive\n\n") == []
    assert reader.feed(b"\n\n\n") == []
    assert reader.feed(sse([chunk({"content": "Hi"})], done=False))[0].has_content
    answer = read_answer_bytes(dialect("deepseek"), b"\n\n\n" + orjson.dumps(WIRES["deepseek"].answer()))
    assert answer.failure is None


def test_trap_16_an_answer_spent_on_thinking_is_an_answer() -> None:
    body = WIRES["deepseek"].answer(thinks=True, finish="length")
    body["choices"][0]["message"]["content"] = ""
    answer = read_answer(dialect("deepseek"), body)
    assert answer.failure is None
    assert answer.has_content
    assert answer.finish == "length"
    assert limit_covers_reasoning(dialect("deepseek"), HYBRID, {}, 8)
    assert not limit_covers_reasoning(dialect("qwen"), HYBRID, {}, 8)
    assert limit_covers_reasoning(dialect("volcengine"), HYBRID, {}, 8)
    assert not limit_covers_reasoning(dialect("volcengine"), HYBRID, {"max_tokens": 8}, 8)
    assert limit_covers_reasoning(dialect("qwen"), PLAIN, {}, 8)


def test_trap_19_empty_ids_and_an_index_of_minus_one_lose_no_call() -> None:
    qwen = read("qwen", *WIRES["qwen"].payloads(calls=True))
    assert calls(qwen) == [{"id": "call_a1", "name": "weather", "arguments": '{"city": "Paris"}'}]
    old = {"id": "call_4", "index": -1, "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    glm = read(
        "zhipu", chunk({"tool_calls": [old]}, "tool_calls"), chunk({"role": "assistant", "content": ""}, "tool_calls")
    )
    assert calls(glm) == [{"id": "call_4", "name": "add", "arguments": '{"a": 1}'}]
    assert [each.finish for each in glm if each.finish] == ["tool_calls"]


def test_trap_20_kimi_may_omit_the_index() -> None:
    first = [{"id": f"get_{n}", "type": "function", "function": {"name": f"f{n}", "arguments": ""}} for n in range(2)]
    later = [{"index": n, "function": {"arguments": f'{{"n": {n}}}'}} for n in range(2)]
    events = read(
        "moonshot", *[chunk({"tool_calls": [each]}) for each in [first[0], first[1], *later]], chunk({}, "tool_calls")
    )
    assert calls(events) == [{"id": f"get_{n}", "name": f"f{n}", "arguments": f'{{"n": {n}}}'} for n in range(2)]


def test_trap_21_missing_finish_reason_and_object_are_supplied() -> None:
    events = read("zhipu", *WIRES["zhipu"].payloads())
    chunks = [each.chunk for each in events if each.chunk is not None]
    assert {each["object"] for each in chunks} == {"chat.completion.chunk"}
    assert all("finish_reason" in each["choices"][0] for each in chunks)


def test_trap_29_time_of_day_changes_no_count() -> None:
    usage = read_answer(dialect("deepseek"), WIRES["deepseek"].answer()).usage
    assert usage is not None
    assert (usage.prompt, usage.cached, usage.completion) == (40, 16, 25)


def test_trap_30_the_whole_prompt_is_counted_for_the_band() -> None:
    block = {"prompt_tokens": 300_000, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 299_000}}
    usage = read_usage(dialect("qwen").usage, block)
    assert usage is not None
    assert usage.prompt == 300_000


def test_trap_31_alibaba_prompt_tokens_include_reads_and_writes() -> None:
    details = {"cached_tokens": 100, "cache_creation_input_tokens": 50, "cache_type": "ephemeral"}
    block = {"prompt_tokens": 200, "completion_tokens": 5, "prompt_tokens_details": details}
    usage = read_usage(dialect("qwen").usage, block)
    assert usage is not None
    assert (usage.prompt, usage.cached, usage.cache_write, usage.suspect) == (200, 100, 50, False)


def test_trap_33_the_model_in_the_answer_is_kept_for_the_record() -> None:
    body = WIRES["deepseek"].answer() | {"model": "deepseek-v4.1-flash-1017"}
    assert read_answer(dialect("deepseek"), body).body["model"] == "deepseek-v4.1-flash-1017"
