"""The traps of naive pass-through, by number; each is a thing that a provider really does."""

from typing import Any

import orjson
import pytest

from contract.dialects.models import ALWAYS_ON, HYBRID, PLAIN, offer
from contract.dialects.wires import WIRES, sse
from smartoken.catalog.offers import Model
from smartoken.errors import FailureClass, InvalidRequestError
from smartoken.providers.answers import read_answer, read_answer_bytes
from smartoken.providers.failures import classify
from smartoken.providers.reasoning import LOST, ReasoningStore
from smartoken.providers.registry import DIALECTS, dialect
from smartoken.providers.requests import (
    demands_replay,
    fits,
    hides_reasoning,
    limit_covers_reasoning,
    upstream_body,
)
from smartoken.providers.streams import StreamEvent, StreamReader
from smartoken.providers.usage import read_usage

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


def test_trap_01_dashscope_says_broke_with_400() -> None:
    assert kind_of("qwen", 400, {"error": {"code": "Arrearage", "message": "in debt"}}) is F.KEY_BROKE


def test_trap_02_zhipu_says_broke_with_429() -> None:
    assert kind_of("zhipu", 429, {"error": {"code": "1113", "message": "in debt"}}) is F.KEY_BROKE


def test_trap_03_moonshot_has_three_kinds_of_429() -> None:
    kinds = ["exceeded_current_quota_error", "engine_overloaded_error", "rate_limit_reached_error"]
    found = [kind_of("moonshot", 429, {"error": {"type": each, "message": "no"}}) for each in kinds]
    assert found == [F.KEY_BROKE, F.PROVIDER_CAPACITY, F.OWN_RATE_LIMIT]


@pytest.mark.parametrize(
    ("dialect_id", "kind"), [("qwen", F.OWN_RATE_LIMIT), ("sensenova", F.OWN_RATE_LIMIT), ("openai", F.KEY_BROKE)]
)
def test_trap_04_insufficient_quota_is_a_rate_at_dashscope_and_sensenova(dialect_id: str, kind: FailureClass) -> None:
    assert kind_of(dialect_id, 429, {"error": {"code": "insufficient_quota", "message": "quota"}}) is kind


@pytest.mark.parametrize(("number", "kind"), [(1008, F.KEY_BROKE), (1002, F.OWN_RATE_LIMIT), (1027, F.REFUSAL)])
@pytest.mark.parametrize("choices", [None, []])
def test_trap_05_minimax_fails_with_200(number: int, kind: FailureClass, choices: Any) -> None:
    body = {"choices": choices, "usage": None, "base_resp": {"status_code": number, "status_msg": "no"}}
    answer = read_answer(dialect("minimax"), body)
    assert answer.failure is not None
    assert answer.failure.kind is kind
    assert answer.usage is None
    reader = StreamReader(dialect("minimax"))
    assert [each.failure.kind for each in reader.feed(orjson.dumps(body)) + reader.close() if each.failure] == [kind]
    assert [each.failure.kind for each in read("minimax", body) if each.failure] == [kind]


@pytest.mark.parametrize("status", [402, 429, 500])
def test_trap_06_minimax_1008_is_broke_whatever_the_status(status: int) -> None:
    assert kind_of("minimax", status, {"error": {"type": "api_error", "message": "no money (1008)"}}) is F.KEY_BROKE


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


def test_trap_08_minimax_knows_no_enabled() -> None:
    assert sent("minimax", HYBRID, thinking={"type": "enabled"})["thinking"] == {"type": "adaptive"}
    assert sent("minimax", HYBRID, reasoning_effort="none")["thinking"] == {"type": "disabled"}


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


@pytest.mark.parametrize("dialect_id", ["deepseek", "moonshot", "xiaomi"])
def test_trap_15_lost_reasoning_is_put_back_on_tool_turns(dialect_id: str) -> None:
    spoken, wire, store = dialect(dialect_id), WIRES[dialect_id], ReasoningStore()
    reader = StreamReader(spoken)
    reader.feed(sse(wire.payloads(thinks=True, calls=True)))
    store.remember("acct", reader.tool_call_ids, reader.reasoning_text, 0.0)
    echoed = {"role": "assistant", "content": None, "tool_calls": list(reader.tool_calls)}
    turn = [*MESSAGES, echoed, {"role": "tool", "tool_call_id": wire.tool_id, "content": "sunny"}]
    assert demands_replay(spoken, HYBRID, {})
    assert not demands_replay(spoken, HYBRID, {"thinking": {"type": "disabled"}})
    messages, lost = store.attach("acct", turn, 1.0)
    assert not lost
    assert messages[1]["reasoning_content"] == "The user asks for a capital."
    messages, lost = store.attach("another", turn, 1.0)
    assert lost
    assert messages[1]["reasoning_content"] == LOST
    assert "reasoning_content" not in echoed


def test_trap_15_only_vendors_that_demand_it_get_it() -> None:
    assert {each.id for each in DIALECTS.values() if each.replays_reasoning} == {"deepseek", "moonshot", "xiaomi"}


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


@pytest.mark.parametrize(
    ("dialect_id", "upstream", "temperature", "served"),
    [
        ("moonshot", "kimi-k3", 0.6, False),
        ("moonshot", "kimi-k2.6", 1, True),
        ("moonshot", "moonshot-v1-8k", 1.2, False),
        ("zhipu", "glm-5", 0.4, True),
        ("zhipu", "glm-5", 1.4, False),
        ("minimax", "MiniMax-M3", 1.4, True),
        ("deepseek", "deepseek-flash", 1.4, True),
    ],
)
def test_trap_17_temperature_is_not_portable(dialect_id: str, upstream: str, temperature: float, served: bool) -> None:
    if served:
        assert sent(dialect_id, upstream=upstream, temperature=temperature)["temperature"] == temperature
        return
    with pytest.raises(InvalidRequestError) as refused:
        sent(dialect_id, upstream=upstream, temperature=temperature)
    assert refused.value.param == "temperature"


@pytest.mark.parametrize("param", ["temperature", "top_p"])
def test_trap_17_exactly_one_travels_to_zhipu_and_is_told(param: str) -> None:
    """The documents disagree and many frameworks send 1 by themselves: it is not ours to change or to refuse."""
    asked = {"messages": MESSAGES, param: 1}
    outgoing = upstream_body(dialect("zhipu"), PLAIN, offer("glm-5"), asked, limit=None)
    assert outgoing.body[param] == 1
    assert outgoing.warnings == (f"{param}-doubtful",)
    below = upstream_body(dialect("zhipu"), PLAIN, offer("glm-5"), {**asked, param: 0.99}, limit=None)
    assert below.warnings == ()


def test_trap_17_what_zhipu_refuses_of_it_names_the_parameter() -> None:
    said = {"error": {"code": "1210", "message": "temperature参数非法：取值范围为(0,1)开区间"}}
    failure = classify(dialect("zhipu"), 400, {}, orjson.dumps(said))
    assert (failure.kind, failure.param) == (F.REQUEST_FAULT, "temperature")


def test_trap_18_tool_choice_required_is_refused_where_it_cannot_be() -> None:
    for dialect_id, model, upstream in [
        ("moonshot", ALWAYS_ON, "kimi-k2.7-code"),
        ("qwen", PLAIN, "MiniMax-M3.1-Flash"),
        ("zhipu", PLAIN, "glm-5"),
    ]:
        with pytest.raises(InvalidRequestError) as refused:
            sent(dialect_id, model, upstream, tool_choice="required")
        assert refused.value.param == "tool_choice"
    assert sent("moonshot", ALWAYS_ON, "kimi-k3", tool_choice="required")["tool_choice"] == "required"


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


@pytest.mark.parametrize(
    ("dialect_id", "word", "finish", "failure"),
    [
        ("deepseek", "insufficient_system_resource", None, F.PROVIDER_CAPACITY),
        ("zhipu", "network_error", None, F.PROVIDER_CAPACITY),
        ("zhipu", "sensitive", "content_filter", None),
        ("zhipu", "model_context_window_exceeded", "length", None),
        ("openai", "error", None, F.PROVIDER_CAPACITY),
        ("openai", "something_new", "stop", None),
    ],
)
def test_trap_22_foreign_finish_reasons_are_translated_or_failures(
    dialect_id: str, word: str, finish: str | None, failure: FailureClass | None
) -> None:
    events = read(dialect_id, chunk({"content": "Hi"}), chunk({}, word))
    assert [each.finish for each in events if each.finish] == ([finish] if finish else [])
    assert [each.failure.kind for each in events if each.failure] == ([failure] if failure else [])
    assert events[-1].done is (failure is None)
    body = WIRES[dialect_id].answer(finish=word)
    answer = read_answer(dialect(dialect_id), body)
    assert answer.finish == finish
    assert (answer.failure.kind if answer.failure else None) == failure


@pytest.mark.parametrize(
    ("dialect_id", "error", "kind"),
    [
        ("qwen", {"code": "data_inspection_failed", "message": "inappropriate"}, F.REFUSAL),
        ("zhipu", {"code": "1305", "message": "busy"}, F.PROVIDER_CAPACITY),
        (
            "moonshot",
            {"message": "Stream failed", "type": "server_error", "code": "stream_failure"},
            F.PROVIDER_CAPACITY,
        ),
    ],
)
def test_trap_23_an_error_event_after_200_is_a_failure(
    dialect_id: str, error: dict[str, Any], kind: FailureClass
) -> None:
    reader = StreamReader(dialect(dialect_id))
    raw = sse([chunk({"content": "Half"})], done=False) + b"event: error\n" + sse([{"error": error}])
    events = reader.feed(raw) + reader.close()
    assert texts(events) == "Half"
    assert [each.failure.kind for each in events if each.failure] == [kind]
    assert not any(each.done for each in events)


def test_trap_24_siliconflow_errors_have_no_error_object() -> None:
    assert (
        kind_of("siliconflow", 400, {"code": 20012, "message": "Model does not exist", "data": None})
        is F.KEY_LACKS_MODEL
    )
    assert kind_of("siliconflow", 401, "Invalid token") is F.KEY_INVALID
    failure = classify(dialect("siliconflow"), 400, {}, b'{"code":20015,"message":"length","data":null}')
    assert (failure.kind, failure.message, failure.upstream_code) == (F.REQUEST_FAULT, "length", "20015")


@pytest.mark.parametrize("dialect_id", ["tencent", "stepfun"])
def test_trap_25_451_is_a_refusal(dialect_id: str) -> None:
    assert kind_of(dialect_id, 451, {"error": {"message": "no", "type": "x"}}) is F.REFUSAL


@pytest.mark.parametrize(
    ("dialect_id", "base"),
    [
        ("zhipu", "https://open.bigmodel.cn/api/paas/v4"),
        ("volcengine", "https://ark.cn-beijing.volces.com/api/v3"),
        ("baidu", "https://qianfan.baidubce.com/v2"),
        ("longcat", "https://api.longcat.chat/openai/v1"),
        ("deepseek", "https://api.deepseek.com"),
    ],
)
def test_trap_26_no_v1_is_added_to_a_base_url(dialect_id: str, base: str) -> None:
    assert base + dialect(dialect_id).chat_path == f"{base}/chat/completions"


@pytest.mark.parametrize(
    ("dialect_id", "body"),
    [
        ("qwen", {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided."}}),
        ("moonshot", {"error": {"type": "invalid_authentication_error", "message": "Invalid Authentication"}}),
        ("minimax", {"error": {"type": "authorized_error", "message": "invalid api key (2049)"}}),
        ("siliconflow", {"code": 30014, "message": "Token is invalid."}),
        ("zhipu", {"error": {"code": "1000", "message": "no"}}),
    ],
)
def test_trap_27_a_key_of_another_region_or_plan_is_an_invalid_key(dialect_id: str, body: dict[str, Any]) -> None:
    assert kind_of(dialect_id, 401, body) is F.KEY_INVALID


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


@pytest.mark.parametrize(
    ("upstream", "hidden"),
    [
        ("doubao-seed-2-1-pro-260628", True),
        ("doubao-seed-evolving", True),
        ("ep-2026", True),
        ("doubao-seed-1-8", False),
    ],
)
def test_trap_32_hidden_thinking_is_said(upstream: str, hidden: bool) -> None:
    assert hides_reasoning(dialect("volcengine"), upstream) is hidden


def test_trap_33_the_model_in_the_answer_is_kept_for_the_record() -> None:
    body = WIRES["deepseek"].answer() | {"model": "deepseek-v4.1-flash-1017"}
    assert read_answer(dialect("deepseek"), body).body["model"] == "deepseek-v4.1-flash-1017"


def test_trap_34_ark_takes_endpoint_ids_and_model_not_open_is_no_missing_model() -> None:
    assert sent("volcengine", upstream="ep-20261101-abcde")["model"] == "ep-20261101-abcde"
    assert (
        kind_of("volcengine", 404, {"error": {"code": "ModelNotOpen", "message": "activate it"}}) is F.KEY_LACKS_MODEL
    )


@pytest.mark.parametrize(
    ("dialect_id", "field", "sent_as"),
    [
        ("moonshot", None, "max_completion_tokens"),
        ("minimax", None, "max_completion_tokens"),
        ("zhipu", "max_completion_tokens", "max_tokens"),
        ("volcengine", "max_tokens", "max_tokens"),
    ],
)
def test_trap_35_the_limit_has_one_name_per_vendor(dialect_id: str, field: str | None, sent_as: str) -> None:
    body: dict[str, Any] = {"messages": MESSAGES} | ({field: 9} if field else {})
    out = upstream_body(dialect(dialect_id), PLAIN, offer(), body, limit=9).body
    assert [name for name in ("max_tokens", "max_completion_tokens") if name in out] == [sent_as]


def test_trap_36_zhipu_streams_tool_arguments_only_when_asked() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert sent("zhipu", stream=True, tools=tools)["tool_stream"] is True
    assert "tool_stream" not in sent("zhipu", stream=True)
    assert "tool_stream" not in sent("zhipu", tools=tools)
    assert sent("zhipu", stream=True, tools=tools, tool_stream=False)["tool_stream"] is False


def test_trap_38_effort_words_differ() -> None:
    efforts = {"deepseek": "high", "zhipu": "medium", "volcengine": "medium"}
    model = Model(
        id="f/m", name="M", family="f", vendor="v", context=1, max_output=1,
        reasoning=HYBRID.reasoning.__class__(supported=True, efforts=("low", "high", "max")),
    )  # fmt: skip
    for dialect_id, word in efforts.items():
        assert sent(dialect_id, model, reasoning_effort="medium")["reasoning_effort"] == word
    assert "reasoning_effort" not in sent("minimax", HYBRID, reasoning_effort="medium")


def test_globs_meet_hosted_names_and_any_case() -> None:
    assert fits("moonshotai/Kimi-K2.7-Code", ("kimi-k2.7*",))
    assert not fits("kimi-k1", ("kimi-k2*",))
