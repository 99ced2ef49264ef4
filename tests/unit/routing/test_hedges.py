"""When a second attempt is started beside the first, and how many there may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.routing.hedges import IN_HAND, KEPT, LEAST_SEEN, Hedges

TIMES = [
    # what was seen, the wait in milliseconds where the route says 2,000
    ([], 2_000),
    ([10] * (LEAST_SEEN - 1), 2_000),
    ([10] * LEAST_SEEN, 10),
    (list(range(1, 21)), 19),
    (list(range(1, 101)), 95),
    ([900] + [100] * 99, 100),
    ([900] * 6 + [100] * 94, 900),
    ([900] * 100 + [100] * KEPT, 100),  # the last hundred count
]


@pytest.mark.parametrize(("seen", "wait"), TIMES)
def test_the_wait_is_the_95th_percentile_of_what_was_seen_of_the_offer_or_the_routes_own(seen, wait):
    hedges = Hedges()
    for each in seen:
        hedges.note("up1:alpha", each)
    assert hedges.after_ms("up1:alpha", 2_000) == wait
    assert hedges.after_ms("up2:alpha", 2_000) == 2_000


@given(st.integers(0, 100), st.lists(st.tuples(st.booleans(), st.integers(1, 1_000_000)), max_size=300))
def test_second_attempts_never_add_more_than_the_percentage_of_what_the_calls_could_cost(percent, told):
    hedges, added, in_all = Hedges(), 0, 0
    for slow, worth in told:
        hedges.earn("test/alpha", percent, worth)
        in_all += worth
        if slow and hedges.spend("test/alpha", worth):
            added += worth
        assert added * 100 <= in_all * percent
        assert not hedges.spend("test/beta", worth)


def test_a_long_call_does_not_ride_on_the_allowance_of_a_few_short_ones():
    hedges = Hedges()
    for _ in range(20):
        hedges.earn("test/alpha", 10, 1_000)
    hedges.earn("test/alpha", 10, 100_000)
    assert not hedges.spend("test/alpha", 100_000)
    assert hedges.spend("test/alpha", 1_000)


def test_a_quiet_time_saves_up_a_few_and_no_more():
    hedges = Hedges()
    for _ in range(10_000):
        hedges.earn("test/alpha", 10, 500)
    started = 0
    while hedges.spend("test/alpha", 500):
        started += 1
    assert started == IN_HAND


def test_what_was_not_started_after_all_is_given_back():
    hedges = Hedges()
    hedges.earn("test/alpha", 100, 7)
    assert hedges.spend("test/alpha", 7)
    hedges.give_back("test/alpha", 7)
    assert [hedges.spend("test/alpha", 7), hedges.spend("test/alpha", 7)] == [True, False]
