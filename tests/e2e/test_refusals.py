"""Every way in which a call is refused before it starts: status, code, what is named, and that nothing is charged."""

import asyncio
import time

import httpx2
import pytest

from smartoken.identity import accounts
from smartoken.identity import queries as identity
from smartoken.identity.keys import mint
from smartoken.operations.demo import account_row, key_row

BODY = {"model": "one/echo", "messages": [{"role": "user", "content": "hi"}]}


def post(gateway, *, key=None, body=BODY, **more):
    headers = {"authorization": f"Bearer {key or gateway.key}", **more.pop("headers", {})}
    return httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers, timeout=20, **more)


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    error = answer.json()["error"]
    assert error["billed"] is False
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error["doc_url"].endswith(code)
    assert error["remedy"]
    return error


KEYS = [
    # facts of the key, status, code
    ({"status": "paused"}, 403, "key_paused"),
    ({"status": "revoked"}, 401, "key_revoked"),
    ({"expires_ms": 1}, 401, "key_expired"),
    ({"models": ["two/*"]}, 403, "model_not_allowed"),
    ({"models": ["one/ech"]}, 403, "model_not_allowed"),
    ({"allowed_ips": ["10.0.0.0/8"]}, 403, "ip_not_allowed"),
    ({"policy": {"regions": ["sg"]}}, 403, "no_compliant_route"),
    ({"policy": {"no_training": True}}, 403, "no_compliant_route"),
]


@pytest.mark.parametrize(("facts", "status", "code"), KEYS)
def test_a_key_that_may_not_is_refused(gateway, facts, status, code):
    key = gateway.add_key(f"key-{code}-{sorted(facts)}-{facts}"[:190], **facts)
    refused(post(gateway, key=key), status, code)


def test_a_scope_with_a_wildcard_allows_what_it_covers(gateway):
    assert post(gateway, key=gateway.add_key("wild", models=["ONE/*"])).status_code == 200


def test_a_key_is_taken_from_either_header(gateway):
    answer = httpx2.post(f"{gateway.base_url}/chat/completions", json=BODY, headers={"x-api-key": gateway.key})
    assert answer.status_code == 200


HEADERS = [
    ({}, "No API key"),
    ({"authorization": "Basic abc"}, "form"),
    ({"authorization": "Bearer sk-st-' OR 1=1 --"}, "malformed"),
    ({"authorization": "Bearer " + "x" * 5000}, "malformed"),
    ({"x-api-key": "sk-st-" + "0" * 49}, ""),
]


@pytest.mark.parametrize(("headers", "word"), HEADERS)
def test_no_key_or_a_wrong_one_is_401(gateway, headers, word):
    answer = httpx2.post(f"{gateway.base_url}/chat/completions", json=BODY, headers=headers)
    error = refused(answer, 401, "invalid_api_key")
    assert word in error["message"]
    assert "OR 1=1" not in answer.text


def test_a_revocation_is_seen_within_two_seconds(gateway):
    key = gateway.add_key("soon-revoked")
    assert post(gateway, key=key).status_code == 200
    changes = {"status": "revoked"}
    gateway.worker.store.db.run_write(accounts.change_key, gateway.keys["soon-revoked"], changes)
    began = time.monotonic()
    while post(gateway, key=key).status_code == 200:
        assert time.monotonic() - began < 2
        time.sleep(0.05)
    refused(post(gateway, key=key), 401, "key_revoked")


def test_a_new_key_works_at_once(gateway):

    secret = mint(b"n" * 32)
    row = key_row(gateway.making, gateway.account_id, "brand-new")
    gateway.worker.store.db.run_write(accounts.add_key, row, secret, gateway.making.pepper)
    assert post(gateway, key=secret).status_code == 200


def test_a_suspended_account_is_refused(gateway):
    def suspend(conn, status):
        identity.update_account(conn, gateway.account_id, {"status": status})
        accounts.change_key(conn, identity.key_rows(conn)[0]["id"], {"status": "active"})

    gateway.write(suspend, "suspended")
    try:
        refused(post(gateway), 403, "account_suspended")
    finally:
        gateway.write(suspend, "active")


def test_requests_per_minute_are_limited_with_retry_after(gateway):
    key = gateway.add_key("rpm", rpm=3)
    answers = [post(gateway, key=key) for _ in range(5)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    error = refused(answers[-1], 429, "rate_limit_exceeded")
    assert error["limit_source"] == "key:requests per minute"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20


def test_tokens_per_minute_are_limited(gateway):
    key = gateway.add_key("tpm", tpm=40)
    codes = [post(gateway, key=key).status_code for _ in range(8)]
    assert codes[0] == 200
    assert codes[-1] == 429


def test_calls_at_once_are_limited(gateway):
    key = gateway.add_key("concurrency", concurrency=2)
    body = {**BODY, "model": "one/slow-first"}

    async def all_at_once():
        async with httpx2.AsyncClient(timeout=20) as client:
            headers = {"authorization": f"Bearer {key}"}
            url = f"{gateway.base_url}/chat/completions"
            return await asyncio.gather(*(client.post(url, json=body, headers=headers) for _ in range(5)))

    codes = sorted(each.status_code for each in asyncio.run(all_at_once()))
    assert codes == [200, 200, 429, 429, 429]
    assert post(gateway, key=key).status_code == 200, "places are given back"


ORIGINS = [
    (["https://app.test"], "https://app.test", "https://app.test"),
    (["https://app.test"], "https://evil.test", None),
    (["*"], "https://any.test", "https://any.test"),
    ([], "https://app.test", None),
]


@pytest.mark.parametrize(("allowed", "origin", "shown"), ORIGINS)
def test_a_page_may_read_answers_only_if_the_key_says_so(gateway, allowed, origin, shown):
    key = gateway.add_key(f"cors-{allowed}-{origin}", allowed_origins=allowed)
    answer = post(gateway, key=key, headers={"origin": origin})
    assert answer.headers.get("access-control-allow-origin") == shown


def test_a_preflight_is_answered_for_origins_that_some_key_allows(gateway):
    gateway.add_key("preflight", allowed_origins=["https://pre.test"])
    url = f"{gateway.base_url}/chat/completions"
    good = httpx2.options(url, headers={"origin": "https://pre.test", "access-control-request-method": "POST"})
    assert (good.status_code, good.headers["access-control-allow-origin"]) == (204, "https://pre.test")


def test_a_body_over_the_limit_is_413(gateway):
    body = {**BODY, "messages": [{"role": "user", "content": "x" * (11 * 1024 * 1024)}]}
    refused(post(gateway, body=body), 413, "request_too_large")


def test_a_body_over_the_limit_is_413_although_no_length_was_announced(gateway):
    def pieces():
        for _ in range(12):
            yield b"x" * (1024 * 1024)

    answer = httpx2.post(f"{gateway.base_url}/chat/completions", content=pieces(), headers=gateway.headers, timeout=20)
    refused(answer, 413, "request_too_large")


def test_a_compressed_body_is_refused(gateway):
    error = refused(post(gateway, headers={"content-encoding": "gzip"}), 400, "invalid_request")
    assert error["param"] == "Content-Encoding"


PATHS = [
    ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
    ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ("POST", "/v1/embeddings", 404, "endpoint_not_supported"),
    ("GET", "/v1/nothing/here", 404, "endpoint_not_supported"),
    ("GET", "/v1/models/no/such", 404, "model_not_found"),
    ("GET", "/v1/calls/call_0", 404, "not_found"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), PATHS)
def test_paths_and_methods_that_are_not_served_say_so(gateway, method, path, status, code):
    answer = httpx2.request(method, f"{gateway.address}{path}", headers=gateway.headers)
    refused(answer, status, code)


def test_another_accounts_call_is_not_found(gateway):
    answer = post(gateway)
    call_id = answer.headers["x-request-id"]
    mine = httpx2.get(f"{gateway.base_url}/calls/{call_id}", headers=gateway.headers)
    assert mine.json()["charge_usd"] == answer.headers["x-smartoken-charge-usd"]

    def other(conn):

        row = account_row(gateway.making, "stranger", "Stranger")
        identity.insert_account(conn, row)
        return row["id"]

    account_id = gateway.write(other)
    own, gateway.account_id = gateway.account_id, account_id
    try:
        key = gateway.add_key("stranger-key")
    finally:
        gateway.account_id = own
    answer = httpx2.get(f"{gateway.base_url}/calls/{call_id}", headers={"authorization": f"Bearer {key}"})
    refused(answer, 404, "not_found")


def test_nothing_refused_was_charged(gateway):
    post(gateway, body={**BODY, "model": "no/such"})
    assert all(each["charge_nano"] == 0 for each in gateway.records() if each["end_reason"] == "refused")


def test_health_and_metrics_answer(gateway):
    post(gateway)
    assert httpx2.get(f"{gateway.address}/healthz").status_code == 200
    assert httpx2.get(f"{gateway.address}/readyz").status_code == 200
    text = httpx2.get(f"{gateway.address}/metrics").text
    assert 'smartoken_calls_total{end_reason="completed",model="one/echo"' in text
    rebound = httpx2.get(f"{gateway.address}/metrics", headers={"host": "page.example"})
    assert rebound.status_code == 403
    proxied = httpx2.get(f"{gateway.address}/metrics", headers={"x-forwarded-for": "10.1.1.1"})
    refused(proxied, 403, "permission_denied")
