"""Which origins may read, and which preflights are answered."""

import pytest

from smartoken.gateway.cors import cors_headers, preflight_headers

CASES = [
    ([], b"https://a.test", False),
    (["https://a.test"], b"https://a.test", True),
    (["https://a.test"], b"https://a.test.evil", False),
    (["https://a.test"], b"null", False),
    (["*"], b"https://b.test", True),
]


@pytest.mark.parametrize(("allowed", "origin", "granted"), CASES)
def test_an_origin_is_granted_only_by_name_or_star(allowed, origin, granted):
    assert bool(cors_headers(origin, allowed)) is granted
    assert bool(preflight_headers(origin, allowed)) is granted


def test_a_preflight_without_an_origin_grants_nothing():
    assert preflight_headers(None, ["*"]) == []


def test_the_headers_that_sdks_add_in_a_browser_are_allowed():
    taken = dict(preflight_headers(b"https://a.test", ["https://a.test"]))[b"access-control-allow-headers"]
    assert {b"authorization", b"*"} <= set(taken.split(b", "))
