"""Each operation on a wallet as a line of a ledger: who does what, and what every book has afterwards."""

import orjson
import pytest

from contract.operations.rooms import ADMIN_TOKEN
from contract.operations.wallets import (
    ADMIN,
    FINANCE,
    MEMBER,
    OPERATOR,
    SETUP,
    book_of,
    books,
    lines_of,
    opened,
    post,
    run,
    spend,
    wallet_figures,
)
from smartoken.billing import debts
from smartoken.billing import queries as money
from smartoken.billing.wallet import Ask, grow_leases, put_leases
from smartoken.identity import queries as identity
from smartoken.money import parse_amount
from smartoken.operations.rights import Actor, ActorKind


@pytest.fixture
def house(room):
    return opened(room)


# the line, the answer's status, and what every book has afterwards
LEDGER = [
    ("deposit 10.00", 201, {"wallet": "10.00", "house:cash_in": "-10.00"}),
    ("adjust 1.00", 201, {"wallet": "11.00", "house:adjust": "-1.00"}),
    ("adjust -0.50", 201, {"wallet": "10.50", "house:adjust": "-0.50"}),
    ("grant welcome 2.00", 201, {"welcome": "2.00", "house:promo": "-2.00"}),
    ("spend welcome=2.00 wallet=3.00", None, {"welcome": None, "wallet": "7.50", "house:revenue": "5.00"}),
    ("refund 4.00", 201, {"welcome": "1.00", "wallet": "10.50", "house:refund": "-4.00"}),
    ("refund 1.01", 400, {}),
    ("refund 1.00", 201, {"welcome": "2.00", "house:refund": "-5.00"}),
    ("refund 0.01", 400, {}),
    ("withdraw 10.01", 400, {}),  # goodwill is never paid out
    ("withdraw 4.00", 201, {"wallet": "6.50", "house:cash_in": "-6.00"}),
    ("reverse withdraw 4.00", 201, {"wallet": "10.50", "house:cash_in": "-10.00"}),
    ("reverse withdraw 0.01", 400, {}),
    ("reverse deposit 9.00", 201, {"wallet": "1.50", "house:cash_in": "-1.00"}),
    ("reverse deposit 1.01", 400, {}),
    ("reverse grant 2.01", 400, {}),
    ("reverse grant 1.50", 201, {"welcome": "0.50", "house:promo": "-0.50"}),
    ("reverse refund 1.00", 400, {}),
    ("withdraw 1.01", 400, {}),
    ("withdraw 1.00", 201, {"wallet": "0.50", "house:cash_in": None}),
]


def test_every_operation_is_a_line_of_the_ledger(house):
    expected = {}
    for line, status, changes in LEDGER:
        answer = run(house, line)
        assert (answer.status if answer else None) == status, (line, answer.raw if answer else None)
        if status == 400:
            assert answer.body["error"]["param"] in ("amount", "transfer"), line
        expected = {name: value for name, value in {**expected, **changes}.items() if value is not None}
        assert books(house) == expected, line
    shown = house.ask("GET", "/api/v1/wallet?account=acme").body
    assert (shown["balance"], shown["available"], shown["withdrawable"]) == ("1.00", "1.00", "0.00")
    assert {each["fund"]: each["balance"] for each in shown["funds"]} == {"wallet": "0.50", "grant": "0.50"}


HISTORY = ["deposit 10.00", "grant welcome 2.00", "spend welcome=2.00 wallet=1.00", "spend wallet=0.50", "refund 0.25",
           "adjust -1.00", "withdraw 3.00"]  # fmt: skip


def test_the_history_explains_the_balance_line_by_line(house):
    for line in HISTORY:
        run(house, line)
        house.office.clock.advance(1)
    found = lines_of(house)
    assert [(each["kind"], each["fund"], each["amount"], each["balance"], each["fund_balance"]) for each in found] == [
        ("deposit", "wallet", "10.00", "10.00", "10.00"),
        ("grant", "grant", "2.00", "12.00", "2.00"),
        ("spend", "grant", "-2.00", "10.00", "0.00"),
        ("spend", "wallet", "-1.50", "8.50", "8.50"),
        ("refund", "wallet", "0.25", "8.75", "8.75"),
        ("adjustment", "wallet", "-1.00", "7.75", "7.75"),
        ("withdrawal", "wallet", "-3.00", "4.75", "4.75"),
    ]
    balance = 0
    for each in found:
        balance += parse_amount(each["amount"])
        assert parse_amount(each["balance"]) == balance
    assert found[-1]["balance"] == house.ask("GET", "/api/v1/wallet", token=MEMBER).body["balance"]
    assert [(each["reference"], each["reason"]) for each in found if each["kind"] in ("deposit", "adjustment")] == [
        ("bank 7", "manual"),
        (None, "goodwill"),
    ]
    assert {each["actor"] for each in lines_of(house, f"{ADMIN}/wallet/entries", ADMIN_TOKEN)} == {
        "admin:root",
        "system",
    }
    assert {each["actor"] for each in found} == {"admin", "system"}


def test_a_line_of_charges_opens_down_to_its_calls(house):
    for line in HISTORY:
        run(house, line)
    charges = [each for each in lines_of(house) if each["kind"] == "spend"]
    (place,) = {(each["key"], each["hour"], each["reference"]) for each in charges}
    found = house.ask("GET", f"/api/v1/wallet/charges?key={place[0]}&hour={place[1]}", token=MEMBER).body["data"]
    assert [each["charge_usd"] for each in found] == ["3.00", "0.50"]
    for line in charges:
        paid = [each for call in found for each in call["paid"] if each["grant"] == line["grant"]]
        assert sum(parse_amount(each["amount"]) for each in paid) == -parse_amount(line["amount"])


def test_a_statement_leads_from_opening_to_closing(house):
    house.office.clock.advance(days=27, hours=3)  # it is 3 November at noon, UTC
    run(house, "deposit 10.00")
    house.office.clock.advance(hours=1, minutes=30)  # December has begun in Shanghai
    for line in HISTORY[1:]:
        run(house, line)
    asked = "/api/v1/wallet/statement?month=2026-12"
    found = house.ask("GET", asked, token=MEMBER).body
    assert (found["opening"], found["closing"], found["charged"]) == ("10.00", "4.75", "3.50")
    assert found["moved"] == {"adjustment": "-1.00", "grant": "2.00", "refund": "0.25", "withdrawal": "-3.00"}
    assert found["charges"] == [{"model": "test/alpha", "key": "=main", "calls": 2, "amount": "3.50"}]
    csv = house.ask("GET", f"{asked}&format=csv", token=MEMBER)
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert "charge,test/alpha,'=main,2,-3.50" in csv.raw.decode().splitlines()
    page = house.ask("GET", f"{asked}&format=html", token=MEMBER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"=main" in page.raw
    assert house.ask("GET", "/api/v1/wallet/statement?month=2026-13", token=MEMBER).status == 400
    november = house.ask("GET", "/api/v1/wallet/statement?month=2026-11", token=MEMBER).body
    assert (november["opening"], november["closing"]) == ("0.00", "10.00")


def lease_all(house, in_calls):
    """A worker that holds everything of the wallet, and of it this much in calls."""

    def grow(conn):
        money.begin_epoch(conn, "epoch_1", house.office.clock.now_ms())
        book = book_of(house, "wallet")
        (grown,) = grow_leases(conn, "epoch_1", [Ask(book, 1)], 1)
        put_leases(conn, "epoch_1", [(book, grown.amount, parse_amount(in_calls))])

    house.office.db.run_write(grow)


def give_back(house, amount):
    """The worker's lease is this much from now on."""
    house.office.db.run_write(put_leases, "epoch_1", [(book_of(house, "wallet"), parse_amount(amount), 0)])


def test_what_calls_hold_is_owed_and_taken_as_they_end(house):
    run(house, "deposit 10.00")
    lease_all(house, "4.00")
    assert wallet_figures(house) == ("10.00", "4.00", "0.00", "6.00")
    assert run(house, "withdraw 6.01").status == 400
    answer = run(house, "withdraw 6.00")
    assert (answer.status, answer.body["owed"]) == (201, "6.00")
    assert wallet_figures(house) == ("10.00", "4.00", "6.00", "0.00")
    assert run(house, "withdraw 0.01").status == 400
    give_back(house, "7.50")
    assert house.office.db.run_write(debts.collect, house.office.clock.now_ms()) == parse_amount("2.50")
    assert wallet_figures(house) == ("7.50", "0.00", "3.50", "4.00")
    give_back(house, "0.00")
    house.office.db.run_write(debts.collect, house.office.clock.now_ms())
    assert house.office.db.run_write(debts.collect, house.office.clock.now_ms()) == 0
    assert wallet_figures(house) == ("4.00", "0.00", "0.00", "4.00")
    assert books(house) == {"wallet": "4.00", "house:cash_in": "-4.00"}
    kinds = [(each["kind"], each["amount"], each["reference"]) for each in lines_of(house)]
    assert kinds[1:] == [("withdrawal", "-2.50", "bank 8"), ("withdrawal", "-3.50", "bank 8")]


def test_a_deposit_that_was_spent_and_is_charged_back_is_a_debt_that_the_next_deposit_pays(house):
    run(house, "deposit 10.00")
    spend(house, 900, ("wallet", "8.00"))
    assert run(house, "reverse deposit 10.00").body["owed"] == "8.00"
    assert wallet_figures(house) == ("0.00", "0.00", "8.00", "-8.00")
    assert run(house, "reverse deposit 0.01").status == 400
    run(house, "deposit 10.00")
    assert wallet_figures(house) == ("2.00", "0.00", "0.00", "2.00")
    assert books(house) == {"wallet": "2.00", "house:cash_in": "-10.00", "house:revenue": "8.00"}


# who asks for it, who decides, and how that ends
DECISIONS = [
    (OPERATOR, FINANCE, "approve", 201, "150.00"),
    (OPERATOR, ADMIN_TOKEN, "approve", 201, "150.00"),
    (FINANCE, FINANCE, "approve", 403, "0.00"),
    (OPERATOR, OPERATOR, "approve", 403, "0.00"),
    (OPERATOR, MEMBER, "approve", 403, "0.00"),
    (OPERATOR, FINANCE, "reject", 200, "0.00"),
    (FINANCE, FINANCE, "reject", 200, "0.00"),
]


@pytest.mark.parametrize("kind", ["adjustments", "grants"])
@pytest.mark.parametrize(("asks", "decides", "how", "status", "balance"), DECISIONS)
def test_above_the_set_amount_a_second_person_decides(house, kind, asks, decides, how, status, balance):
    asked = post(house, kind, {"amount": "150.00", "reason": "big"}, asks)
    assert (asked.status, asked.body["status"], asked.body["balance"]) == (202, "waiting", "0.00")
    waiting = house.ask("GET", "/api/v1/admin/approvals?status=waiting").body["data"]
    assert [(each["id"], each["amount"]) for each in waiting] == [(asked.body["approval"], "150.00")]
    path = f"/api/v1/admin/approvals/{asked.body['approval']}"
    decided = post(house, f"{path}/{how}", {"reason": "seen"}, decides)
    assert decided.status == status, decided.raw
    assert wallet_figures(house)[0] == balance
    if status < 400:
        assert post(house, f"{path}/approve", {}, decides).status in (400, 403)
        assert post(house, f"{path}/reject", {}, ADMIN_TOKEN).status == 400
        assert wallet_figures(house)[0] == balance
    if how == "approve" and status == 201:
        (line,) = lines_of(house, f"{ADMIN}/wallet/entries", ADMIN_TOKEN)
        assert line["actor"] == f"admin:oscar, approved by {house.actors[decides].label}"


def test_up_to_the_set_amount_one_person_is_enough_and_the_file_sets_it(house):
    assert post(house, "adjustments", {"amount": "100.00", "reason": "x"}, OPERATOR).status == 201
    house.apply(f'[site]\napproval_limit = "0"\n{SETUP}', {})
    assert post(house, "adjustments", {"amount": "-0.01", "reason": "x"}, OPERATOR).status == 202
    assert post(house, "grants", {"amount": "0.01", "reason": "x"}, OPERATOR).status == 202


def test_the_two_tokens_of_this_machine_are_one_person(house):
    for name in ("local", "SMARTOKEN_ADMIN_TOKEN"):
        house.actors[name] = Actor(ActorKind.ADMIN, name)
    asked = post(house, "adjustments", {"amount": "150.00", "reason": "big"}, "local").body
    path = f"/api/v1/admin/approvals/{asked['approval']}/approve"
    assert post(house, path, {}, "SMARTOKEN_ADMIN_TOKEN").status == 403
    assert post(house, path, {}, FINANCE).status == 201


# a path, a body, and the parameter that the refusal names
WRONG = [
    ("deposits", {"amount": "0", "reference": "x"}, "amount"),
    ("deposits", {"amount": "-1", "reference": "x"}, "amount"),
    ("deposits", {"amount": "1e3", "reference": "x"}, "amount"),
    ("deposits", {"amount": 5, "reference": "x"}, "amount"),
    ("deposits", {"amount": "1.0000000001", "reference": "x"}, "amount"),
    ("deposits", {"amount": "1.00"}, "reference"),
    ("deposits", {"amount": "1.00", "reference": " "}, "reference"),
    ("deposits", {"amount": "1.00", "reference": "x", "cheque": "y"}, "cheque"),
    ("deposits", b'{"amount": "1.00", "reference": "x", "amount": "2.00"}', "amount"),
    ("adjustments", {"amount": "1.00"}, "reason"),
    ("adjustments", {"amount": "0.00", "reason": "x"}, "amount"),
    ("withdrawals", {"amount": "0.01", "reference": "x"}, "amount"),
    ("refunds", {"reason": "x"}, "call"),
    ("refunds", {"reason": "x", "call": "call_1"}, "call"),
    ("refunds", {"reason": "x", "transfer": "none"}, "transfer"),
    ("reversals", {"reason": "x", "transfer": "none"}, "transfer"),
    ("grants", {"amount": "1.00", "reason": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ("grants", {"amount": "1.00", "reason": "x", "priority": -1}, "priority"),
    ("grants", {"amount": "1.00", "reason": "x", "category": "play"}, "category"),
]


@pytest.mark.parametrize(("path", "body", "param"), WRONG)
def test_what_is_wrong_is_named_and_moves_nothing(house, path, body, param):
    answer = post(house, path, body)
    assert answer.status in (400, 404), answer.raw
    assert answer.body["error"]["param"] == param
    assert books(house) == {}


def test_an_account_has_at_most_what_a_figure_can_be(house):
    for _ in range(2):
        answer = post(house, "deposits", {"amount": "1000000000.00", "reference": "typing mistake"})
    assert (answer.status, answer.body["error"]["param"]) == (400, "amount")
    assert wallet_figures(house)[0] == "1000000000.00"
    assert post(house, "withdrawals", {"amount": "1000000000.00", "reference": "back"}).status == 201


def test_a_charge_is_refunded_and_not_reversed(house):
    run(house, "deposit 5.00")
    call = spend(house, 1, ("wallet", "1.00"))
    (transfer,) = [
        each["id"] for each in house.office.db.run_read(money.transfer_rows, house.account) if each["kind"] == "spend"
    ]
    answer = post(house, "reversals", {"transfer": transfer, "reason": "x"})
    assert (answer.status, answer.body["error"]["param"]) == (400, "transfer")
    assert post(house, "refunds", {"call": call, "reason": "x"}).status == 201


def test_a_transfer_of_another_account_is_not_found(house):
    house.apply(f'{SETUP}[[account]]\nid = "other"\n', {})
    deposit = run(house, "deposit 5.00").body["id"]
    body = {"transfer": deposit, "reason": "x"}
    assert post(house, "/api/v1/admin/accounts/other/reversals", body).status == 404
    assert house.ask("GET", "/api/v1/wallet?account=other", token=MEMBER).status == 403


def test_every_movement_stands_in_the_audit_log_with_who_and_why(house):
    for line in HISTORY:
        run(house, line)
    entries = house.ask("GET", "/api/v1/admin/audit?limit=100").body["data"]
    found = {each["action"]: each for each in entries if each["action"].startswith("wallet.")}
    assert set(found) == {f"wallet.{kind}" for kind in ("deposit", "grant", "refund", "adjustment", "withdrawal")}
    assert found["wallet.adjustment"]["reason"] == "goodwill"
    assert found["wallet.deposit"]["after"]["reference"] == "bank 7"
    assert house.ask("GET", "/api/v1/admin/audit/check").body["intact"]
    assert orjson.dumps(entries)


def test_a_refused_request_leaves_no_trace(house):
    run(house, "deposit 1.00")
    before = house.ask("GET", "/api/v1/admin/audit?limit=100").body["data"]
    run(house, "withdraw 5.00")
    assert house.ask("GET", "/api/v1/admin/audit?limit=100").body["data"] == before
    assert house.office.db.run_read(identity.account_by_slug, "acme")
