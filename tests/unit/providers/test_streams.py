"""Streams beyond the common suite: several choices, foreign bytes, any cut."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.dialects.wires import WIRES, sse
from smartoken.errors import FailureClass
from smartoken.providers.registry import DIALECTS, dialect
from smartoken.providers.streams import StreamEvent, StreamReader


def read(raw: bytes, cuts: list[int] | None = None, dialect_id: str = "openai", created: int = 0) -> list[StreamEvent]:
    reader, events, last = StreamReader(dialect(dialect_id), created=created), [], 0
    for cut in [*sorted(each for each in cuts or [] if each < len(raw)), len(raw)]:
        events += reader.feed(raw[last:cut])
        last = cut
    return events + reader.close()


def choice(index: Any = 0, finish: Any = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


def chunk(*choices: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"id": "c1", "choices": list(choices), **top}


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(DIALECTS)),
    st.sampled_from([{}, {"thinks": True}, {"calls": True}, {"thinks": True, "calls": True}]),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.integers(0, 4_000), max_size=30),
)
def test_any_cut_of_any_dialects_stream_gives_the_same_events(
    dialect_id: str, kind: dict[str, bool], newline: bytes, bom: bytes, cuts: list[int]
) -> None:
    raw = bom + b": comment\n\n" + sse(WIRES[dialect_id].payloads(**kind))
    raw = raw.replace(b"\n", newline).removesuffix(newline)
    assert read(raw, cuts, dialect_id) == read(raw, [], dialect_id)
    assert read(raw, cuts, dialect_id)[-1].done


MODELS = [
    *((each, "") for each in (5, ["m"], {"a": 1}, None)),
    ("m1", "m1"),
    ("m" * 300, "m" * 200),
    ("a\x00b\r\nc", "abc"),
]


@pytest.mark.parametrize(("named", "kept"), MODELS)
def test_a_models_name_is_a_short_line_of_text_whatever_the_upstream_calls_it(named: Any, kept: str) -> None:
    payloads = [chunk(choice(0, content="A"), model=named), chunk(choice(0, content="B"), model=named)]
    events = read(sse([*payloads, chunk(choice(0, "stop"), model=named)]))
    assert [each.chunk["model"] for each in events if each.chunk is not None] == [kept] * 3
    assert events[-1].done


def test_what_is_nested_too_deeply_to_be_written_again_is_a_bad_answer() -> None:
    deep = {**choice(0, content="A"), "logprobs": "DEEP"}
    raw = sse([chunk(choice(0, content="A")), chunk(deep), chunk(choice(0, "stop"))])
    events = read(raw.replace(b'"DEEP"', b"[" * 300 + b"]" * 300))
    assert events[-1].failure is not None
    assert events[-1].failure.kind is FailureClass.BAD_ANSWER
    assert not any(each.done for each in events)


def test_several_choices_end_when_each_has_ended() -> None:
    payloads = [
        chunk(choice(0, content="A"), choice(1, content="B")),
        chunk(choice(0, "stop")),
        chunk(choice(1, content="!")),
    ]
    assert read(sse(payloads))[-1].failure is not None
    events = read(sse([*payloads, chunk(choice(1, "length"))]))
    assert events[-1].done
    firsts = events[0].chunk["choices"] if events[0].chunk else []
    assert [each["delta"]["role"] for each in firsts] == ["assistant", "assistant"]
    assert [each.finish for each in events if each.finish] == ["stop", "length"]


def test_the_time_is_the_providers_or_the_one_handed_in() -> None:
    raw = sse([chunk(choice(content="a")), chunk(choice(finish="stop"))])
    assert [each.chunk["created"] for each in read(raw, created=77) if each.chunk] == [77, 77]
    raw = sse([chunk(choice(content="a"), created=99), chunk(choice(finish="stop"))])
    assert [each.chunk["created"] for each in read(raw, created=77) if each.chunk] == [99, 99]


def test_only_known_members_travel() -> None:
    payload = chunk(
        {
            **choice(content="a", refusal="no", annotations=[1], name="x", audio_content="y"),
            "logprobs": {"content": []},
        },
        system_fingerprint="fp",
        service_tier="default",
        request_id="r",
        secret="x",
        provider="P",
    )
    events = read(sse([payload, chunk(choice(finish="stop"))]))
    first = events[0].chunk
    assert first is not None
    assert set(first) == {"id", "object", "created", "model", "choices", "system_fingerprint", "service_tier"}
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "a", "refusal": "no", "annotations": [1]}
    assert first["choices"][0]["logprobs"] == {"content": []}


def test_growing_counts_replace_each_other() -> None:
    counts = [{"prompt_tokens": 5, "completion_tokens": n} for n in (1, 2, 2, 3, 0)]
    payloads = [chunk(choice(content="a"), usage=each) for each in counts]
    events = read(sse([*payloads, chunk(choice(finish="stop"))]))
    assert [each.usage.completion for each in events if each.usage] == [1, 2, 3]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "why"},
        {"reasoning_content": "why"},
        {"reasoning_content": "why", "reasoning": "why"},
        {"content": None, "reasoning_content": None, "reasoning": "why"},
    ],
)
def test_reasoning_has_one_name(delta: dict[str, Any]) -> None:
    events = read(sse([chunk(choice(**delta)), chunk(choice(finish="stop"))]))
    assert events[0].chunk is not None
    assert events[0].chunk["choices"][0]["delta"]["reasoning_content"] == "why"
    assert events[0].has_content


@pytest.mark.parametrize("reason", ["", None])
def test_an_empty_finish_reason_is_no_end(reason: Any) -> None:
    events = read(sse([chunk(choice(content="a", finish=reason)), chunk(choice(content="b", finish=reason))]))
    assert events[-1].failure is not None
    assert events[-1].failure.kind is FailureClass.CUT


@pytest.mark.parametrize(
    "raw",
    [
        b"data: 7\n\n",
        b"data: []\n\n",
        b"data: null\n\n",
        b'data: "text"\n\n',
        b'data: {"choices": {"a": 1}}\n\n',
        b'data: {"choices": [7]}\n\n',
        b'data: {"choices": "x"}\n\n',
        b"data: {\xff}\n\n",
        b"data: NaN\n\n",
        b"data: " + b"x" * 1_100_000 + b"\n\n",
        b"[" + b"1," * 700_000,
    ],
)
def test_what_is_no_chunk_is_a_bad_answer(raw: bytes) -> None:
    events = read(raw + b"data: [DONE]\n\n")
    assert [each.failure.kind for each in events if each.failure] == [FailureClass.BAD_ANSWER]


@pytest.mark.parametrize(
    "odd",
    [
        {"index": 0},
        {"index": 0, "delta": None},
        {"index": 0, "delta": [1]},
        {"index": "0", "delta": {}},
        {"index": -4, "delta": {"content": 5}},
        {"index": 10**9, "delta": {"tool_calls": "x"}},
        {"index": True, "delta": {"tool_calls": [1, None, {}]}},
        {"delta": {"content": [{"type": "text", "text": "x"}]}},
    ],
)
def test_odd_choices_do_not_break_the_stream(odd: dict[str, Any]) -> None:
    events = read(sse([chunk(odd), chunk(choice(finish="stop"))]))
    assert all(each.failure is None for each in events)


@given(st.binary(max_size=400), st.sampled_from(sorted(DIALECTS)))
def test_rubbish_is_a_failure_and_never_an_exception(raw: bytes, dialect_id: str) -> None:
    events = read(raw, [], dialect_id)
    assert [each for each in events if each.done] == []
    assert events[-1].failure is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["index", "delta", "content", "tool_calls", "function", "id", "finish_reason", "usage", "role"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=14,
)


@given(st.lists(VALUES, max_size=3), VALUES, st.sampled_from(sorted(DIALECTS)))
def test_any_json_in_choices_never_raises(choices: list[Any], usage: Any, dialect_id: str) -> None:
    reader = StreamReader(dialect(dialect_id))
    for event in reader.feed(b"data: " + orjson.dumps({"choices": choices, "usage": usage}) + b"\n\n") + reader.close():
        if event.chunk is not None:
            orjson.dumps(event.chunk)


def test_nothing_follows_the_end() -> None:
    reader = StreamReader(dialect("openai"))
    raw = sse([chunk(choice(content="a")), chunk(choice(finish="stop"))])
    assert reader.feed(raw + raw)[-1].done
    assert reader.feed(raw) == []
    assert reader.close() == []


def test_a_cut_last_event_is_a_cut_and_not_malformed() -> None:
    raw = sse([chunk(choice(content="a")), chunk(choice(finish="stop"))], done=False)
    events = read(raw[:-30])
    assert events[-1].failure is not None
    assert events[-1].failure.kind is FailureClass.CUT


def test_a_chunk_repeating_only_the_role_is_not_sent_on() -> None:
    payloads = [chunk(choice(role="assistant", content="")), chunk(choice(role="assistant", content=""))]
    events = read(sse([*payloads, chunk(choice(content="a")), chunk(choice(finish="stop"))]))
    assert len([each for each in events if each.chunk is not None]) == 3


def test_reasoning_is_kept_for_replay_only_where_a_vendor_demands_it() -> None:
    for dialect_id, kept in (("deepseek", True), ("qwen", False)):
        reader = StreamReader(dialect(dialect_id))
        reader.feed(sse(WIRES[dialect_id].payloads(thinks=True, calls=True)))
        assert bool(reader.reasoning_text) is kept
        assert bool(reader.tool_call_ids) is kept
        assert len(reader.tool_calls) == 1


def test_the_models_servers_odd_end_of_a_prompt_too_long_is_a_bad_answer() -> None:
    assert [each.failure.kind for each in read(b"") if each.failure] == [FailureClass.BAD_ANSWER]
