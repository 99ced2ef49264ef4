"""What this real server does wrong, row by row: first that it does, then what our client sees instead."""

import threading
from decimal import Decimal

import openai
import pytest

from real.conftest import ask

pytestmark = pytest.mark.full
ASK = [{"role": "user", "content": "What is the capital of France?"}]
LONG = [{"role": "user", "content": "The cat sat on the mat. " * 1200}]
SCHEMA = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}


@pytest.fixture
def direct(upstream):
    """Ask the server itself."""
    return lambda **body: ask(f"{upstream}/v1/chat/completions", {"model": "smollm2-135m", "messages": ASK, **body})


def test_a_stream_never_has_usage_and_we_count_it(direct, product):
    wanted = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 8}
    theirs = direct(**wanted)
    ours = product.ask(model="real/smollm2", messages=ASK, **wanted)
    assert [each for each in theirs.chunks if each.get("usage")] == []
    assert ours.chunks[-1]["usage"]["completion_tokens"] > 0
    assert ours.chunks[-1]["choices"] == []
    assert Decimal(ours.chunks[-1]["usage"]["charge_usd"]) > 0


def test_a_prompt_over_the_context_is_an_empty_stream_and_we_say_so(direct, product):
    theirs = direct(messages=LONG, stream=True, max_tokens=8)
    ours = product.ask(model="real/too-wide", messages=LONG, stream=True, max_tokens=8)
    assert (theirs.status, theirs.chunks) == (200, [])
    assert ours.status >= 400
    assert ours.json["error"]["code"] == "upstream_unavailable"
    assert ours.json["error"]["billed"] is False
    assert Decimal(product.call(ours.headers["x-request-id"])["charge_usd"]) == 0


def test_a_prompt_over_the_context_that_we_know_is_refused_before_it(product):
    ours = product.ask(model="real/smollm2", messages=LONG, max_tokens=8)
    assert (ours.status, ours.json["error"]["code"]) == (400, "context_length_exceeded")


def test_a_second_call_cuts_the_first_stream_and_its_client_gets_an_error(client, product):
    story = [{"role": "user", "content": "Tell a long story about the sea."}]
    first = client.chat.completions.create(model="real/smollm2", messages=story, max_tokens=400, stream=True)
    began, caught, ids = threading.Event(), [], []

    def read():
        try:
            for chunk in first:
                ids.append(chunk.id)
                began.set()
        except openai.APIError as error:
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert began.wait(60)
    second = client.chat.completions.create(model="real/smollm2", messages=ASK, max_tokens=8)
    reader.join(120)
    assert second.choices[0].message.content
    assert [error.code for error in caught] == ["upstream_cut"]
    record = product.call(ids[0])
    assert (record["end_reason"], record["usage_source"]) == ("upstream_cut", "counted")


def test_a_json_schema_is_its_inner_error_and_none_of_its_words_leave(direct, product):
    theirs = direct(response_format=FORMAT, max_tokens=40)
    ours = product.ask(model="real/smollm2", messages=ASK, response_format=FORMAT, max_tokens=40)
    assert theirs.status == 500
    assert ours.status in {502, 503}
    assert ours.json["error"]["code"] == "upstream_unavailable"
    assert ".py" not in ours.text
    assert "site-packages" not in ours.text


def test_a_wrong_type_is_its_inner_error_and_our_400_with_the_parameter(direct, product):
    theirs = direct(temperature="hot")
    ours = product.ask(model="real/smollm2", messages=ASK, temperature="hot")
    assert theirs.status == 500
    assert (ours.status, ours.json["error"]["param"]) == (400, "temperature")


def test_without_messages_it_invents_text_and_we_refuse(direct, upstream, product):
    theirs = ask(f"{upstream}/v1/chat/completions", {"model": "smollm2-135m", "max_tokens": 8})
    ours = product.ask(model="real/smollm2", max_tokens=8)
    assert theirs.status == 200
    assert theirs.json["choices"][0]["message"]["content"]
    assert (ours.status, ours.json["error"]["param"]) == (400, "messages")


def test_an_unknown_model_is_answered_by_another_and_the_record_says_what_came(direct, product):
    theirs = direct(model="no-such-model", max_tokens=4)
    ours = product.ask(model="real/unknown", messages=ASK, max_tokens=4)
    assert theirs.status == 200
    assert (ours.status, ours.json["model"]) == (200, "real/unknown")
    assert ours.headers["x-smartoken-model-served"] == theirs.json["model"]


def test_two_answers_are_asked_for_and_one_comes(direct, product):
    theirs = direct(n=2, max_tokens=4)
    ours = product.ask(model="real/smollm2", messages=ASK, n=2, max_tokens=4)
    assert len(theirs.json["choices"]) == 1
    assert len(ours.json["choices"]) == 1
    assert product.call(ours.json["id"])["completion_tokens"] == ours.json["usage"]["completion_tokens"] <= 4


def test_its_errors_have_no_code_and_ours_always_do(direct, product):
    theirs = direct(temperature="hot").json["error"]
    ours = product.ask(model="real/smollm2", messages=ASK, temperature="hot").json["error"]
    assert theirs.get("code") is None
    assert ours["code"] == "invalid_request"
    assert ours["request_id"].startswith("call_")
