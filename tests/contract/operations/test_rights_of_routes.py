"""Every route names its permission, and keeps to rights and accounts."""

import re

import pytest

from contract.operations.houses import ALICE, MALLORY, STRANGER, house
from contract.operations.rooms import ADMIN_TOKEN
from smartoken.operations.rights import GRANTED, Permission, Role

__all__ = ["house"]  # a fixture


def routes(room):
    """Every route of the OpenAPI description: (method, path, operation)."""
    paths = room.ask("GET", "/api/openapi.json", token=None).body["paths"]
    return [(method.upper(), path, each) for path, methods in paths.items() for method, each in methods.items()]


def scopes_of(operation):
    return [name for scheme in operation.get("security", []) for names in scheme.values() for name in names]


def test_every_route_declares_exactly_one_permission(room):
    found = routes(room)
    assert len(found) >= 20
    wrong = [(method, path) for method, path, each in found if len(scopes_of(each)) != 1]
    assert wrong == []
    assert {name for _, _, each in found for name in scopes_of(each)} == {each.value for each in Permission}


BODIES = {
    ("POST", "/api/v1/keys"): {"name": "made", "account": "acme"},
    ("POST", "/api/v1/keys/{key_id}/rotate"): {"overlap_hours": 0},
    ("PATCH", "/api/v1/keys/{key_id}"): {"owner": "bob@acme.test"},
    ("POST", "/api/v1/admin/accounts"): {"slug": "fresh"},
    ("PATCH", "/api/v1/admin/accounts/{account}"): {"name": "Changed"},
    ("POST", "/api/v1/admin/apply"): {"text": "", "dry_run": True},
    ("POST", "/api/v1/admin/accounts/{account}/deposits"): {"amount": "5.00", "reference": "bank 1"},
    ("POST", "/api/v1/admin/accounts/{account}/withdrawals"): {"amount": "0.01", "reference": "bank 2"},
    ("POST", "/api/v1/admin/accounts/{account}/adjustments"): {"amount": "1.00", "reason": "goodwill"},
    ("POST", "/api/v1/admin/accounts/{account}/grants"): {"amount": "1.00", "reason": "welcome"},
    ("POST", "/api/v1/admin/tokens"): {"name": "ci", "role": "support"},
}


def filled(room, path, owner):
    """A path with the ids of an owner's objects; what is not known here gets a name that nothing has."""
    values = {"key_id": room.ids[owner, "key"], "call_id": room.ids[owner, "call"], "account": owner}
    return re.sub(r"\{(\w+)\}", lambda each: values.get(each[1], "nothing_of_this_name"), path)


def addressed(path, operation):
    """Whether an account or an object of one is named by the request, so that another's can be asked for."""
    return any(name in path for name in ("{account}", "{key_id}", "{call_id}")) or takes_account(operation)


def takes_account(operation):
    return any(each["in"] == "query" and each["name"] == "account" for each in operation.get("parameters", ()))


# who asks, about whose objects, and what a route that members may use answers
MATRIX = [
    (ADMIN_TOKEN, "acme", "yes"),
    (ADMIN_TOKEN, "other", "yes"),
    (ALICE, "acme", "yes"),
    (ALICE, "other", "no"),
    (MALLORY, "acme", "no"),
    (STRANGER, "acme", "unknown"),
    (None, "acme", "unknown"),
]


@pytest.mark.parametrize(("token", "owner", "may"), MATRIX)
def test_every_route_keeps_to_rights_and_accounts(house, token, owner, may):
    wrong = []
    for method, path, operation in sorted(routes(house), key=lambda each: each[0] == "DELETE"):
        (scope,) = scopes_of(operation)
        body = BODIES.get((method, path))
        if body is not None and "account" in body:
            body = {**body, "account": owner, "name": f"made-{len(wrong)}"}
        asked = filled(house, path, owner)
        if takes_account(operation):
            asked += f"?account={owner}"
        answer = house.ask(method, asked, body, token=token, headers={"idempotency-key": f"{method}{asked}"})
        # without its body or a parameter that it needs only denial can be told from the rest
        lacks = any(each["in"] == "query" and each.get("required") for each in operation.get("parameters", ()))
        whole = not lacks and (method in ("GET", "DELETE") or body is not None)
        if may == "unknown":
            expected = {401}
        elif token != ADMIN_TOKEN and Role.OWNER not in GRANTED[Permission(scope)]:
            expected = {403}
        elif may == "no" and (addressed(path, operation) or "account" in (body or {})):
            expected = {403, 404} if whole else {400, 403, 404}
        else:
            expected = {200, 201, 202, 204, 400, 404} if "nothing_" in asked or not whole else {200, 201, 202, 204}
        if answer.status not in expected:
            wrong.append((method, asked, answer.status, answer.raw[:200]))
        if answer.status >= 400:
            assert set(answer.body) == {"error"}
    assert wrong == []


def test_a_members_lists_hold_nothing_of_others(house):
    found = [house.ask("GET", f"/api/v1/{path}", token=ALICE).raw for path in ("keys", "calls", "usage?group_by=key")]
    for raw in found:
        assert house.ids["acme"].encode() in raw or b"acme" in raw
        assert house.ids["other", "key"].encode() not in raw
        assert b"user-of-other" not in raw
