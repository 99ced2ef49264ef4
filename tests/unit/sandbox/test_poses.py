"""Every vendor's clothes: a naive reader understands them, and they are what was recorded."""

import json

import pytest

from smartoken.sandbox.poses.registry import POSES, WRONGS
from unit.sandbox.naive import ECHO, WEATHER, Peer, tell

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


DEFAULTS = [
    ("qwen", "qwen3.8-max", True),
    ("qwen", "qwen3.5-397b-a17b", True),
    ("qwen", "qwen3-235b-a22b-thinking-2507", True),
    ("qwen", "qwen3-next-80b-a3b-instruct", False),
    ("qwen", "qwen-plus", False),
    ("qwen", "deepseek-v4-pro-0813", True),
    ("siliconflow", "moonshotai/Kimi-K2.7-Code", True),
    ("siliconflow", "some/other", False),
    ("moonshot", "moonshot-v1-8k", False),
]


@pytest.mark.parametrize(("dialect", "model", "thinks"), DEFAULTS)
async def test_thinking_by_default_depends_on_the_model(peer: Peer, dialect, model, thinks):
    assert bool((await peer.pose(dialect, model, stream=True)).told().thinking) == thinks


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
