"""Calls that several attempts told, as each provider's bill has them."""

import pytest

from smartoken.usage.records import OUTRUN, attempts_told, told_by_each


def an_attempt(provider, usage=None, cost=None, message=None):
    made = {"provider": provider, "offer": f"{provider}:alpha", "key": "main", "message": message, "failure": None}
    if usage is not None:
        made["usage"] = dict(zip(("prompt_tokens", "cached_tokens", "completion_tokens"), usage, strict=True))
    if cost is not None:
        made["cost"] = {"nano": cost, "currency": "CNY"}
    return made


def a_row(*attempts):
    last = attempts[-1]
    return {
        "id": "call_1", "provider": last["provider"], "offer": last["offer"], "model_served": "alpha-2",
        "prompt_tokens": 30, "cached_tokens": 0, "completion_tokens": 9, "cost_nano": 77, "cost_currency": "CNY",
        "attempts": list(attempts),
    }  # fmt: skip


PLAIN = [
    a_row(an_attempt("up1")),
    a_row(an_attempt("up1", message="cut"), an_attempt("up2")),
    a_row(an_attempt("up1", (10, 0, 3))),  # it broke off, and was not continued
    a_row(an_attempt("up1", (10, 0, 0), 5, OUTRUN), an_attempt("up2")),
]


@pytest.mark.parametrize("row", PLAIN)
def test_a_call_that_one_attempt_told_is_one_line_as_it_is(row):
    assert told_by_each(row) == [row]


def test_a_continued_call_is_a_line_for_each_provider_with_its_own_counts_and_cost():
    parts = an_attempt("up1", (10, 2, 3), 40), an_attempt("up2", (20, 0, 6), 37)
    told = told_by_each(a_row(parts[0], an_attempt("up3", message="overloaded"), parts[1]))
    names = ("provider", "offer", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_nano", "model_served")
    assert [tuple(each[name] for name in names) for each in told] == [
        ("up1", "up1:alpha", 10, 2, 3, 40, None),
        ("up2", "up2:alpha", 20, 0, 6, 37, "alpha-2"),
    ]


def test_a_part_of_unknown_cost_stays_unknown():
    first, _ = told_by_each(a_row(an_attempt("up1", (10, 0, 3)), an_attempt("up2", (20, 0, 6), 37)))
    assert (first["cost_nano"], first["cost_currency"]) == (None, None)


def test_what_an_attempt_cost_is_shown_to_the_staff_alone():
    attempts = [an_attempt("up1", (10, 0, 3), 40), an_attempt("up2")]
    assert all("cost" not in each for each in attempts_told(attempts))
    assert attempts_told(attempts, costs=True)[0]["cost"] == {"amount": "0.00000004", "currency": "CNY"}
