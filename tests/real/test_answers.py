"""Calls through the gateway to a real model: what it says, what was counted, what it cost."""

import json
from decimal import Decimal

import pytest

pytestmark = pytest.mark.full
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]
INPUT, OUTPUT = Decimal("0.000001"), Decimal("0.000002")
EXACT = {"temperature": 0, "seed": 1}


def worth(prompt, completion):
    """What the set-up's prices make of these tokens."""
    return prompt * INPUT + completion * OUTPUT


def test_a_whole_answer_is_right_and_has_its_usage_and_charge(product, client):
    raw = client.chat.completions.with_raw_response.create(
        model="real/smollm2", messages=CAPITAL, max_tokens=40, **EXACT
    )
    answer = raw.parse()
    record = product.call(answer.id)
    assert "Paris" in answer.choices[0].message.content
    assert answer.model == "real/smollm2"
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens == answer.usage.total_tokens
    assert (record["prompt_tokens"], record["completion_tokens"]) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert record["usage_source"] == "reported"
    assert Decimal(record["charge_usd"]) == worth(answer.usage.prompt_tokens, answer.usage.completion_tokens) > 0
    assert Decimal(raw.headers["x-smartoken-charge-usd"]) == Decimal(record["charge_usd"])
    assert [each["offer"] for each in record["attempts"]] == ["llama:real/smollm2"]


def test_a_streamed_answer_says_the_same_and_is_counted_by_us(product, client):
    whole = client.chat.completions.create(model="real/smollm2", messages=CAPITAL, max_tokens=40, **EXACT)
    chunks = list(
        client.chat.completions.create(
            model="real/smollm2",
            messages=CAPITAL,
            max_tokens=40,
            stream=True,
            stream_options={"include_usage": True},
            **EXACT,
        )
    )
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    record = product.call(chunks[0].id)
    assert text == whole.choices[0].message.content
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == whole.choices[0].finish_reason
    assert record["usage_source"] == "counted"  # this server never sends usage in a stream
    assert chunks[-1].usage.completion_tokens == record["completion_tokens"]
    assert record["completion_tokens"] == pytest.approx(whole.usage.completion_tokens, rel=0.5)
    assert Decimal(record["charge_usd"]) == worth(record["prompt_tokens"], record["completion_tokens"]) > 0
    assert record["ttft_ms"] is not None


def test_the_limit_of_tokens_is_kept(client):
    answer = client.chat.completions.create(
        model="real/smollm2", messages=[{"role": "user", "content": "Count from 1 to 100."}], max_tokens=12, **EXACT
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens <= 12


def test_json_mode_gives_a_json_object(client):
    answer = client.chat.completions.create(
        model="real/smollm2",
        messages=[{"role": "user", "content": "Give the capital of France as JSON."}],
        response_format={"type": "json_object"},
        max_tokens=200,
        **EXACT,
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_a_schema_in_this_servers_own_form_travels_to_it_untouched(client):
    schema = {
        "type": "object",
        "properties": {"capital": {"type": "string", "maxLength": 20}, "continent": {"enum": ["Europe", "Asia"]}},
        "required": ["capital", "continent"],
    }
    answer = client.chat.completions.create(
        model="real/smollm2",
        messages=[{"role": "user", "content": "What is the capital of France, and on which continent does it lie?"}],
        extra_body={"response_format": {"type": "json_object", "schema": schema}},
        max_tokens=80,
        **EXACT,
    )
    said = json.loads(answer.choices[0].message.content)
    assert set(said) == {"capital", "continent"}
    assert said["continent"] in {"Europe", "Asia"}


def test_twenty_streams_one_after_another_on_kept_connections_are_all_whole(client):
    for _ in range(20):
        stream = client.chat.completions.create(
            model="real/smollm2", messages=CAPITAL, max_tokens=4, stream=True, **EXACT
        )
        assert [each.choices[0].finish_reason for each in stream if each.choices][-1] in {"stop", "length"}
