"""Money over real HTTP: tokens with roles, a second person, real calls, and a history that explains all of it."""

import json
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from e2e.test_control_commands import served, shell
from e2e.test_control_whole_way import SETUP
from sandboxes import sandbox_port

__all__ = ["served", "shell"]  # fixtures
BODY = {"model": "test/alpha", "messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 64}


@pytest.fixture
def shop(served):
    """A served gateway with the account acme, its key, and tokens of two people."""
    with sandbox_port() as port:
        text = SETUP.format(port=port).replace('balance = "1.00"\n', "").replace('budget = "0.50"\n', "")
        applied = json.loads(served("apply", served.file(text), "--json").stdout)
        served.key = next(each["secret"] for each in applied["minted"] if each["key"] == "acme/main")
        served.tokens = {
            name: served("token", "create", "--name", name, "--role", role, "--json").stdout
            for name, role in (("fiona", "finance"), ("oscar", "operator"), ("susan", "support"))
        }
        served.tokens = {name: json.loads(made)["secret"] for name, made in served.tokens.items()}
        served.number = 0
        yield served


def ask(shop, who, path, body=None, *, method=None, key=None):
    """Ask the control plane as somebody; a POST gets a key of its own unless one is given."""
    shop.number += 1
    headers = {"authorization": f"Bearer {shop.tokens[who]}", "content-type": "application/json"}
    headers["idempotency-key"] = key or f"k{shop.number}"
    raw = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{shop.address}/api/v1{path}", raw, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if answer.headers.get_content_type() == "application/json" else text
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def call(shop, query=""):
    headers = {"authorization": f"Bearer {shop.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{shop.address}/v1/chat/completions{query}", json.dumps(BODY).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def until(seen, seconds=15):
    """Wait until something is there, and return it."""
    for _ in range(seconds * 10):
        found = seen()
        if found:
            return found
        threading.Event().wait(0.1)
    raise AssertionError("it did not come about in time")


def wallet(shop):
    return ask(shop, "fiona", "/admin/accounts/acme/wallet")[1]


def test_the_history_explains_the_balance_after_everything_that_can_happen_to_it(shop):
    admin = "/admin/accounts/acme"
    deposit = {"amount": "10.00", "reference": "bank 1"}
    status, made = ask(shop, "fiona", f"{admin}/deposits", deposit, key="d1")
    assert (status, made["balance"]) == (201, "10.00")
    assert ask(shop, "fiona", f"{admin}/deposits", deposit, key="d1") == (status, made)
    assert ask(shop, "oscar", f"{admin}/deposits", deposit)[0] == 403
    assert ask(shop, "susan", f"{admin}/adjustments", {"amount": "1.00", "reason": "x"})[0] == 403

    first = call(shop)  # from here on this worker has leased all of the wallet
    # a grant that is all but spent by the next call, so that the wallet pays the rest of that call
    status, granted = ask(shop, "oscar", f"{admin}/grants", {"amount": "0.000001", "reason": "welcome"})
    assert status == 201, granted
    second = call(shop)
    lines = until(lambda: [e for e in history(shop) if e["kind"] == "spend" and e["fund"] == "grant"])
    assert {each["grant"] for each in lines} == {granted["grant"]}
    charged = [Decimal(each["usage"].get("charge_usd") or charge_of(shop, each["id"])) for each in (first, second)]

    status, refunded = ask(shop, "fiona", f"{admin}/refunds", {"call": first["id"], "reason": "wrong answer"})
    assert (status, Decimal(refunded["amount"])) == (201, charged[0])
    assert ask(shop, "fiona", f"{admin}/refunds", {"call": first["id"], "reason": "again"})[0] == 400

    status, waiting = ask(shop, "oscar", f"{admin}/adjustments", {"amount": "200.00", "reason": "big"})
    assert (status, waiting["status"]) == (202, "waiting")
    approve = f"/admin/approvals/{waiting['approval']}/approve"
    assert ask(shop, "oscar", approve, {})[0] == 403
    assert ask(shop, "fiona", approve, {})[0] == 201

    # the worker gives back what no call holds, so all of it is paid out at once
    status, paid = ask(shop, "fiona", f"{admin}/withdrawals", {"amount": "9.00", "reference": "bank 2"})
    assert (status, paid["owed"]) == (201, "0.00"), paid
    assert ask(shop, "fiona", f"{admin}/withdrawals", {"amount": "1.01", "reference": "bank 3"})[0] == 400

    soon = {"amount": "3.00", "reason": "short", "expires_at": in_seconds(3)}
    assert ask(shop, "oscar", f"{admin}/grants", soon)[0] == 201
    until(lambda: any(each["kind"] == "expiry" for each in history(shop)), 40)

    found = history(shop)
    balance = Decimal(0)
    for each in found:
        balance += Decimal(each["amount"])
        assert Decimal(each["balance"]) == balance, each
    assert balance == Decimal(wallet(shop)["balance"]) == 201 + Decimal("0.000001") - charged[1]
    assert {each["kind"] for each in found} == {
        "deposit", "grant", "spend", "refund", "adjustment", "withdrawal", "expiry",
    }  # fmt: skip
    assert call(shop)["choices"]
    month = found[-1]["at"][:7]
    status, statement = ask(shop, "fiona", f"/wallet/statement?account=acme&month={month}")
    assert status == 200, statement
    assert ask(shop, "fiona", "/admin/jobs")[0] == 403
    assert {each["ok"] for each in ask(shop, "susan", "/admin/jobs")[1]["data"]} <= {True, None}


def in_seconds(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def history(shop):
    found, after = [], ""
    while after is not None:
        page = ask(shop, "fiona", f"/admin/accounts/acme/wallet/entries?limit=3{after and '&after=' + after}")[1]
        found += page["data"]
        after = page["next"]
    return found[::-1]


def charge_of(shop, call_id):
    return until(lambda: ask(shop, "fiona", f"/calls/{call_id}")[1].get("charge_usd"))


def test_a_revoked_token_is_refused_at_once_and_a_key_in_a_url_is_told_to_its_owner(shop):
    assert ask(shop, "susan", "/admin/accounts")[0] == 200
    shop("token", "revoke", "susan")
    assert ask(shop, "susan", "/admin/accounts")[0] == 401
    assert ask(shop, "fiona", "/admin/accounts/acme/deposits", {"amount": "1.00", "reference": "b"})[0] == 201
    assert call(shop, f"?api_key={shop.key}")["choices"]
    (event,) = until(lambda: ask(shop, "fiona", "/events?account=acme&kind=key.exposed")[1]["data"])
    assert event["facts"]["where"] == "the URL of a request to /v1"
    assert call(shop)["choices"]
    listed = shop("token", "list", "--json").stdout
    assert all(secret not in listed for secret in shop.tokens.values())
