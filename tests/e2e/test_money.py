"""Hard budgets, the natural call, and the truth after a worker was killed: over real sockets."""

import asyncio
import json

import httpx2
import pytest

from live import live
from smartoken.billing import queries as money

MESSAGES = [{"role": "user", "content": "Say hello to the fleet"}]
MODELS = [
    ("m/worst", [("openai", "worst-case?pace_ms=2")]),
    ("m/echo", [("openai", "echo")]),
    ("m/long", [("openai", "echo?tokens=3000")]),
    ("m/hex", [("openai", "echo?text=" + "%20".join(["a9f3c81b77e0d452"] * 90))]),
    ("m/ignores", [("openai", "ignores-max-tokens?tokens=2000")]),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("money"), MODELS) as running:
        yield running


def key_with_budget(gateway, name, limit_nano):
    secret = gateway.add_key(name)
    gateway.add_budget(name, limit_nano)
    return secret


def spent_by(gateway, name):
    return sum(each["charge_nano"] for each in gateway.records() if each["key_id"] == gateway.keys[name])


async def many(gateway, key, count, **body):
    async with httpx2.AsyncClient(timeout=30, limits=httpx2.Limits(max_connections=count)) as client:

        async def one():
            return await client.post(
                f"{gateway.base_url}/chat/completions",
                json={"messages": MESSAGES, **body},
                headers={"authorization": f"Bearer {key}"},
            )

        return await asyncio.gather(*(one() for _ in range(count)))


def test_exactly_as_many_calls_start_as_the_budget_holds(gateway):
    first = asyncio.run(many(gateway, gateway.key, 1, model="m/worst", stream=True, max_tokens=50))
    (probe,) = gateway.records(first[0].headers["x-request-id"])
    assert probe["charge_nano"] == probe["bound_nano"] > 0, "worst-case must use its bound exactly"
    room = 7
    key = key_with_budget(gateway, "drill", probe["bound_nano"] * room + probe["bound_nano"] // 2)
    answers = asyncio.run(many(gateway, key, 40, model="m/worst", stream=True, max_tokens=50))
    codes = [each.status_code for each in answers]
    assert codes.count(200) == room, sorted(codes)
    assert set(codes) <= {200, 402, 429}
    assert spent_by(gateway, "drill") == probe["bound_nano"] * room
    refused = next(each for each in answers if each.status_code != 200).json()["error"]
    assert refused["limit_source"] == "key:total"
    assert {"limit", "used", "held", "available"} <= set(refused)


def test_a_blocked_key_is_refused_with_402(gateway):
    key = key_with_budget(gateway, "blocked", 0)
    (answer,) = asyncio.run(many(gateway, key, 1, model="m/echo"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "budget_exceeded")


def test_a_call_without_a_limit_ends_with_length_when_the_money_ends(gateway):
    key = key_with_budget(gateway, "small", 3_000_000)  # USD 0.003: about 1,500 tokens of answer
    (answer,) = asyncio.run(many(gateway, key, 1, model="m/long", stream=True, stream_options={"include_usage": True}))
    assert answer.status_code == 200, answer.text
    payloads = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert payloads[-1] == "[DONE]"
    finishes = [c["finish_reason"] for p in payloads[:-1] for c in json.loads(p)["choices"] if c.get("finish_reason")]
    assert finishes == ["length"]
    assert 0 < spent_by(gateway, "small") <= 3_000_000


def test_twenty_natural_calls_at_once_on_one_dollar_are_all_answered(gateway):
    key = key_with_budget(gateway, "natural", 1_000_000_000)
    answers = asyncio.run(many(gateway, key, 20, model="m/echo", stream=True))
    assert [each.status_code for each in answers] == [200] * 20
    assert 0 < spent_by(gateway, "natural") <= 1_000_000_000


def test_the_books_balance_after_all_of_it(gateway):
    asyncio.run(many(gateway, gateway.key, 3, model="m/echo"))
    gateway.records()

    def balances(conn):
        return money.book_sums(conn), money.house_balances(conn), money.rows_of_account(conn, gateway.account_id)

    sums, house, rows = gateway.worker.store.db.run_read(balances)
    assert sum(sums.values()) == 0
    assert all(sums[place] == nano for place, nano in house.items())
    charged = sum(each["charge_nano"] for each in gateway.records())
    wallet = next(each for each in rows if each["id"].startswith("wallet:"))
    assert wallet["used_nano"] == charged
    assert sums["house:revenue", "USD"] == charged + sum(each["overrun_nano"] for each in gateway.records())


def test_text_that_is_hard_to_count_is_not_taken_for_a_broken_limit(gateway):
    (answer,) = asyncio.run(many(gateway, gateway.key, 1, model="m/hex", stream=True, max_tokens=300))
    finishes = [each for each in answer.text.split("\n") if '"finish_reason":"' in each]
    assert "limited_by" not in answer.text
    assert len(finishes) == 1


def test_an_upstream_that_ignores_its_limit_is_cut(gateway):
    (answer,) = asyncio.run(many(gateway, gateway.key, 1, model="m/ignores", stream=True, max_tokens=100))
    (record,) = gateway.records(answer.headers["x-request-id"])
    assert record["completion_tokens"] < 1000
    assert record["charge_nano"] <= record["bound_nano"]
