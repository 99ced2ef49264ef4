"""A key that was seen in public works on until it is rotated; its owner is told; its text is kept nowhere."""

import asyncio

import pytest

from contract.operations.wallets import FINANCE, opened, post
from smartoken.gateway.authenticate import check_live
from smartoken.gateway.lookout import PLACE, Lookout
from smartoken.identity.keys import digest, found_in, mint, mint_token, without_keys
from smartoken.operations import exposures
from smartoken.store import access_queries

KEY = mint(bytes(range(32)))
TYPO = f"{KEY[:-1]}{'a' if KEY[-1] != 'a' else 'b'}"

# a text, and the keys that stand in it
TEXTS = [
    ("nothing here", ()),
    (KEY, (KEY,)),
    (f"https://x.test/v1?api_key={KEY}&b=1", (KEY,)),
    (f'{{"key":"{KEY}"}} and {KEY} again', (KEY,)),
    (TYPO, ()),
    (KEY[:-1], ()),
    (f"st-adm-{KEY[6:]}", ()),
]


@pytest.mark.parametrize(("text", "found"), TEXTS)
def test_a_scan_finds_well_formed_keys_and_nothing_else(text, found):
    assert found_in(text) == found


def test_a_text_is_kept_without_keys_and_tokens():
    token = mint_token(bytes(range(1, 33)))
    clean = without_keys(f"a {KEY} b {TYPO} c {token}")
    assert clean == f"a {KEY[:10]}*** b {KEY[:10]}*** c st-adm-***"


@pytest.fixture
def house(room):
    opened(room)
    made = room.ask("POST", "/api/v1/keys", {"account": "acme", "name": "ci",
                    "budgets": [{"limit": "5.00", "period": "month"}]}).body  # fmt: skip
    room.ci, room.secret = made["id"], made["secret"]
    return room


def shown(house):
    return house.ask("GET", f"/api/v1/keys/{house.ci}", token=house.member).body


def entry(house, secret):
    return house.directory.keys.get(digest(house.office.pepper, secret))


def works(house, secret):
    found = entry(house, secret)
    if found is None:
        return False
    try:
        check_live(found.caller, found.valid_until_ms, house.office.clock.now_ms(), None)
    except Exception:  # noqa: BLE001 - whatever it is refused by
        return False
    return True


def told(house):
    return house.ask("GET", "/api/v1/events?kind=key.exposed", token=house.member).body["data"]


def test_an_exposed_key_is_shown_its_owner_told_and_it_works_until_it_is_rotated(house):
    answer = house.ask("POST", f"/api/v1/keys/{house.ci}/expose", {"where": "a public repository"}, token=house.member)
    assert (answer.status, answer.body["status"]) == (200, "exposed")
    assert shown(house)["exposed"]["where"] == "a public repository"
    assert [(each["subject"], each["facts"]["where"]) for each in told(house)] == [
        (f"key:{house.ci}", "a public repository")
    ]
    assert works(house, house.secret)
    fresh = house.ask("POST", f"/api/v1/keys/{house.ci}/rotate", {}, token=house.member).body
    assert (fresh["id"], fresh["status"], fresh["exposed"]) == (house.ci, "active", None)
    assert [(each["limit"], each["period"]) for each in fresh["budgets"]] == [("5.00", "month")]
    house.office.clock.advance(1)
    assert works(house, fresh["secret"])
    assert not works(house, house.secret)


def test_a_key_that_is_not_exposed_is_rotated_with_a_day_of_overlap(house):
    house.ask("POST", f"/api/v1/keys/{house.ci}/rotate", {})
    house.office.clock.advance(hours=23)
    assert works(house, house.secret)
    house.office.clock.advance(hours=2)
    assert not works(house, house.secret)


def test_a_budget_stays_with_the_key_when_it_is_rotated(house):
    before = house.office.db.run_read(lambda conn: conn.exec_driver_sql("SELECT id, scope_id FROM budgets").all())
    house.ask("POST", f"/api/v1/keys/{house.ci}/rotate", {"overlap_hours": 0})
    after = house.office.db.run_read(lambda conn: conn.exec_driver_sql("SELECT id, scope_id FROM budgets").all())
    assert [tuple(each) for each in after] == [tuple(each) for each in before]
    assert {each[1] for each in after} == {house.ci}


def test_the_same_place_is_told_once_and_another_again(house):
    for place in ("here", "here", "there"):
        house.office.clock.advance(1)
        house.ask("POST", f"/api/v1/keys/{house.ci}/expose", {"where": place})
    assert [each["facts"]["where"] for each in told(house)] == ["there", "here"]


def test_revoking_ends_the_exposure(house):
    house.ask("POST", f"/api/v1/keys/{house.ci}/expose", {"where": "here"})
    assert house.ask("DELETE", f"/api/v1/keys/{house.ci}").body["exposed"] is None
    assert house.ask("POST", f"/api/v1/keys/{house.ci}/expose", {"where": "here"}).status == 400


def test_a_key_in_a_reason_or_reference_is_exposed_and_not_kept(house):
    body = {"amount": "1.00", "reference": f"paid with {house.secret}"}
    answer = post(house, "deposits", body)
    assert (answer.status, answer.body["reference"]) == (201, f"paid with {house.secret[:10]}***")
    assert shown(house)["exposed"]["where"] == "a request's `reference`"
    post(house, "adjustments", {"amount": "-0.50", "reason": house.secret}, FINANCE)

    def everything(conn):
        tables = ("transfers", "audit", "events", "approvals", "key_exposures", "idempotency")
        return str([conn.exec_driver_sql(f"SELECT * FROM {each}").all() for each in tables])  # noqa: S608 - our tables

    assert house.secret not in house.office.db.run_read(everything)


def test_a_scanned_text_exposes_the_keys_in_it_and_shows_only_what_one_may_see(house):
    text = f"log: {house.secret} and {KEY} and {TYPO}"
    found = house.ask("POST", "/api/v1/keys/scan", {"text": text, "where": "a log"}, token=house.member)
    assert [each["id"] for each in found.body["data"]] == [house.ci]
    assert shown(house)["status"] == "exposed"
    house.apply('[[account]]\nid = "other"\n', {})
    other = house.ask("POST", "/api/v1/keys", {"account": "other", "name": "theirs"}).body
    found = house.ask("POST", "/api/v1/keys/scan", {"text": other["secret"], "where": "a log"}, token=house.member)
    assert found.body["data"] == []
    assert house.ask("GET", f"/api/v1/keys/{other['id']}").body["status"] == "exposed"


def test_a_secret_that_was_rotated_out_exposes_nothing(house):
    house.ask("POST", f"/api/v1/keys/{house.ci}/rotate", {"overlap_hours": 0})
    house.office.clock.advance(1)
    assert house.office.db.run_write(exposures.scan, house.work(), house.secret, "a log") == []
    assert shown(house)["exposed"] is None


def test_a_key_in_the_url_of_a_request_is_reported_once(house):
    reported = []

    async def report(key_id, place):
        reported.append((key_id, place))

    async def requests():
        lookout = Lookout(house.office.pepper, lambda: house.directory, report)
        for query in (f"key={house.secret}", f"a=1&key={house.secret.replace('-', '%2D')}", f"key={KEY}", "key=1"):
            lookout.notice(query.encode())
        await asyncio.sleep(0.05)

    asyncio.run(requests())
    assert reported == [(house.ci, PLACE)]


def test_a_report_that_failed_is_made_again_at_the_next_request(house):
    tried = []

    async def report(key_id, place):
        tried.append(key_id)
        if len(tried) == 1:
            raise RuntimeError("the store is away")

    async def requests():
        lookout = Lookout(house.office.pepper, lambda: house.directory, report)
        for _ in range(3):
            lookout.notice(f"key={house.secret}".encode())
            await asyncio.sleep(0.05)

    asyncio.run(requests())
    assert tried == [house.ci] * 2
    assert house.office.db.run_read(access_queries.open_exposures, [house.ci]) == []
