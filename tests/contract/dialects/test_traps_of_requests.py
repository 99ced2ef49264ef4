"""Traps of naive pass-through, by number: what providers take."""

from typing import Any

import orjson
import pytest

from contract.dialects.models import ALWAYS_ON, HYBRID, PLAIN, offer
from contract.dialects.trapped import MESSAGES, F, sent
from contract.dialects.wires import WIRES, sse
from smartoken.catalog.offers import Model
from smartoken.errors import InvalidRequestError
from smartoken.providers.failures import classify
from smartoken.providers.reasoning import LOST, ReasoningStore
from smartoken.providers.registry import DIALECTS, dialect
from smartoken.providers.requests import demands_replay, fits, hides_reasoning, upstream_body
from smartoken.providers.streams import StreamReader


def test_trap_08_minimax_knows_no_enabled() -> None:
    assert sent("minimax", HYBRID, thinking={"type": "enabled"})["thinking"] == {"type": "adaptive"}
    assert sent("minimax", HYBRID, reasoning_effort="none")["thinking"] == {"type": "disabled"}


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
