"""One effect for one key: a repeat gets the same answer, another request a conflict, doubles at once one effect."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract.operations.rooms import ADMIN_TOKEN
from smartoken.operations import idempotency
from smartoken.operations.rights import Actor, ActorKind, Role

PATH = "/api/v1/admin/accounts/acme/deposits"
BODY = {"amount": "5.00", "reference": "bank 1"}
FINANCE = "finance-token-0123456789abcdef012345678"


@pytest.fixture
def house(room):
    room.apply('[[account]]\nid = "acme"\n', {})
    room.actors[FINANCE] = Actor(ActorKind.ADMIN, "fiona", role=Role.FINANCE)
    return room


def pay(house, key, body=None, path=PATH, token=ADMIN_TOKEN):
    return house.ask("POST", path, body or BODY, token=token, headers={"idempotency-key": key})


def balance(house):
    return pay(house, f"look-{house.office.clock.now_ns()}", {"amount": "0.01", "reference": "look"}).body["balance"]


def test_a_request_without_the_header_is_refused_by_its_name(house):
    answer = house.ask("POST", PATH, BODY)
    assert (answer.status, answer.body["error"]["param"]) == (400, "Idempotency-Key")
    assert "Idempotency-Key" in answer.body["error"]["message"]
    assert pay(house, "k" * 201).status == 400
    assert balance(house) == "0.01"


def test_the_same_request_gets_the_same_answer_and_moves_money_once(house):
    first, again = pay(house, "k1"), pay(house, "k1")
    assert (first.status, again.status) == (201, 201)
    assert first.raw == again.raw
    assert pay(house, "k1", b'{ "reference" : "bank 1", "amount":"5.00" }').raw == first.raw
    assert balance(house) == "5.01"


def test_another_request_under_the_same_key_is_a_conflict(house):
    assert pay(house, "k1").status == 201
    other = pay(house, "k1", {"amount": "6.00", "reference": "bank 1"})
    assert (other.status, other.body["error"]["code"]) == (409, "idempotency_conflict")
    elsewhere = pay(house, "k1", path="/api/v1/admin/accounts/acme/withdrawals")
    assert elsewhere.status == 409
    assert balance(house) == "5.01"


def test_keys_are_an_actors_own(house):
    assert pay(house, "k1").body["id"] != pay(house, "k1", token=FINANCE).body["id"]
    assert balance(house) == "10.01"


def test_a_refused_request_leaves_its_key_free(house):
    assert pay(house, "k1", {"amount": "-5.00", "reference": "bank 1"}).status == 400
    assert pay(house, "k1").status == 201


def test_doubles_at_the_same_time_have_one_effect_and_one_answer(house):
    app = house.app()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: asyncio.run(house.asked(app, "POST", PATH, BODY, "same")), range(8)))
    assert {each.status for each in answers} == {201}
    assert len({each.raw for each in answers}) == 1
    assert balance(house) == "5.01"


def test_answers_are_kept_for_two_days(house):
    pay(house, "k1")
    house.office.clock.advance(47 * 3600)
    house.office.db.run_write(idempotency.prune, house.office.clock.now_ms())
    first = pay(house, "k1").body["id"]
    house.office.clock.advance(2 * 3600)
    assert house.office.db.run_write(idempotency.prune, house.office.clock.now_ms()) == 1
    assert pay(house, "k1").body["id"] != first


def test_a_body_that_cannot_be_written_again_is_refused_and_not_an_internal_error(house):
    for extra in ("[" * 400 + "]" * 400, "9" * 5_000):
        answer = pay(house, "k1", f'{{"amount": "5.00", "reference": "bank 1", "more": {extra}}}'.encode())
        assert (answer.status, answer.body["error"]["code"]) == (400, "invalid_request")
    assert pay(house, "k1").status == 201
