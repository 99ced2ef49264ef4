"""Campaigns from draft to report, over both stores: what is decided once is what the ledger shows."""

import asyncio

import pytest

from contract.operations.campaign_house import (
    a_campaign,
    an_account,
    books_balance,
    key,
    post,
    rows_of,
    shown,
    some_codes,
)
from contract.operations.rooms import call_record
from smartoken.billing import queries as money
from smartoken.billing.ledger import Posting, Stamp, spend
from smartoken.billing.wallet import post as posted
from smartoken.campaigns import queries as campaigns
from smartoken.money import parse_amount
from smartoken.operations import audit, claims, claw_backs
from smartoken.operations import campaigns as operations
from smartoken.operations.rights import SYSTEM

USD = 1_000_000_000


def states(room, slug="autumn"):
    """What the audit log tells of a campaign's states, oldest first."""
    made = shown(room, f"/admin/campaigns/{slug}")
    entries = room.read(audit.page, None, 500, f"campaign:{made['id']}")
    return [each["after"]["state"] for each in reversed(entries) if each["action"] == "campaign.state"]


def tick(room):
    """What the job of every minute does."""
    return room.office.db.run_write(claims.tick, room.work(SYSTEM))


def test_the_public_page_has_the_rules_in_force_and_nothing_of_a_draft(room):
    a_campaign(room, publish=False, invited=["somebody@example.com"])
    now_ms = room.office.clock.now_ms()

    def public():
        return room.office.db.run_read(operations.published_rules, "autumn", now_ms)

    assert public() is None
    post(room, "/admin/campaigns/autumn/publish")
    found = public()
    assert found["state"] == "running"
    assert "You get a grant of $" in found["rules"]
    assert "somebody@example.com" not in found["rules"]
    assert room.office.db.run_read(operations.published_rules, "winter", now_ms) is None


def test_a_campaign_runs_from_draft_to_end_and_each_transition_is_audited(room):
    made = a_campaign(
        room, publish=False, starts_at="2026-11-04T00:00:00Z", ends_at="2026-11-06", timezone="Asia/Shanghai"
    )
    assert made["state"] == "draft"
    assert made["terms"]["ends_at"] == "2026-11-06T16:00:00.000Z"  # the whole of that day in Shanghai
    assert post(room, "/admin/campaigns/autumn/publish")["state"] == "scheduled"
    room.office.clock.advance(hours=12)
    tick(room)
    assert shown(room, "/admin/campaigns/autumn")["state"] == "running"
    assert post(room, "/admin/campaigns/autumn/pause")["state"] == "paused"
    assert post(room, "/admin/campaigns/autumn/resume")["state"] == "running"
    room.office.clock.advance(days=4)
    tick(room)
    tick(room)
    assert shown(room, "/admin/campaigns/autumn")["state"] == "ended"
    assert states(room) == ["scheduled", "running", "paused", "running", "ended"]
    post(room, "/admin/campaigns/autumn/pause", wanted=400)


def test_a_change_is_a_draft_until_it_is_published_as_another_version(room):
    first = a_campaign(room)
    an_account(room, "acme")
    changed = room.ask("PATCH", "/api/v1/admin/campaigns/autumn", {"amount": "7.00"}).body
    assert (changed["terms"]["amount"], changed["draft"]["amount"]) == ("5.00", "7.00")
    assert changed["rules_version"] == first["rules_version"]
    given = post(room, "/admin/campaigns/autumn/grants", {"accounts": ["acme"]})["data"]
    assert given[0]["amount"] == "5.00"
    second = post(room, "/admin/campaigns/autumn/publish")
    assert second["terms"]["amount"] == "7.00"
    assert second["draft"] is None
    assert second["rules_version"] != first["rules_version"]
    versions = shown(room, "/admin/campaigns/autumn")["versions"]
    assert [each["version"] for each in versions] == [first["rules_version"], second["rules_version"]]
    assert "$5.00 of promotional money" in versions[0]["text"]
    assert "$7.00 of promotional money" in versions[1]["text"]
    (claim,) = room.office.db.run_read(campaigns.claims_of_campaign, first["id"])
    assert claim["rules_version"] == first["rules_version"]
    (fund,) = [
        each for each in room.office.db.run_read(money.fund_rows, claim["account_id"]) if each["kind"] == "grant"
    ]
    assert (fund["rules_version"], fund["campaign_id"]) == (first["rules_version"], first["id"])


WRONG = [
    ({"amount": "0"}, "amount"),
    ({"amount": "five"}, "amount"),
    ({"budget": "4.00"}, "budget"),
    ({"timezone": "Nowhere/City"}, "timezone"),
    ({"starts_at": "soon"}, "starts_at"),
    ({"starts_at": "2026-12-02", "ends_at": "2026-12-01"}, "ends_at"),
    ({"email_domains": ["not a domain"]}, "email_domains"),
    ({"first": 0}, "first"),
    ({"per_account": 10**21}, "per_account"),
    ({"max_grants": 10**10}, "max_grants"),
    ({"grant_days": 10**11}, "grant_days"),
    ({"new_within_days": 10**19}, "new_within_days"),
    ({"priority": 10**30}, "priority"),
    ({"triggers": []}, "triggers"),
    ({"not_after": ["Not A Slug"]}, "not_after"),
    ({"surprise": 1}, "surprise"),
]


@pytest.mark.parametrize(("terms", "field"), WRONG, ids=[row[1] + str(number) for number, row in enumerate(WRONG)])
def test_wrong_terms_are_refused_and_name_the_field(room, terms, field):
    body = {"slug": "autumn", "triggers": ["code"], "amount": "5.00", "budget": "50.00", **terms}
    answer = room.ask("POST", "/api/v1/admin/campaigns", body)
    assert answer.status == 400, answer.raw
    assert answer.body["error"]["param"] == field
    assert shown(room, "/admin/campaigns")["data"] == []


def test_a_dry_run_says_who_would_get_what_and_why_not_and_claims_agree_with_it(room):
    an_account(room, "acme", owner_email="ops@acme.test")
    an_account(room, "other", owner_email="ops@other.test")
    an_account(room, "third", owner_email="ops@third.test")
    an_account(room, "late", owner_email="late@acme.test")
    room.ask("PATCH", "/api/v1/admin/accounts/third", {"status": "suspended"})
    terms = {"email_domains": ["acme.test", "third.test"], "first": 1, "grant_days": 30}
    a_campaign(room, publish=False, **terms)
    run = post(room, "/admin/campaigns/autumn/dry-run", {})
    found = {each["account"]: each for each in run["data"]}
    assert (run["would_grant"], run["would_refuse"], run["amount"]) == (1, 3, "5.00")
    assert found["acme"]["granted"]
    assert found["acme"]["expires_at"] is not None
    told = {name: [each["code"] for each in row["reasons"]] for name, row in found.items()}
    assert told == {
        "acme": [],
        "other": ["domain", "first_taken"],
        "third": ["suspended", "first_taken"],
        "late": ["first_taken"],
    }
    assert shown(room, "/admin/campaigns/autumn")["grants"] == 0
    post(room, "/admin/campaigns/autumn/publish")
    given = post(room, "/admin/campaigns/autumn/grants", {"accounts": ["acme", "other", "third", "late"]})["data"]
    assert [each["granted"] for each in given] == [True, False, False, False]
    assert [[one["code"] for one in each["reasons"]] for each in given] == [
        told[name] for name in ("acme", "other", "third", "late")
    ]
    assert books_balance(room)


def test_a_new_account_gets_what_a_campaign_has_for_sign_ups_and_a_refusal_keeps_nobody_out(room):
    a_campaign(room, triggers=["sign_up"], max_grants=1)
    first, second = an_account(room, "first"), an_account(room, "second")
    assert [row["limit_nano"] for row in rows_of(room, first)] == [5 * USD]
    assert rows_of(room, second) == []
    assert shown(room, "/admin/campaigns/autumn")["grants"] == 1


def test_the_first_answered_call_gets_its_grant_once_and_sandbox_calls_do_not(room):
    made = a_campaign(room, triggers=["first_call"])
    ids = [an_account(room, f"a{number}") for number in range(4)]
    now = room.office.clock.now_ms() + 1000
    room.calls(
        call_record(1, ids[0], "key_1", created_ms=now),
        call_record(2, ids[1], "key_2", created_ms=now, model="sandbox/echo"),
        call_record(3, ids[2], "key_3", created_ms=now, status=502),
        call_record(4, ids[3], "key_4", created_ms=now - 3_600_000 * 30),
        call_record(5, ids[3], "key_4", created_ms=now),
    )
    room.office.clock.advance(60)
    assert [each.account_id for each in tick(room)] == [ids[0]]
    assert tick(room) == []
    assert [len(rows_of(room, each)) for each in ids] == [1, 0, 0, 0]
    report = shown(room, "/admin/campaigns/autumn/report")
    assert (report["grants"], report["granted"], made["state"]) == (1, "5.00", "running")


def test_a_link_is_claimed_once_and_void_links_give_nothing(room):
    a_campaign(room)
    an_account(room, "acme")
    an_account(room, "other")
    link = post(room, "/admin/campaigns/autumn/links", {"expires_at": "2026-12-01"})["link"]
    offer = post(room, "/wallet/claim/preview", {"link": link, "account": "acme"})
    assert (offer["eligible"], offer["amount"]) == (True, "5.00")
    body = {"link": link, "account": "acme", "rules_version": offer["rules_version"]}
    got = post(room, "/wallet/claim", body)
    assert (got["amount"], got["available"]) == ("5.00", "5.00")
    again = post(room, "/wallet/claim", body, wanted=403)["error"]
    assert (again["code"], again["reasons"][0]["code"]) == ("not_eligible", "account_cap")
    for wrong in (link[:-1] + ("0" if link[-1] != "0" else "1"), "nonsense", link.replace(".1.", ".2.", 1)):
        assert (
            post(room, "/wallet/claim", {"link": wrong, "account": "other"}, 400)["error"]["code"]
            == "code_not_redeemable"
        )
    assert room.ask("DELETE", "/api/v1/admin/campaigns/autumn/links").status == 204
    assert (
        post(room, "/wallet/claim", {"link": link, "account": "other"}, 400)["error"]["code"] == "code_not_redeemable"
    )
    fresh = post(room, "/admin/campaigns/autumn/links", {"expires_at": "2026-11-03T13:00:00Z"})["link"]
    room.office.clock.advance(hours=2)
    assert (
        post(room, "/wallet/claim", {"link": fresh, "account": "other"}, 400)["error"]["code"] == "code_not_redeemable"
    )


def test_rules_that_changed_since_they_were_shown_are_not_accepted_unseen(room):
    a_campaign(room)
    an_account(room, "acme")
    link = post(room, "/admin/campaigns/autumn/links", {})["link"]
    seen = post(room, "/wallet/claim/preview", {"link": link, "account": "acme"})["rules_version"]
    room.ask("PATCH", "/api/v1/admin/campaigns/autumn", {"amount": "1.00"})
    post(room, "/admin/campaigns/autumn/publish")
    body = {"link": link, "account": "acme", "rules_version": seen}
    assert post(room, "/wallet/claim", body, 400)["error"]["param"] == "rules_version"
    body["rules_version"] = post(room, "/wallet/claim/preview", {"link": link, "account": "acme"})["rules_version"]
    assert post(room, "/wallet/claim", body)["amount"] == "1.00"
    (claim,) = room.office.db.run_read(campaigns.claims_of_campaign, shown(room, "/admin/campaigns/autumn")["id"])
    assert claim["accepted"]


CAPS = [{"max_grants": 7}, {"budget": "37.00"}, {"first": 7}]


@pytest.mark.parametrize("cap", CAPS, ids=["campaign cap", "budget", "first N"])
def test_claims_at_the_same_time_never_pass_a_cap(room, cap):
    made = a_campaign(room, **cap)
    ids = [an_account(room, f"a{number}") for number in range(20)]

    async def all_at_once():
        async def one(account_id, times):
            results = []
            for _ in range(times):
                ask = claims.Ask(account_id, claims.Trigger.LIST)
                results.append(await room.office.write(claims.claim, room.office.work(SYSTEM), made["id"], ask))
            return results

        return await asyncio.gather(*(one(each, 1) for each in ids * 2))

    found = [each for results in asyncio.run(all_at_once()) for each in results]
    given = [each for each in found if isinstance(each, claims.Claimed)]
    assert len(given) == len({each.account_id for each in given}) == 7
    row = room.office.db.run_read(campaigns.campaign_named, "autumn")
    assert (row["grants"], row["accounts"], row["granted_nano"]) == (7, 7, 35 * USD)
    assert sum(len(rows_of(room, each)) for each in ids) == 7
    assert books_balance(room)


def spent(room, account_id, fund, nano):
    transfer = spend(Stamp(f"spend:{fund}", room.office.clock.now_ms()), [Posting(fund, nano)])
    room.office.db.run_write(posted, transfer, account_id)


def test_a_claw_back_takes_what_is_unspent_and_the_report_adds_up(room):
    a_campaign(room)
    ids = {name: an_account(room, name) for name in ("acme", "other", "third")}
    post(room, "/admin/campaigns/autumn/grants", {"accounts": list(ids)})
    (fund,) = (row["id"] for row in rows_of(room, ids["acme"]))
    spent(room, ids["acme"], fund, 2 * USD)
    now = room.office.clock.now_ms() + 1
    room.calls(call_record(1, ids["acme"], "key_1", created_ms=now, charge_nano=0))
    room.office.clock.advance(1)
    post(room, "/admin/accounts/acme/deposits", {"amount": "20.00", "reference": "bank 7"})
    body = {"reason": "made by one person", "accounts": ["acme", "other"]}
    taken = post(room, "/admin/campaigns/autumn/claw-backs", body)
    assert (taken["grants"], taken["taken"], taken["owed"]) == (2, "8.00", "0.00")
    assert post(room, "/admin/campaigns/autumn/claw-backs", body)["taken"] == "0.00"
    report = shown(room, "/admin/campaigns/autumn/report")
    parts = ("spent", "expired", "clawed_back", "owed", "left")
    assert [report[name] for name in parts] == ["2.00", "0.00", "8.00", "0.00", "5.00"]
    assert parse_amount(report["granted"]) == sum(parse_amount(report[name]) for name in parts) == 15 * USD
    assert (report["activated_accounts"], report["later_paid_accounts"]) == (1, 1)
    assert report["cost_per_activated_account"] == "2.00"
    assert books_balance(room)


def test_what_a_worker_holds_of_a_grant_is_owed_and_what_calls_spend_of_it_is_let_go(room):
    a_campaign(room)
    account_id = an_account(room, "acme")
    post(room, "/admin/campaigns/autumn/grants", {"accounts": ["acme"]})
    (fund,) = (row["id"] for row in rows_of(room, account_id))
    assert room.office.db.run_write(money.take_free, fund, 3 * USD)  # a worker's lease
    taken = post(room, "/admin/campaigns/autumn/claw-backs", {"reason": "ended"})
    assert (taken["taken"], taken["owed"]) == ("2.00", "3.00")
    spent(room, account_id, fund, USD)  # by a call that was under way
    room.office.db.run_write(money.shift_rows, {fund: {"held_nano": -3 * USD}})
    assert room.office.db.run_write(claw_backs.let_go) == USD
    (row,) = rows_of(room, account_id)
    assert (row["owed_nano"], row["limit_nano"] - row["used_nano"]) == (2 * USD, 2 * USD)


def test_a_return_of_paid_money_takes_back_only_grants_whose_rules_say_so(room):
    a_campaign(room, claw_back="withdrawal")
    a_campaign(room, slug="kept", claw_back="never")
    account_id = an_account(room, "acme")
    for slug in ("autumn", "kept"):
        post(room, f"/admin/campaigns/{slug}/grants", {"accounts": ["acme"]})
    post(room, "/admin/accounts/acme/deposits", {"amount": "20.00", "reference": "bank 7"})
    assert post(room, "/admin/campaigns/kept/claw-backs", {"reason": "a try"})["spared"] == 1
    post(room, "/admin/accounts/acme/withdrawals", {"amount": "20.00", "reference": "bank 8"})
    assert sorted(row["limit_nano"] for row in rows_of(room, account_id)) == [0, 5 * USD]
    answer = room.ask(
        "POST", "/api/v1/admin/accounts/acme/withdrawals", {"amount": "0.01", "reference": "x"}, headers=key()
    )
    assert answer.status == 400  # promotional money is never paid out


def test_the_minimum_of_paid_money_counts_deposits_and_not_grants(room):
    a_campaign(room)
    a_campaign(room, slug="payers", min_paid="10.00")
    an_account(room, "acme")
    post(room, "/admin/campaigns/autumn/grants", {"accounts": ["acme"]})
    (row,) = post(room, "/admin/campaigns/payers/grants", {"accounts": ["acme"]})["data"]
    assert [each["code"] for each in row["reasons"]] == ["paid_too_little"]
    post(room, "/admin/accounts/acme/deposits", {"amount": "10.00", "reference": "bank 9"})
    (row,) = post(room, "/admin/campaigns/payers/grants", {"accounts": ["acme"]})["data"]
    assert row["granted"]


def test_the_same_request_once_more_gives_nothing_more(room):
    a_campaign(room, per_account=5)
    account_id = an_account(room, "acme")
    once = key()
    answers = [
        room.ask("POST", "/api/v1/admin/campaigns/autumn/grants", {"accounts": ["acme"]}, headers=once).body
        for _ in range(3)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert len(rows_of(room, account_id)) == 1


def test_claims_redemptions_deposits_and_new_accounts_at_once_never_wait_for_each_other_in_a_ring(room):
    a_campaign(room, triggers=["code", "sign_up", "list"], per_account=3, budget="5000.00")
    for number in range(8):
        an_account(room, f"a{number}")
    codes = some_codes(room, 8)["codes"]
    app = room.app()

    async def all_at_once():
        asked = []
        for number in range(8):
            account = f"a{number}"
            deposit = {"amount": "1.00", "reference": f"bank {number}"}
            code = {"code": codes[number], "account": account}
            for path, body in (
                (f"/admin/accounts/{account}/deposits", deposit),
                ("/wallet/redeem", code),
                ("/admin/accounts", {"slug": f"new{number}"}),
                ("/admin/campaigns/autumn/grants", {"accounts": [account]}),
            ):
                asked.append(room.asked(app, "POST", f"/api/v1{path}", body, f"mix-{number}-{path}"))
        return await asyncio.gather(*asked)

    answers = asyncio.run(all_at_once())
    assert {each.status for each in answers} <= {200, 201}, [each.raw for each in answers if each.status >= 400]
    assert shown(room, "/admin/campaigns/autumn")["grants"] == 8 + 8 + 8 + 8
    assert room.read(audit.check) is None
    assert books_balance(room)
