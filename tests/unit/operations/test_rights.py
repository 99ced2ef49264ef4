"""What nobody was given is denied."""

import pytest

from smartoken.errors import PermissionDeniedError
from smartoken.operations import rights
from smartoken.operations.rights import SYSTEM, Actor, ActorKind, Permission, Role, demand, scope

ADMIN = Actor(ActorKind.ADMIN, "root")
MEMBER = Actor(ActorKind.MEMBER, "alice", "acct_own")
LOST = Actor(ActorKind.MEMBER, "nobody", None)
# the columns: admin, operator, finance, support | owner, developer, finance, viewer of an account | the system
ROLES = (*rights.STAFF, *rights.MEMBERS, Role.SYSTEM)
TABLE = {
    "keys:read": "yyyy yyyy y",
    "keys:write": "yynn yynn y",
    "calls:read": "yyyy yyyy y",
    "usage:read": "yyyy yyyy y",
    "accounts:read": "yyyy nnnn y",
    "accounts:write": "yynn nnnn y",
    "providers:read": "yyyy nnnn y",
    "models:read": "yyyy nnnn y",
    "setup:read": "yynn nnnn y",
    "setup:write": "ynnn nnnn y",
    "audit:read": "ynyn nnnn y",
    "wallet:read": "yyyy yyyy y",
    "events:read": "yyyy yyyy y",
    "money:write": "ynyn nnnn y",
    "wallet:adjust": "yyyn nnnn y",
    "money:approve": "ynyn nnnn n",
    "tokens:read": "ynnn nnnn n",
    "tokens:write": "ynnn nnnn n",
    "campaigns:read": "yyyy nnnn y",
    "campaigns:write": "yynn nnnn y",
    "codes:read": "yyny nnnn y",
    "codes:write": "yynn nnnn y",
    "codes:redeem": "yynn ynyn y",
    "prices:read": "yyyy nnnn y",
    "prices:write": "ynyn nnnn y",
    "money:reconcile": "yyyn nnnn y",
    "routes:read": "yyny nnnn y",
    "routes:write": "yynn nnnn y",
    "drills:read": "yyny nnnn y",
    "drills:write": "yynn nnnn y",
    "jobs:read": "yyny nnnn y",
}


def an_actor(role):
    """Somebody with a role."""
    if role is Role.SYSTEM:
        return SYSTEM
    if role in rights.STAFF:
        return Actor(ActorKind.ADMIN, "somebody", role=role)
    return Actor(ActorKind.MEMBER, "somebody", "acct_own", role)


def test_the_table_of_rights_names_every_permission():
    assert set(TABLE) == {each.value for each in Permission} == {each.value for each in rights.GRANTED}


@pytest.mark.parametrize(("name", "granted"), TABLE.items())
def test_each_role_has_exactly_its_rights(name, granted):
    for role, may in zip(ROLES, granted.replace(" ", ""), strict=True):
        if may == "y":
            demand(an_actor(role), Permission(name))
        else:
            with pytest.raises(PermissionDeniedError):
                demand(an_actor(role), Permission(name))


def test_an_actor_without_a_role_is_the_first_of_its_kind():
    assert [each.acts_as for each in (ADMIN, MEMBER, SYSTEM)] == [Role.ADMIN, Role.OWNER, Role.SYSTEM]


@pytest.mark.parametrize("kind", ActorKind)
def test_a_kind_of_actor_cannot_have_the_role_of_another(kind):
    own = {ActorKind.ADMIN: rights.STAFF, ActorKind.MEMBER: rights.MEMBERS, ActorKind.SYSTEM: (Role.SYSTEM,)}[kind]
    for role in set(Role) - set(own):
        with pytest.raises(ValueError, match="cannot have the role"):
            Actor(kind, "somebody", "acct_own", role)


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
