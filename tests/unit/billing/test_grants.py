"""Which funds pay, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.grants import Fund, burn, burn_order, covers, in_force

# Instants are small numbers; a call to test/alpha comes at 100. Funds stand in the order in which they burn.
ORDER = """
fund       | priority effective expires promotional models
g-early    |        0         -     200 yes         -
g-late     |        0         -     300 yes         -
g-paid     |        0         -     300 no          -
g-never-a  |        0         -       - yes         -
g-never-b  |        0       100       - yes         test/*
w-paid     |        0         -       - no          -
g-second   |        1         -     150 yes         -
w-last     |      100         -       - no          -
"""
PASSED_OVER = """
g-ended    |        0         -     100 yes         -
g-coming   |        0       101       - yes         -
g-other    |        0         -       - yes         real/*
"""


def fund(line):
    name, _, facts = line.partition("|")
    priority, effective, expires, promotional, models = facts.split()
    return Fund(
        name.strip(),
        int(priority),
        None if effective == "-" else int(effective),
        None if expires == "-" else int(expires),
        promotional == "yes",
        () if models == "-" else tuple(models.split(",")),
    )


LISTED = [fund(line) for line in ORDER.strip().splitlines()[1:]]
OTHERS = [fund(line) for line in PASSED_OVER.strip().splitlines()]


@given(st.permutations(LISTED + OTHERS))
def test_funds_burn_by_priority_then_expiry_then_kind_then_id(shuffled):
    assert list(burn_order(shuffled, "test/alpha", 100)) == LISTED


@pytest.mark.parametrize(
    ("models", "excepted", "model", "expected"),
    [
        ((), (), "any/thing", True),
        (("test/alpha",), (), "test/alpha", True),
        (("test/alpha",), (), "Test/Alpha", True),
        (("TEST/*",), (), "test/alpha", True),
        (("test/alpha",), (), "test/alpha-2", False),
        (("test/*",), (), "test/", True),
        (("test/*",), (), "other/test/alpha", False),
        (("*/alpha",), (), "test/alpha", True),
        (("*",), (), "test/alpha", True),
        (("a/*", "b/*"), (), "b/x", True),
        (("t.st/*",), (), "test/alpha", False),  # only the star is special
        (("test/[a]*",), (), "test/a", False),
        ((), ("sandbox/*",), "sandbox/echo", False),
        ((), ("sandbox/*",), "Sandbox/Echo", False),
        ((), ("sandbox/*",), "test/alpha", True),
        (("*",), ("sandbox/*",), "sandbox/echo", False),
        (("sandbox/*",), (), "sandbox/echo", True),
        (("sandbox/*",), (), "test/alpha", False),
    ],
)
def test_a_fund_covers_the_models_that_its_patterns_match(models, excepted, model, expected):
    assert covers(Fund("f", models=models, except_models=excepted), model) is expected


@pytest.mark.parametrize(
    ("effective", "expires", "expected"),
    [(None, None, True), (100, None, True), (101, None, False), (None, 101, True), (None, 100, False), (50, 99, False)],
)
def test_a_fund_holds_from_its_beginning_until_just_before_its_end(effective, expires, expected):
    assert in_force(Fund("f", effective_ms=effective, expires_ms=expires), 100) is expected


@pytest.mark.parametrize(
    ("free", "nano", "lines", "rest"),
    [
        ({"a": 10, "b": 10}, 5, (("a", 5),), 0),
        ({"a": 10, "b": 10}, 10, (("a", 10),), 0),
        ({"a": 10, "b": 10}, 15, (("a", 10), ("b", 5)), 0),
        ({"a": 10, "b": 10}, 25, (("a", 10), ("b", 10)), 5),
        ({"a": 0, "b": 10}, 5, (("b", 5),), 0),
        ({"a": -3, "b": 10}, 5, (("b", 5),), 0),
        ({"b": 10}, 5, (("b", 5),), 0),
        ({"a": 10}, 0, (), 0),
        ({}, 4, (), 4),
    ],
)
def test_an_amount_is_split_over_funds_in_their_order(free, nano, lines, rest):
    assert burn(["a", "b"], free, nano) == (lines, rest)
