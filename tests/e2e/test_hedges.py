"""A second attempt beside a first one that is silent: one answer, one charge, the loser cancelled, its cost shown."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from live import live
from smartoken.operations import queries, routes
from smartoken.operations.office import Office
from smartoken.operations.rights import Actor, ActorKind
from smartoken.operations.setup_stored import SITE_FACT
from smartoken.store import revisions

QUICK, SLOW = "echo?tokens=20", "echo?tokens=20&first_ms=600"
SIMPLE = [{"role": "user", "content": "Say hello to the fleet"}]
CHEAP = {"cost": {"currency": "CNY", "input": "7", "output": "9"}}
SG, CN = {"policy": {"region": "sg", "trains": False}}, {"policy": {"region": "cn", "trains": False}}
CUT = "echo?tokens=20&cut_after=9"
MODELS = [
    ("test/slow", [("openai", SLOW), ("openai", QUICK)]),
    ("test/quick", [("openai", QUICK, CHEAP), ("openai", QUICK)]),
    ("test/both-slow", [("openai", SLOW, CHEAP), ("openai", "echo?tokens=20&head_ms=2500", CHEAP)]),
    ("test/head", [("openai", "echo?tokens=20&head_ms=600"), ("openai", QUICK)]),
    ("test/bad-second", [("openai", SLOW), ("openai", "overloaded"), ("openai", QUICK)]),
    ("test/alone", [("openai", SLOW)]),
    ("test/patient", [("openai", "echo?tokens=20&first_ms=950"), ("openai", "echo?tokens=20&head_ms=2800")]),
    ("test/long", [("openai", "echo?tokens=20&first_ms=20&pace_ms=25"), ("openai", QUICK)]),
    ("test/regions", [("openai", SLOW, SG), ("openai", QUICK, CN), ("openai", QUICK, SG)]),
    ("test/bounded", [("openai", SLOW), ("openai", QUICK)]),
    ("test/budget", [("openai", SLOW), ("openai", QUICK)]),
    ("test/seam", [("deepseek", f"{CUT}&first_ms=600"), ("deepseek", CUT), ("moonshot", QUICK)]),
    ("test/hang", [("openai", "hang"), ("openai", "hang"), ("openai", QUICK)]),
    ("test/late-refusal", [("openai", "error-event-first?how=refusal&first_ms=400"), ("openai", SLOW)]),
]
AFTER_MS = 150


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("hedges"), MODELS) as running, httpx2.Client(timeout=20) as http:
        running.http = http
        for model, *_ in MODELS:
            hedge(running, model, 20 if model == "test/bounded" else 100)
        yield running


@pytest.fixture(autouse=True)
def _well(gateway):
    yield
    gateway.worker.gateway.upstreams.pools.breakers.forget()


def hedge(gateway, model, percent):
    """Publish a route that tries the offers in their order and hedges."""
    worker = gateway.worker
    office = Office(
        worker.store.db, worker.store.vault, worker.store.pepper, worker.directory.catalog, worker.clock, _entropy
    )
    directory = worker.directory.current
    offers = [each.offer.id for each in directory.models[model].offers]
    options = {"hedge": True, "hedge_extra_percent": percent, "hedge_after_ms": AFTER_MS}
    definition = {"tiers": [{"offers": [{"offer": name}]} for name in offers], "options": options}
    actor = Actor(ActorKind.ADMIN, "root")
    drafted = office.db.run_write(routes.draft, office.work(actor), directory, {"model": model, "route": definition})
    office.db.run_write(routes.publish, office.work(actor), directory, drafted["id"])
    gateway.run(worker.directory.refresh())


def _entropy(count):
    return time.time_ns().to_bytes(8, "big").rjust(count, b"\0")[:count]


def call(gateway, model, secret=None, **more):
    body = {"model": model, "messages": SIMPLE, "stream": True, **more}
    headers = gateway.headers if secret is None else {"authorization": f"Bearer {secret}"}
    return gateway.http.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers)


def shown(gateway, answer):
    url = f"{gateway.base_url}/calls/{answer.headers['x-request-id']}"
    return gateway.http.get(url, headers=gateway.headers).json()


def text_of(answer):
    blocks = [each.removeprefix("data: ") for each in answer.text.split("\n\n") if each]
    assert blocks.pop() == "[DONE]"
    choices = [json.loads(each)["choices"][0] for each in blocks]
    assert [each["delta"].get("role") for each in choices] == ["assistant"] + [None] * (len(choices) - 1)
    assert [each["finish_reason"] for each in choices] == [None] * (len(choices) - 1) + ["stop"]
    return "".join(each["delta"].get("content", "") for each in choices)


def told(attempt):
    """Return an attempt as (offer's number, failure, whether it was beside another, whether it was cancelled)."""
    cancelled = (attempt["message"] or "").startswith("cancelled")
    return int(attempt["offer"][2]), attempt["failure"], attempt.get("beside", False), cancelled


WON = [
    # the model, its attempts, the last one is who spoke
    ("test/slow", [(1, None, False, True), (2, None, True, False)]),
    ("test/head", [(1, None, False, True), (2, None, True, False)]),
    ("test/quick", [(1, None, False, False)]),
    ("test/both-slow", [(2, None, True, True), (1, None, False, False)]),
    ("test/bad-second", [(2, "provider_capacity", True, False), (1, None, False, False)]),
    ("test/alone", [(1, None, False, False)]),
    ("test/long", [(1, None, False, False)]),  # it spoke in time, and goes on for long
    ("test/hang", [(1, "timeout", False, False), (2, "timeout", True, False), (3, None, False, False)]),
]


@pytest.mark.parametrize(("model", "expected"), WON)
def test_the_attempt_that_speaks_first_answers_and_the_other_is_cancelled(gateway, model, expected):
    answer = call(gateway, model)
    record = shown(gateway, answer)
    assert text_of(answer).startswith('You said: "Say hello to the fleet"')
    assert [told(each) for each in record["attempts"]] == expected
    assert record["end_reason"] == "completed"
    assert answer.headers["x-smartoken-attempts"] == str(len(expected))
    assert record["provider"] == record["attempts"][-1]["provider"]
    (stored,) = gateway.records(answer.headers["x-request-id"])
    assert stored["charge_nano"] == stored["prompt_tokens"] * 1_000 + stored["completion_tokens"] * 2_000
    assert (stored["completion_tokens"], stored["usage_source"]) == (20, "reported")
    if model in ("test/slow", "test/head"):
        assert AFTER_MS <= record["ttft_ms"] < 600


def test_the_cost_of_the_loser_is_kept_on_the_call_for_the_staff_and_not_charged(gateway):
    answer = call(gateway, "test/both-slow")
    (stored,) = gateway.records(answer.headers["x-request-id"])
    loser, spoke = json.loads(stored["attempts"])
    prompt = loser["usage"]["prompt_tokens"]
    assert prompt > 0
    assert loser["usage"]["completion_tokens"] == 0
    assert loser["cost"] == {"nano": prompt * 7_000, "currency": "CNY"}
    assert "cost" not in spoke
    assert stored["charge_nano"] == stored["prompt_tokens"] * 1_000 + stored["completion_tokens"] * 2_000
    assert all("cost" not in each for each in shown(gateway, answer)["attempts"])


def test_the_loser_is_cut_off_at_the_provider(gateway):
    gateway.sandbox.truth.clear()
    call(gateway, "test/both-slow")
    until = time.monotonic() + 3
    while {each.ended for each in gateway.sandbox.truth} != {"complete", "client_left"} and time.monotonic() < until:
        time.sleep(0.02)
    assert sorted(each.ended for each in gateway.sandbox.truth) == ["client_left", "complete"]


def test_a_refusal_of_the_first_is_told_whatever_the_second_would_say(gateway):
    answer = call(gateway, "test/late-refusal")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "content_filtered"
    (stored,) = gateway.records(answer.headers["x-request-id"])
    assert (stored["charge_nano"], stored["end_reason"]) == (0, "content_filter")


def test_an_answer_that_is_not_streamed_has_no_first_token_to_wait_for(gateway):
    answer = call(gateway, "test/slow", stream=False)
    assert len(shown(gateway, answer)["attempts"]) == 1


def test_a_second_attempt_keeps_to_the_data_policy(gateway):
    secret = gateway.add_key(f"sg-{time.time_ns()}", policy={"regions": ["sg"], "no_training": False})
    record = shown(gateway, call(gateway, "test/regions", secret))
    assert [each["offer"][:3] for each in record["attempts"]] == ["up1", "up3"]


def test_no_more_calls_than_the_allowance_have_a_second_attempt(gateway):
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: call(gateway, "test/bounded"), range(20)))
    second = sum(any(each.get("beside") for each in shown(gateway, answer)["attempts"]) for answer in answers)
    assert second == 4  # 20 % of 20


def test_without_the_money_for_both_there_is_no_second_attempt(gateway):
    counts = set()
    for limit in range(400_000, 1_400_000, 100_000):
        name = f"small-{limit}-{time.time_ns()}"
        secret = gateway.add_key(name)
        gateway.add_budget(name, limit)
        answer = call(gateway, "test/budget", secret, max_tokens=60)
        if answer.status_code != 200:
            counts.add(0)
            continue
        (stored,) = gateway.records(answer.headers["x-request-id"])
        assert stored["charge_nano"] <= stored["bound_nano"] <= limit
        counts.add(len(json.loads(stored["attempts"])))
    assert counts == {0, 1, 2}


def test_a_client_that_leaves_cancels_both(gateway):
    gateway.sandbox.truth.clear()
    body = {"model": "test/patient", "messages": SIMPLE, "stream": True}
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=0.8)
    until = time.monotonic() + 5
    while [each.ended for each in gateway.sandbox.truth] != ["client_left"] * 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert [each.ended for each in gateway.sandbox.truth] == ["client_left"] * 2
    record = gateway.records()[-1]
    assert (record["end_reason"], record["completion_tokens"]) == ("client_left", 0)
    assert gateway.worker.gateway.metrics.in_flight == 0


def test_an_answer_that_won_and_broke_off_is_continued(gateway):
    answer = call(gateway, "test/seam", provider={"continuation": True})
    record = shown(gateway, answer)
    assert len(text_of(answer).split()) >= 10
    assert record["evidence"] == "continued:1"
    assert [each["offer"][:3] for each in record["attempts"]] == ["up1", "up2", "up3"]
    assert {line["attempt"] for line in record["price_lines"]} == {2, 3}


def test_second_attempts_are_counted_by_how_they_ended(gateway):
    for model in ("test/slow", "test/both-slow", "test/bad-second"):
        call(gateway, model)
    metrics = httpx2.get(f"{gateway.address}/metrics").text
    for result in ("spoke", "outrun", "failed"):
        assert f'smartoken_second_attempts_total{{result="{result}"}}' in metrics


def say(conn, site):
    queries.put_fact(conn, SITE_FACT, json.dumps(site).encode())
    revisions.bump(conn)


def test_a_site_that_hides_its_providers_names_none_of_those_that_may_not_answer(gateway):
    asked = {"provider": {"only": ["nobody"]}}
    assert "up1" in call(gateway, "test/slow", **asked).text
    gateway.write(say, {"show_providers": False})
    try:
        refused = call(gateway, "test/slow", **asked)
    finally:
        gateway.write(say, {"show_providers": True})
    assert refused.json()["error"]["code"] == "no_compliant_route"
    assert refused.json()["error"]["excluded"][0].startswith("offer 1: ")
    assert "up1" not in refused.text


def test_a_site_that_hides_its_providers_hides_those_of_both_attempts(gateway):
    gateway.write(say, {"show_providers": False})
    try:
        answer = call(gateway, "test/slow")
        record = shown(gateway, answer)
    finally:
        gateway.write(say, {"show_providers": True})
    assert text_of(answer)
    assert "x-smartoken-provider" not in answer.headers
    assert len(record["attempts"]) == 2
    assert "up1" not in json.dumps(record)
    assert "up2" not in json.dumps(record)
