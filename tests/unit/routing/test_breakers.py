"""Breakers and key pools: what trips, for how long, who may try, and what other workers learn."""

import pytest

from smartoken.errors import FailureClass
from smartoken.routing.breakers import (
    CEILING_S,
    FIRST_REST_S,
    IN_FLIGHT,
    OPEN_CEILING_S,
    OPEN_S,
    TRIAL_S,
    TRIP_FAILURES,
    Breakers,
    Limits,
    State,
)
from smartoken.routing.reactions import KeyState

PAIR = ("up1:alpha", "key_1")
COUNTED = [
    FailureClass.PROVIDER_CAPACITY,
    FailureClass.CONNECT,
    FailureClass.TIMEOUT,
    FailureClass.CUT,
    FailureClass.BAD_ANSWER,
]
OWN_FAULT = [FailureClass.REFUSAL, FailureClass.CONTEXT_LENGTH, FailureClass.REQUEST_FAULT]


def tripped(now=0.0, told=None):
    """Return breakers of which the pair has just opened."""
    breakers = Breakers(told)
    for _ in range(TRIP_FAILURES):
        breakers.failed(PAIR, FailureClass.CONNECT, now, None)
    return breakers


@pytest.mark.parametrize("kind", COUNTED)
def test_a_breaker_opens_when_so_many_of_the_last_attempts_failed_and_not_before(kind):
    breakers = Breakers()
    for _ in range(TRIP_FAILURES - 1):
        breakers.failed(PAIR, kind, 0.0, None)
    assert breakers.wait(*PAIR, 0.0) == 0.0
    breakers.failed(PAIR, kind, 0.0, None)
    assert breakers.wait(*PAIR, 0.0) == OPEN_S


def test_failures_between_many_answers_open_nothing():
    breakers = Breakers()
    for _ in range(100):
        breakers.failed(PAIR, FailureClass.CUT, 0.0, None)
        breakers.succeeded(*PAIR)
        breakers.succeeded(*PAIR)
    assert breakers.wait(*PAIR, 0.0) == 0.0


@pytest.mark.parametrize("kind", OWN_FAULT)
def test_a_request_at_fault_says_nothing_about_the_provider(kind):
    breakers = Breakers()
    for _ in range(50):
        breakers.failed(PAIR, kind, 0.0, None)
    assert breakers.wait(*PAIR, 0.0) == 0.0


@pytest.mark.parametrize("kind", sorted(FIRST_REST_S))
def test_a_failure_of_the_key_rests_it_at_once(kind):
    breakers = Breakers()
    breakers.failed(PAIR, kind, 100.0, None)
    assert breakers.wait(*PAIR, 100.0) == FIRST_REST_S[kind]
    elsewhere = 0.0 if kind is FailureClass.KEY_LACKS_MODEL else FIRST_REST_S[kind]
    assert breakers.wait("up1:beta", "key_1", 100.0) == elsewhere
    assert breakers.wait("up1:alpha", "key_2", 100.0) == 0.0
    assert breakers.hard(*PAIR, 100.0)


def test_one_real_call_is_the_trial_and_its_answer_closes_the_breaker():
    breakers = tripped()
    assert breakers.wait(*PAIR, OPEN_S - 0.1) > 0
    assert breakers.wait(*PAIR, OPEN_S) == 0.0
    breakers.begin(*PAIR, OPEN_S)
    assert breakers.wait(*PAIR, OPEN_S) > 0  # the others wait for the trial
    breakers.end(*PAIR)
    breakers.succeeded(*PAIR)
    assert breakers.wait(*PAIR, OPEN_S) == 0.0
    assert breakers.rows(OPEN_S) == []


def test_a_trial_that_fails_opens_for_twice_as_long_up_to_a_ceiling():
    breakers, now, lengths = tripped(), 0.0, []
    for _ in range(10):
        now += breakers.wait(*PAIR, now)
        breakers.begin(*PAIR, now)
        breakers.failed(PAIR, FailureClass.TIMEOUT, now, None)
        lengths.append(breakers.wait(*PAIR, now))
    assert lengths[:4] == [10.0, 20.0, 40.0, 80.0]
    assert lengths[-1] == OPEN_CEILING_S


def test_a_trial_that_is_the_requests_own_fault_leaves_the_place_to_the_next_call():
    breakers = tripped()
    breakers.begin(*PAIR, OPEN_S)
    breakers.failed(PAIR, FailureClass.REFUSAL, OPEN_S, None)
    assert breakers.wait(*PAIR, OPEN_S) == 0.0


def test_a_trial_that_is_never_heard_of_again_frees_its_place():
    breakers = tripped()
    breakers.begin(*PAIR, OPEN_S)
    assert breakers.wait(*PAIR, OPEN_S + TRIAL_S) == 0.0


@pytest.mark.parametrize(("given", "waits"), [(30.0, 30.0), (0.0, 0.5), (100_000.0, CEILING_S)])
def test_retry_after_is_honoured_within_bounds(given, waits):
    breakers = Breakers()
    breakers.failed(PAIR, FailureClass.OWN_RATE_LIMIT, 0.0, given)
    assert breakers.wait(*PAIR, 0.0) == waits
    overloaded = Breakers()
    overloaded.failed(PAIR, FailureClass.PROVIDER_CAPACITY, 0.0, given)
    assert overloaded.wait(*PAIR, 0.0) == waits


def test_calls_that_were_under_way_when_the_breaker_opened_do_not_lengthen_it():
    breakers = tripped()
    for _ in range(20):
        breakers.failed(PAIR, FailureClass.CONNECT, 1.0, None)
    assert breakers.wait(*PAIR, 1.0) == OPEN_S - 1.0


def test_failures_of_the_provider_leave_a_last_resort_and_those_of_the_key_do_not():
    assert not tripped().hard(*PAIR, 1.0)
    breakers = Breakers()
    breakers.failed(PAIR, FailureClass.KEY_BROKE, 0.0, None)
    assert breakers.hard(*PAIR, 1.0)


def test_every_change_of_state_is_told_once():
    told = []
    breakers = tripped(told=told.append)
    breakers.begin(*PAIR, OPEN_S)
    breakers.succeeded(*PAIR)
    assert [each.state for each in told] == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    assert {(each.offer, each.key, each.cause) for each in told} == {(*PAIR, "connect")}


@pytest.mark.parametrize("kind", [FailureClass.KEY_BROKE, FailureClass.KEY_LACKS_MODEL, FailureClass.OWN_RATE_LIMIT])
def test_an_answer_that_was_under_way_before_a_rest_does_not_end_it(kind):
    breakers = Breakers()
    breakers.failed(PAIR, kind, 10.0, None)
    waits = breakers.wait(*PAIR, 11.0)
    breakers.succeeded(*PAIR, began=9.9)
    assert breakers.wait(*PAIR, 11.0) == waits > 0
    breakers.succeeded(*PAIR, began=10.5)
    assert breakers.wait(*PAIR, 11.0) == 0.0


def test_another_worker_does_the_same_from_what_is_told():
    told = []
    here, there = tripped(told=told.append), Breakers()
    there.take_over(told[0], 100.0, age_s=1.0)
    assert there.wait(*PAIR, 100.0) == OPEN_S - 1.0
    here.succeeded(*PAIR)
    there.take_over(told[-1], 101.0)
    assert there.wait(*PAIR, 101.0) == 0.0


def test_what_was_told_too_late_is_not_taken_over():
    told = []
    tripped(told=told.append)
    there = Breakers()
    there.take_over(told[0], 100.0, age_s=60.0)
    assert there.wait(*PAIR, 100.0) == 0.0


def test_a_key_takes_so_many_calls_a_minute_and_says_when_it_is_back():
    breakers, limits = Breakers(), Limits(rpm=2)
    for _ in range(2):
        assert breakers.wait(*PAIR, 10.0, limits) == 0.0
        breakers.begin(*PAIR, 10.0, limits)
    assert breakers.wait(*PAIR, 30.0, limits) == 40.0
    assert breakers.wait(*PAIR, 70.0, limits) == 0.0


def test_keys_of_one_account_share_their_concurrency():
    breakers, limits = Breakers(), Limits(concurrency=2, group="deepseek")
    breakers.begin("o", "key_1", 0.0, limits)
    assert breakers.wait("o", "key_2", 0.0, limits) == 0.0
    breakers.begin("o", "key_2", 0.0, limits)
    assert breakers.wait("o", "key_3", 0.0, limits) > 0
    breakers.end("o", "key_1", limits)
    assert breakers.wait("o", "key_3", 0.0, limits) == 0.0


def test_keys_of_different_accounts_do_not():
    breakers, limits = Breakers(), Limits(concurrency=1)
    breakers.begin("o", "key_1", 0.0, limits)
    assert breakers.wait("o", "key_2", 0.0, limits) == 0.0


def test_an_offer_with_too_much_under_way_sheds_before_anything_waits():
    breakers = Breakers()
    for _ in range(3):
        breakers.begin(*PAIR, 0.0)
    assert breakers.full(PAIR[0], 3)
    assert not breakers.full(PAIR[0])
    assert IN_FLIGHT > 3
    breakers.end(*PAIR)
    assert not breakers.full(PAIR[0], 3)


def test_the_time_to_first_token_is_a_running_mean():
    breakers = Breakers()
    assert breakers.ttft_ms(PAIR[0]) is None
    breakers.succeeded(*PAIR, 100.0)
    breakers.succeeded(*PAIR, 200.0)
    assert breakers.ttft_ms(PAIR[0]) == 120.0


def test_rests_are_shown_with_the_state_of_the_key_and_the_time_it_comes_back():
    breakers = Breakers()
    breakers.failed(PAIR, FailureClass.KEY_BROKE, 0.0, None)
    (row,) = breakers.rows(20.0)
    assert (row.offer, row.key, row.state, row.key_state, row.wait_s) == ("", "key_1", State.OPEN, KeyState.BROKE, 40.0)


def test_an_operator_lets_everything_be_tried_again():
    breakers = tripped()
    breakers.forget()
    assert breakers.wait(*PAIR, 0.0) == 0.0
