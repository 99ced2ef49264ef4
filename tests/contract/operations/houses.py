"""Two accounts, a member of each, and what belongs to them."""

import pytest

from contract.operations.rooms import call_record
from smartoken.identity.keys import mint
from smartoken.operations import keys
from smartoken.operations.rights import Actor, ActorKind
from unit.operations.setups import WHOLE

ALICE, MALLORY = "alice-token-0123456789abcdef0123456789", "mallory-token-0123456789abcdef01234567"
STRANGER = "nobody-token-0123456789abcdef012345678"
ENVIRONMENT = {"UP1_KEY": "up-secret-one", "ACME_KEY": mint(bytes(range(32)))}
OTHER = '[[account]]\nid = "other"\n[[account.key]]\nname = "main"\n'


@pytest.fixture
def house(room):
    """Two accounts, a member of each, a key and a call of each."""
    room.apply(WHOLE + OTHER, ENVIRONMENT)
    room.ids = {}
    for number, key in enumerate(room.read(keys.page, keys.Filter(), None, 10)):
        room.ids[key["account"]] = key["account_id"]
        room.ids[key["account"], "key"] = key["id"]
        now = room.office.clock.now_ms()
        room.calls(call_record(number, key["account_id"], key["id"], created_ms=now, user=f"user-of-{key['account']}"))
        room.ids[key["account"], "call"] = f"call_{number:032x}"
    room.actors[ALICE] = Actor(ActorKind.MEMBER, "alice", room.ids["acme"])
    room.actors[MALLORY] = Actor(ActorKind.MEMBER, "mallory", room.ids["other"])
    return room
