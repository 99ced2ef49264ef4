"""The list's filters: what each word keeps, and that an address says all of it."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.web import filters
from smartoken.web.filters import CAN, CONTEXTS, SORTS, Filter
from smartoken.web.views import Row


def row(name, **facts):
    """A model with nothing special about it."""
    usual = {
        "id": f"maker/{name}", "name": name, "family": "plain", "vendor": "maker", "status": "current",
        "description": "", "context": 100_000, "max_output": 1_000, "input": 1_000_000, "cached": 1_000_000,
        "output": 2_000_000, "more_prices": "", "abilities": (), "released": None, "ready": False, "play": False,
        "missing": (), "regions": (),
    }  # fmt: skip
    return Row(**{**usual, **facts})


ROWS = [
    row("cheap", input=100_000, output=9_000_000),
    row("eyes", abilities=("vision", "tools"), context=1_000_000),
    row("free", input=0, cached=0, output=0),
    row("old", status="legacy"),
    row("ready", ready=True, family="other"),
    row("unpriced", input=None, cached=None, output=None),
    row("play", play=True, ready=True),
]
TABLE = [
    ("", "cheap eyes free ready unpriced play"),
    ("older=1", "cheap eyes free old ready unpriced play"),
    ("can=vision", "eyes"),
    ("can=vision&can=tools", "eyes"),
    ("can=vision&can=json", ""),
    ("can=nonsense", "cheap eyes free ready unpriced play"),
    ("context=128000", "eyes"),
    ("context=many", "cheap eyes free ready unpriced play"),
    ("price=0.1", "cheap free"),
    ("price=0", "free"),
    ("price=-1", "cheap eyes free ready unpriced play"),
    ("price=NaN", "cheap eyes free ready unpriced play"),
    ("family=other", "ready"),
    ("ready=1", "ready play"),
    ("q=CHEAP", "cheap"),
    ("q=maker+ey", "eyes"),
    ("q=nothing", ""),
    ("sort=input", "free cheap eyes ready unpriced play"),
    ("sort=output", "free eyes ready cheap unpriced play"),
    ("sort=context", "eyes cheap free ready unpriced play"),
    ("sort=nonsense", "cheap eyes free ready unpriced play"),
]


def asked(query):
    """A query string as pages are handed it."""
    return {name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()}


@pytest.mark.parametrize(("query", "names"), TABLE)
def test_a_filter_keeps_what_it_says_in_the_order_asked_for(query, names):
    found = filters.apply(ROWS, filters.read(asked(query)))
    assert [each.name for each in found] == names.split()


FILTERS = st.builds(
    Filter,
    q=st.text("ab c/.-", max_size=8).map(str.strip),
    can=st.sets(st.sampled_from(CAN)).map(lambda chosen: tuple(each for each in CAN if each in chosen)),
    context=st.sampled_from((0, *CONTEXTS)),
    max_price=st.sampled_from(("", "0", "0.5", "12")),
    family=st.sets(st.sampled_from(("a", "b", "c"))).map(lambda chosen: tuple(sorted(chosen))),
    ready=st.booleans(),
    older=st.booleans(),
    sort=st.sampled_from(tuple(SORTS)),
)


@given(FILTERS)
def test_an_address_says_all_of_a_filter(wanted):
    _, _, query = wanted.address().partition("?")
    assert filters.read(asked(query)) == wanted


@given(FILTERS)
def test_a_filter_only_takes_away(wanted):
    every = filters.apply(ROWS, Filter(older=True))
    assert {each.name for each in filters.apply(ROWS, wanted)} <= {each.name for each in every}


def test_pages_hold_fifty_rows_and_the_last_one_is_the_last():
    rows = [row(f"m{number:03}") for number in range(120)]
    first, pages = filters.page_of(rows, 1)
    last, _ = filters.page_of(rows, 99)
    assert (len(first), pages, len(last)) == (50, 3, 20)
