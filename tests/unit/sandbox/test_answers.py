"""What each card says, whole and streamed, on the plain `/v1`."""

import json

import pytest

from smartoken.sandbox import Sandbox
from unit.sandbox.naive import ECHO, HELLO, WEATHER, Peer

TOOL_TURN = [
    *HELLO,
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": "so",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "22 degrees"},
]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
CITY = '{"city":"Paris"}'

# model, fields of the request -> text, thinking, arguments, finish, completion tokens
SAYINGS = [
    ("echo", {}, ECHO, "", "", "stop", 8),
    ("sandbox/echo", {}, ECHO, "", "", "stop", 8),
    ("echo", {"max_tokens": 3}, "You said:", "", "", "length", 3),
    ("echo", {"max_completion_tokens": 2}, "You said", "", "", "length", 2),
    ("echo", {"max_tokens": 8}, ECHO, "", "", "stop", 8),
    ("echo", {"stop": ["world"]}, 'You said: "Hello, ', "", "", "stop", 7),
    ("echo", {"stop": "said"}, "You ", "", "", "stop", 2),
    ("echo", {"stop": ["absent", ","]}, 'You said: "Hello', "", "", "stop", 5),
    ("echo?tokens=10", {}, f"{ECHO} the quick", "", "", "stop", 10),
    ("echo?text=one%20two", {}, "one two", "", "", "stop", 2),
    ("echo?finish=length", {}, ECHO, "", "", "length", 8),
    ("echo", {"messages": TOOL_TURN}, 'The tool said: "22 degrees"', "", "", "stop", 8),
    ("echo", {"tools": [WEATHER]}, ECHO, "", "", "stop", 8),
    ("echo", {"tools": [WEATHER], "tool_choice": "required"}, "", "", CITY, "tool_calls", 9),
    ("tool-call", {}, "", "", CITY, "tool_calls", 9),
    ("tool-call", {"tools": [WEATHER]}, "", "", CITY, "tool_calls", 9),
    ("tool-call", {"tools": [WEATHER], "tool_choice": "none"}, ECHO, "", "", "stop", 8),
    ("tool-call", {"tools": [WEATHER], "messages": TOOL_TURN}, 'The tool said: "22 degrees"', "", "", "stop", 8),
    ("tool-call", {"max_tokens": 4}, "", "", '{"city"', "length", 4),
    ("reasoning", {}, ECHO, "The user said something. I will repeat it and keep it", "", "stop", 20),
    ("reasoning?think=2", {}, ECHO, "The user", "", "stop", 10),
    ("reasoning", {"max_tokens": 5}, "", "The user said something.", "", "length", 5),
    ("reasoning", {"reasoning_effort": "none"}, ECHO, "", "", "stop", 8),
    ("json-mode", {}, '{"answer":"You said: \\"Hello, world\\""}', "", "", "stop", 18),
    (
        "echo",
        {"response_format": {"type": "json_object"}},
        '{"answer":"You said: \\"Hello, world\\""}',
        "",
        "",
        "stop",
        18,
    ),
    ("echo", {"response_format": JSON_SCHEMA}, '{"n":1}', "", "", "stop", 7),
    ("echo", {"response_format": {"type": "text"}}, ECHO, "", "", "stop", 8),
    ("truncated-json", {}, '{"answer":"You said', "", "", "length", 8),
    ("worst-case", {"max_tokens": 3}, " the quick brown", "", "", "length", 3),
    ("ignores-max-tokens?tokens=9", {"max_tokens": 2}, f"{ECHO} the", "", "", "stop", 9),
    ("empty", {}, "", "", "", "stop", 0),
]


@pytest.mark.parametrize("saying", SAYINGS, ids=str)
async def test_a_card_says_the_same_whole_and_streamed(peer: Peer, saying):
    model, fields, text, thinking, arguments, finish, tokens = saying
    whole = (await peer.chat(model, **fields)).json
    message = whole["choices"][0]["message"]
    assert (message["content"] or "") == text
    assert message.get("reasoning_content", "") == thinking
    assert "".join(each["function"]["arguments"] for each in message.get("tool_calls", ())) == arguments
    assert whole["choices"][0]["finish_reason"] == finish
    assert whole["usage"]["completion_tokens"] == tokens

    told = (await peer.stream(model, **fields)).told()
    assert (told.text, told.thinking, told.finishes, told.done) == (text, thinking, [finish], True)
    assert "".join(each["arguments"] for each in told.calls.values()) == arguments
    assert told.usages == [whole["usage"]]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_truth_is_what_was_sent(sandbox: Sandbox, peer: Peer, stream):
    await peer.chat("reasoning?cached=4", user="u-1", stream=stream, stream_options={"include_usage": True})
    truth = sandbox.truth["u-1"]
    assert (truth.text, truth.thinking) == (ECHO, "The user said something. I will repeat it and keep it")
    assert (truth.prompt, truth.completion, truth.reasoning, truth.cached) == (9, 20, 12, 4)
    assert truth.tokens_sent == 20
    assert truth.reported["prompt_tokens_details"] == {"cached_tokens": 4}
    assert (truth.ended, truth.cut, truth.finish, truth.status) == ("complete", False, "stop", 200)


async def test_usage_comes_in_a_stream_only_when_asked(peer: Peer):
    asked = await peer.stream("echo")
    assert asked.events[-2]["choices"] == []
    assert all(each["usage"] is None for each in asked.events[:-2])
    bare = await peer.chat("echo", stream=True)
    assert all("usage" not in each for each in bare.events[:-1])


async def test_a_stream_carries_one_token_a_chunk(peer: Peer):
    events = (await peer.stream("worst-case", max_tokens=25)).events
    content = [each for each in events[:-1] if each["choices"] and each["choices"][0]["delta"].get("content")]
    assert len(content) == 25


async def test_worst_case_uses_exactly_the_bound(peer: Peer):
    body = (await peer.chat("worst-case", max_tokens=25, n=2, tools=[WEATHER])).json
    schema = len(json.dumps([WEATHER], separators=(",", ":")))
    assert body["usage"]["prompt_tokens"] == 256 + 16 + 512 + 64 + len("Hello, world") + schema
    assert body["usage"]["completion_tokens"] == 50


@pytest.mark.parametrize("stream", [False, True])
async def test_several_choices_are_told_apart(peer: Peer, stream):
    answer = await peer.chat("echo", n=3, stream=stream, stream_options={"include_usage": True})
    texts = {0: "", 1: "", 2: ""}
    if stream:
        for event in answer.events[:-1]:
            for choice in event["choices"]:
                texts[choice["index"]] += choice["delta"].get("content", "")
        usage = answer.told().usages[0]
    else:
        texts = {each["index"]: each["message"]["content"] for each in answer.json["choices"]}
        usage = answer.json["usage"]
    assert texts == {0: ECHO, 1: f"{ECHO} (choice 2)", 2: f"{ECHO} (choice 3)"}
    assert usage["completion_tokens"] == 8 + 12 + 12


async def test_more_than_eight_choices_are_not_given(peer: Peer):
    assert len((await peer.chat("echo", n=50)).json["choices"]) == 8


async def test_several_tools_are_called_in_turn(peer: Peer):
    other = {"type": "function", "function": {"name": "now", "parameters": {}}}
    told = (await peer.stream("tool-call?call_count=3", tools=[other, WEATHER])).told()
    assert [(each["name"], each["arguments"]) for each in told.calls.values()] == [
        ("now", "{}"), ("get_weather", CITY), ("now", "{}")
    ]  # fmt: skip
    assert len({each["id"] for each in told.calls.values()}) == 3


async def test_the_tool_that_is_asked_for_is_called(peer: Peer):
    other = {"type": "function", "function": {"name": "now", "parameters": {}}}
    choice = {"type": "function", "function": {"name": "get_weather"}}
    body = (await peer.chat("echo", tools=[other, WEATHER], tool_choice=choice)).json
    assert body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"


async def test_a_long_message_is_quoted_in_part(peer: Peer):
    long = [{"role": "user", "content": "x" * 5000}]
    text = (await peer.chat("echo", messages=long)).json["choices"][0]["message"]["content"]
    assert text == f'You said: "{"x" * 300}…"'


FAILURES = [
    ("rate-limited", 429, "rate_limit_exceeded", "2"),
    ("rate-limited?retry_after=30", 429, "rate_limit_exceeded", "30"),
    ("rate-limited?retry_after=", 429, "rate_limit_exceeded", None),
    ("overloaded", 503, None, None),
    ("overloaded?status=529", 529, None, None),
    ("echo?status=500", 500, None, None),
    ("out-of-credit", 429, "insufficient_quota", None),
    ("content-filter", 400, "content_filter", None),
    ("invalid-key", 401, "invalid_api_key", None),
    ("too-long", 400, "context_length_exceeded", None),
    ("echo?context=5", 400, "context_length_exceeded", None),
    ("bad-param", 400, None, None),
    ("nonsense", 404, "model_not_found", None),
    ("echo?nonsense=1", 400, None, None),
    ("echo?fail=nonsense", 400, None, None),
    ("echo?wrong=nonsense", 400, None, None),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_a_card_fails_with_its_status(sandbox, peer: Peer, failure, stream):
    model, status, code, retry_after = failure
    answer = await peer.chat(model, stream=stream, user="u")
    assert (answer.status, answer.json["error"]["code"], answer.headers.get("retry-after")) == (
        status,
        code,
        retry_after,
    )
    assert answer.json["error"]["message"]
    truth = sandbox.truth["u"]
    assert (truth.status, truth.completion, truth.ended) == (status, 0, "complete")
    assert truth.failed


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b'{"model": 3}',
    b'{"model": "echo"}',
    b'{"model": "echo", "messages": []}',
    b'{"model": "echo", "messages": ["x"]}',
    b'{"model": "echo", "messages": [{}], "tools": ["x"]}',
    b'{"model": "echo", "messages": [{}], "tools": {}}',
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/as/zhipu/api/paas/v4/chat/completions"])
@pytest.mark.parametrize("raw", BAD_BODIES)
async def test_a_bad_body_is_a_400_in_the_vendors_envelope(peer: Peer, raw, path):
    sent = f"POST {path} HTTP/1.1\r\nconnection: close\r\nauthorization: Bearer k\r\ncontent-length: {len(raw)}\r\n\r\n"
    answer = await peer.exchange(sent.encode() + raw)
    assert answer.status == 400
    assert answer.json["error"].get("code") == ("1210" if "zhipu" in path else None)


async def test_redirect_and_html_pages_are_what_they_say(peer: Peer):
    moved = await peer.chat("redirect?to=http://127.0.0.1:9/x")
    assert (moved.status, moved.headers["location"], moved.body) == (307, "http://127.0.0.1:9/x", b"")
    page = await peer.chat("html-502")
    assert (page.status, page.headers["content-type"]) == (502, "text/html")


USAGES = [
    ("no-usage", None, None),
    ("usage-zero", 0, 0),
    ("usage-negative", -9, -5),
    ("usage-huge", 10**12, 10**12),
    ("usage-bool", True, False),
    ("usage-text", "9", "many"),
]


@pytest.mark.parametrize(("model", "prompt", "completion"), USAGES)
async def test_usage_lies_as_the_card_says(sandbox, peer: Peer, model, prompt, completion):
    whole = (await peer.chat(model, user="u")).json.get("usage") or {}
    assert (whole.get("prompt_tokens"), whole.get("completion_tokens")) == (prompt, completion)
    usages = (await peer.stream(model)).told().usages
    assert usages == ([] if model == "no-usage" else [whole])
    assert (sandbox.truth["u"].prompt, sandbox.truth["u"].completion) == (9, 8)


async def test_usage_may_come_twice_or_before_the_text(peer: Peer):
    assert len((await peer.stream("usage-twice")).told().usages) == 2
    early = (await peer.stream("usage-early")).events
    assert early[0]["usage"]["completion_tokens"] == 8
    assert all(not each.get("usage") for each in early[1:-1])


async def test_the_same_requests_give_the_same_bytes(clock):
    models = [
        "echo",
        "reasoning",
        "tool-call",
        "overloaded?chance=0.5",
        "echo?chance=0.5&cut_after=2",
        "worst-case",
    ] * 5
    runs = []
    for _ in range(2):
        running = Sandbox(seed=3, clock=clock)
        peer = Peer(await running.start())
        runs.append([(await peer.stream(model)).raw for model in models])
        await running.stop()
    assert runs[0] == runs[1]
    assert len({each[:12] for each in runs[0]}) == 2  # by chance some fail, some do not


async def test_a_lucky_request_gets_the_right_answer(peer: Peer):
    told = (await peer.stream("malformed-stream?chance=0&tokens=0")).told()
    assert (told.text, told.finishes) == (ECHO, ["stop"])
