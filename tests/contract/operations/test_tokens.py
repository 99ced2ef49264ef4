"""Tokens of the staff: a name, a role, shown once, refused at once when revoked or expired; and who needs what."""

import pytest

from contract.operations.rooms import ADMIN_TOKEN
from contract.operations.test_rights_of_routes import routes, scopes_of
from smartoken.identity.keys import mint_token, well_formed_token
from smartoken.logs import Redactor
from smartoken.operations import queries
from smartoken.operations.rights import STAFF
from smartoken.store.access_tables import access_tokens

TOKENS = "/api/v1/admin/tokens"
MOVES_MONEY = {"money:write", "wallet:adjust", "money:approve", "codes:redeem"}
NO_MONEY_MOVES = {"/api/v1/admin/approvals/{approval}/reject"}


def make(room, name="fiona", role="finance", **more):
    return room.ask("POST", TOKENS, {"name": name, "role": role, **more})


def test_a_token_is_shown_once_and_kept_as_a_digest(room):
    made = make(room)
    secret = made.body["secret"]
    assert made.status == 201
    assert well_formed_token(secret)
    assert (made.body["prefix"], made.body["last4"], made.body["role"]) == ("st-adm-", secret[-4:], "finance")
    assert room.ask("GET", "/api/v1/admin/accounts", token=secret).status == 200
    listed = room.ask("GET", TOKENS)
    stored = room.office.db.run_read(queries.rows, access_tokens)
    for seen in (listed.raw.decode(), repr(stored), room.ask("GET", "/api/v1/admin/audit").raw.decode()):
        assert secret not in seen
        assert secret[7:50] not in seen


@pytest.mark.parametrize("role", STAFF)
def test_a_token_has_its_roles_rights_and_acts_under_its_name(room, role):
    secret = make(room, "somebody", role).body["secret"]
    can_make = room.ask("POST", TOKENS, {"name": "x", "role": "support"}, token=secret)
    assert can_make.status == (201 if role == "admin" else 403)
    if role == "admin":
        assert can_make.body["created_by"] == "admin:somebody"


def test_a_revoked_token_is_refused_at_once_and_revoking_it_again_changes_nothing(room):
    secret = make(room).body["secret"]
    assert room.ask("GET", "/api/v1/admin/accounts", token=secret).status == 200
    assert room.ask("DELETE", f"{TOKENS}/fiona").body["status"] == "revoked"
    assert room.ask("GET", "/api/v1/admin/accounts", token=secret).status == 401
    assert room.ask("DELETE", f"{TOKENS}/fiona").status == 200
    assert room.ask("DELETE", f"{TOKENS}/nobody").status == 404


def test_an_expired_token_is_refused(room):
    secret = make(room, expires_at="2026-11-03T13:00:00Z").body["secret"]
    assert room.ask("GET", "/api/v1/admin/accounts", token=secret).status == 200
    room.office.clock.advance(hours=1)
    assert room.ask("GET", "/api/v1/admin/accounts", token=secret).status == 401
    assert room.ask("GET", TOKENS).body["data"][0]["status"] == "expired"


WRONG = [
    ({"name": "", "role": "admin"}, "name"),
    ({"name": "local", "role": "admin"}, "name"),
    ({"name": "SMARTOKEN_ADMIN_TOKEN", "role": "admin"}, "name"),
    ({"name": "fiona", "role": "admin"}, "name"),
    ({"name": "FIONA", "role": "admin"}, "name"),
    ({"name": "Local", "role": "admin"}, "name"),
    ({"name": "x", "role": "owner"}, "role"),
    ({"name": "x", "role": "system"}, "role"),
    ({"name": "x", "role": "account-owner"}, "role"),
    ({"name": "x", "role": "admin", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "x", "role": "admin", "expires_at": "soon"}, "expires_at"),
]


@pytest.mark.parametrize(("body", "param"), WRONG)
def test_what_is_wrong_of_a_token_is_named(room, body, param):
    make(room)
    answer = room.ask("POST", TOKENS, body)
    assert (answer.status, answer.body["error"]["param"]) == (400, param)


@pytest.mark.parametrize("text", ["st-adm-", "st-adm-x", mint_token(bytes(32)), mint_token(bytes(32))[:-1], "x" * 56])
def test_a_token_that_nobody_has_is_refused(room, text):
    assert room.ask("GET", TOKENS, token=text).status == 401


def test_logs_hold_no_token():
    secret = mint_token(bytes(range(32)))
    assert secret[10:] not in Redactor()(f"it failed with {secret} in hand")


def test_every_request_that_moves_money_needs_its_own_key(room):
    """Every POST whose permission moves money is refused without the header, whatever else it lacks."""
    room.apply('[[account]]\nid = "acme"\n', {})
    seen = []
    for method, path, operation in routes(room):
        if method == "POST" and MOVES_MONEY.intersection(scopes_of(operation)) and path not in NO_MONEY_MOVES:
            header = [each for each in operation.get("parameters", ()) if each["name"].lower() == "idempotency-key"]
            if path.endswith("/preview"):
                continue
            assert header, path
            seen.append(path)
    assert len(seen) >= 7
    answer = room.ask(
        "POST", "/api/v1/admin/accounts/acme/grants", {"amount": "1.00", "reason": "x"}, token=ADMIN_TOKEN
    )
    assert (answer.status, answer.body["error"]["param"]) == (400, "Idempotency-Key")
