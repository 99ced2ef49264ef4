"""``POST /v1/estimate``: the figures of admission, without a call."""

import httpx2
import pytest

from live import live
from smartoken.billing import queries as money

MESSAGES = [{"role": "user", "content": "Say hello to the fleet"}]
BANDS = {
    "currency": "USD",
    "bands": [
        {"up_to_prompt_tokens": 100, "input": "1.00", "output": "2.00"},
        {"up_to_prompt_tokens": 5000, "input": "2.00", "output": "4.00"},
        {"input": "9.00", "output": "9.00"},
    ],
}
MODELS = [
    ("m/worst", [("openai", "worst-case")]),
    ("m/echo", [("openai", "echo")]),
    ("m/bands", [("openai", "worst-case")], {"price": BANDS}),
    ("m/two", [("openai", "echo"), ("qwen", "echo")]),
    ("m/unpriced", [("openai", "echo")], {"price": None}),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("estimates"), MODELS) as running:
        yield running


def post(gateway, path, key=None, query="", **body):
    headers = {"authorization": f"Bearer {key or gateway.key}"}
    url = f"{gateway.base_url}/{path}{query}"
    return httpx2.post(url, json={"messages": MESSAGES, **body}, headers=headers, timeout=20)


def budgeted(gateway, name, limit_nano):
    secret = gateway.add_key(name)
    gateway.add_budget(name, limit_nano)
    return secret


@pytest.mark.parametrize("model", ["m/worst", "m/bands"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("n", [1, 3])
def test_the_worst_case_is_what_the_worst_call_is_charged(gateway, model, stream, n):
    body = {"model": model, "max_tokens": 70, "n": n, "stream": stream}
    said = post(gateway, "estimate", **body).json()
    answer = post(gateway, "chat/completions", **body)
    (record,) = gateway.records(answer.headers["x-request-id"])
    nano = round(float(said["worst_case_usd"]) * 1e9)
    assert nano == record["charge_nano"] == record["bound_nano"] > 0
    assert said["hold"]["usd"] == said["worst_case_usd"]
    assert said["worst_case"]["completion_tokens"] == 70 * n
    assert float(said["expected_usd"]) <= float(said["worst_case_usd"])


@pytest.mark.parametrize("stream", [True, False])
def test_the_hold_is_that_of_the_call_that_follows(gateway, stream):
    key = budgeted(gateway, f"follows-{stream}", 10_000_000)
    body = {"model": "m/echo", "stream": stream}
    said = post(gateway, "estimate", key, **body).json()
    answer = post(gateway, "chat/completions", key, **body)
    (record,) = gateway.records(answer.headers["x-request-id"])
    assert round(float(said["hold"]["usd"]) * 1e9) == record["bound_nano"]
    assert said["hold"]["completion_tokens"] == 2048  # USD 0.01: a fair share is the least
    assert said["hold"]["grows"] is stream
    assert said["hold"]["available_usd"] == "0.01"
    assert said["hold"]["admitted"] is True
    assert answer.headers.get("x-smartoken-max-tokens") == (None if stream else "2048")
    assert said["hold"]["max_tokens"] == (None if stream else 2048)


def test_nothing_is_held_charged_recorded_or_sent(gateway):
    before, asked = len(gateway.records()), gateway.sandbox.requests.total
    for _ in range(3):
        assert post(gateway, "estimate", model="m/echo").status_code == 200
    assert len(gateway.records()) == before
    assert gateway.sandbox.requests.total == asked
    rows = gateway.worker.store.db.run_read(money.rows_of_account, gateway.account_id)
    assert not any(gateway.worker.gateway.till.unstored(each["id"])[1] for each in rows)


def test_expected_is_the_estimated_prompt_and_the_answer_that_was_named(gateway):
    said = post(gateway, "estimate", query="?completion_tokens=1000", model="m/echo").json()
    tokens = said["expected"]
    assert tokens["completion_tokens"] == 1000
    assert round(float(said["expected_usd"]) * 1e9) == tokens["prompt_tokens"] * 1000 + 1000 * 2000
    assert post(gateway, "estimate", model="m/echo").json()["expected"]["completion_tokens"] == 500
    assert post(gateway, "estimate", model="m/echo", max_tokens=9, n=2).json()["expected"]["completion_tokens"] == 18


@pytest.mark.parametrize("text", ["", "-1", "1.5", "10000001", "\u0664"])
def test_an_answer_that_is_no_whole_number_is_refused(gateway, text):
    error = post(gateway, "estimate", query=f"?completion_tokens={text}", model="m/echo").json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "completion_tokens")


def test_each_band_within_reach_and_each_offer_is_told(gateway):
    said = post(gateway, "estimate", model="m/bands", max_tokens=10, messages=[{"role": "user", "content": "x" * 1000}])
    bands = said.json()["bands"]
    assert [each["up_to_prompt_tokens"] for each in bands] == [100, 5000]
    assert [each["worst_case_usd"] for each in bands] == ["0.00012", said.json()["worst_case_usd"]]
    assert bands[1]["usd_per_1m"] == {"input": "2.00", "cached_input": "2.00", "cache_write": "2.00", "output": "4.00"}
    offers = post(gateway, "estimate", model="m/two", max_tokens=10).json()["offers"]
    assert [each["provider"] for each in offers] == ["up1-two-m", "up2-two-m"]
    assert all(float(each["worst_case_usd"]) > 0 for each in offers)


def test_a_call_that_would_be_refused_says_so_and_why(gateway):
    key = budgeted(gateway, "poor", 20_000)
    hold = post(gateway, "estimate", key, model="m/echo").json()["hold"]
    refusal = hold["refusal"]
    assert (hold["admitted"], refusal["code"], refusal["status"]) == (False, "request_exceeds_budget", 402)
    assert refusal["remedy"]
    answer = post(gateway, "chat/completions", key, model="m/echo")
    assert answer.json()["error"]["message"] == refusal["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "m/none"}, 404, "model_not_found"),
        ({"model": "m/unpriced"}, 503, "model_not_priced"),
        ({"model": "m/echo", "max_tokens": -1}, 400, "invalid_request"),
        ({"model": "m/echo", "messages": []}, 400, "invalid_request"),
    ],
)
def test_what_a_call_is_refused_for_refuses_its_estimate(gateway, body, status, code):
    answer = post(gateway, "estimate", **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["billed"] is False


def test_an_estimate_needs_a_key(gateway):
    answer = httpx2.post(f"{gateway.base_url}/estimate", json={"model": "m/echo", "messages": MESSAGES})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("path", ["models", "models/m%2Fecho", "key"])
def test_head_answers_as_get_without_a_body(gateway, path):
    headers = {"authorization": f"Bearer {gateway.key}"}
    with httpx2.Client(headers=headers) as client:
        got, head = client.get(f"{gateway.base_url}/{path}"), client.head(f"{gateway.base_url}/{path}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert client.get(f"{gateway.base_url}/key").status_code == 200, "the connection goes on"
