"""Whether a drill passes, from what its clients were told and when the fault met their calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.gateway.faults import Strike
from smartoken.gateway.verdict import DONE, Told, judged
from smartoken.operations.drill_figures import compared
from smartoken.usage.records import COLUMNS, CallRecord

CONTENT = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
HONEST = b'data: {"choices":[{"finish_reason":"error"}],"error":{"code":"upstream_cut"}}\n\n'
FATAL, HARMLESS = Strike(fatal=True), Strike(fatal=False)
PRIMARY, OTHER = "up1:alpha", "up2:alpha"


def record(offer, attempts, **more):
    blank = dict.fromkeys(COLUMNS)
    return CallRecord(**{**blank, "id": "call_1", "offer": offer, "charge_nano": 7, "status": 200,
                         "end_reason": "completed", "attempts": attempts, **more})  # fmt: skip


def attempt(offer, failure=None, why=None):
    return {"offer": offer, "failure": failure, "why": why}


def client(*happened, body, status=200, why=None, **more):
    """A client to which these things happened in this order: "content", or a strike."""
    told = Told(status=status, body=body, total_ms=10.0)
    struck = False
    for each in happened:
        if each == "content":
            told.ttft_ms = 5.0
        else:
            told.struck(each)
            struck = True
    tried = [attempt(PRIMARY, "cut"), attempt(OTHER, None, why)] if struck else [attempt(PRIMARY)]
    told.record = record(tried[-1]["offer"], tried, **more)
    return told


def told_of(kind):
    """Make a client of a kind; see CASES."""
    return {
        "untouched": lambda: client("content", body=CONTENT + DONE),
        "taken over": lambda: client(FATAL, "content", body=CONTENT + DONE),
        "lost before content": lambda: client(FATAL, body=HONEST, status=200, end_reason="upstream_cut"),
        "refused before content": lambda: client(FATAL, body=b"{}", status=503, end_reason="upstream_error"),
        "honest": lambda: client("content", FATAL, body=CONTENT + HONEST, end_reason="upstream_cut"),
        "silent": lambda: client("content", FATAL, body=CONTENT, end_reason="upstream_cut"),
        "stitched": lambda: client("content", FATAL, body=CONTENT + DONE),
        "continued": lambda: client("content", FATAL, body=CONTENT + DONE, why="goes on after 5 characters"),
        "harmless": lambda: client("content", HARMLESS, body=CONTENT + DONE),
        "untouched and lost": lambda: client(body=b"{}", status=503, end_reason="upstream_error"),
        "hung up": lambda: client("content", body=CONTENT, end_reason="client_left"),
    }[kind]()


CASES = [
    # clients | how it ended | what speaks against it
    (["taken over"], "finished", []),
    (["taken over", "untouched", "honest"], "finished", []),
    (["harmless"], "finished", []),
    (["continued"], "finished", []),
    (["untouched"], "finished", ["struck no call"]),
    ([], "finished", ["struck no call"]),
    (["lost before content"], "finished", ["nothing had reached their client: 1"]),
    (["refused before content", "taken over"], "finished", ["nothing had reached their client: 1"]),
    (["silent"], "finished", ["that did not end honestly: 1"]),
    (["stitched"], "finished", ["that did not end honestly: 1"]),
    (["taken over", "untouched and lost"], "finished", ["did not touch"]),
    (["taken over"], "cut_short", ["time was over"]),
    (["taken over"], "stopped", ["somebody stopped"]),
    (["taken over", "hung up"], "stopped", ["somebody stopped"]),
]


@pytest.mark.parametrize(("kinds", "ended", "against"), CASES)
def test_a_drill_passes_only_when_nothing_speaks_against_it(kinds, ended, against):
    result = judged(PRIMARY, [], [told_of(each) for each in kinds], ended, lambda _: None)
    assert result["passed"] is (not against)
    assert len(result["why_not"]) == len(against)
    assert all(part in why for part, why in zip(against, result["why_not"], strict=True))


def test_a_call_is_eligible_by_what_its_client_had_when_the_fault_came_and_not_by_how_it_ended():
    told = [told_of(each) for each in ("lost before content", "taken over", "honest", "untouched", "hung up")]
    result = judged(PRIMARY, [], told, "finished", lambda _: None)
    counted = {name: result[name] for name in ("calls", "eligible", "after_content", "untouched", "hung_up")}
    assert counted == {"calls": 4, "eligible": 2, "after_content": 1, "untouched": 1, "hung_up": 1}
    assert result["broken_calls"] == 3


def test_money_of_attempts_that_came_to_nothing_is_added_up_by_currency():
    late = client("content", FATAL, body=CONTENT + HONEST, end_reason="upstream_cut", cost_nano=5, cost_currency="CNY")
    taken = client(Strike(fatal=True, answer=b"whole"), body=b'{"choices":[]}')
    priced = {b"whole": ("USD", 2_000_000_000)}
    result = judged(PRIMARY, [], [late, taken], "finished", priced.get)
    assert result["cost_of_failed_attempts"] == {"CNY": "0.000000005", "USD": "2.00"}


def test_only_calls_that_the_primary_answered_at_once_say_what_the_drill_adds_to_those_it_does_not_touch():
    before = [told_of("untouched"), told_of("taken over")]
    during = [told_of("untouched"), told_of("untouched"), told_of("taken over")]
    during[0].ttft_ms = 5.5
    during[1].ttft_ms = 5.5
    found = judged(PRIMARY, before, during, "finished", lambda _: None)["unaffected_ttft_ms"]
    assert (found["calls_without"], found["calls_with"]) == (1, 2)
    assert found["p50"] == {"without_fault": 5.0, "with_fault": 5.5, "added": 0.5}


@given(st.lists(st.floats(0, 1e5), min_size=1), st.lists(st.floats(0, 1e5), min_size=1))
def test_the_95th_percentile_is_one_of_the_figures_and_no_smaller_than_most(before, during):
    found = compared(before, during, 9)["p95"]["with_fault"]
    assert any(abs(found - each) < 1e-6 for each in during)
    assert sum(each <= found + 1e-6 for each in during) >= 0.95 * len(during)


def test_figures_that_are_missing_are_not_made_up():
    assert compared([], [1.0])["p50"] == {"without_fault": None, "with_fault": 1.0, "added": None}
