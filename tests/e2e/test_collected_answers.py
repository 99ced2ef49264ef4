"""Whole answers that a provider gives only as a stream: what the client gets, what is recorded and what it costs."""

import httpx2
import pytest

from live import live

MESSAGES = [{"role": "user", "content": "How tall is the mountain?"}]
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]
THINKS = {"supported": True, "can_disable": False, "default_on": True}
THINKING = {"reasoning": THINKS, "context": 131_072, "max_output": 32_768}
HYBRID = {**THINKING, "reasoning": {"supported": True, "can_disable": True, "default_on": True}}
VENDOR = "qwen3-235b-a22b-thinking-2507"
MODELS = [
    ("q/thinks", [("qwen", VENDOR)], THINKING),
    ("q/hybrid", [("qwen", "qwen3-32b")], HYBRID),
    ("q/long", [("qwen", "reasoning?tokens=9000&think=50")], THINKING),
    ("q/cut", [("qwen", "reasoning?fault=cut&after=9")], THINKING),
    ("q/saved", [("qwen", "reasoning?fault=cut&after=9"), ("openai", "echo")], THINKING),
    ("q/silent", [("qwen", "no-usage")], THINKING),
    ("q/one", [("deepseek", "echo")]),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("collected"), MODELS) as running:
        yield running


def ask(gateway, model, key=None, **body):
    headers = {"authorization": f"Bearer {key or gateway.key}"}
    body = {"model": model, "messages": MESSAGES, **body}
    return httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers, timeout=20)


def record_of(gateway, answer):
    (record,) = gateway.records(answer.headers["x-request-id"])
    return record


def sent_last(gateway):
    return gateway.sandbox.requests[-1].body


@pytest.mark.parametrize("limit", [{}, {"max_tokens": 3000}])
def test_a_model_that_thinks_only_in_streams_answers_whole(gateway, limit):
    answer = ask(gateway, "q/thinks", **limit)
    assert answer.status_code == 200, answer.text
    assert sent_last(gateway)["stream"] is True
    assert sent_last(gateway)["stream_options"] == {"include_usage": True}
    assert answer.headers["content-type"] == "application/json"
    body, record = answer.json(), record_of(gateway, answer)
    message = body["choices"][0]["message"]
    assert body["object"] == "chat.completion"
    assert message["role"] == "assistant"
    assert message["content"]
    assert message["reasoning_content"]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert record["usage_source"] == "reported"
    assert record["stream"] in (0, False)
    assert record["end_reason"] == "completed"
    usage = body["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] > 0
    assert record["charge_nano"] == usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
    assert float(answer.headers["x-smartoken-charge-usd"]) * 1e9 == pytest.approx(record["charge_nano"])


def test_a_tool_call_is_whole_too(gateway):
    choice = {"type": "function", "function": {"name": "look_up"}}
    answer = ask(gateway, "q/thinks", tools=TOOLS, tool_choice=choice)
    assert answer.status_code == 200, answer.text
    (call,) = answer.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "look_up"
    assert call["id"]
    assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"


def test_thinking_that_is_switched_off_is_not_streamed(gateway):
    answer = ask(gateway, "q/hybrid", enable_thinking=False)
    assert answer.status_code == 200, answer.text
    assert not sent_last(gateway).get("stream")
    assert "reasoning_content" not in answer.json()["choices"][0]["message"]


def test_the_thinking_of_a_hybrid_is_collected(gateway):
    answer = ask(gateway, "q/hybrid")
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["reasoning_content"]


def test_usage_that_no_chunk_brought_is_counted(gateway):
    record = record_of(gateway, ask(gateway, "q/silent"))
    assert record["usage_source"] == "counted"
    assert record["completion_tokens"] > 0


def test_a_stream_that_breaks_off_is_no_answer_and_costs_nothing(gateway):
    answer = ask(gateway, "q/cut")
    assert answer.status_code >= 500, answer.text
    record = record_of(gateway, answer)
    assert (record["charge_nano"], record["end_reason"]) == (0, "upstream_error")


def test_another_offer_answers_for_a_stream_that_broke_off(gateway):
    answer = ask(gateway, "q/saved")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-smartoken-attempts"] == "2"
    record = record_of(gateway, answer)
    usage = answer.json()["usage"]
    assert record["charge_nano"] == usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000


def test_a_whole_answer_whose_money_ends_ends_with_length(gateway):
    key = gateway.add_key("little")
    gateway.add_budget("little", 5_000_000)
    answer = ask(gateway, "q/long", key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    record = record_of(gateway, answer)
    assert record["end_reason"] == "length"
    assert 0 < record["charge_nano"] <= record["bound_nano"] <= 5_000_000


def test_fewer_answers_than_asked_for_are_told_in_a_warning(gateway):
    answer = ask(gateway, "q/one", n=2)
    assert len(answer.json()["choices"]) == 1
    assert "n-2-answered-1" in answer.headers["x-smartoken-warning"]
    assert "x-smartoken-warning" not in ask(gateway, "q/one", n=1).headers
