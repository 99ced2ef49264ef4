"""What leaves for each provider, asserted whole."""

import copy
from typing import Any

import pytest

from contract.dialects.models import ALWAYS_ON, EFFORTS, HYBRID, PLAIN, SEVEN, offer
from smartoken.catalog.offers import Model
from smartoken.errors import InvalidRequestError
from smartoken.providers.registry import DIALECTS, dialect
from smartoken.providers.requests import upstream_body

MESSAGES = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
BODY: dict[str, Any] = {
    "model": "family/model",
    "messages": MESSAGES,
    "stream": True,
    "temperature": 0.5,
    "max_tokens": 100,
    "user": "u-1",
    "x_unknown": {"deep": [1, None]},
    "tools": TOOLS,
}
SAME = {k: BODY[k] for k in ("messages", "stream", "x_unknown", "tools")} | {"model": "up-model"}
ASKED = {"stream_options": {"include_usage": True}}

SENT: dict[str, dict[str, Any]] = {
    "openai": SAME | ASKED | {"temperature": 0.5, "max_tokens": 100, "user": "u-1"},
    "deepseek": SAME | ASKED | {"temperature": 0.5, "max_tokens": 100, "user_id": "u-1"},
    "qwen": SAME | ASKED | {"temperature": 0.5, "max_tokens": 100, "user": "u-1"},
    "moonshot": SAME | ASKED | {"temperature": 0.5, "max_tokens": 100, "user": "u-1"},
    "zhipu": SAME | {"temperature": 0.5, "max_tokens": 100, "user": "u-1", "tool_stream": True},
    "volcengine": SAME | ASKED | {"temperature": 0.5, "max_tokens": 100, "user": "u-1"},
    "minimax": SAME | ASKED | {"temperature": 0.5, "max_tokens": 100, "user": "u-1", "reasoning_split": True},
    "xiaomi": SAME | {"temperature": 0.5, "max_tokens": 100, "user": "u-1"},
}
for _id in ("tencent", "baidu", "stepfun", "siliconflow", "longcat", "sensenova"):
    SENT[_id] = SENT["openai"]


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
def test_a_streamed_call_with_tools_is_sent_so(dialect_id: str) -> None:
    body = copy.deepcopy(BODY)
    outgoing = upstream_body(dialect(dialect_id), PLAIN, offer(), body, limit=100)
    assert outgoing.body == SENT[dialect_id]
    assert outgoing.warnings == ()
    assert body == BODY


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
def test_a_plain_call_carries_nothing_that_was_not_asked(dialect_id: str) -> None:
    outgoing = upstream_body(dialect(dialect_id), PLAIN, offer(), {"model": "m", "messages": MESSAGES}, limit=None)
    own = {"reasoning_split": True} if dialect_id == "minimax" else {}
    assert outgoing.body == {"model": "up-model", "messages": MESSAGES} | own


LIMITS = [
    # dialect, client's field, limit -> field sent
    ("openai", "max_tokens", 100, "max_tokens"),
    ("openai", "max_completion_tokens", 100, "max_completion_tokens"),
    ("deepseek", "max_completion_tokens", 100, "max_tokens"),
    ("qwen", "max_completion_tokens", 100, "max_completion_tokens"),
    ("moonshot", None, 100, "max_completion_tokens"),
    ("moonshot", "max_tokens", 100, "max_tokens"),
    ("zhipu", "max_completion_tokens", 100, "max_tokens"),
    ("volcengine", None, 100, "max_completion_tokens"),
    ("volcengine", None, 100_000, "max_tokens"),
    ("volcengine", "max_completion_tokens", 100_000, "max_tokens"),
    ("volcengine", "max_tokens", 100, "max_tokens"),
    ("minimax", None, 100, "max_completion_tokens"),
    ("tencent", "max_completion_tokens", 100, "max_tokens"),
    ("stepfun", None, 100, "max_tokens"),
]


@pytest.mark.parametrize(("dialect_id", "field", "limit", "sent"), LIMITS)
def test_one_output_limit_is_sent_under_the_vendors_name(
    dialect_id: str, field: str | None, limit: int, sent: str
) -> None:
    body: dict[str, Any] = {"model": "m", "messages": MESSAGES}
    if field is not None:
        body[field] = limit
    outgoing = upstream_body(dialect(dialect_id), PLAIN, offer(), body, limit=limit).body
    assert {name: outgoing[name] for name in ("max_tokens", "max_completion_tokens") if name in outgoing} == {
        sent: limit
    }


THINKING = [
    # dialect, model, client's fields -> fields sent, warnings
    ("deepseek", EFFORTS, {"reasoning_effort": "high"}, {"reasoning_effort": "high"}, ()),
    (
        "deepseek",
        EFFORTS,
        {"reasoning_effort": "minimal"},
        {"reasoning_effort": "low"},
        ("reasoning_effort-sent-as-low",),
    ),
    (
        "deepseek",
        EFFORTS,
        {"reasoning_effort": "medium"},
        {"reasoning_effort": "high"},
        ("reasoning_effort-sent-as-high",),
    ),
    (
        "deepseek",
        EFFORTS,
        {"reasoning_effort": "xhigh"},
        {"reasoning_effort": "high"},
        ("reasoning_effort-sent-as-high",),
    ),
    ("deepseek", EFFORTS, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, ()),
    ("deepseek", EFFORTS, {"enable_thinking": False}, {"thinking": {"type": "disabled"}}, ()),
    ("deepseek", EFFORTS, {"thinking": {"type": "enabled"}}, {"thinking": {"type": "enabled"}}, ()),
    ("deepseek", EFFORTS, {"thinking": {"type": "auto"}}, {"thinking": {"type": "enabled"}}, ("thinking-sent-as-on",)),
    (
        "deepseek",
        EFFORTS,
        {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        (),
    ),
    ("qwen", HYBRID, {"reasoning_effort": "none"}, {"enable_thinking": False}, ()),
    ("qwen", HYBRID, {"reasoning_effort": "low"}, {"enable_thinking": True}, ("reasoning_effort-only-switches",)),
    ("qwen", HYBRID, {"thinking": {"type": "disabled"}}, {"enable_thinking": False}, ()),
    (
        "qwen",
        HYBRID,
        {"thinking": {"type": "enabled", "budget_tokens": 500}},
        {"enable_thinking": True, "thinking_budget": 500},
        (),
    ),
    ("qwen", HYBRID, {"thinking_budget": 500}, {"thinking_budget": 500}, ()),
    ("qwen", EFFORTS, {"reasoning_effort": "max"}, {"enable_thinking": True, "reasoning_effort": "max"}, ()),
    ("qwen", SEVEN, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, ()),
    ("moonshot", EFFORTS, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, ()),
    ("moonshot", HYBRID, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, ()),
    ("moonshot", HYBRID, {"thinking": {"keep": "all"}}, {"thinking": {"keep": "all"}}, ()),
    (
        "moonshot",
        HYBRID,
        {"thinking": {"type": "enabled", "keep": "all"}},
        {"thinking": {"type": "enabled", "keep": "all"}},
        (),
    ),
    ("moonshot", ALWAYS_ON, {"enable_thinking": True}, {"thinking": {"type": "enabled"}}, ()),
    ("zhipu", HYBRID, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, ()),
    ("zhipu", EFFORTS, {"reasoning_effort": "medium"}, {"reasoning_effort": "medium"}, ()),
    (
        "zhipu",
        HYBRID,
        {"reasoning_effort": "medium"},
        {"thinking": {"type": "enabled"}},
        ("reasoning_effort-only-switches",),
    ),
    ("volcengine", SEVEN, {"reasoning_effort": "minimal"}, {"reasoning_effort": "minimal"}, ()),
    ("volcengine", SEVEN, {"reasoning_effort": "none"}, {"reasoning_effort": "none"}, ()),
    ("volcengine", SEVEN, {"thinking": {"type": "auto"}}, {"thinking": {"type": "auto"}}, ()),
    ("volcengine", SEVEN, {"enable_thinking": False}, {"thinking": {"type": "disabled"}}, ()),
    ("minimax", HYBRID, {"enable_thinking": True}, {"thinking": {"type": "adaptive"}}, ()),
    ("minimax", HYBRID, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, ()),
    (
        "minimax",
        ALWAYS_ON,
        {"reasoning_effort": "high"},
        {"thinking": {"type": "adaptive"}},
        ("reasoning_effort-only-switches",),
    ),
    (
        "tencent",
        HYBRID,
        {"thinking": {"type": "enabled", "budget_tokens": 64}},
        {"thinking": {"type": "enabled", "budget_tokens": 64}},
        (),
    ),
    ("tencent", HYBRID, {"thinking_budget": 64}, {"thinking": {"type": "enabled", "budget_tokens": 64}}, ()),
    ("stepfun", EFFORTS, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, ()),
    ("siliconflow", HYBRID, {"thinking": {"type": "disabled"}}, {"enable_thinking": False}, ()),
    (
        "siliconflow",
        EFFORTS,
        {"reasoning_effort": "high"},
        {"enable_thinking": True},
        ("reasoning_effort-only-switches",),
    ),
    ("xiaomi", HYBRID, {"enable_thinking": False}, {"thinking": {"type": "disabled"}}, ()),
    ("baidu", HYBRID, {"enable_thinking": True}, {"enable_thinking": True}, ("enable_thinking-untranslated",)),
    ("longcat", HYBRID, {"thinking": {"type": "x"}}, {"thinking": {"type": "x"}}, ("thinking-untranslated",)),
    ("openai", HYBRID, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, ()),
    (
        "openai",
        PLAIN,
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"chat_template_kwargs": {"enable_thinking": False}},
        (),
    ),
    ("sensenova", SEVEN, {"reasoning_effort": "none"}, {"reasoning_effort": "none"}, ()),
    ("qwen", PLAIN, {"reasoning_effort": "none"}, {}, ()),
    ("qwen", PLAIN, {"enable_thinking": False, "reasoning_effort": None}, {}, ()),
]


@pytest.mark.parametrize(("dialect_id", "model", "asked", "sent", "warnings"), THINKING)
def test_the_thinking_switch_is_translated(
    dialect_id: str, model: Model, asked: dict[str, Any], sent: dict[str, Any], warnings: tuple[str, ...]
) -> None:
    outgoing = upstream_body(dialect(dialect_id), model, offer(), {"messages": MESSAGES, **asked}, limit=None)
    own = {"messages", "model", "reasoning_split"}
    assert {name: value for name, value in outgoing.body.items() if name not in own} == sent
    assert outgoing.warnings == warnings


REFUSED = [
    # dialect, model, upstream id, client's fields -> parameter named
    ("deepseek", PLAIN, "m", {"reasoning_effort": "low"}, "reasoning_effort"),
    ("deepseek", PLAIN, "m", {"thinking": {"type": "enabled"}}, "thinking.type"),
    ("qwen", PLAIN, "m", {"enable_thinking": True}, "enable_thinking"),
    ("qwen", PLAIN, "m", {"thinking_budget": 10}, "thinking_budget"),
    ("moonshot", ALWAYS_ON, "kimi-k2.7-code", {"thinking": {"type": "disabled"}}, "thinking.type"),
    ("zhipu", ALWAYS_ON, "glm-5.3", {"reasoning_effort": "none"}, "reasoning_effort"),
    ("zhipu", ALWAYS_ON, "glm-5.3", {"enable_thinking": False}, "enable_thinking"),
    ("minimax", ALWAYS_ON, "minimax-m2", {"thinking": {"type": "disabled"}}, "thinking.type"),
    ("stepfun", EFFORTS, "step-5", {"reasoning_effort": "none"}, "reasoning_effort"),
    ("deepseek", EFFORTS, "m", {"thinking_budget": 100}, "thinking_budget"),
    ("zhipu", HYBRID, "m", {"thinking": {"type": "enabled", "budget_tokens": 9}}, "thinking.budget_tokens"),
    ("qwen", HYBRID, "m", {"thinking_budget": 99_999}, "thinking_budget"),
    ("qwen", HYBRID, "m", {"reasoning_effort": "huge"}, "reasoning_effort"),
    ("qwen", HYBRID, "m", {"reasoning_effort": 3}, "reasoning_effort"),
    ("qwen", HYBRID, "m", {"thinking": {"type": "maybe"}}, "thinking.type"),
    ("qwen", HYBRID, "m", {"thinking": {"budget_tokens": True}}, "thinking.budget_tokens"),
    ("qwen", HYBRID, "m", {"thinking": {"effort": 1}}, "thinking.effort"),
    ("qwen", HYBRID, "m", {"thinking": "on"}, "thinking"),
    ("qwen", HYBRID, "m", {"enable_thinking": "yes"}, "enable_thinking"),
    ("qwen", HYBRID, "m", {"enable_thinking": True, "thinking": {"type": "disabled"}}, "enable_thinking"),
    ("qwen", HYBRID, "m", {"enable_thinking": True, "reasoning_effort": "none"}, "reasoning_effort"),
    ("qwen", HYBRID, "m", {"thinking_budget": 5, "thinking": {"budget_tokens": 6}}, "thinking_budget"),
    ("moonshot", HYBRID, "kimi-k3", {"temperature": 0.3}, "temperature"),
    ("moonshot", HYBRID, "kimi-k3", {"presence_penalty": 0.5}, "presence_penalty"),
    ("moonshot", PLAIN, "moonshot-v1-8k", {"temperature": 1.5}, "temperature"),
    ("zhipu", PLAIN, "glm-5", {"temperature": 1.2}, "temperature"),
    ("zhipu", PLAIN, "glm-5", {"top_p": 0}, "top_p"),
    ("zhipu", PLAIN, "glm-5", {"n": 2}, "n"),
    ("zhipu", PLAIN, "glm-5", {"tool_choice": "required"}, "tool_choice"),
    ("qwen", PLAIN, "qwen-max", {"tool_choice": "required"}, "tool_choice"),
    ("qwen", PLAIN, "MiniMax-M3.1-Flash", {"tool_choice": "none"}, "tool_choice"),
    ("volcengine", PLAIN, "m", {"n": 2}, "n"),
    ("volcengine", ALWAYS_ON, "m", {"logprobs": True}, "logprobs"),
    ("minimax", PLAIN, "m", {"n": 3}, "n"),
    ("deepseek", PLAIN, "m", {"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
    ("openai", PLAIN, "m", {"service_tier": "priority"}, "service_tier"),
    ("volcengine", PLAIN, "m", {"service_tier": "fast"}, "service_tier"),
    ("qwen", PLAIN, "m", {"enable_search": True}, "enable_search"),
    ("qwen", PLAIN, "m", {"search_options": {}}, "search_options"),
    ("openai", PLAIN, "m", {"web_search_options": {}}, "web_search_options"),
    ("openai", PLAIN, "m", {"plugins": [{"id": "web"}]}, "plugins"),
    ("openai", PLAIN, "m", {"models": ["other"]}, "models"),
    ("zhipu", PLAIN, "m", {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ("moonshot", PLAIN, "m", {"tools": [*TOOLS, {"type": "builtin_function"}]}, "tools[1].type"),
]


@pytest.mark.parametrize(("dialect_id", "model", "upstream", "asked", "param"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name(
    dialect_id: str, model: Model, upstream: str, asked: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        upstream_body(dialect(dialect_id), model, offer(upstream), {"messages": MESSAGES, **asked}, limit=None)
    assert refused.value.param == param
    assert param.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0] in refused.value.message


ALLOWED = [
    ("moonshot", HYBRID, "kimi-k3", {"temperature": 1}),
    ("moonshot", HYBRID, "kimi-k3", {"temperature": 1.0, "presence_penalty": 0}),
    ("moonshot", PLAIN, "moonshot-v1-8k", {"temperature": 0.5}),
    ("zhipu", PLAIN, "glm-5", {"temperature": 0.5, "tool_choice": "auto", "n": 1}),
    ("qwen", PLAIN, "m", {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
    ("qwen", PLAIN, "m", {"enable_search": False}),
    ("openai", PLAIN, "m", {"tools": [{"type": "custom"}], "tool_choice": "required", "n": 2}),
    ("openai", PLAIN, "m", {"service_tier": "default"}),
    ("volcengine", PLAIN, "m", {"logprobs": True}),
    ("deepseek", PLAIN, "m", {"response_format": {"type": "json_object"}}),
]


@pytest.mark.parametrize(("dialect_id", "model", "upstream", "asked"), ALLOWED)
def test_what_can_be_done_travels_unchanged(
    dialect_id: str, model: Model, upstream: str, asked: dict[str, Any]
) -> None:
    outgoing = upstream_body(dialect(dialect_id), model, offer(upstream), {"messages": MESSAGES, **asked}, limit=None)
    assert {name: outgoing.body[name] for name in asked} == asked
    assert outgoing.warnings == ()


WARNED = [
    ("deepseek", EFFORTS, {"temperature": 0.3}, {"temperature": 0.3}, "temperature-ignored"),
    ("deepseek", EFFORTS, {"presence_penalty": 1}, {"presence_penalty": 1}, "presence_penalty-ignored"),
    ("deepseek", EFFORTS, {"top_p": 0.5}, {"top_p": 0.5}, "top_p-doubtful"),
    ("zhipu", PLAIN, {"temperature": 0}, {"do_sample": False}, "temperature-sent-as-do_sample"),
    ("zhipu", PLAIN, {"temperature": 1}, {"temperature": 1}, "temperature-doubtful"),
    ("zhipu", PLAIN, {"frequency_penalty": 1}, {"frequency_penalty": 1}, "frequency_penalty-ignored"),
    ("minimax", PLAIN, {"logit_bias": {"1": 2}}, {"logit_bias": {"1": 2}}, "logit_bias-ignored"),
    ("volcengine", PLAIN, {"seed": 7}, {"seed": 7}, "seed-ignored"),
]


@pytest.mark.parametrize(("dialect_id", "model", "asked", "sent", "warning"), WARNED)
def test_what_a_vendor_ignores_travels_with_a_warning(
    dialect_id: str, model: Model, asked: dict[str, Any], sent: dict[str, Any], warning: str
) -> None:
    outgoing = upstream_body(dialect(dialect_id), model, offer("m"), {"messages": MESSAGES, **asked}, limit=None)
    assert {name: outgoing.body[name] for name in sent} == sent
    assert warning in outgoing.warnings
    assert all(each.isascii() and " " not in each for each in outgoing.warnings)


def test_with_thinking_off_nothing_is_said_to_be_ignored() -> None:
    body = {"messages": MESSAGES, "temperature": 0.3, "thinking": {"type": "disabled"}}
    assert upstream_body(dialect("deepseek"), EFFORTS, offer(), body, limit=None).warnings == ()


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
def test_the_developer_role_reaches_every_vendor_in_a_role_that_it_knows(dialect_id: str) -> None:
    messages = [{"role": "developer", "content": "Be brief."}, *MESSAGES]
    outgoing = upstream_body(dialect(dialect_id), PLAIN, offer(), {"messages": messages}, limit=None)
    kept = dialect_id in ("openai", "volcengine")
    assert outgoing.body["messages"][0]["role"] == ("developer" if kept else "system")
    assert outgoing.warnings == (() if kept else ("developer-role-sent-as-system",))
    assert messages[0]["role"] == "developer"


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
def test_the_clients_own_stream_options_are_kept(dialect_id: str) -> None:
    body = {"messages": MESSAGES, "stream": True, "stream_options": {"include_usage": False, "x": 1}}
    sent = upstream_body(dialect(dialect_id), PLAIN, offer(), body, limit=None).body["stream_options"]
    assert sent["x"] == 1
    assert sent["include_usage"] is dialect(dialect_id).accepts_include_usage
    assert body["stream_options"] == {"include_usage": False, "x": 1}
