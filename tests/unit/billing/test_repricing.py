"""A charge works out again from the stored version exactly, whatever the price looks like."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.prices import tariff
from smartoken.billing.repricing import FREE_ENDS, Repricer, parts_of, usage_of
from smartoken.catalog.offers import Band, Price
from smartoken.gateway.call import Part
from smartoken.gateway.seams import charge_of, price_lines
from smartoken.gateway.settle import _FREE_ENDS
from smartoken.operations.price_versions import version_of
from smartoken.operations.setup_prices import read_price
from smartoken.tokens import TokenUsage
from unit.billing.price_lists import PRICES, is_holiday

TERMS = {"origin": "book"}


def a_row(price, at_ms, usage, *, thinking=False, **facts):
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    charged = tariff(price, at, is_holiday).charge(usage, thinking=thinking)
    plain = {
        "created_ms": at_ms, "end_reason": "completed", "prompt_tokens": usage.prompt, "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_write, "completion_tokens": usage.completion,
        "reasoning_tokens": usage.reasoning, "charge_nano": charged.nano,
        "price_lines": [{"what": what, "tokens": tokens, "rate": rate} for what, tokens, rate in charged.lines],
    }  # fmt: skip
    return {**plain, **facts}


usages = st.builds(
    lambda prompt, cached, write, completion: TokenUsage(prompt + cached + write, completion, cached, write),
    *(st.integers(0, 600_000) for _ in range(4)),
)
moments = st.integers(1_790_000_000_000, 1_800_000_000_000)


@given(st.sampled_from(sorted(PRICES)), moments, usages, st.booleans())
def test_a_call_s_charge_works_out_from_its_stored_version_exactly(name, at_ms, usage, thinking):
    price = PRICES[name]
    row = a_row(price, at_ms, usage, thinking=thinking)
    stored = version_of(("sell", "test/alpha", ""), price, TERMS).row(0)["price"]
    assert Repricer(is_holiday).exactly(read_price(stored), row) == row["charge_nano"]


@given(st.sampled_from(sorted(PRICES)), moments, usages, st.integers(1, 10**6))
def test_lines_at_other_rates_are_not_taken_for_the_version_s(name, at_ms, usage, off):
    price = PRICES[name]
    row = a_row(price, at_ms, usage)
    lines = [{**each, "rate": each["rate"] + off} for each in row["price_lines"]]
    if usage.prompt or usage.completion:
        found = Repricer(is_holiday).exactly(price, {**row, "price_lines": lines})
        assert found is None or found != row["charge_nano"] or lines == row["price_lines"]


@given(st.sampled_from(sorted(PRICES)), st.sampled_from(sorted(PRICES)))
def test_two_prices_have_one_version_only_if_they_are_the_same(one, two):
    ids = [version_of(("sell", "m", ""), PRICES[name], TERMS).id for name in (one, two)]
    assert (ids[0] == ids[1]) == (PRICES[one] == PRICES[two])


@given(st.sampled_from(sorted(PRICES)), moments, st.lists(st.tuples(usages, st.booleans()), min_size=2, max_size=3))
def test_an_answer_that_several_offers_told_works_out_again_part_by_part_and_is_rounded_up_once(name, at_ms, told):
    price, at = PRICES[name], datetime.fromtimestamp(at_ms / 1000, UTC)
    found = tariff(price, at, is_holiday)
    parts = [Part(place, None, usage, thinking) for place, (usage, thinking) in enumerate(told, 1)]
    charged = charge_of(parts, found)
    total = sum((each.usage for each in parts), TokenUsage())
    row = {**a_row(price, at_ms, total), "charge_nano": charged.nano, "price_lines": price_lines(parts, charged)}
    apart = sum(found.charge(each.usage, thinking=each.thinking).nano for each in parts)
    assert apart - len(parts) < charged.nano <= apart
    assert Repricer(is_holiday).exactly(price, row) == charged.nano
    counts = [(usage_of(each).prompt, usage_of(each).completion) for each in parts_of(row)]
    assert counts == ([(each.usage.prompt, each.usage.completion) for each in parts if each.usage.total] or [(0, 0)])
    if found.thinking == found.plain:
        assert Repricer(is_holiday).by(price, row, price) == (charged.nano, False)


USAGE = TokenUsage(100, 10)
BEFORE = Price("USD", (Band(1_000_000, 2_000_000),))
AFTER = Price("USD", (Band(1_500_000, 3_000_000),))
THOUGHTFUL = Price("USD", (Band(10_000, 20_000, thinking=False), Band(10_000, 40_000, thinking=True)))
AT = 1_793_707_200_000
# (row, the price it had, another price, charge by that, whether it is assumed that it thought or not)
AGAIN = [
    (a_row(BEFORE, AT, USAGE), BEFORE, AFTER, 180_000, False),
    (a_row(BEFORE, AT, USAGE, end_reason="upstream_error", charge_nano=0, price_lines=[]), BEFORE, AFTER, 0, False),
    (a_row(BEFORE, AT, USAGE, prompt_tokens=None, charge_nano=5), BEFORE, AFTER, None, False),
    (a_row(BEFORE, AT, USAGE, prompt_tokens=None, charge_nano=0), BEFORE, AFTER, 0, False),
    (a_row(BEFORE, AT, USAGE, cached_tokens=200), BEFORE, AFTER, None, False),
    (a_row(BEFORE, AT, USAGE), BEFORE, THOUGHTFUL, 1_200, True),  # nothing tells whether it thought
    (a_row(THOUGHTFUL, AT, USAGE, thinking=True), THOUGHTFUL, THOUGHTFUL, 1_400, False),
    (a_row(BEFORE, AT, TokenUsage(100, 10, reasoning=4)), BEFORE, THOUGHTFUL, 1_400, False),
]


@pytest.mark.parametrize(("row", "own", "other", "charge", "assumed"), AGAIN)
def test_a_charge_by_another_price_is_worked_out_or_said_to_be_unknown(row, own, other, charge, assumed):
    assert Repricer(is_holiday).by(other, row, own) == (charge, assumed)


def test_an_unknown_count_is_unknown_and_never_zero():
    assert usage_of(a_row(BEFORE, AT, USAGE, completion_tokens=None)) is None


def test_free_ends_are_those_of_the_gateway_and_a_call_that_was_only_begun():
    assert {each.value for each in _FREE_ENDS} | {"unknown_dispatch"} == FREE_ENDS
