"""Activation codes over both stores: one winner, no oracle, a brake on guessing that nobody else feels."""

import asyncio

import orjson
import pytest

from contract.operations.campaign_house import (
    a_campaign,
    an_account,
    books_balance,
    key,
    post,
    redeem,
    rows_of,
    shown,
    some_codes,
)
from contract.operations.rooms import ADMIN_TOKEN
from smartoken.billing import codes as code_format
from smartoken.billing import queries as money
from smartoken.operations import audit, codes
from smartoken.operations.rights import Actor, ActorKind

USD = 1_000_000_000
ALICE = "alice-token-0123456789abcdef0123456789"


def refusal(room, code, account):
    """The error of a code that cannot be redeemed."""
    answer = room.ask("POST", "/api/v1/wallet/redeem", {"code": code, "account": account}, headers=key())
    error = answer.body["error"]
    return answer.status, error["code"], error["message"], error["param"], error["remedy"]


def unknown_code(number):
    """A well-formed code that nobody made."""
    return code_format.shown(code_format.mint(number.to_bytes(10, "big")))


def test_a_code_is_previewed_without_effect_and_redeemed_once(room):
    a_campaign(room, models=["test/*"], grant_days=30)
    account_id = an_account(room, "acme")
    an_account(room, "other")
    batch = some_codes(room)
    (code,) = batch["codes"]
    offer = post(room, "/wallet/redeem/preview", {"code": code, "account": "acme"})
    assert (offer["eligible"], offer["amount"], offer["models"]) == (True, "5.00", ["test/*"])
    assert offer["expires_at"].startswith("2026-12-03")
    assert "$5.00 of promotional money" in offer["rules"]
    assert rows_of(room, account_id) == []
    sloppy = f"  {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} "
    got = redeem(room, sloppy, "acme", rules_version=offer["rules_version"])
    assert (got["amount"], got["available"], got["models"]) == ("5.00", "5.00", ["test/*"])
    (row,) = rows_of(room, account_id)
    assert row["limit_nano"] == 5 * USD
    transfers = room.office.db.run_read(money.transfer_rows, account_id)
    assert next(each["id"] for each in transfers if each["kind"] == "grant").startswith("code:code_")
    assert refusal(room, code, "other") == refusal(room, unknown_code(5), "other")
    assert books_balance(room)


def test_whatever_is_wrong_with_a_code_reads_the_same(room):
    a_campaign(room)
    a_campaign(room, slug="over")
    for name in ("acme", "other"):
        an_account(room, name)
    (used,) = some_codes(room)["codes"]
    redeem(room, used, "other")
    (stale,) = some_codes(room, expires_at="2026-11-03T12:30:00Z")["codes"]
    revoked = some_codes(room)
    assert room.ask("DELETE", f"/api/v1/admin/codes/{revoked['id']}").status == 204
    (ended,) = some_codes(room, campaign="over")["codes"]
    post(room, "/admin/campaigns/over/end")
    room.office.clock.advance(hours=1)
    wrong = [used, stale, revoked["codes"][0], ended, unknown_code(7), unknown_code(8)[:-1] + "*", "", "ü" * 30]
    found = {refusal(room, code, "acme") for code in wrong}
    assert len(found) == 1
    assert found.pop()[:2] == (400, "code_not_redeemable")
    previews = {
        room.ask("POST", "/api/v1/wallet/redeem/preview", {"code": code, "account": "other"}).raw.split(
            b'"request_id"'
        )[0]
        for code in wrong
    }
    assert len(previews) == 1


def test_an_ineligible_account_is_told_why_and_the_code_is_not_used_up(room):
    a_campaign(room, email_domains=["acme.test"])
    an_account(room, "acme", owner_email="ops@acme.test")
    an_account(room, "other", owner_email="ops@other.test")
    (code,) = some_codes(room)["codes"]
    assert post(room, "/wallet/redeem/preview", {"code": code, "account": "other"})["eligible"] is False
    error = redeem(room, code, "other", 403)["error"]
    assert [each["code"] for each in error["reasons"]] == ["domain"]
    for _ in range(2 * codes.ACCOUNT_FAILURES):
        redeem(room, code, "other", 403)  # whoever holds a good code is not guessing
    assert redeem(room, code, "acme")["amount"] == "5.00"


def test_a_code_of_many_uses_serves_as_many_accounts_once_each(room):
    a_campaign(room, per_account=2)
    for number in range(4):
        an_account(room, f"a{number}")
    batch = some_codes(room, uses=3)
    (code,) = batch["codes"]
    redeem(room, code, "a0")
    assert redeem(room, code, "a0", 403)["error"]["reasons"][0]["code"] == "redeemed_before"
    redeem(room, code, "a1")
    redeem(room, code, "a2")
    assert refusal(room, code, "a3")[1] == "code_not_redeemable"
    (listed,) = shown(room, "/admin/codes?campaign=autumn")["data"]
    assert (listed["count"], listed["redeemed"], listed["left"], listed["unused_codes"]) == (1, 3, 0, 0)


def test_a_hundred_people_with_one_code_make_one_winner(room):
    a_campaign(room)
    (code,) = some_codes(room)["codes"]
    names = [f"a{number}" for number in range(100)]
    ids = [an_account(room, name) for name in names]
    app = room.app()

    async def all_at_once():
        path = "/api/v1/wallet/redeem"
        return await asyncio.gather(
            *(room.asked(app, "POST", path, {"code": code, "account": name}, f"race-{name}") for name in names)
        )

    answers = asyncio.run(all_at_once())
    assert sorted(each.status for each in answers) == [200] + [400] * 99
    assert {each.body["error"]["code"] for each in answers if each.status == 400} == {"code_not_redeemable"}
    assert sum(row["limit_nano"] for each in ids for row in rows_of(room, each)) == 5 * USD
    assert books_balance(room)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.full)])
def test_thousands_of_wrong_codes_find_nothing_and_hinder_nobody_else(room, count):
    a_campaign(room)
    some_codes(room, 50)
    (good,) = some_codes(room)["codes"]
    for name in ("guesser", "other"):
        an_account(room, name)
    app = room.app()
    statuses = {}

    async def guess():
        path = "/api/v1/wallet/redeem"
        for start in range(0, count, 50):
            wrong = range(start, start + 50)
            bodies = [{"code": unknown_code(number), "account": "guesser"} for number in wrong]
            asked = [room.asked(app, "POST", path, body, f"guess-{start}-{n}") for n, body in enumerate(bodies)]
            for answer in await asyncio.gather(*asked):
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                if answer.status == 429:
                    assert 0 < int(answer.headers["retry-after"]) <= 900
        return await room.asked(app, "POST", path, {"code": good, "account": "other"}, "other-1")

    other = asyncio.run(guess())
    assert statuses == {400: codes.ACCOUNT_FAILURES, 429: count - codes.ACCOUNT_FAILURES}
    assert (other.status, other.body["amount"]) == (200, "5.00")


def test_a_lock_out_outlives_a_restart_and_ends_with_its_window(room):
    a_campaign(room)
    an_account(room, "acme")
    (code,) = some_codes(room)["codes"]
    for number in range(codes.ACCOUNT_FAILURES):
        assert refusal(room, unknown_code(number), "acme")[0] == 400
    assert refusal(room, code, "acme")[:2] == (429, "rate_limit_exceeded")  # each request builds the plane anew
    preview = room.ask("POST", "/api/v1/wallet/redeem/preview", {"code": code, "account": "acme"})
    assert (preview.status, preview.body["error"]["limit_source"]) == (429, "codes")
    room.office.clock.advance(milliseconds=codes.WINDOW_MS)
    assert redeem(room, code, "acme")["amount"] == "5.00"


def test_an_address_that_guesses_by_many_accounts_leaves_each_one_attempt(room):
    a_campaign(room)
    (code,) = some_codes(room)["codes"]
    per_account, wanted = 5, codes.ADDRESS_FAILURES
    for number in range(wanted // per_account):
        an_account(room, f"g{number}")
        for attempt in range(per_account):
            assert refusal(room, unknown_code(100 * number + attempt), f"g{number}")[0] == 400
    assert refusal(room, unknown_code(9999), "g0")[0] == 429  # it failed before, at an address that is over its limit
    an_account(room, "fresh")
    assert refusal(room, unknown_code(9998), "fresh")[0] == 400
    assert refusal(room, unknown_code(9997), "fresh")[0] == 429
    an_account(room, "honest")
    assert redeem(room, code, "honest")["amount"] == "5.00"


def test_a_request_that_is_repeated_gets_its_answer_and_costs_no_attempt(room):
    a_campaign(room)
    account_id = an_account(room, "acme")
    (code,) = some_codes(room)["codes"]
    once = key()
    body = {"code": code, "account": "acme"}
    answers = [room.ask("POST", "/api/v1/wallet/redeem", body, headers=once) for _ in range(2 * codes.ACCOUNT_FAILURES)]
    assert {each.status for each in answers} == {200}
    assert len({each.raw for each in answers}) == 1
    assert len(rows_of(room, account_id)) == 1
    assert room.ask("POST", "/api/v1/wallet/redeem", body).body["error"]["param"] == "Idempotency-Key"


def test_codes_are_nowhere_but_in_the_answer_that_made_them(room):
    a_campaign(room)
    an_account(room, "acme")
    batch = some_codes(room, 3)
    redeem(room, batch["codes"][0], "acme")
    told = orjson.dumps([shown(room, "/admin/codes"), room.read(audit.page, None, 500, None)]).decode()
    for code in batch["codes"]:
        assert code not in told
        assert code.replace("-", "") not in told
    assert len(set(batch["codes"])) == 3


WRONG = [
    ({"count": 0}, "count"),
    ({"count": 10_001}, "count"),
    ({"count": 1, "uses": 0}, "uses"),
    ({"count": 1, "uses": 10**10}, "uses"),
    ({"count": 10**21}, "count"),
    ({"count": 1, "expires_at": "2020-01-01"}, "expires_at"),
    ({"count": 1, "expires_at": "soon"}, "expires_at"),
    ({"count": 1, "campaign": "none"}, "campaign"),
    ({"count": 1, "campaign": "links-only"}, "campaign"),
]


@pytest.mark.parametrize(("facts", "field"), WRONG)
def test_a_wrong_batch_is_refused_and_names_the_field(room, facts, field):
    a_campaign(room)
    a_campaign(room, slug="links-only", triggers=["link"])
    answer = room.ask("POST", "/api/v1/admin/codes", {"campaign": "autumn", **facts})
    assert answer.body["error"]["param"] == field
    assert shown(room, "/admin/codes")["data"] == []


def test_a_member_redeems_for_its_own_account_alone(room):
    a_campaign(room)
    own = an_account(room, "acme")
    an_account(room, "other")
    room.actors[ALICE] = Actor(ActorKind.MEMBER, "alice", own)
    first, second = some_codes(room, 2)["codes"]
    assert post(room, "/wallet/redeem", {"code": first}, token=ALICE)["account_id"] == own
    post(room, "/wallet/redeem", {"code": second, "account": "other"}, 403, token=ALICE)
    post(room, "/wallet/redeem", {"code": second}, 400, token=ADMIN_TOKEN)  # the staff names the account
    assert room.ask("GET", "/api/v1/admin/codes", token=ALICE).status == 403
    assert room.ask("GET", "/api/v1/admin/campaigns", token=ALICE).status == 403
