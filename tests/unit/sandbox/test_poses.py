"""Every vendor's clothes: a naive reader understands them, and they are what was recorded."""

# ruff: noqa: RUF001 - the vendors write Chinese punctuation

import json

import pytest

from smartoken.sandbox.poses.pose import Kind
from smartoken.sandbox.poses.registry import POSES, WRONGS
from unit.sandbox.naive import ECHO, HELLO, WEATHER, Peer, tell

VENDORS = [name for name in POSES if name != "openai"]
ON = {"enable_thinking": True}  # what makes those think that do not by themselves; the others do not know it
DEFAULT_ON = {"deepseek", "moonshot", "zhipu", "volcengine", "minimax", "stepfun", "xiaomi"}
# Where a stream has usage when it was not asked for, and when it was.
UNASKED = {"deepseek": 1, "moonshot": 1, "zhipu": 1, "xiaomi": 1}
ASKED = {"moonshot": 2}
HAS_REASONING_COUNT = set(POSES) - {"zhipu", "minimax"}


@pytest.mark.parametrize("dialect", POSES)
async def test_a_stream_is_understood(peer: Peer, dialect):
    answer = await peer.pose(dialect, "model?think=4", stream=True, stream_options={"include_usage": True}, **ON)
    told = answer.told()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert (told.text, told.thinking, told.finishes, told.done) == (ECHO, "The user said something", ["stop"], True)
    assert len(told.usages) == ASKED.get(dialect, 1)
    assert {(each["prompt_tokens"], each["completion_tokens"], each["total_tokens"]) for each in told.usages} == {
        (9, 12, 21)
    }
    details = told.usages[0].get("completion_tokens_details", {})
    assert details == ({"reasoning_tokens": 4} if dialect in HAS_REASONING_COUNT else {})


@pytest.mark.parametrize("dialect", POSES)
async def test_a_whole_answer_is_understood(peer: Peer, dialect):
    body = (await peer.pose(dialect, "model?think=4", reasoning_split=True, **ON)).json
    message = body["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == (ECHO, "The user said something")
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (9, 12)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", POSES)
async def test_a_tool_call_is_understood(peer: Peer, dialect, stream):
    answer = await peer.pose(dialect, "model?think=0", tools=[WEATHER], stream=stream)
    if stream:
        told = answer.told()
        assert told.finishes == ["tool_calls"]
        (call,) = told.calls.values()
    else:
        assert answer.json["choices"][0]["finish_reason"] == "tool_calls"
        (found,) = answer.json["choices"][0]["message"]["tool_calls"]
        call = {"id": found["id"], **found["function"]}
    assert (call["name"], call["arguments"]) == ("get_weather", '{"city":"Paris"}')
    assert call["id"]


@pytest.mark.parametrize("dialect", POSES)
async def test_thinking_is_on_by_default_where_the_vendor_says_so(peer: Peer, dialect):
    told = (await peer.pose(dialect, "vendor-model", stream=True)).told()
    assert bool(told.thinking) == (dialect in DEFAULT_ON)


@pytest.mark.parametrize("dialect", POSES)
async def test_thinking_can_be_switched_off(peer: Peer, dialect):
    off = {"enable_thinking": False, "thinking": {"type": "disabled"}}
    if dialect == "stepfun":
        off = {"thinking": {"type": "disabled"}}
    assert not (await peer.pose(dialect, "vendor-model", stream=True, **off)).told().thinking


@pytest.mark.parametrize("dialect", POSES)
async def test_usage_comes_unasked_only_where_the_vendor_sends_it(peer: Peer, dialect):
    assert len((await peer.pose(dialect, stream=True)).told().usages) == UNASKED.get(dialect, 0)


FIRST = {  # the first chunk of a thinking stream: the choice and the keys around it, as recorded
    "deepseek": (
        {
            "index": 0,
            "delta": {"role": "assistant", "content": None, "reasoning_content": ""},
            "logprobs": None,
            "finish_reason": None,
        },
        ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"],
    ),
    "qwen": (
        {
            "delta": {"content": None, "role": "assistant", "reasoning_content": ""},
            "index": 0,
            "logprobs": None,
            "finish_reason": None,
        },
        ["choices", "object", "usage", "created", "system_fingerprint", "model", "id"],
    ),
    "moonshot": (
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
        ["id", "object", "created", "model", "choices"],
    ),
    "zhipu": (
        {"index": 0, "delta": {"role": "assistant", "reasoning_content": "The"}},
        ["id", "created", "object", "model", "choices"],
    ),
    "volcengine": (
        {"delta": {"content": "", "reasoning_content": "The", "role": "assistant"}, "index": 0},
        ["choices", "created", "id", "model", "service_tier", "object", "usage"],
    ),
    "minimax": (
        {
            "index": 0,
            "delta": {"content": "<think>\nThe", "role": "assistant", "name": "MiniMax AI", "audio_content": ""},
        },
        [
            "id",
            "choices",
            "created",
            "model",
            "object",
            "usage",
            "input_sensitive",
            "output_sensitive",
            "input_sensitive_type",
            "output_sensitive_type",
            "output_sensitive_int",
        ],
    ),
}


@pytest.mark.parametrize("dialect", FIRST)
async def test_the_first_chunk_is_as_recorded(peer: Peer, dialect):
    event = (await peer.pose(dialect, stream=True, **ON)).events[0]
    choice, keys = FIRST[dialect]
    assert json.dumps(event["choices"]) == json.dumps([choice])  # the order of fields too
    assert list(event) == keys


LAST = {  # the last events before [DONE] of an asked-for usage: the choices and whether usage is there
    "deepseek": [
        (
            [
                {
                    "index": 0,
                    "delta": {"content": "", "reasoning_content": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            True,
        )
    ],
    "qwen": [
        (
            [
                {
                    "finish_reason": "stop",
                    "logprobs": None,
                    "delta": {"content": "", "reasoning_content": None},
                    "index": 0,
                }
            ],
            False,
        ),
        ([], True),
    ],
    "zhipu": [([{"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": ""}}], True)],
    "volcengine": [
        ([{"delta": {"content": "", "role": "assistant"}, "finish_reason": "stop", "index": 0}], False),
        ([], True),
    ],
    "xiaomi": [
        (
            [
                {
                    "index": 0,
                    "delta": {"role": None, "content": None, "reasoning_content": None, "tool_calls": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            False,
        ),
        ([], True),
    ],
}


@pytest.mark.parametrize("dialect", LAST)
async def test_the_stream_ends_as_recorded(peer: Peer, dialect):
    answer = await peer.pose(dialect, stream=True, stream_options={"include_usage": True}, **ON)
    ends = LAST[dialect]
    seen = [(each["choices"], bool(each.get("usage"))) for each in answer.events[-1 - len(ends) : -1]]
    assert json.dumps(seen) == json.dumps(ends)


async def test_deepseek_sends_a_comment_first_and_counts_cache_hits_and_misses(peer: Peer):
    answer = await peer.pose("deepseek", "model?cached=4", stream=True)
    assert answer.body.startswith(b": keep-alive\n\ndata: {")
    usage = answer.told().usages[0]
    assert (usage["prompt_cache_hit_tokens"], usage["prompt_cache_miss_tokens"]) == (4, 5)


async def test_qwen_repeats_empty_ids_and_leaves_finish_reason_out_of_the_last_fragment(peer: Peer):
    events = (await peer.pose("qwen", "model?think=0", tools=[WEATHER], stream=True)).events
    fragments = [
        each["choices"][0] for each in events[:-1] if each["choices"] and "tool_calls" in each["choices"][0]["delta"]
    ]
    assert [each["delta"]["tool_calls"][0]["id"] for each in fragments[1:]] == [""] * (len(fragments) - 1)
    assert "finish_reason" not in fragments[-1]
    assert fragments[-1]["delta"]["tool_calls"][0]["function"] == {"arguments": ""}


async def test_qwen_tells_cache_writes(peer: Peer):
    usage = (await peer.pose("qwen", "model?cached=3&cache_write=2")).json["usage"]
    assert usage["prompt_tokens_details"] == {
        "cached_tokens": 3,
        "cache_creation_input_tokens": 2,
        "cache_type": "ephemeral",
    }


async def test_moonshot_puts_usage_into_the_choice_and_once_more_when_asked(peer: Peer):
    events = (await peer.pose("moonshot", "model?cached=9", stream=True, stream_options={"include_usage": True})).events
    inner, tail = events[-3]["choices"][0]["usage"], events[-2]["usage"]
    assert inner == tail
    assert (inner["cached_tokens"], events[-2]["choices"]) == (9, [])
    bare = (await peer.pose("moonshot", "model?odd=old-usage", stream=True)).events
    assert "prompt_tokens_details" not in bare[-2]["choices"][0]["usage"]


@pytest.mark.parametrize(
    ("odd", "first"),
    [
        ("", {"index": 0, "id": "get_weather_0"}),
        ("indexless", {"id": "get_weather_0"}),
        ("old-ids", {"index": 0, "id": "functions.get_weather:0"}),
    ],
)
async def test_moonshot_names_its_tool_calls(peer: Peer, odd, first):
    events = (await peer.pose("moonshot", f"model?think=0&odd={odd}", tools=[WEATHER], stream=True)).events
    call = next(
        each["choices"][0]["delta"]["tool_calls"][0] for each in events if "tool_calls" in each["choices"][0]["delta"]
    )
    assert {name: call[name] for name in ("index", "id") if name in call} == first


async def test_zhipu_sends_a_tool_call_in_one_lump_unless_told_otherwise(peer: Peer):
    def fragments(answer):
        return [each for each in answer.events[:-1] if "tool_calls" in each["choices"][0]["delta"]]

    lump = fragments(await peer.pose("zhipu", "model?think=0", tools=[WEATHER], stream=True))
    assert len(lump) == 1
    parts = fragments(await peer.pose("zhipu", "model?think=0", tools=[WEATHER], stream=True, tool_stream=True))
    assert len(parts) == 1 + 9


async def test_zhipu_has_its_older_oddities_on_demand(peer: Peer):
    answer = await peer.pose(
        "zhipu", "model?think=0&odd=minus-one%2Bdouble-finish%2Bno-object", tools=[WEATHER], stream=True
    )
    told = answer.told()
    assert (list(told.calls), told.finishes) == ([-1], ["tool_calls", "tool_calls"])
    assert all("object" not in each for each in answer.events[:-1])


async def test_zhipu_ids_begin_with_beijing_time(peer: Peer):
    assert (await peer.pose("zhipu")).json["id"].startswith("20270115160000")


async def test_minimax_splits_its_tag_over_chunks_and_ends_with_text(peer: Peer):
    events = (await peer.pose("minimax", "model?think=2", stream=True)).events[:-1]
    texts = [each["choices"][0]["delta"]["content"] for each in events]
    assert texts[:5] == ["<think>\nThe", " user", "\n</thi", "nk>\n", "You"]
    assert (texts[-1], events[-1]["choices"][0]["finish_reason"]) == ('"', "stop")


async def test_minimax_can_split_leak_and_repeat(peer: Peer):
    split = (await peer.pose("minimax", "model?think=2", stream=True, reasoning_split=True)).events[0]["choices"][0][
        "delta"
    ]
    assert (split["content"], split["reasoning_content"], split["reasoning_details"][0]["text"]) == ("", "The", "The")
    leaking = (await peer.pose("minimax", "model?think=2&odd=leak", stream=True, reasoning_split=True)).told()
    assert leaking.thinking == "The user\n</think>\n"
    repeating = (await peer.pose("minimax", "model?think=0&odd=cumulative", stream=True)).events[:-1]
    assert [each["choices"][0]["delta"]["content"] for each in repeating][1:3] == ["You said", "You said:"]


async def test_minimax_whole_answers_carry_base_resp(peer: Peer):
    body = (await peer.pose("minimax", "model?think=2")).json
    assert body["base_resp"] == {"status_code": 0, "status_msg": ""}
    assert body["choices"][0]["message"]["content"] == f"<think>\nThe user\n</think>\n{ECHO}"


async def test_mimo_fragments_have_null_names(peer: Peer):
    events = (await peer.pose("xiaomi", "model?think=0", tools=[WEATHER], stream=True)).events
    parts = [
        each["choices"][0]["delta"]["tool_calls"][0]
        for each in events[:-2]
        if each["choices"][0]["delta"].get("tool_calls")
    ]
    assert (parts[1]["id"], parts[1]["function"]["name"]) == (None, None)


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


# What one broken claim changes, at a vendor where it shows. Every claim has a row.
BROKEN = {
    "usage_place": ("deepseek", {"stream": True}),
    "usage_missing": ("deepseek", {"stream": True}),
    "usage_names": ("qwen", {}),
    "cached_field": ("moonshot", {}),
    "reasoning_count": ("deepseek", {}),
    "reasoning_field": ("volcengine", {"stream": True}),
    "thinking_switch": ("deepseek", {"thinking": {"type": "disabled"}}),
    "thinking_default": ("qwen", {}),
    "limit_field": ("deepseek", {"max_tokens": 2}),
    "finish_reason": ("deepseek", {}),
    "errors": ("qwen", {"enable_thinking": "yes"}),
    "auth": ("qwen", {"key": "sk-invalid"}),
    "model_missing": ("qwen", {"model": "no-such-model"}),
    "rules": ("zhipu", {"temperature": 1}),
    "done": ("qwen", {"stream": True}),
    "tool_lump": ("deepseek", {"stream": True, "tools": [WEATHER]}),
}


@pytest.mark.parametrize("claim", WRONGS)
async def test_one_broken_claim_shows(sandbox, peer: Peer, claim):
    dialect, fields = BROKEN[claim]
    fields = {"model": "vendor-model?cached=2", **fields}

    async def seen(path: str, model: str) -> tuple[int, bytes]:
        sandbox.requests.total = 0  # the same id each time
        answer = await peer.chat(model, path, **{name: each for name, each in fields.items() if name != "model"})
        return answer.status, answer.body.replace(
            b"vendor-model?cached=2&wrong=" + claim.encode(), b"vendor-model?cached=2"
        )

    right = await seen(f"/as/{dialect}/v1/chat/completions", fields["model"])
    wrong = await seen(f"/wrong/{dialect}/v1/chat/completions?wrong={claim}", fields["model"])
    assert right != wrong
    assert right == await seen(f"/as/{dialect}/v1/chat/completions", fields["model"])


async def test_a_claim_may_be_named_in_the_model_and_usage_place_is_the_default(peer: Peer):
    named = await peer.chat("model?wrong=done", "/wrong/qwen/v1/chat/completions", stream=True)
    assert not named.told().done
    default = await peer.chat("model", "/wrong/deepseek/v1/chat/completions", stream=True)
    assert tell(default.events).usages == []
