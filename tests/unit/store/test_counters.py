"""Rate limits in memory: minutes that refill, places for calls at once, shares of workers, bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.store import counters as module
from smartoken.store.counters import PLACES, REQUESTS, TOKENS, Limits, MemoryCounters


@pytest.fixture
def counters(manual_clock):
    return MemoryCounters(manual_clock.monotonic)


def let_in(counters, limits, attempts, tokens=0, name="key"):
    """Return how many of a number of attempts are let in."""
    return sum(counters.enter(name, limits, tokens) is None for _ in range(attempts))


# limit, attempts, seconds that pass, attempts again: how many are let in before and after
REFILLS = [
    (60, 100, 0, 100, 60, 0),
    (60, 100, 1, 100, 60, 1),
    (60, 100, 30, 100, 60, 30),
    (60, 100, 60, 100, 60, 60),
    (60, 100, 3600, 100, 60, 60),
    (60, 10, 5, 100, 10, 55),
    (1, 5, 59, 5, 1, 0),
    (1, 5, 60, 5, 1, 1),
    (600, 1000, 0.5, 1000, 600, 5),
]


@pytest.mark.parametrize("row", REFILLS)
def test_requests_refill_with_time(counters, manual_clock, row):
    limit, first, pause, second, let_in_first, let_in_second = row
    assert let_in(counters, Limits(rpm=limit), first) == let_in_first
    manual_clock.advance(pause)
    assert let_in(counters, Limits(rpm=limit), second) == let_in_second


def test_a_refusal_says_which_limit_and_when(counters):
    limits = Limits(rpm=2)
    let_in(counters, limits, 2)
    over = counters.enter("key", limits, 0)
    assert (over.what, over.limit, over.retry_after_s) == (REQUESTS, 2, pytest.approx(30))


def test_coming_back_when_told_is_let_in(counters, manual_clock):
    limits = Limits(rpm=7, tpm=1000)
    for _ in range(50):
        over = counters.enter("key", limits, 130)
        if over is not None:
            manual_clock.advance(over.retry_after_s + 0.001)
            assert counters.enter("key", limits, 130) is None


def test_tokens_are_counted_by_amount(counters, manual_clock):
    limits = Limits(tpm=1000)
    assert counters.enter("key", limits, 600) is None
    over = counters.enter("key", limits, 600)
    assert (over.what, over.limit, over.retry_after_s) == (TOKENS, 1000, pytest.approx(12))
    assert counters.enter("key", limits, 400) is None
    manual_clock.advance(over.retry_after_s + 24)
    assert counters.enter("key", limits, 600) is None


def test_a_call_beyond_a_minutes_tokens_goes_through_on_a_full_bucket(counters):
    assert counters.enter("key", Limits(tpm=100), 5000) is None
    assert counters.enter("key", Limits(tpm=100), 1).retry_after_s == pytest.approx(60.6)


def test_what_a_call_did_not_use_is_given_back_and_what_it_used_beyond_is_taken(counters):
    limits = Limits(tpm=1000)
    counters.enter("key", limits, 1000)
    counters.adjust("key", -300)
    assert counters.enter("key", limits, 300) is None
    counters.adjust("key", 500)
    assert counters.enter("key", limits, 1).retry_after_s == pytest.approx(501 * 60 / 1000)


def test_a_debt_is_at_most_a_minutes_worth(counters):
    limits = Limits(tpm=1000)
    counters.enter("key", limits, 10)
    counters.adjust("key", 1_000_000)
    assert counters.enter("key", limits, 1000).retry_after_s == pytest.approx(120)


def test_giving_back_fills_no_more_than_a_minute(counters):
    limits = Limits(tpm=1000)
    counters.enter("key", limits, 0)
    counters.adjust("key", -1_000_000)
    assert let_in(counters, limits, 20, tokens=100) == 10


def test_a_request_refused_for_its_tokens_counts_as_no_request(counters):
    limits = Limits(rpm=2, tpm=100)
    assert counters.enter("key", limits, 100) is None
    assert let_in(counters, limits, 5, tokens=50) == 0
    assert let_in(counters, limits, 5, tokens=0) == 1


def test_places_are_taken_and_given_back(counters):
    limits = Limits(concurrency=2)
    assert let_in(counters, limits, 5) == 2
    assert counters.enter("key", limits, 0).what == PLACES
    counters.leave("key")
    assert let_in(counters, limits, 5) == 1


def test_leaving_more_often_than_entering_makes_no_places(counters):
    limits = Limits(concurrency=2)
    for _ in range(5):
        counters.leave("key")
    assert let_in(counters, limits, 5) == 2


def test_names_are_counted_apart(counters):
    limits = Limits(rpm=1, concurrency=1)
    assert let_in(counters, limits, 3, name="a") == 1
    assert let_in(counters, limits, 3, name="b") == 1


def test_no_limit_lets_everything_in(counters):
    assert let_in(counters, Limits(), 1000, tokens=10**9) == 1000


@pytest.mark.parametrize(("limit", "workers", "share"), [(10, 1, 10), (10, 2, 5), (10, 3, 4), (1, 4, 1), (7, 7, 1)])
def test_each_of_n_workers_enforces_its_share(manual_clock, limit, workers, share):
    counters = MemoryCounters(manual_clock.monotonic, workers)
    assert let_in(counters, Limits(rpm=limit), 100, name="a") == share
    assert let_in(counters, Limits(concurrency=limit), 100, name="b") == share
    assert counters.enter("a", Limits(rpm=limit), 0).limit == limit  # what the caller is told is the key's own


def test_a_limit_that_is_lowered_or_raised_applies_at_once(counters):
    let_in(counters, Limits(rpm=100), 90)
    assert let_in(counters, Limits(rpm=5), 10) == 5
    assert let_in(counters, Limits(rpm=5), 10) == 0
    assert let_in(counters, Limits(rpm=25), 50) == 20


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 400)), max_size=200), st.integers(1, 500))
def test_no_minute_ever_holds_more_than_twice_its_limit(steps, limit):
    """A full bucket at the start and what refills meanwhile: the known bound of this scheme."""
    now = [0.0]
    counters = MemoryCounters(lambda: now[0])
    taken = []
    for pause, tokens in steps:
        now[0] += pause
        if counters.enter("key", Limits(tpm=limit), min(tokens, limit)) is None:
            taken.append((now[0], min(tokens, limit)))
    for start, _ in taken:
        assert sum(amount for at, amount in taken if start <= at < start + 60) <= 2 * limit + 1e-6


def test_memory_is_bounded_and_calls_under_way_are_not_forgotten(counters):
    assert counters.enter("under way", Limits(concurrency=1), 0) is None
    for index in range(module.MAX_NAMES + 10):
        name = f"{index}"
        counters.enter(name, Limits(rpm=1), 0)
        counters.leave(name)
    assert len(counters._counts) <= module.MAX_NAMES
    assert counters.enter("under way", Limits(concurrency=1), 0).what == PLACES
