"""What the records of calls tell of a drill on live traffic."""

import pytest

from smartoken.operations.drill_evidence import evidence
from smartoken.operations.drill_figures import live_figures

PRIMARY, OTHER = "up1:alpha", "up2:alpha"


def attempt(offer, failure=None, ttft_ms=None):
    return {"offer": offer, "failure": failure, "ttft_ms": ttft_ms, "why": None}


def call(*attempts, end="completed", ttft_ms=None, **more):
    return {"id": "call_1", "offer": attempts[-1]["offer"] if attempts else None, "status": 200, "error_code": None,
            "end_reason": end, "charge_nano": 10, "cost_nano": 4, "cost_currency": "CNY", "ttft_ms": ttft_ms,
            "total_ms": 20, "attempts": list(attempts), **more}  # fmt: skip


CALLS = {
    "left alone": call(attempt(PRIMARY, ttft_ms=3), ttft_ms=3),
    "taken over": call(attempt(PRIMARY, "timeout"), attempt(OTHER, ttft_ms=9), ttft_ms=9),
    "lost": call(attempt(PRIMARY, "timeout"), attempt(OTHER, "timeout"), end="upstream_error", error_code="upstream_x"),
    "cut": call(attempt(PRIMARY, "cut", 3), end="upstream_cut", ttft_ms=3, error_code="upstream_cut"),
    "gone on": call(attempt(PRIMARY, "cut", 3), attempt(OTHER, ttft_ms=8), ttft_ms=3),
    "ours": call(attempt(PRIMARY), end="our_fault", error_code="internal_error"),
    "hung up": call(attempt(PRIMARY, ttft_ms=3), end="client_left", ttft_ms=3),
    "refused by us": call(end="refused", error_code="budget_exceeded"),
}
# calls | struck | how it ended | what speaks against it
VERDICTS = [
    (["left alone", "taken over", "cut", "gone on", "hung up", "refused by us"], 3, "finished", []),
    (["left alone"], 2, "finished", []),  # a slow first token leaves no failure behind
    (["left alone"], 0, "finished", ["struck no call"]),
    ([], 0, "finished", ["struck no call"]),
    (["lost", "taken over"], 2, "finished", ["nothing had reached"]),
    (["ours", "taken over"], 1, "finished", ["did not touch"]),
    (["taken over"], 1, "stopped", ["somebody stopped"]),
]


def figures(names, struck=1, ended="finished", before=()):
    parts = {"here": {"attempts": struck, "struck": struck}, "there": {"attempts": 2, "struck": 0}}
    return live_figures(PRIMARY, [CALLS[each] for each in before], [CALLS[each] for each in names], parts, ended)


@pytest.mark.parametrize(("names", "struck", "ended", "against"), VERDICTS)
def test_a_drill_of_live_traffic_passes_only_when_nothing_speaks_against_it(names, struck, ended, against):
    found = figures(names, struck, ended)
    assert found["passed"] is (not against)
    assert len(found["why_not"]) == len(against)
    assert all(part in why for part, why in zip(against, found["why_not"], strict=True))


def test_calls_are_told_apart_by_what_the_failed_attempt_at_the_primary_had_passed_on():
    found = figures(CALLS)
    counted = {name: found[name] for name in (
        "calls", "broken_calls", "eligible", "eligible_answered", "after_content", "ended_honestly", "untouched",
        "untouched_answered", "hung_up", "workers", "attempts_at_primary", "broken_attempts",
    )}  # fmt: skip
    assert counted == {
        "calls": 7, "broken_calls": 4, "eligible": 2, "eligible_answered": 1, "after_content": 2, "ended_honestly": 1,
        "untouched": 3, "untouched_answered": 1, "hung_up": 1, "workers": 2, "attempts_at_primary": 3,
        "broken_attempts": 1,
    }  # fmt: skip
    assert found["errors_to_clients"] == {"upstream_x": 1, "upstream_cut": 1, "internal_error": 1}
    assert found["failed_attempts_by_cause"] == {"timeout": 3, "cut": 2}
    assert found["cost_of_failed_attempts"] == {"CNY": "0.000000004"}
    assert [each["fault"] for each in found["rows"]] == ["before content"] * 2 + ["after content"] * 2


def test_times_are_set_against_those_before_the_drill():
    found = figures(["left alone", "taken over"], before=["left alone"])
    assert found["ttft_ms"]["p50"] == {"without_fault": 3, "with_fault": 6.0, "added": 3.0}
    assert found["unaffected_ttft_ms"]["p50"]["added"] == 0


def test_the_page_of_evidence_says_that_it_was_live_traffic_on_how_many_workers_and_what_it_did():
    terms = {"fault": "hang", "percent": 50, "live": "test/alpha"}
    drill = {"id": "drill_1", "model": "test/alpha", "at": "2026-11-25T08:00:00Z", "actor": "root", "passed": False,
             "terms": terms, "result": figures(CALLS)}  # fmt: skip
    page = evidence(drill)
    assert "; live traffic\n" in page
    assert "- **Failed**: calls that failed although nothing had reached their client: 1" in page
    assert "| workers | 2 |" in page
    assert page.count("| call_1 |") == 4


# back after | rests | what the page says of both
WORDS = [
    (3.2, None, ("3.2", "it answers again")),
    (None, 55.0, ("not while the drill waited", "55.0")),
]


@pytest.mark.parametrize(("back", "rests", "told"), WORDS)
def test_the_page_of_evidence_says_in_words_what_has_no_figure(back, rests, told):
    result = figures(CALLS) | {"primary_back_after_s": back, "primary_rests_s": rests}
    terms = {"fault": "hang", "percent": 50, "live": None}
    drill = {"id": "drill_1", "model": "test/alpha", "at": "2026-11-25T08:00:00Z", "actor": "root", "passed": True}
    page = evidence({**drill, "terms": terms, "result": result})
    assert f"| primary back after s | {told[0]} |\n| primary rests s | {told[1]} |" in page
    assert "None" not in page
