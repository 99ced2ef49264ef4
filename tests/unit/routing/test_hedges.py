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


@given(st.integers(0, 100), st.lists(st.booleans(), max_size=400))
def test_never_more_than_the_percentage_of_the_calls_has_a_second_attempt(percent, slow):
    hedges, second = Hedges(), 0
    for calls, waits in enumerate(slow, 1):
        hedges.earn("test/alpha", percent)
        if waits and hedges.spend("test/alpha"):
            second += 1
        assert second * 100 <= calls * percent
        assert not hedges.spend("test/beta")


def test_a_quiet_time_saves_up_a_few_and_no_more():
    hedges = Hedges()
    for _ in range(10_000):
        hedges.earn("test/alpha", 10)
    started = 0
    while hedges.spend("test/alpha"):
        started += 1
    assert started == IN_HAND


def test_what_was_not_started_after_all_is_given_back():
    hedges = Hedges()
    hedges.earn("test/alpha", 100)
    assert hedges.spend("test/alpha")
    hedges.give_back("test/alpha")
    assert [hedges.spend("test/alpha"), hedges.spend("test/alpha")] == [True, False]
