"""What a client sees of every upstream behaviour, and what is recorded and charged for it."""

import json
import time

import httpx2
import pytest

MESSAGES = [{"role": "user", "content": "Say hello to the fleet"}]


def call(gateway, model, *, stream, **more):
    body = {"model": model, "messages": MESSAGES, "stream": stream, **more}
    return httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=20)


def events(text):
    return [line[6:] for line in text.split("\n") if line.startswith("data: ")]


def text_of(payloads):
    return "".join(
        choice["delta"].get("content") or ""
        for each in payloads
        if each != "[DONE]"
        for choice in json.loads(each)["choices"]
    )


def nano(prompt, completion, cached=0):
    return (prompt - cached) * 1000 + cached * 100 + completion * 2000


# card, streamed?, status, what the end is called, whether the stream ends with [DONE], whether anything is charged
ENDS = [
    ("echo", True, 200, "completed", True, True),
    ("echo", False, 200, "completed", None, True),
    ("no-usage", True, 200, "completed", True, True),
    ("no-usage", False, 200, "completed", None, True),
    ("reasoning", True, 200, "completed", True, True),
    ("tool-call", True, 200, "completed", True, True),
    ("usage-zero", True, 200, "completed", True, False),
    ("usage-twice", True, 200, "completed", True, True),
    ("finish-without-done", True, 200, "completed", True, True),
    ("cut-mid-stream", True, 200, "upstream_cut", False, True),
    ("stalls", True, 200, "stalled", False, True),
    ("malformed-stream", True, 200, "upstream_cut", False, True),
    ("error-event-late", True, 200, "upstream_cut", False, True),
    ("bad-chunk-size", True, 200, "upstream_cut", False, True),
    ("done-without-finish", True, 200, "upstream_cut", False, True),
    ("error-event-first", True, 503, "upstream_error", None, False),
    ("rate-limited", True, 503, "upstream_error", None, False),
    ("rate-limited", False, 503, "upstream_error", None, False),
    ("overloaded", False, 503, "upstream_error", None, False),
    ("out-of-credit", False, 502, "upstream_error", None, False),
    ("truncated-json", False, 200, "length", None, True),
    ("wrong-content-length", False, 503, "upstream_error", None, False),
    ("html-502", False, 503, "upstream_error", None, False),
    ("redirect", False, 503, "upstream_error", None, False),
    ("reset", False, 503, "upstream_error", None, False),
    ("empty", False, 503, "zero_output", None, False),
    ("empty", True, 503, "zero_output", None, False),
    ("hang", False, 504, "upstream_error", None, False),
]


@pytest.mark.parametrize(("card", "stream", "status", "end", "done", "charged"), ENDS)
def test_a_call_ends_as_it_really_ended(gateway, card, stream, status, end, done, charged):
    answer = call(gateway, f"one/{card}", stream=stream)
    assert answer.status_code == status, answer.text
    call_id = answer.headers["x-request-id"]
    if done is not None:
        payloads = events(answer.text)
        assert (payloads[-1] == "[DONE]") is done
        last = json.loads(payloads[-1 if not done else -2])
        if done:
            assert last["choices"][0]["finish_reason"] in {"stop", "tool_calls", "length"}
        else:
            assert last["choices"][0]["finish_reason"] == "error"
            assert last["error"]["request_id"] == call_id
            assert last["error"]["code"] in {"upstream_cut", "upstream_timeout"}
            assert last["error"]["billed"] is charged
    if status != 200:
        error = answer.json()["error"]
        assert error["billed"] is False
        assert error["attempts"][0]["provider"].startswith("up1-")
        assert ("retry-after" in answer.headers) is (status == 503)
    (record,) = gateway.records(call_id)
    assert record["end_reason"] == end
    assert (record["charge_nano"] > 0) is charged
    if record["prompt_tokens"] is not None:
        expected = nano(record["prompt_tokens"], record["completion_tokens"], record["cached_tokens"])
        assert record["charge_nano"] == (expected if charged or end == "completed" else 0)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "card",
    ["rate-limited", "overloaded", "out-of-credit", "reset", "empty", "error-event-first", "html-502", "hang"],
)
def test_a_failure_before_content_is_answered_by_the_next_offer(gateway, card, stream):
    answer = call(gateway, f"two/{card}", stream=stream)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-smartoken-attempts"] == "2"
    assert answer.headers["x-smartoken-provider"].startswith("up2-")
    (record,) = gateway.records(answer.headers["x-request-id"])
    attempts = json.loads(record["attempts"])
    assert [each["failure"] is None for each in attempts] == [False, True]
    assert record["charge_nano"] == nano(record["prompt_tokens"], record["completion_tokens"], record["cached_tokens"])


def test_after_content_there_is_no_other_offer(gateway):
    answer = call(gateway, "two/cut-mid-stream", stream=True)
    assert events(answer.text)[-1] != "[DONE]"
    (record,) = gateway.records(answer.headers["x-request-id"])
    assert len(json.loads(record["attempts"])) == 1


@pytest.mark.parametrize("asked", [True, False])
def test_the_usage_chunk_is_seen_only_by_those_who_asked(gateway, asked):
    answer = call(gateway, "one/echo", stream=True, stream_options={"include_usage": asked})
    usages = [json.loads(each)["usage"] for each in events(answer.text)[:-1] if json.loads(each).get("usage")]
    assert len(usages) == (1 if asked else 0)
    if asked:
        (record,) = gateway.records(answer.headers["x-request-id"])
        assert usages[0]["prompt_tokens"] == record["prompt_tokens"]
        assert float(usages[0]["charge_usd"]) * 1e9 == pytest.approx(record["charge_nano"])


def test_reported_usage_equals_what_the_upstream_really_sent(gateway):
    answer = call(gateway, "one/echo", stream=True)
    (record,) = gateway.records(answer.headers["x-request-id"])
    truth = list(gateway.sandbox.truth)[-1]
    assert text_of(events(answer.text)) == truth.text
    assert record["usage_source"] == "reported"


def test_the_usage_of_a_client_that_left_is_recorded_and_the_upstream_cancelled(gateway):
    body = {"model": "one/long", "messages": MESSAGES, "stream": True}
    with httpx2.stream(
        "POST", f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=10
    ) as answer:
        call_id = answer.headers["x-request-id"]
        for seen, _ in enumerate(answer.iter_lines()):
            if seen > 20:
                break
    (record,) = gateway.records(call_id)
    assert (record["end_reason"], record["status"]) == ("client_left", 499)
    assert record["usage_source"] == "counted"
    assert 5 < record["completion_tokens"] < 200
    assert record["charge_nano"] > 0


def test_a_draining_offer_is_read_to_its_end_and_reports_its_own_usage(gateway):
    body = {"model": "one/drain", "messages": MESSAGES, "stream": True}
    with httpx2.stream(
        "POST", f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=10
    ) as answer:
        call_id = answer.headers["x-request-id"]
        for seen, _ in enumerate(answer.iter_lines()):
            if seen > 5:
                break
    (record,) = gateway.records(call_id)
    assert (record["usage_source"], record["completion_tokens"]) == ("reported", 60)


def test_a_client_that_leaves_before_the_first_token_is_recorded_too(gateway):
    body = {"model": "one/slow-first", "messages": MESSAGES, "stream": True}
    before = {each["id"] for each in gateway.records()}
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=0.2)
    time.sleep(0.3)
    (record,) = [each for each in gateway.records() if each["id"] not in before]
    assert record["end_reason"] == "client_left"
    assert record["completion_tokens"] == 0


def test_unknown_fields_travel_and_ours_do_not(gateway):
    call(gateway, "one/echo", stream=False, vendor_field={"x": [1]}, api_base="http://10.0.0.1/", user="u-7")
    received = list(gateway.sandbox.requests)[-1]
    sent = received.body
    assert sent["vendor_field"] == {"x": [1]}
    assert sent["model"] == "echo"
    assert received.headers["authorization"] == "Bearer made-up-upstream-key"
    assert "x-smartoken" not in json.dumps(dict(received.headers))
