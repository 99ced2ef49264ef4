"""What follows from a failure: every class at every position, and every class of every dialect."""

import pytest

from smartoken.errors import FailureClass
from smartoken.providers.registry import DIALECTS
from smartoken.routing.breakers import Breakers
from smartoken.routing.reactions import Action, BreakerNote, Left, Position, react
from unit.routing.reaction_table import rows

ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:3]))
def test_a_failure_has_the_consequences_of_its_row(row):
    kind, position, left, action, billed, seen, key, note = row
    found = react(FailureClass(kind), Position(position), Left(left))
    assert found.action == action
    assert found.billed == billed
    status = "event" if found.status is None else str(found.status)
    assert seen == ("another's answer" if found.code is None else f"{status} {found.code}")
    assert (found.key, found.breaker) == (key, note)


def test_the_table_has_every_class_at_every_position_and_no_row_twice():
    assert len(ROWS) == len({row[:3] for row in ROWS}) >= 80
    assert {row[:3] for row in ROWS} == {(k, p, e) for k in FailureClass for p in Position for e in Left}


def test_a_refusal_goes_on_to_the_next_provider_only_when_the_route_says_so():
    refused = (FailureClass.REFUSAL, Position.BEFORE_CONTENT)
    assert react(*refused, Left.OFFERS).action is Action.TELL
    assert react(*refused, Left.OFFERS, next_after_refusal=True).action is Action.NEXT
    assert react(*refused, Left.NOTHING, next_after_refusal=True).action is Action.TELL
    fault = (FailureClass.REQUEST_FAULT, Position.BEFORE_CONTENT, Left.OFFERS)
    assert react(*fault, next_after_refusal=True).action is Action.TELL


RULES = [(name, rule) for name, spoken in sorted(DIALECTS.items()) for rule in spoken.errors]


@pytest.mark.parametrize(("name", "rule"), RULES, ids=lambda each: each if isinstance(each, str) else each.kind)
def test_every_row_of_every_dialects_error_table_has_a_reaction_that_the_breakers_share(name, rule):
    breakers = Breakers()
    note = react(rule.kind, Position.BEFORE_CONTENT, Left.OFFERS).breaker
    breakers.failed((f"{name}:model", "key"), rule.kind, 0.0, None)
    assert (breakers.wait(f"{name}:model", "key", 0.0) > 0) == (note in (BreakerNote.RESTS_KEY, BreakerNote.RESTS_PAIR))
    assert (breakers.wait(f"{name}:other", "key", 0.0) > 0) == (note is BreakerNote.RESTS_KEY)
