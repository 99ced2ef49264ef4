"""The openai SDK for Python as its users use it: only ``base_url``, ``api_key`` and ``model`` are ours."""

import asyncio
import json

import openai
import pytest

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
ASK = [{"role": "user", "content": "Say hello to the fleet"}]


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as made:
        yield made


def test_a_whole_answer_has_text_usage_and_its_charge(gateway, client):
    raw = client.chat.completions.with_raw_response.create(model="one/echo", messages=ASK)
    answer = raw.parse()
    (record,) = gateway.records(answer.id)
    assert "Say hello to the fleet" in answer.choices[0].message.content
    assert (answer.model, answer.choices[0].finish_reason) == ("one/echo", "stop")
    assert answer.usage.prompt_tokens == record["prompt_tokens"]
    assert answer.usage.completion_tokens == record["completion_tokens"]
    assert record["charge_nano"] == answer.usage.prompt_tokens * 1000 + answer.usage.completion_tokens * 2000
    assert raw.headers["x-smartoken-charge-usd"] == answer.usage.model_extra["charge_usd"]
    assert raw.headers["x-request-id"] == answer.id


def test_a_stream_is_the_same_text_in_pieces(client):
    whole = client.chat.completions.create(model="one/echo", messages=ASK).choices[0].message.content
    stream = client.chat.completions.create(
        model="one/echo", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens > 0
    assert len({c.id for c in chunks}) == 1


def test_tools_are_called_and_their_results_answered(client):
    first = client.chat.completions.create(model="one/tool-call", messages=ASK, tools=TOOLS)
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"celsius": 21}'}
    second = client.chat.completions.create(
        model="one/tool-call", messages=[*ASK, first.choices[0].message, result], tools=TOOLS
    )
    assert second.choices[0].message.content


def test_streamed_tool_calls_assemble_to_valid_arguments(client):
    with client.chat.completions.stream(model="one/tool-call", messages=ASK, tools=TOOLS) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert "city" in json.loads(message.tool_calls[0].function.arguments)


def test_json_mode_gives_json(client):
    answer = client.chat.completions.create(
        model="one/json-mode", messages=ASK, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_a_schema_is_followed(client):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    answer = client.chat.completions.create(
        model="one/json-mode",
        messages=ASK,
        response_format={"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}},
    )
    assert "answer" in json.loads(answer.choices[0].message.content)


def test_thinking_comes_in_its_own_field(client):
    message = client.chat.completions.create(model="one/reasoning", messages=ASK).choices[0].message
    assert message.model_extra["reasoning_content"]
    assert message.content


ERRORS = [
    # how it is called, the SDK's exception, our code
    ({"model": "no/such-model"}, openai.NotFoundError, "model_not_found"),
    ({"model": "one/unpriced"}, openai.InternalServerError, "model_not_priced"),
    ({"model": "one/overloaded"}, openai.InternalServerError, "upstream_unavailable"),
    ({"model": "one/echo", "temperature": 9}, openai.BadRequestError, "invalid_request"),
]


@pytest.mark.parametrize(("how", "kind", "code"), ERRORS)
def test_errors_arrive_as_the_exceptions_that_users_catch(client, how, kind, code):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(messages=ASK, **how)
    assert caught.value.code == code
    assert caught.value.request_id.startswith("call_")


@pytest.mark.parametrize("key", ["sk-st-wrong", "", "sk-st-" + "0" * 49])
def test_a_wrong_key_is_an_authentication_error(gateway, key):
    with openai.OpenAI(base_url=gateway.base_url, api_key=key or "x", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="one/echo", messages=ASK)
        assert caught.value.code == "invalid_api_key"


def test_a_cut_stream_raises_instead_of_ending(client):
    stream = client.chat.completions.create(model="one/cut-mid-stream", messages=ASK, stream=True)
    with pytest.raises(openai.APIError) as caught:
        for _ in stream:
            pass
    assert caught.value.code == "upstream_cut"


def test_models_are_listed_as_the_sdk_expects(client):
    ids = [each.id for each in client.models.list()]
    assert "one/echo" in ids
    assert "one/unpriced" not in ids
    assert client.models.retrieve("one/echo").model_extra["price"]["input"] == "1.00"


async def test_two_hundred_calls_at_once_are_all_answered(gateway):
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:

        async def one(number):
            messages = [{"role": "user", "content": f"number {number}"}]
            answer = await client.chat.completions.create(model="one/echo", messages=messages)
            return answer.choices[0].message.content

        said = await asyncio.gather(*(one(number) for number in range(200)))
    assert all(f"number {number}" in text for number, text in enumerate(said))
