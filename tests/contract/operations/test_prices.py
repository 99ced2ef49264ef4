"""The price book over both stores: drafts, publication in time, undoing, versions that calls resolve to, lists."""

from datetime import UTC, datetime

import pytest

from contract.operations.rooms import call_record
from smartoken.billing.prices import tariff
from smartoken.catalog.holidays import is_holiday
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.operations import margins, price_effect, price_lists, prices
from smartoken.operations.price_store import keep
from smartoken.operations.rights import Actor, ActorKind
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_prices import read_price
from smartoken.tokens import TokenUsage

SETUP = """
[[provider]]
id = "up1"
dialect = "openai"
base_url = "http://127.0.0.1:9101/v1"
allow_private = true
keys = [{ name = "main", secret = "made-up" }]

[[model]]
id = "test/alpha"
context = 32768
max_output = 4096
price = { currency = "USD", input = "1.00", output = "2.00" }
[[model.offer]]
provider = "up1"
upstream_model = "alpha-up"
cost = { currency = "CNY", input = "2", output = "3" }

[[account]]
id = "acme"
[[account]]
id = "beta"
"""
MEMBER = Actor(ActorKind.MEMBER, "alice", "acct_own")


def usd(input_rate, output_rate):
    return {"currency": "USD", "input": input_rate, "output": output_rate}


@pytest.fixture
def shop(room):
    """A room with a model for sale, its versions kept."""
    room.apply(SETUP)
    kept(room)
    return room


def kept(room):
    """What a worker does when it has loaded what it sells."""
    room.office.clock.advance(0.001)
    directory = room.directory
    room.office.db.run_write(keep, directory.prices, directory.revision, room.office.clock.now_ms())
    return directory


def sold(room, price_list=None, at_ms=None, model="test/alpha"):
    directory = room.directory
    return directory.sold(directory.models[model], price_list, at_ms or room.office.clock.now_ms())


def rates(served):
    return (served.price.bands[0].input, served.price.bands[0].output)


def publish(room, start=None, **parts):
    made = room.write(prices.draft, room.directory, parts)
    return room.write(prices.publish, made["id"], start)


def test_a_draft_changes_nothing_until_it_is_published(shop):
    made = shop.write(prices.draft, shop.directory, {"sell": {"test/alpha": usd("1.50", "3.00")}})
    assert (made["state"], rates(sold(shop))) == ("draft", (1_000_000, 2_000_000))
    shop.write(prices.publish, made["id"], None)
    assert rates(sold(shop)) == (1_500_000, 3_000_000)
    assert sold(shop).price_version.startswith("book:")


def test_a_price_published_for_later_counts_from_that_very_millisecond(shop):
    start = shop.office.clock.now_ms() + 3_600_000
    text = datetime.fromtimestamp(start / 1000, UTC).isoformat()
    publish(shop, text, sell={"test/alpha": usd("1.50", "3.00")})
    directory = shop.directory
    assert directory.changes_ms == start
    at = {moment: rates(directory.sold(directory.models["test/alpha"], None, moment)) for moment in (start - 1, start)}
    assert at == {start - 1: (1_000_000, 2_000_000), start: (1_500_000, 3_000_000)}


def test_prices_are_never_back_dated(shop):
    made = shop.write(prices.draft, shop.directory, {"sell": {"test/alpha": usd("1.50", "3.00")}})
    with pytest.raises(InvalidRequestError, match="never back-dated"):
        shop.write(prices.publish, made["id"], "2026-11-01T00:00:00Z")
    assert rates(sold(shop)) == (1_000_000, 2_000_000)


def test_what_is_published_never_changes(shop):
    done = publish(shop, sell={"test/alpha": usd("1.50", "3.00")})
    for ask in (lambda: shop.write(prices.drop, done["id"]), lambda: shop.write(prices.publish, done["id"], None)):
        with pytest.raises(InvalidRequestError, match="never changes"):
            ask()


def test_undoing_is_a_new_version_that_puts_back_what_was(shop):
    before = sold(shop)
    done = publish(shop, sell={"test/alpha": usd("1.50", "3.00")})
    undone = shop.write(prices.take_back, done["id"])
    assert undone["undoes"] == done["id"]
    assert undone["sell"] == {"test/alpha": None}
    assert (rates(sold(shop)), sold(shop).price_version) == (rates(before), before.price_version)


def test_undoing_leaves_what_a_later_publication_set(shop):
    first = publish(shop, sell={"test/alpha": usd("1.50", "3.00")})
    shop.office.clock.advance(1)
    publish(shop, sell={"test/alpha": usd("1.60", "3.20")})
    with pytest.raises(InvalidRequestError, match="Later publications"):
        shop.write(prices.take_back, first["id"])
    assert rates(sold(shop)) == (1_600_000, 3_200_000)


WRONG = [
    ({"sell": {"test/alhpa": usd("1", "2")}}, "sell.test/alhpa"),
    ({"sell": {"test/alpha": {"currency": "CNY", "input": "1", "output": "2"}}}, "sell.test/alpha"),
    ({"sell": {"test/alpha": {"currency": "USD", "input": "1"}}}, "sell.test/alpha"),
    ({"sell": {"test/alpha": {"currency": "USD", "input": 1.5, "output": "2"}}}, "sell.test/alpha"),
    ({"sell": {"test/alpha": {**usd("1", "2"), "colour": "red"}}}, "sell.test/alpha"),
    ({"cost": {"up9:test/alpha": usd("1", "2")}}, "cost.up9:test/alpha"),
    ({"lists": {"partners": {}}}, "lists.partners"),
    ({"lists": {"partners": {"percent": "ten"}}}, "lists.partners.percent"),
    ({"lists": {"partners": {"models": {"nobody/*": {"percent": "-1"}}}}}, "lists.partners.models.nobody/*"),
    ({}, "sell"),
]


@pytest.mark.parametrize(("parts", "param"), WRONG, ids=[each[1] for each in WRONG])
def test_a_wrong_draft_is_refused_by_the_name_of_the_entry(shop, parts, param):
    with pytest.raises(InvalidRequestError) as refused:
        shop.write(prices.draft, shop.directory, parts)
    assert refused.value.param == param
    assert shop.read(prices.page, None, 50) == []


def test_a_price_list_acts_on_the_accounts_that_have_it(shop):
    publish(shop, lists={"partners": {"percent": "-10", "models": {"test/*": {"percent": "-12.5"}}}})
    given = shop.write(price_lists.assign, "acme", "partners")
    assert given["price_list"] == "partners"
    directory = shop.directory
    assert {each.slug: each.price_list for each in directory.accounts.values()} == {"acme": "partners", "beta": None}
    assert rates(sold(shop, "partners")) == (875_000, 1_750_000)
    assert rates(sold(shop, None)) == (1_000_000, 2_000_000)
    (row,) = shop.read(price_lists.lists, directory)
    assert (row["name"], row["accounts"], row["percent"]) == ("partners", ["acme"], "-10")


def test_a_list_follows_the_standard_price_and_never_falls_below_zero(shop):
    publish(shop, lists={"free": {"percent": "-150"}, "own": {"models": {"test/alpha": {"price": usd("7", "8")}}}})
    publish(shop, sell={"test/alpha": usd("3.00", "5.00")})
    assert rates(sold(shop, "free")) == (0, 0)
    assert rates(sold(shop, "own")) == (7_000_000, 8_000_000)
    assert sold(shop, "no-such-list").price_version == sold(shop).price_version


def test_an_account_gets_no_list_that_does_not_exist(shop):
    with pytest.raises(InvalidRequestError, match="no published list"):
        shop.write(price_lists.assign, "acme", "partners")


def test_every_version_resolves_to_the_price_that_it_was(shop):
    publish(shop, lists={"partners": {"percent": "-10"}})
    versions = [(sold(shop).price_version, sold(shop).price), (None, None)]
    kept(shop)
    publish(shop, sell={"test/alpha": usd("1.50", "3.00")})
    kept(shop)
    versions[1] = (sold(shop, "partners").price_version, sold(shop, "partners").price)
    for name, price in versions:
        found = shop.read(prices.version, name)
        assert (found["subject"], read_price(found["price"])) == ("test/alpha", price)
    assert found["terms"]["rule"] == {"percent": "-10"}
    with pytest.raises(NotFoundError):
        shop.read(prices.version, "book:none")


def test_the_history_of_a_price_is_told_newest_first(shop):
    start = shop.office.clock.now_ms()
    shop.office.clock.advance(60)
    publish(shop, sell={"test/alpha": usd("1.50", "3.00")})
    changed = shop.office.clock.now_ms()
    shop.office.clock.advance(2)  # a worker looks a moment later; the price counts from its publication
    kept(shop)
    new, old = shop.read(prices.history_for, "TEST/alpha")
    assert (new["price"]["input"], old["price"]["input"]) == ("1.50", "1.00")
    assert new["from"] == old["to"] == instant_text(changed)
    assert new["to"] is None
    assert old["from"] <= instant_text(start)


def test_the_changes_of_all_prices_leave_out_their_beginnings(shop):
    assert shop.office.db.run_read(prices.changes) == []
    shop.office.clock.advance(60)
    publish(shop, sell={"test/alpha": usd("1.50", "3.00")})
    kept(shop)
    (change,) = shop.office.db.run_read(prices.changes)
    assert change["model"] == "test/alpha"
    assert (change["before"]["input"], change["price"]["input"]) == ("1.00", "1.50")


def test_a_worker_that_is_behind_notes_no_beginning_but_stores_what_its_calls_name(shop):
    behind = shop.directory
    publish(shop, sell={"test/alpha": usd("1.50", "3.00")})
    kept(shop)
    before = shop.read(prices.history_for, "test/alpha")
    shop.office.db.run_write(keep, behind.prices, behind.revision, shop.office.clock.now_ms() + 5)
    assert shop.read(prices.history_for, "test/alpha") == before
    assert len(before) == 2


def a_call(shop, number, account, **facts):
    served = sold(shop)
    usage = TokenUsage(facts.get("prompt_tokens") or 100, facts.get("completion_tokens") or 10)
    at = shop.office.clock.now()
    charged = tariff(served.price, at, is_holiday).charge(usage, thinking=False)
    lines = [{"what": what, "tokens": tokens, "rate": rate} for what, tokens, rate in charged.lines]
    accounts = {each.slug: each.id for each in shop.directory.accounts.values()}
    plain = {
        "created_ms": shop.office.clock.now_ms() - 1000,
        "charge_nano": charged.nano,
        "price_version": served.price_version,
        "price_lines": lines,
        "cost_nano": 230_000,
        "cost_currency": "CNY",
        "fx_id": served.offers[0].fx_id,
    }
    return call_record(number, accounts[account], "key_1", **{**plain, **facts})


def test_the_diff_tells_what_the_last_thirty_days_would_have_come_to(shop):
    shop.calls(
        a_call(shop, 1, "acme"),
        a_call(shop, 2, "acme", prompt_tokens=200),
        a_call(shop, 3, "beta"),
        a_call(shop, 4, "beta", end_reason="upstream_error", charge_nano=0, price_lines=[], status=503),
        a_call(shop, 5, "beta", prompt_tokens=None, completion_tokens=None),
    )
    made = shop.write(prices.draft, shop.directory, {"sell": {"test/alpha": usd("1.50", "3.00")}})
    found = shop.read(price_effect.diff, shop.directory, made["id"])
    (change,) = found["changes"]
    assert {each["name"]: (each["before"], each["after"]) for each in change["fields"]} == {
        "input": ("1.00", "1.50"),
        "output": ("2.00", "3.00"),
    }
    effect = found["effect"]
    # 100 * 1.00 + 10 * 2.00 = 120 micro-USD twice, 220 once; half as much again after.
    assert effect["total"] == {
        "calls": 4, "before_usd": "0.00046", "after_usd": "0.00069", "delta_usd": "0.00023", "delta_percent": "50.0",
    }  # fmt: skip
    by_account = {row["account"]: row["delta_usd"] for row in effect["data"]}
    assert by_account == {"acme": "0.00017", "beta": "0.00006"}
    assert effect["not_recomputed"]["tokens_unknown"] == 1


def test_the_diff_of_a_list_touches_only_the_accounts_that_have_it(shop):
    publish(shop, lists={"partners": {"percent": "0"}})
    shop.write(price_lists.assign, "acme", "partners")
    shop.calls(a_call(shop, 1, "acme"), a_call(shop, 2, "beta"))
    made = shop.write(prices.draft, shop.directory, {"lists": {"partners": {"percent": "-50"}}})
    found = shop.read(price_effect.diff, shop.directory, made["id"])
    assert found["accounts"] == ["acme"]
    deltas = {row["account"]: row["delta_usd"] for row in found["effect"]["data"]}
    assert deltas == {"acme": "-0.00006", "beta": "0.00"}


def test_the_diff_of_a_cost_shows_what_we_would_pay(shop):
    shop.calls(a_call(shop, 1, "acme"))
    cost = {"currency": "CNY", "input": "4", "output": "6"}
    made = shop.write(prices.draft, shop.directory, {"cost": {"up1:test/alpha": cost}})
    (row,) = shop.read(price_effect.diff, shop.directory, made["id"])["effect"]["costs"]
    assert (row["offer"], row["currency"], row["before"], row["after"]) == (
        "up1:test/alpha", "CNY", "0.00023", "0.00046",
    )  # fmt: skip


def test_margins_take_the_rate_kept_with_each_call(shop):
    shop.calls(a_call(shop, 1, "acme"), a_call(shop, 2, "acme", cost_nano=None, cost_currency=None, fx_id=None))
    found = shop.read(margins.report, "model", (None, None))
    (row,) = found["data"]
    # 0.00023 CNY at 0.140874833 is 32,402 nano-USD, rounded up; the other call's cost is unknown and said so.
    assert (row["charge_usd"], row["cost_usd"], row["margin_usd"]) == ("0.00024", "0.000032402", "0.000087598")
    assert (row["calls_without_cost"], row["charge_without_cost_usd"]) == (1, "0.00012")
    assert row["margin_percent"] == "73.0"


def test_calls_that_were_refused_before_any_provider_are_no_part_of_a_margin(shop):
    nothing = {"cost_nano": None, "cost_currency": None, "fx_id": None, "charge_nano": 0, "provider": None}
    shop.calls(a_call(shop, 1, "acme"), a_call(shop, 2, "acme", model="made/up", **nothing))
    found = shop.read(margins.report, "model", (None, None))
    assert [each["model"] for each in found["data"]] == ["test/alpha"]
    assert (found["total"]["calls"], found["total"]["calls_without_cost"]) == (1, 0)


def test_an_exchange_rate_of_the_file_acts_on_costs_from_its_day(shop):
    shop.apply(SETUP + '[[fx]]\npair = "CNY/USD"\nrate = "0.15"\nvalid_from = 2026-11-03\nsource = "test"\n')
    assert sold(shop).offers[0].fx_id == "fx:CNY/USD:2026-11-03:150000000"
    shop.apply(SETUP + '[[fx]]\npair = "CNY/USD"\nrate = "0.15"\nvalid_from = 2026-11-05\nsource = "test"\n')
    assert sold(shop).offers[0].fx_id != "fx:CNY/USD:2026-11-05:150000000"
    later = int(datetime(2026, 11, 5, tzinfo=UTC).timestamp() * 1000)
    assert sold(shop, None, later).offers[0].fx_id == "fx:CNY/USD:2026-11-05:150000000"


def test_rates_and_markup_act_on_the_catalogs_prices(room):
    name = next(
        each.id for each in room.office.catalog.models.values()
        if each.price is not None and each.price.note.startswith("from CNY")
    )  # fmt: skip
    before = rates(sold(room, model=name))
    room.apply(
        '[site]\nmarkup = "1.10"\n[[fx]]\npair = "CNY/USD"\nrate = "0.20"\nvalid_from = 2026-11-01\nsource = "test"\n'
    )
    served = sold(room, model=name)
    listed = next(each.price for each in room.office.catalog.offers_of(name) if each.price.currency == "CNY")
    assert rates(served)[0] == -(-listed.bands[0].input * 22 // 100)
    assert rates(served) != before
    kept(room)
    found = room.read(prices.version, served.price_version)
    assert (found["terms"]["markup"], found["terms"]["fx"]["rate"]) == ("1.10", "0.2")


def test_a_member_sees_neither_book_nor_margin(shop):
    work = shop.work(MEMBER)
    for ask in (
        lambda conn: prices.page(conn, work, None, 50),
        lambda conn: margins.report(conn, work, "model", (None, None)),
        lambda conn: prices.version(conn, work, "book:x"),
    ):
        with pytest.raises(Exception, match="permission"):
            shop.office.db.run_read(ask)


def test_staff_see_what_a_call_earned_and_its_account_does_not(shop):
    shop.calls(a_call(shop, 1, "acme"))
    account = next(each for each in shop.directory.accounts.values() if each.slug == "acme")
    shop.actors["member-token-of-tests"] = Actor(ActorKind.MEMBER, "alice", account.id)
    url = f"/api/v1/calls/call_{1:032x}"
    cost = shop.ask("GET", url).body["cost"]
    assert (cost["cost"], cost["cost_usd"], cost["margin_usd"]) == ("0.00023", "0.000032402", "0.000087598")
    assert cost["fx_id"] == "fx:CNY/USD:2026-11-24:140874833"
    own = shop.ask("GET", url, token="member-token-of-tests")
    assert (own.status, own.body["charge_usd"], own.body["cost"]) == (200, "0.00012", None)
    for path in ("/admin/margins", "/admin/prices", "/admin/prices/lists", "/admin/reconciliation"):
        assert shop.ask("GET", f"/api/v1{path}", token="member-token-of-tests").status == 403


def test_the_book_is_worked_through_the_control_plane(shop):
    root = "/api/v1/admin/prices/publications"
    body = {"sell": {"test/alpha": usd("1.50", "3.00")}, "note": "autumn"}
    made = shop.ask("POST", root, body)
    assert (made.status, made.body["state"], made.body["note"]) == (201, "draft", "autumn")
    url = f"{root}/{made.body['id']}"
    assert shop.ask("PATCH", url, {"note": "winter"}).body["sell"] == made.body["sell"]
    assert shop.ask("GET", f"{url}/diff").body["changes"][0]["subject"] == "test/alpha"
    assert shop.ask("POST", f"{url}/publish", {}).body["state"] == "published"
    assert shop.ask("PATCH", url, {"note": "spring"}).status == 400
    (row,) = [each for each in shop.ask("GET", "/api/v1/admin/prices").body["data"] if each["model"] == "test/alpha"]
    assert (row["price"]["input"], row["origin"]) == ("1.50", "book")
    assert shop.ask("POST", f"{url}/undo").body["undoes"] == made.body["id"]
    kept(shop)
    version = sold(shop).price_version
    assert shop.ask("GET", f"/api/v1/admin/prices/versions/{version}").body["id"] == version
    assert shop.ask("GET", "/api/v1/admin/prices/history?model=test/alpha").status == 200
    actions = [each["action"] for each in shop.ask("GET", "/api/v1/admin/audit").body["data"]]
    assert {"price.draft", "price.change", "price.publish", "price.undo"} <= set(actions)
