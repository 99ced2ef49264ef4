"""Every record says why it ended as it did, and whose counts it was charged by."""

import pytest

from smartoken.gateway.call import EndReason
from smartoken.tokens import UsageSource
from smartoken.usage.reasons import reason_of

# end, usage source, suspect, failure of the last attempt, error that was told -> the sentence
ROWS = [
    ("completed", "reported", False, None, None, "The provider ended the answer; the counts are the provider's."),
    (
        "completed",
        "reported",
        True,
        None,
        None,
        "The provider ended the answer; the counts are the provider's; what could not be true of them was bounded.",
    ),
    (
        "length",
        "counted",
        False,
        None,
        None,
        "The answer reached its limit; the provider sent no counts, so they are ours.",
    ),
    (
        "upstream_cut",
        "counted",
        False,
        "cut",
        "upstream_cut",
        "The answer broke off on its way from the provider (cut); the provider sent no counts, so they are ours.",
    ),
    ("refused", None, False, None, "budget_exceeded", "The call was refused (budget_exceeded)."),
    ("upstream_error", None, False, "rate_limit", "upstream_unavailable", "No provider answered (rate_limit)."),
]


@pytest.mark.parametrize(("end", "source", "suspect", "failure", "error", "sentence"), ROWS)
def test_the_reason_names_the_end_its_cause_and_whose_counts_they_are(end, source, suspect, failure, error, sentence):
    row = {"end_reason": end, "usage_source": source, "suspect": suspect, "error_code": error}
    assert reason_of({**row, "attempts": [{"failure": failure}] if failure else []}) == sentence


@pytest.mark.parametrize("end", list(EndReason))
@pytest.mark.parametrize("source", [None, *UsageSource])
def test_there_is_a_sentence_for_every_end_and_source(end, source):
    row = {"end_reason": end.value, "usage_source": source and source.value, "suspect": False, "error_code": None}
    said = reason_of({**row, "attempts": []})
    assert said.endswith(".")
    assert said[0].isupper(), "no end is told by its code alone"
    assert source is None or ";" in said
