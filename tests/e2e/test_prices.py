"""Prices and reconciliation over real sockets: each call keeps the price that it was made at, in every figure."""

import json
import time

import httpx2
import pytest

from contract.operations.rooms import ADMIN
from live import live
from smartoken.identity import queries as identity
from smartoken.money import amount_text
from smartoken.operations import price_lists, prices, reconcile
from smartoken.operations.office import Work
from smartoken.store import revisions

MODELS = [("m/echo", [("openai", "echo?tokens=20")]), ("m/slow", [("openai", "echo?tokens=40&pace_ms=20")])]
MESSAGES = [{"role": "user", "content": "Say hello to the fleet"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("prices"), MODELS) as running:
        yield running


def work(gateway):
    return Work(ADMIN, time.time_ns(), gateway.making.entropy, gateway.making.pepper, gateway.worker.store.vault)


def do(gateway, operation, *args):
    return gateway.write(operation, work(gateway), *args)


def publish(gateway, **parts):
    made = do(gateway, prices.draft, gateway.worker.directory.current, parts)
    return do(gateway, prices.publish, made["id"], None)


def usd(input_rate, output_rate):
    return {"currency": "USD", "input": input_rate, "output": output_rate}


def called(gateway, key=None, **body):
    answer = httpx2.post(
        f"{gateway.base_url}/chat/completions",
        json={"model": "m/echo", "messages": MESSAGES, **body},
        headers={"authorization": f"Bearer {key or gateway.key}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    (record,) = gateway.records(answer.headers["x-request-id"])
    return record


def due(record, input_rate, output_rate):
    """The charge by hand: micro-USD per 1M tokens are pico-USD a token, rounded up once."""
    return -(-(record["prompt_tokens"] * input_rate + record["completion_tokens"] * output_rate) // 1000)


def test_two_calls_around_a_change_of_price_keep_each_their_own(gateway):
    publish(gateway, sell={"m/echo": usd("1.00", "2.00")})
    before = called(gateway)
    publish(gateway, sell={"m/echo": usd("4.00", "8.00")})
    after = called(gateway)
    assert before["charge_nano"] == due(before, 1_000_000, 2_000_000)
    assert after["charge_nano"] == due(after, 4_000_000, 8_000_000)
    assert after["bound_nano"] > before["bound_nano"], "the hold follows the price as well"
    shown = {}
    for record in (before, after):
        found = gateway.worker.store.db.run_read(prices.version, work(gateway), record["price_version"])
        shown[found["price"]["input"]] = found["price"]["output"]
    assert shown == {"1.00": "2.00", "4.00": "8.00"}
    (again,) = gateway.records(before["id"])
    assert (again["price_version"], again["charge_nano"]) == (before["price_version"], before["charge_nano"])


def test_a_call_under_way_is_charged_at_the_price_at_which_it_began(gateway):
    publish(gateway, sell={"m/slow": usd("1.00", "2.00")})
    with httpx2.stream(
        "POST", f"{gateway.base_url}/chat/completions", timeout=30, headers=gateway.headers,
        json={"model": "m/slow", "messages": MESSAGES, "stream": True},
    ) as answer:  # fmt: skip
        lines = answer.iter_lines()
        next(lines)
        publish(gateway, sell={"m/slow": usd("100.00", "200.00")})
        list(lines)
        (record,) = gateway.records(answer.headers["x-request-id"])
    assert record["charge_nano"] == due(record, 1_000_000, 2_000_000)


def test_a_price_list_acts_on_estimate_hold_charge_and_what_the_account_is_shown(gateway):
    publish(gateway, sell={"m/echo": usd("1.00", "2.00")}, lists={"half": {"percent": "-50"}})
    plain = called(gateway, max_tokens=50)
    do(gateway, price_lists.assign, "acme", "half")
    try:
        listed = called(gateway, max_tokens=50)
        headers = {"authorization": f"Bearer {gateway.key}"}
        estimate = httpx2.post(
            f"{gateway.base_url}/estimate", headers=headers,
            json={"model": "m/echo", "messages": MESSAGES, "max_tokens": 50},
        )  # fmt: skip
        shown = httpx2.get(f"{gateway.base_url}/models/m/echo", headers=headers).json()["price"]
    finally:
        do(gateway, price_lists.assign, "acme", None)
    assert listed["charge_nano"] == due(listed, 500_000, 1_000_000)
    assert listed["bound_nano"] == -(-plain["bound_nano"] // 2)
    assert listed["price_version"].startswith("list:")
    assert listed["price_version"] in estimate.text
    assert (shown["input"], shown["output"]) == ("0.50", "1.00")
    assert called(gateway)["price_version"] == plain["price_version"]


def test_a_price_that_is_to_come_counts_from_its_time_without_anybody_asking(gateway):
    publish(gateway, sell={"m/echo": usd("1.00", "2.00")})
    made = do(gateway, prices.draft, gateway.worker.directory.current, {"sell": {"m/echo": usd("3.00", "6.00")}})
    start = time.time() + 1.2
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start)) + f".{int(start * 1000) % 1000:03d}Z"
    do(gateway, prices.publish, made["id"], text)
    assert (first := called(gateway))["charge_nano"] == due(first, 1_000_000, 2_000_000)
    time.sleep(max(0, start - time.time()) + 0.05)
    assert (then := called(gateway))["charge_nano"] == due(then, 3_000_000, 6_000_000)


def test_reconcile_finds_what_was_planted_among_two_hundred_real_calls(gateway):
    publish(gateway, sell={"m/echo": usd("1.00", "2.00")})
    key = gateway.add_key("reconciled")
    made = []
    with httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=30) as client:

        def call(tag):
            body = {"model": "m/echo", "messages": MESSAGES, "user": tag}
            answer = client.post(f"{gateway.base_url}/chat/completions", json=body).json()
            made.append((tag, answer["usage"]))

        for number in range(200):
            call(f"run-{number}")
        call("run-77")  # submitted twice
    lines = [
        {"user": tag, "model": "m/echo", "prompt_tokens": usage["prompt_tokens"],
         "completion_tokens": usage["completion_tokens"], "charge_usd": usage["charge_usd"]}
        for tag, usage in made[:200]
    ]  # fmt: skip
    lines[121]["charge_usd"] = amount_text(int(1e9))
    text = "\n".join(json.dumps(each) for each in [*lines, {"user": "run-lost", "model": "m/echo"}])
    gateway.records()
    asked = reconcile.Question("usage", text, key="reconciled")
    found = gateway.worker.store.db.run_read(reconcile.run, work(gateway), gateway.worker.directory.current, asked)
    assert {each["kind"]: each["subject"] for each in found["findings"]} == {
        "missing": "user run-lost", "doubled": "user run-77", "mispriced": "user run-121",
    }  # fmt: skip
    assert len(found["findings"]) == 3
    assert (found["summary"]["expected"], found["summary"]["logged"], found["ok"]) == (201, 201, False)


def test_an_account_without_a_list_pays_the_standard_price_whatever_its_row_says(gateway):
    publish(gateway, sell={"m/echo": usd("1.00", "2.00")})

    def rename(conn):
        identity.update_account(conn, gateway.account_id, {"price_list": "taken-back"})
        revisions.bump(conn)

    gateway.write(rename)
    try:
        record = called(gateway)
    finally:
        do(gateway, price_lists.assign, "acme", None)
    assert record["charge_nano"] == due(record, 1_000_000, 2_000_000)
