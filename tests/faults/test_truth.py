"""The audit finds what it is there to find."""

import pytest

from faults.truth import HALF_ASKED, LEAVES, LEFT_BLIND, STAYS, Truth, ghosts


def a_row(asker, **facts):
    plain = {"id": f"call of {asker}", "user": asker, "end_reason": "completed", "usage_source": "reported"}
    return {**plain, "charge_nano": 10, "completion_tokens": 60, **facts}


def a_truth(kind, *, heard=True, tokens=60):
    truth = Truth()
    seen = truth.asked(kind)
    if heard:
        truth.heard(seen, f"call of {seen.user}")
    if tokens is not None:
        truth.upstream.append({"keys": [seen.user], "tokens_sent": tokens})
    return truth, seen.user


NO_GHOSTS = {
    "a whole call": (STAYS, {}, {}),
    "a client that left unheard": (LEFT_BLIND, {"heard": False}, {}),
    "a client that left": (LEAVES, {"tokens": 7}, {"completion_tokens": 7, "usage_source": "counted"}),
    "an estimate that is near": (LEAVES, {"tokens": 30}, {"completion_tokens": 31, "usage_source": "counted"}),
    "a call that never left": (
        STAYS,
        {"heard": False, "tokens": None},
        {"end_reason": "unknown_dispatch", "charge_nano": 0, "completion_tokens": None, "usage_source": None},
    ),
}
GHOSTS = {
    "a charge for more than was sent": (STAYS, {"tokens": 59}, {}),
    "a checkpoint of more than was sent": (STAYS, {"tokens": 5}, {"completion_tokens": 6, "usage_source": "recovered"}),
    "a charge for what no upstream was asked": (LEFT_BLIND, {"heard": False, "tokens": None}, {}),
    "a call of half a body": (HALF_ASKED, {"heard": False}, {"charge_nano": 0}),
    "another id than was heard": (STAYS, {}, {"id": "call_other"}),
    "somebody else's": (STAYS, {}, {"user": "nobody"}),
    "an upstream that was asked unnoted": (STAYS, {}, {"end_reason": "unknown_dispatch", "charge_nano": 0}),
}


@pytest.mark.parametrize("name", NO_GHOSTS)
def test_what_the_truth_knows_is_no_ghost(name):
    kind, seen, facts = NO_GHOSTS[name]
    truth, user = a_truth(kind, **seen)
    assert ghosts(truth, [a_row(user, **facts)]) == []


@pytest.mark.parametrize("name", GHOSTS)
def test_what_the_truth_does_not_know_is_a_ghost(name):
    kind, seen, facts = GHOSTS[name]
    truth, user = a_truth(kind, **seen)
    assert ghosts(truth, [a_row(user, **facts)])


@pytest.mark.parametrize("kind", [STAYS, LEFT_BLIND])
def test_a_second_record_of_one_request_is_a_ghost_also_when_its_client_left_unheard(kind):
    truth, user = a_truth(kind, heard=kind == STAYS)
    assert len(ghosts(truth, [a_row(user), a_row(user, id="call_again", charge_nano=0)])) == 2


def test_what_was_sent_upstream_without_a_record_is_found():
    truth, user = a_truth(LEFT_BLIND, heard=False, tokens=0)
    assert ghosts(truth, []) == [(user, "sent upstream without a record")]
