"""Campaigns and codes over real HTTP and as they are typed: tokens with roles, three ways to pay for one call."""

import csv
import io
import json
import re
import urllib.request

from e2e.test_control_commands import served, shell
from e2e.test_wallet import BODY, ask, shop

__all__ = ["served", "shell", "shop"]  # fixtures
TERMS = {"name": "Autumn credits", "triggers": ["code", "list"], "amount": "5.00", "budget": "50.00"}


def answered(shop, key):
    """A call's status, headers and body without what is new in every answer."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{shop.address}/v1/chat/completions", json.dumps(BODY).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        fresh = {"x-request-id", "date"}
        kept = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in fresh}
        body = json.loads(answer.read())
        body.pop("id")
        body.pop("created")
        return answer.status, kept, body


def new_account(shop, slug):
    """Make an account with a key; returns the key."""
    status, made = ask(shop, "oscar", "/admin/accounts", {"slug": slug})
    assert status == 201, made
    return json.loads(shop("key", "create", "--account", slug, "--name", "main", "--json").stdout)["secret"]


def test_the_same_call_paid_by_wallet_grant_or_code_answers_identically(shop):
    keys = {"acme": shop.key, "granted": new_account(shop, "granted"), "coded": new_account(shop, "coded")}
    assert ask(shop, "fiona", "/admin/accounts/acme/deposits", {"amount": "5.00", "reference": "bank 1"})[0] == 201
    assert ask(shop, "fiona", "/admin/campaigns", {"slug": "autumn", **TERMS})[0] == 403
    assert ask(shop, "oscar", "/admin/campaigns", {"slug": "autumn", **TERMS})[0] == 201
    assert (
        ask(shop, "oscar", "/admin/campaigns/autumn/grants", {"accounts": ["granted"]})[1]["data"][0]["granted"]
        is False
    )
    assert ask(shop, "oscar", "/admin/campaigns/autumn/publish", method="POST")[1]["state"] == "running"
    assert ask(shop, "oscar", "/admin/campaigns/autumn/grants", {"accounts": ["granted"]})[1]["data"][0]["granted"]
    assert ask(shop, "susan", "/admin/codes", {"campaign": "autumn", "count": 1})[0] == 403
    (code,) = ask(shop, "oscar", "/admin/codes", {"campaign": "autumn", "count": 1})[1]["codes"]
    redemption = {"code": code, "account": "coded"}
    status, got = ask(shop, "oscar", "/wallet/redeem", redemption, key="once")
    assert (status, got["available"]) == (200, "5.00")
    assert ask(shop, "oscar", "/wallet/redeem", redemption, key="once") == (200, got)
    assert code not in json.dumps(ask(shop, "susan", "/admin/codes")[1])

    found = {name: answered(shop, key) for name, key in keys.items()}
    assert found["acme"][0] == 200
    assert found["acme"] == found["granted"] == found["coded"]
    kinds = {}
    for name in keys:
        entries = ask(shop, "fiona", f"/admin/accounts/{name}/wallet/entries")[1]["data"]
        kinds[name] = {(each["kind"], each["fund"]) for each in entries}
    assert ("deposit", "wallet") in kinds["acme"]
    assert ("grant", "grant") in kinds["granted"] & kinds["coded"]
    report = ask(shop, "susan", "/admin/campaigns/autumn/report")[1]
    assert (report["grants"], report["granted"]) == (2, "10.00")


def test_campaigns_and_codes_are_run_by_command(shop):
    new_account(shop, "other")
    words = ("--trigger", "code", "--trigger", "list", "--trigger", "link", "--amount", "2.00", "--budget", "20.00")
    more = ("--title", "Spring", "--ends-at", "2099-12-31", "--grant-days", "30", "--model", "test/*", "--first", "5")
    made = json.loads(shop("campaign", "create", "spring", *words, *more, "--json").stdout)
    assert (made["state"], made["terms"]["models"], made["terms"]["ends_at"]) == (
        "draft",
        ["test/*"],
        "2100-01-01T00:00:00.000Z",
    )
    assert "spring is a draft" in shop("campaign", "change", "spring", "--amount", "3.00").stdout
    assert "give nothing until it is published" in shop("code", "create", "--campaign", "spring", "--csv").stderr
    assert "`--amount`" in shop("campaign", "change", "spring", "--amount", "lots", code=2).stderr
    assert "There is no campaign 'none'" in shop("campaign", "show", "none", code=2).stderr
    dry = json.loads(shop("campaign", "dry-run", "spring", "--account", "acme", "--account", "other", "--json").stdout)
    assert (dry["would_grant"], dry["amount"]) == (2, "6.00")
    assert re.search(r"acme\s+3\.00", shop("campaign", "dry-run", "spring").stdout)
    assert "running" in shop("campaign", "publish", "spring").stdout
    assert "Spring: rules" in shop("campaign", "show", "spring").stdout
    assert re.search(r"spring\s+running\s+code,list,link", shop("campaign", "list").stdout)

    lines = list(
        csv.DictReader(io.StringIO(shop("code", "create", "--campaign", "spring", "--count", "3", "--csv").stdout))
    )
    assert len({each["code"] for each in lines}) == 3
    batch = json.loads(shop("code", "create", "--campaign", "spring", "--uses", "2", "--json").stdout)
    assert "would get $3.00 of Spring" in shop("code", "preview", lines[0]["code"], "--account", "acme").stdout
    assert "acme got $3.00" in shop("code", "redeem", lines[0]["code"], "--account", "acme").stdout
    assert "cannot be redeemed" in shop("code", "redeem", lines[0]["code"], "--account", "other", code=2).stderr
    shop("code", "revoke", batch["id"])
    listed = json.loads(shop("code", "list", "--campaign", "spring", "--json").stdout)["data"]
    assert [(each["redeemed"], each["left"]) for each in listed] == [(0, 1), (1, 2), (0, 0)]
    assert lines[1]["code"] not in shop("code", "list").stdout
    assert "exclude each other" in shop("code", "create", "--campaign", "spring", "--csv", "--json", code=2).stderr

    assert json.loads(shop("campaign", "give", "spring", "other", "--json").stdout)["data"][0]["granted"]
    assert "already has the 1 grant" in shop("campaign", "give", "spring", "other").stdout
    link = json.loads(shop("campaign", "link", "spring", "--json").stdout)["link"]
    assert ask(shop, "oscar", "/wallet/claim/preview", {"link": link, "account": "other"})[1]["eligible"] is False
    assert "void" in shop("campaign", "link", "spring", "--void").stdout
    assert ask(shop, "oscar", "/wallet/claim/preview", {"link": link, "account": "other"})[0] == 400
    taken = json.loads(
        shop("campaign", "claw-back", "spring", "--reason", "over", "--account", "other", "--json").stdout
    )
    assert (taken["grants"], taken["taken"]) == (1, "3.00")
    assert "paused" in shop("campaign", "pause", "spring").stdout
    assert "running" in shop("campaign", "resume", "spring").stdout
    assert "ended" in shop("campaign", "end", "spring").stdout
    report = json.loads(shop("campaign", "report", "spring", "--json").stdout)
    assert (report["granted"], report["clawed_back"], report["left"]) == ("6.00", "3.00", "3.00")
    assert re.search(r"clawed back\s+3\.00", shop("campaign", "report", "spring").stdout)
