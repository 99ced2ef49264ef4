"""What nobody was given is denied."""

import pytest

from smartoken.errors import PermissionDeniedError
from smartoken.operations import rights
from smartoken.operations.rights import SYSTEM, Actor, ActorKind, Permission, demand, scope

ADMIN = Actor(ActorKind.ADMIN, "root")
MEMBER = Actor(ActorKind.MEMBER, "alice", "acct_own")
LOST = Actor(ActorKind.MEMBER, "nobody", None)
# permission: may an admin, a member, the system
TABLE = {
    "keys:read": "yyy",
    "keys:write": "yyy",
    "calls:read": "yyy",
    "usage:read": "yyy",
    "accounts:read": "yny",
    "accounts:write": "yny",
    "providers:read": "yny",
    "models:read": "yny",
    "setup:read": "yny",
    "setup:write": "yny",
    "audit:read": "yny",
}


def test_the_table_of_rights_names_every_permission():
    assert set(TABLE) == {each.value for each in Permission} == {each.value for each in rights.GRANTED}


@pytest.mark.parametrize(("name", "granted"), TABLE.items())
def test_each_kind_of_actor_has_exactly_its_rights(name, granted):
    for actor, may in zip((ADMIN, MEMBER, SYSTEM), granted, strict=True):
        if may == "y":
            demand(actor, Permission(name))
        else:
            with pytest.raises(PermissionDeniedError):
                demand(actor, Permission(name))


@pytest.mark.parametrize("permission", Permission)
def test_a_member_of_no_account_may_do_nothing(permission):
    with pytest.raises(PermissionDeniedError):
        demand(LOST, permission)


def test_a_members_queries_always_name_its_own_account():
    assert scope(MEMBER, Permission.KEYS_READ) == "acct_own"
    assert scope(MEMBER, Permission.KEYS_READ, "acct_own") == "acct_own"
    with pytest.raises(PermissionDeniedError):
        scope(MEMBER, Permission.KEYS_READ, "acct_other")


def test_an_admin_sees_the_account_asked_for_or_all():
    assert scope(ADMIN, Permission.KEYS_READ) is None
    assert scope(ADMIN, Permission.KEYS_READ, "acct_other") == "acct_other"
