"""Every bad chat body and the parameter that its error names; good ones and the facts read from them."""

import orjson
import pytest

from smartoken.errors import InvalidRequestError
from smartoken.gateway.protocols.body import MAX_DEPTH, read_object
from smartoken.gateway.protocols.chat import read_chat

M = '"model":"test/alpha"'
HI = '"messages":[{"role":"user","content":"hi"}]'

BAD = [
    # what is sent, which parameter the error names, a word that it says
    ("", None, "empty"),
    ("{", None, "JSON"),
    ("[]", None, "object"),
    ("null", None, "object"),
    ('"text"', None, "object"),
    ("{'model':1}", None, "JSON"),
    (f'{{{M},{HI},"temperature":NaN}}', None, "JSON"),
    (f'{{{M},{HI},"temperature":Infinity}}', None, "JSON"),
    (f'{{{M},{HI},"temperature":1e400}}', None, "JSON"),
    (f"{{{M},{HI},}}", None, "JSON"),
    (b'{"model":"\xff\xfe"}', None, "JSON"),
    ('{"model":"\\ud800","messages":[]}', None, "JSON"),
    (f'{{{M},{HI},"x":{"[" * 65}{"]" * 65}}}', None, "levels"),
    (f'{{{M},{HI},"x":{"[" * 3000}{"]" * 3000}}}', None, ""),
    (f'{{{M},{HI},"x":[{",".join(["0"] * 200_001)}]}}', None, "values"),
    (f'{{{M},"model":"other",{HI}}}', "model", "twice"),
    (f'{{{M},"mod\\u0065l":"other",{HI}}}', "model", "twice"),
    (f'{{"max\\u005Ftokens":1,{M},{HI},"max_tokens":9}}', "max_tokens", "twice"),
    (f'{{{M},{HI},"max_tokens":1,"max_tokens":9}}', "max_tokens", "twice"),
    (f"{{{M},{HI},{HI}}}", "messages", "twice"),
    (f'{{{M},{HI},"n":1,"n":8}}', "n", "twice"),
    (f"{{{HI}}}", "model", "id of a model"),
    (f'{{"model":null,{HI}}}', "model", "id of a model"),
    (f'{{"model":7,{HI}}}', "model", "id of a model"),
    (f'{{"model":"",{HI}}}', "model", "id of a model"),
    (f'{{"model":"  ",{HI}}}', "model", "id of a model"),
    (f'{{"model":"{"m" * 201}",{HI}}}', "model", "id of a model"),
    (f'{{"model":"a\\u0000b",{HI}}}', "model", "id of a model"),
    (f"{{{M}}}", "messages", "at least one"),
    (f'{{{M},"messages":[]}}', "messages", "at least one"),
    (f'{{{M},"messages":"hi"}}', "messages", "at least one"),
    (f'{{{M},"messages":{{}}}}', "messages", "at least one"),
    (f'{{{M},"messages":["hi"]}}', "messages[0]", "object"),
    (f'{{{M},"messages":[{{"content":"hi"}}]}}', "messages[0].role", "one of"),
    (f'{{{M},"messages":[{{"role":"boss","content":"hi"}}]}}', "messages[0].role", "one of"),
    (f'{{{M},"messages":[{{"role":["user"],"content":"hi"}}]}}', "messages[0].role", "one of"),
    (f'{{{M},"messages":[{{"role":"user"}}]}}', "messages[0].content", "string"),
    (f'{{{M},"messages":[{{"role":"user","content":null}}]}}', "messages[0].content", "string"),
    (f'{{{M},"messages":[{{"role":"user","content":5}}]}}', "messages[0].content", "string"),
    (f'{{{M},"messages":[{{"role":"user","content":["hi"]}}]}}', "messages[0].content[0]", "type"),
    (f'{{{M},"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]}}', "messages[0].content[0]", "type"),
    (
        f'{{{M},"messages":[{{"role":"user","content":[{{"type":"text","text":3}}]}}]}}',
        "messages[0].content[0].text",
        "string",
    ),
    (f'{{{M},"messages":[{{"role":"user","content":"hi","tool_calls":5}}]}}', "messages[0].tool_calls", "list"),
    (f'{{{M},"messages":[{{"role":"assistant","tool_calls":["f"]}}]}}', "messages[0].tool_calls", "list"),
    (f'{{{M},{HI},"max_tokens":-1}}', "max_tokens", "from 1"),
    (f'{{{M},{HI},"max_tokens":0}}', "max_tokens", "from 1"),
    (f'{{{M},{HI},"max_tokens":1.5}}', "max_tokens", "whole"),
    (f'{{{M},{HI},"max_tokens":"100"}}', "max_tokens", "whole"),
    (f'{{{M},{HI},"max_tokens":true}}', "max_tokens", "whole"),
    (f'{{{M},{HI},"max_tokens":99999999999}}', "max_tokens", "from 1"),
    (f'{{{M},{HI},"max_completion_tokens":0}}', "max_completion_tokens", "from 1"),
    (f'{{{M},{HI},"max_tokens":5,"max_completion_tokens":6}}', "max_completion_tokens", "differ"),
    (f'{{{M},{HI},"n":0}}', "n", "from 1 to 8"),
    (f'{{{M},{HI},"n":9}}', "n", "from 1 to 8"),
    (f'{{{M},{HI},"n":"2"}}', "n", "whole"),
    (f'{{{M},{HI},"stream":"yes"}}', "stream", "true or false"),
    (f'{{{M},{HI},"stream":1}}', "stream", "true or false"),
    (f'{{{M},{HI},"stream_options":true}}', "stream_options", "object"),
    (f'{{{M},{HI},"stream_options":{{"include_usage":"yes"}}}}', "stream_options.include_usage", "true or false"),
    (f'{{{M},{HI},"temperature":"hot"}}', "temperature", "number"),
    (f'{{{M},{HI},"temperature":2.1}}', "temperature", "0 to 2"),
    (f'{{{M},{HI},"temperature":-0.1}}', "temperature", "0 to 2"),
    (f'{{{M},{HI},"temperature":true}}', "temperature", "number"),
    (f'{{{M},{HI},"top_p":1.1}}', "top_p", "0 to 1"),
    (f'{{{M},{HI},"presence_penalty":3}}', "presence_penalty", "-2 to 2"),
    (f'{{{M},{HI},"frequency_penalty":-3}}', "frequency_penalty", "-2 to 2"),
    (f'{{{M},{HI},"response_format":{{"type":{{}}}}}}', "response_format", "json_schema"),
    (f'{{{M},{HI},"user":"a\\u0000b"}}', "user", "NUL"),
    (f'{{{M},{HI},"seed":1.5}}', "seed", "whole"),
    (f'{{{M},{HI},"logprobs":"yes"}}', "logprobs", "true or false"),
    (f'{{{M},{HI},"top_logprobs":21}}', "top_logprobs", "0 to 20"),
    (f'{{{M},{HI},"logit_bias":[]}}', "logit_bias", "object"),
    (f'{{{M},{HI},"stop":5}}', "stop", "string"),
    (f'{{{M},{HI},"stop":["a",5]}}', "stop", "string"),
    (f'{{{M},{HI},"tools":{{}}}}', "tools", "list"),
    (f'{{{M},{HI},"tools":[{{}}]}}', "tools", "type"),
    (f'{{{M},{HI},"tool_choice":5}}', "tool_choice", "string or an object"),
    (f'{{{M},{HI},"response_format":"json"}}', "response_format", "json_object"),
    (f'{{{M},{HI},"response_format":{{"type":"xml"}}}}', "response_format", "json_object"),
    (f'{{{M},{HI},"reasoning_effort":3}}', "reasoning_effort", "string"),
    (f'{{{M},{HI},"enable_thinking":"on"}}', "enable_thinking", "true or false"),
    (f'{{{M},{HI},"thinking":"on"}}', "thinking", "object"),
    (f'{{{M},{HI},"thinking_budget":-1}}', "thinking_budget", "whole"),
    (f'{{{M},{HI},"user":7}}', "user", "string"),
    (f'{{{M},{HI},"user":"{"u" * 513}"}}', "user", "512"),
]


@pytest.mark.parametrize(("raw", "param", "word"), BAD)
def test_a_bad_body_is_refused_with_its_parameter_named(raw, param, word):
    with pytest.raises(InvalidRequestError) as caught:
        read_chat(raw if isinstance(raw, bytes) else raw.encode())
    assert caught.value.param == param
    assert word in caught.value.message
    assert (caught.value.status, caught.value.code, caught.value.billed) == (400, "invalid_request", False)
    assert len(caught.value.message) < 400


def body(**fields):
    return orjson.dumps({"model": "test/alpha", "messages": [{"role": "user", "content": "hi"}], **fields})


def test_the_facts_of_a_full_request_are_read():
    request = read_chat(
        body(stream=True, stream_options={"include_usage": True}, max_tokens=9, n=2, user="u-1", model=" test/alpha ")
    )
    assert (request.model, request.stream, request.wants_usage) == ("test/alpha", True, True)
    assert (request.limit, request.n, request.user) == (9, 2, "u-1")


def test_null_counts_as_absent_as_it_does_at_openai():
    names = ["max_tokens", "n", "stream", "stop", "tools", "temperature", "user", "stream_options", "response_format"]
    request = read_chat(body(**dict.fromkeys(names)))
    assert (request.limit, request.n, request.stream, request.user) == (None, 1, False, None)


def test_unknown_fields_travel_untouched():
    odd = {"a": [1, {"b": None}], "z": "ü"}
    assert read_chat(body(vendor_field=odd)).body["vendor_field"] == odd


def test_the_newer_limit_wins_only_when_both_agree():
    assert read_chat(body(max_tokens=7, max_completion_tokens=7)).limit == 7
    assert read_chat(body(max_completion_tokens=8)).limit == 8


def test_an_assistant_turn_that_only_calls_tools_needs_no_content():
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "x", "content": "1"},
    ]
    assert len(read_chat(body(messages=messages)).body["messages"]) == 3


def test_a_name_inside_text_is_not_a_second_field():
    text = 'say "model" and "messages" and "max_tokens" and "n"'
    request = read_chat(body(messages=[{"role": "user", "content": text}], max_tokens=3))
    assert request.limit == 3


def test_a_body_at_the_depth_limit_is_read():
    nested = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
    assert "x" in read_object(b'{"x":%b}' % nested)
