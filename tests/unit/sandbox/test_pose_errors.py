"""What each vendor refuses, and in which words."""

import json

import pytest

from smartoken.sandbox.poses.pose import Kind
from smartoken.sandbox.poses.registry import POSES
from unit.sandbox.naive import HELLO, WEATHER, Peer

VENDORS = [name for name in POSES if name != "openai"]


def test_every_vendor_has_words_for_every_kind():
    for pose in POSES.values():
        assert set(pose.errors) == set(Kind)


# dialect, knobs -> status and a part of the body, as in the vendors' pages and recordings
ERRORS = [
    (
        "deepseek",
        "fail=broke",
        402,
        {"message": "Insufficient Balance", "type": "unknown_error", "param": None, "code": "invalid_request_error"},
    ),
    (
        "deepseek",
        "fail=refusal",
        400,
        {
            "message": "Content Exists Risk",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_request_error",
        },
    ),
    ("deepseek", "fail=overload", 503, None),
    ("qwen", "fail=broke", 400, {"type": "Arrearage", "code": "Arrearage"}),
    ("qwen", "fail=broke&variant=1", 429, {"code": "PostpaidBillOverdue"}),
    ("qwen", "fail=refusal", 400, {"code": "data_inspection_failed", "type": "data_inspection_failed"}),
    ("qwen", "fail=rate&variant=1", 429, {"code": "insufficient_quota"}),
    ("qwen", "fail=ramp", 429, {"code": "limit_burst_rate"}),
    ("qwen", "fail=lacks_model", 403, {"code": "AllocationQuota.FreeTierOnly"}),
    ("qwen", "fail=too_long", 400, {"message": "Range of input length should be [1, 129024]"}),
    ("moonshot", "fail=broke", 429, {"type": "exceeded_current_quota_error"}),
    ("moonshot", "fail=overload", 429, {"type": "engine_overloaded_error"}),
    ("moonshot", "fail=rate", 429, {"type": "rate_limit_reached_error"}),
    (
        "moonshot",
        "fail=invalid_key",
        401,
        {"message": "Invalid Authentication", "type": "invalid_authentication_error"},
    ),
    ("zhipu", "fail=broke", 429, {"code": "1113", "message": "您的账户已欠费，请充值后重试"}),
    ("zhipu", "fail=broke&variant=2", 429, {"code": 1113}),
    ("zhipu", "fail=window", 429, {"code": "1308"}),
    ("zhipu", "fail=too_long", 400, {"code": "1261", "message": "Prompt 超长"}),
    ("volcengine", "fail=broke", 403, {"code": "AccountOverdueError", "type": "Forbidden"}),
    ("volcengine", "fail=overload", 429, {"code": "ServerOverloaded", "type": "TooManyRequests"}),
    ("volcengine", "fail=lacks_model", 404, {"code": "ModelNotOpen", "type": "NotFound"}),
    (
        "minimax",
        "fail=broke",
        402,
        {"type": "insufficient_balance_error", "message": "insufficient balance (1008)", "http_code": "402"},
    ),
    ("minimax", "fail=broke&variant=3", 500, {"type": "api_error", "message": "insufficient balance (1008)"}),
    ("tencent", "fail=refusal", 451, {"code": "451001", "type": "content_filter_error", "source": "gateway"}),
    ("baidu", "fail=rate", 429, {"code": "rpm_rate_limit_exceeded", "type": "rate_limit_exceeded"}),
    ("stepfun", "fail=refusal", 451, {"type": "censorship_blocked"}),
    ("xiaomi", "fail=broke", 402, {"code": "402"}),
    ("longcat", "fail=broke", 402, {"message": "Insufficient token quota"}),
]


@pytest.mark.parametrize(("dialect", "knobs", "status", "part"), ERRORS)
async def test_a_failure_is_in_the_vendors_words(peer: Peer, dialect, knobs, status, part):
    answer = await peer.pose(dialect, f"model?{knobs}")
    assert answer.status == status
    assert (part or {}).items() <= answer.json["error"].items()


ODD_BODIES = [
    ("siliconflow", "fail=broke", 403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}),
    ("siliconflow", "fail=invalid_key&variant=1", 401, "Invalid token"),
    (
        "siliconflow",
        "fail=overload",
        503,
        {"code": 50505, "message": "Model service overloaded. Please try again later.", "data": None},
    ),
    (
        "minimax",
        "fail=window",
        429,
        {"type": "error", "error": {"type": "rate_limit_error", "message": "usage limit exceeded (2056)"}},
    ),
]


@pytest.mark.parametrize(("dialect", "knobs", "status", "body"), ODD_BODIES)
async def test_some_errors_have_no_envelope(peer: Peer, dialect, knobs, status, body):
    answer = await peer.pose(dialect, f"model?{knobs}")
    assert (answer.status, answer.json) == (status, body)


async def test_minimax_can_fail_inside_a_200(peer: Peer):
    answer = await peer.pose("minimax", "model?fail=broke&variant=1")
    assert (answer.status, answer.json["choices"], answer.json["usage"]) == (200, None, None)
    assert answer.json["base_resp"] == {"status_code": 1008, "status_msg": "insufficient balance"}


@pytest.mark.parametrize("dialect", POSES)
@pytest.mark.parametrize("kind", Kind)
async def test_no_placeholder_is_left_in_an_error(peer: Peer, dialect, kind):
    for variant in range(len(POSES[dialect].errors[kind])):
        body = (await peer.pose(dialect, f"model?fail={kind}&variant={variant}")).json
        text = json.dumps(body, ensure_ascii=False)
        assert not [
            word for word in ("message", "param", "code", "model", "id", "hex", "uuid") if f"{{{word}}}" in text
        ]


def _turn(**more):
    call = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    assistant = {"role": "assistant", "content": "", "tool_calls": [call], **more}
    return {"messages": [*HELLO, assistant, {"role": "tool", "tool_call_id": "c", "content": "22"}], "tools": [WEATHER]}


NAMESPACE = {"tools": [{"type": "namespace"}]}
# dialect, model, request -> a part of the refusal, or None where it passes
RULES = [
    ("deepseek", "deepseek-flash", _turn(), "must be passed back to the API"),
    ("deepseek", "deepseek-flash", _turn(reasoning_content=" "), None),
    ("deepseek", "deepseek-flash", {**_turn(), "thinking": {"type": "disabled"}}, None),
    ("deepseek", "deepseek-flash", NAMESPACE, "unknown variant `namespace`, expected `function`"),
    ("deepseek", "deepseek-flash", {"thinking": {"type": "adaptive"}}, "thinking"),
    ("deepseek", "deepseek-flash", {"response_format": {"type": "json_schema"}}, "response_format"),
    ("deepseek", "deepseek-flash", {"response_format": {"type": "json_object"}}, None),
    ("deepseek", "deepseek-flash", {"reasoning_effort": "hard"}, "reasoning_effort"),
    ("deepseek", "deepseek-flash", {"temperature": 0.3, "max_tokens": 5}, None),
    ("qwen", "qwen3-32b", {"enable_thinking": True}, "parameter.enable_thinking must be set to false"),
    ("qwen", "qwen3-32b", {}, "parameter.enable_thinking must be set to false"),
    ("qwen", "qwen3-32b", {"enable_thinking": True, "stream": True}, None),
    ("qwen", "qwen3-32b", {"enable_thinking": False}, None),
    ("qwen", "qwen-plus", {"enable_thinking": True}, None),
    ("qwen", "qwen-plus", {"enable_thinking": "yes"}, "enable_thinking"),
    ("qwen", "qwen-plus", {"tools": [WEATHER], "tool_choice": "required"}, "tool_choice"),
    ("moonshot", "kimi-k3", {"temperature": 0.7}, "invalid temperature: only 1 is allowed for this model"),
    ("moonshot", "kimi-k3", {"temperature": 1}, None),
    ("moonshot", "kimi-k3", {"presence_penalty": 1}, "presence_penalty"),
    ("moonshot", "moonshot-v1-8k", {"temperature": 0.7}, None),
    ("moonshot", "moonshot-v1-8k", {"temperature": 1.5}, "temperature"),
    ("moonshot", "moonshot-v1-8k", {"temperature": 0.1, "n": 2}, "invalid n"),
    ("moonshot", "kimi-k2.6", {"tools": [WEATHER], "tool_choice": "required"}, "incompatible with thinking enabled"),
    ("moonshot", "kimi-k2.6", {"tools": [WEATHER], "tool_choice": "required", "thinking": {"type": "disabled"}}, None),
    ("moonshot", "kimi-k3", {"tools": [WEATHER], "tool_choice": "required"}, None),
    ("moonshot", "kimi-k2.7-code", {"thinking": {"type": "disabled"}}, "only type=enabled is allowed"),
    ("moonshot", "kimi-k3", {"reasoning_effort": {"effort": "low"}}, "reasoning_effort"),
    ("moonshot", "kimi-k2.6", _turn(), "reasoning_content is missing in assistant tool call message at index 1"),
    ("moonshot", "kimi-k2.6", _turn(reasoning_content="so"), None),
    ("zhipu", "glm-5.2", {"temperature": 0}, "temperature"),
    ("zhipu", "glm-5.2", {"temperature": 1}, "temperature"),
    ("zhipu", "glm-5.2", {"temperature": 0.99, "top_p": 0.01}, None),
    ("zhipu", "glm-5.2", {"top_p": 1}, "top_p"),
    ("zhipu", "glm-5.2", {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, "tool_choice"),
    ("zhipu", "glm-5.2", {"tool_choice": "auto"}, None),
    ("volcengine", "doubao-seed-2-0", {"max_tokens": 5, "max_completion_tokens": 5}, "cannot be set together"),
    ("volcengine", "doubao-seed-2-0", {"max_completion_tokens": 5}, None),
    ("volcengine", "doubao-seed-2-0", {"thinking": {"type": "auto"}}, None),
    ("volcengine", "doubao-seed-2-0", {"thinking": {"type": "adaptive"}}, "thinking"),
    ("volcengine", "doubao-seed-2-0", {"logprobs": True}, "logprobs"),
    ("minimax", "MiniMax-M3", {"thinking": {"type": "enabled"}}, "adaptive or disabled (2013)"),
    ("minimax", "MiniMax-M3", {"thinking": {"type": "adaptive"}}, None),
    ("minimax", "MiniMax-M3", {"n": 2}, "n must be 1"),
    ("tencent", "hy3", {"thinking": {"budget_tokens": 5}}, "type is required"),
    ("tencent", "hy3", {"thinking": {"type": "adaptive"}}, None),
    ("stepfun", "step-5", {"reasoning_effort": "max"}, "reasoning_effort"),
    ("xiaomi", "mimo-v2.6-pro", _turn(), "must be passed back to the API"),
    ("xiaomi", "mimo-v2.6-pro", _turn(reasoning_content=" "), None),
    ("longcat", "LongCat-2.0", NAMESPACE, "namespace"),
]


@pytest.mark.parametrize(("dialect", "model", "fields", "part"), RULES)
async def test_a_vendor_refuses_what_it_cannot_do(peer: Peer, dialect, model, fields, part):
    answer = await peer.pose(dialect, model, **fields)
    assert answer.status == (200 if part is None else 400)
    assert part is None or part in answer.body.decode()


LIMITS = [
    ("deepseek", {"max_tokens": 3}, 3),
    ("zhipu", {"max_tokens": 3}, 3),
    ("zhipu", {"max_completion_tokens": 3}, 8),  # a name that it does not know limits nothing
    ("moonshot", {"max_completion_tokens": 3}, 3),
    ("minimax", {"max_completion_tokens": 3}, 3),
]


@pytest.mark.parametrize(("dialect", "fields", "tokens"), LIMITS)
async def test_a_limit_counts_under_the_name_that_the_vendor_knows(peer: Peer, dialect, fields, tokens):
    assert (await peer.pose(dialect, "model?think=0", **fields)).json["usage"]["completion_tokens"] == tokens


KEYS = [
    ("sk-invalid-1", "invalid_key"),
    ("sk-broke-1", "broke"),
    ("sk-limited-1", "rate"),
    ("sk-nomodel-1", "lacks_model"),
]


@pytest.mark.parametrize("dialect", VENDORS)
async def test_a_vendor_wants_a_key(sandbox, peer: Peer, dialect):
    for key, kind in [("", "invalid_key"), *KEYS]:
        answer = await peer.pose(dialect, key=key, user="u")
        expected = POSES[dialect].errors[Kind(kind)][0].status
        assert (answer.status, sandbox.truth["u"].failed if key else kind) == (expected, kind)
        sandbox.truth.clear()


async def test_plain_needs_no_key_but_knows_bad_ones(peer: Peer):
    assert (await peer.chat("echo", key="")).status == 200
    assert (await peer.chat("echo", key="sk-invalid")).status == 401


STREAM_ERRORS = [
    ("qwen", "refusal", "data_inspection_failed", False),
    ("zhipu", "overload", "1305", True),
    ("moonshot", "overload", "stream_failure", False),
]


@pytest.mark.parametrize(("dialect", "kind", "code", "done"), STREAM_ERRORS)
async def test_an_error_in_mid_stream_is_the_vendors(peer: Peer, dialect, kind, code, done):
    answer = await peer.pose(dialect, f"error-event-late?how={kind}&after=2", stream=True)
    errors = [each for each in answer.events if "error" in each]
    assert (errors[0]["error"]["code"], "[DONE]" in answer.events) == (code, done)
    assert (b"event: error\n" in answer.body) == (dialect == "zhipu")


async def test_a_finish_reason_is_in_the_vendors_word(peer: Peer):
    told = (await peer.pose("zhipu", "echo?finish=content_filter", stream=True)).told()
    assert told.finishes == ["sensitive"]
    assert (await peer.pose("deepseek", "echo?finish=insufficient_system_resource")).json["choices"][0][
        "finish_reason"
    ] == ("insufficient_system_resource")


@pytest.mark.parametrize("dialect", ["gopher", ""])
async def test_an_unknown_vendor_is_not_found(peer: Peer, dialect):
    assert (await peer.pose(dialect)).status == 404
