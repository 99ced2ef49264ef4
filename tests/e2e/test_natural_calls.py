"""The natural call: a key with ten cents and no ``max_tokens``, as every SDK sends it, on every priced model there is.

Every offer of the shipped catalog answers from the sandbox posing as its provider's dialect. The table is printed
(``pytest -s``) and in the report of a failure; no figure of it stands anywhere else.
"""

import asyncio
import json
import os
import sys

import httpx2
import pytest

from live import live
from smartoken.catalog.files import load_catalog
from smartoken.identity import accounts
from smartoken.identity import queries as identity
from smartoken.identity.keys import mint
from smartoken.operations.demo import key_row
from smartoken.operations.stored_models import key_place
from smartoken.sandbox.poses.registry import POSES
from smartoken.store import revisions
from smartoken.store.schema import provider_keys, providers

TEN_CENTS, ONE_DOLLAR = 100_000_000, 1_000_000_000
MESSAGES = [{"role": "user", "content": "What is the tallest mountain of the south, and who climbed it first?"}]
CATALOG = load_catalog()
PRICED = sorted(each.id for each in CATALOG.models.values() if each.price is not None)


def priced(per_million_in, per_million_out):
    price = {"currency": "USD", "input": per_million_in, "output": per_million_out}
    return {"context": 200_000, "max_output": 100_000, "price": price}


SLOW = [
    ("slow/dear", [("openai", "echo?first_ms=400")], priced("4", "20")),
    ("slow/long", [("openai", "echo?tokens=9000")], priced("1", "9")),
]


def enable(conn, live_one, port):
    """Set up every provider of the catalog, with the sandbox at its address."""
    for each in CATALOG.providers.values():
        timeouts = {"connect_s": 2, "first_byte_s": 5, "idle_s": 5, "total_s": 30}
        row = {"id": each.id, "dialect": each.dialect, "allow_private": True, "enabled": True}
        pose = each.dialect if each.dialect in POSES else "openai"  # nothing but its address is known of SenseNova
        base_url = f"http://127.0.0.1:{port}/as/{pose}"
        conn.execute(providers.insert().values(**row, base_url=base_url, timeouts=timeouts, options={}))
        key_id = live_one.making.id("pkey")
        wrapped = live_one.worker.store.vault.wrap(b"made-up-upstream-key", key_place(key_id))
        row = {"id": key_id, "provider_id": each.id, "name": "main", "wrapped_secret": wrapped, "enabled": True}
        conn.execute(provider_keys.insert().values(**row))
    revisions.bump(conn)


def add_keys(conn, live_one, names, limit_nano):
    """Make a key with a budget for each name."""
    making, secrets = live_one.making, {}
    for name in names:
        row = key_row(making, live_one.account_id, name)
        secrets[name] = mint(os.urandom(32))
        accounts.add_key(conn, row, secrets[name], making.pepper)
        live_one.keys[name] = row["id"]
        budget = {"id": making.id("budget"), "scope": "key", "scope_id": row["id"], "period": "total"}
        identity.insert_budget(conn, {**budget, "created_ms": 0, "limit_nano": limit_nano})
    revisions.bump(conn)
    revisions.bump(conn, "money")
    return secrets


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("natural"), SLOW) as running:
        running.write(enable, running, running.sandbox.port)
        yield running


def ask(gateway, client, key, path, **body):
    headers = {"authorization": f"Bearer {key}"}
    return client.post(f"{gateway.base_url}/{path}", json={"messages": MESSAGES, **body}, headers=headers)


def streamed_text(answer):
    payloads = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert payloads[-1] == "[DONE]", answer.text[-500:]
    deltas = [choice["delta"] for each in payloads[:-1] for choice in json.loads(each)["choices"]]
    return "".join(each.get("content") or "" for each in deltas)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_every_priced_model_answers_a_key_with_ten_cents(gateway, stream):
    keys = gateway.write(add_keys, gateway, [f"{name} {stream}" for name in PRICED], TEN_CENTS)
    table, wrong = [], []
    with httpx2.Client(timeout=20) as client:
        for name in PRICED:
            key = keys[f"{name} {stream}"]
            hold = ask(gateway, client, key, "estimate", model=name, stream=stream).json().get("hold")
            answer = ask(gateway, client, key, "chat/completions", model=name, stream=stream)
            if answer.status_code != 200 or hold is None:
                wrong.append((name, answer.text[:300]))
                continue
            text = streamed_text(answer) if stream else answer.json()["choices"][0]["message"]["content"]
            if not text:
                wrong.append((name, "no text"))
            table.append((name, answer.headers["x-request-id"], hold))
    records = {each["id"]: each for each in gateway.records()}
    lines = [f"{'model':44} {'provider':12} {'first hold USD':>14} {'charge USD':>12}"]
    for name, call_id, hold in table:
        record = records[call_id]
        lines.append(f"{name:44} {record['provider']:12} {hold['usd']:>14} {record['charge_nano'] / 1e9:>12.9f}")
        first = round(float(hold["usd"]) * 1e9)
        paid = any(band.input or band.output for band in CATALOG.models[name].price.bands)
        if not first <= record["bound_nano"] <= TEN_CENTS or not paid <= record["charge_nano"] <= record["bound_nano"]:
            wrong.append((name, record))
    sys.stdout.write("\n".join(["", *lines, ""]))
    assert wrong == []
    assert len(table) == len(PRICED) > 90


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_short_limit_is_no_reason_to_refuse_what_is_answered_without_one(gateway, stream):
    """Thinking that the vendor's limit leaves out is held as it is counted, not up to the most that may come."""
    keys = gateway.write(add_keys, gateway, [f"{name} short {stream}" for name in PRICED], TEN_CENTS)
    with httpx2.Client(timeout=20) as client:
        answers = {
            name: ask(
                gateway,
                client,
                keys[f"{name} short {stream}"],
                "chat/completions",
                model=name,
                stream=stream,
                max_tokens=500,
            )
            for name in PRICED
        }
    assert {name: each.text[:200] for name, each in answers.items() if each.status_code != 200} == {}
    records = {each["id"]: each for each in gateway.records()}
    charged = [records[each.headers["x-request-id"]] for each in answers.values()]
    assert all(each["charge_nano"] <= each["bound_nano"] <= TEN_CENTS for each in charged)


async def at_once(gateway, key, count, **body):
    async with httpx2.AsyncClient(timeout=30, limits=httpx2.Limits(max_connections=count)) as client:
        return await asyncio.gather(*(ask(gateway, client, key, "chat/completions", **body) for _ in range(count)))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_twenty_at_once_on_one_dollar_are_all_answered_by_the_dearest_model(gateway, stream):
    name = f"twenty {stream}"
    key = gateway.write(add_keys, gateway, [name], ONE_DOLLAR)[name]
    answers = asyncio.run(at_once(gateway, key, 20, model="slow/dear", stream=stream))
    assert [each.status_code for each in answers] == [200] * 20, [each.text for each in answers if each.is_error]
    records = [each for each in gateway.records() if each["key_id"] == gateway.keys[name]]
    assert len(records) == 20
    assert 0 < sum(each["charge_nano"] for each in records) <= ONE_DOLLAR


def test_twenty_long_streams_at_once_end_with_length_when_the_money_does_and_never_pass_the_cap(gateway):
    key = gateway.write(add_keys, gateway, ["long"], ONE_DOLLAR)["long"]
    answers = asyncio.run(at_once(gateway, key, 20, model="slow/long", stream=True))
    assert [each.status_code for each in answers] == [200] * 20
    cut = [each for each in answers if '"limited_by":"budget"' in each.text]
    assert cut, "20 answers of 9,000 tokens cost USD 1.62"
    assert all('"finish_reason":"length"' in each.text and each.text.endswith("data: [DONE]\n\n") for each in cut)
    records = [each for each in gateway.records() if each["key_id"] == gateway.keys["long"]]
    assert 0.8 * ONE_DOLLAR < sum(each["charge_nano"] for each in records) <= ONE_DOLLAR
    assert all(each["overrun_nano"] == 0 for each in records)
