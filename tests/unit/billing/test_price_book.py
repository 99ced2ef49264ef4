"""The price book over time, price lists and their rounding: tables checked by hand, then properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.price_book import (
    Contents,
    PriceList,
    Publication,
    Rule,
    book_at,
    changed_rate,
    changes_after,
    listed_price,
    parse_percent,
    percent_text,
    undo,
)
from smartoken.catalog.offers import Band, Price

A, B, C = (Price("USD", (Band(rate, 2 * rate),)) for rate in (1_000_000, 1_500_000, 2_000_000))


def published(name, from_ms, at_ms=0, **parts):
    return Publication(name, from_ms, at_ms, Contents(**parts))


# Published out of order on purpose: what counts is from when, then in which order it was published.
TIMELINE = (
    published("later", 300, 10, sell={"m": None}),
    published("first", 100, 20, sell={"m": A, "n": A}, lists={"l": PriceList(Rule(-1000))}),
    published("second", 200, 30, sell={"m": B}),
    published("same instant, after", 200, 40, sell={"m": C}),
)
AT = [
    (99, {}, []),
    (100, {"m": A, "n": A}, ["l"]),
    (199, {"m": A, "n": A}, ["l"]),
    (200, {"m": C, "n": A}, ["l"]),
    (299, {"m": C, "n": A}, ["l"]),
    (300, {"n": A}, ["l"]),
]


@pytest.mark.parametrize(("at_ms", "sell", "lists"), AT, ids=[str(row[0]) for row in AT])
def test_the_book_is_what_was_published_until_then(at_ms, sell, lists):
    book = book_at(TIMELINE, at_ms)
    assert (book.sell, list(book.lists)) == (sell, lists)


def test_the_book_says_when_it_changes_and_which_publication_set_what():
    assert changes_after(TIMELINE, 100) == [200, 300]
    assert book_at(TIMELINE, 250).sources == {
        ("sell", "m"): "same instant, after", ("sell", "n"): "first", ("lists", "l"): "first",
    }  # fmt: skip


UNDONE = [
    ("first", Contents(sell={"n": None}, lists={"l": None}), [("sell", "m")]),  # m was set again by later ones
    ("second", Contents(), [("sell", "m")]),
    ("same instant, after", Contents(), [("sell", "m")]),
    ("later", Contents(sell={"m": C}), []),
]


@pytest.mark.parametrize(("name", "contents", "left"), UNDONE, ids=[row[0] for row in UNDONE])
def test_undoing_puts_back_what_stood_before_and_leaves_what_came_after(name, contents, left):
    target = next(each for each in TIMELINE if each.id == name)
    assert undo(TIMELINE, target) == (contents, left)


def test_undoing_the_newest_publication_makes_the_book_what_it_was():
    target = TIMELINE[3]
    rest = TIMELINE[1:]
    contents, left = undo(rest, target)
    after = (*rest, published("undo", 210, 50, sell=contents.sell))
    assert left == []
    assert book_at(after, 210).sell == book_at([each for each in rest if each is not target], 210).sell


LIST = PriceList(Rule(-1000), {"qwen/*": Rule(-1500), "qwen/qwen3-*": Rule(-2000), "qwen/qwen3-max": Rule(price=B)})
RULES = [
    ("other/model", Rule(-1000)),
    ("qwen/old", Rule(-1500)),
    ("qwen/qwen3-plus", Rule(-2000)),
    ("Qwen/Qwen3-Max", Rule(price=B)),
]


@pytest.mark.parametrize(("model", "rule"), RULES, ids=[row[0] for row in RULES])
def test_the_nearest_rule_of_a_list_counts(model, rule):
    assert LIST.rule(model) == rule
    assert PriceList(None, {"a": Rule(1)}).rule("b") is None


# (listed rate, change in hundredths of a percent, rate): rounded up to a whole pico-unit, never below zero.
RATES = [
    (1_000_000, 0, 1_000_000),
    (1_000_000, -1000, 900_000),
    (1_000_000, 1250, 1_125_000),
    (280_000, -1, 279_972),
    (1, -5000, 1),  # half a pico-unit is one
    (3, -5000, 2),
    (7, -9999, 1),
    (7, -10_000, 0),
    (7, -15_000, 0),  # below zero is zero
    (0, 50_000, 0),
]


@pytest.mark.parametrize(("rate", "change", "expected"), RATES)
def test_a_percentage_rounds_each_rate_up_and_ends_at_zero(rate, change, expected):
    assert changed_rate(rate, change) == expected


def test_a_list_changes_every_rate_of_every_band_and_nothing_else():
    price = Price(
        "USD", (Band(100, 200, cached_input=10, cache_write=125, up_to_prompt_tokens=5), Band(300, 400, thinking=True))
    )
    assert listed_price(price, Rule(-5000)) == Price(
        "USD", (Band(50, 100, cached_input=5, cache_write=63, up_to_prompt_tokens=5), Band(150, 200, thinking=True))
    )
    assert listed_price(price, Rule(price=A)) == A


@pytest.mark.parametrize(
    ("text", "change"), [("-10", -1000), ("12.5", 1250), ("+0.01", 1), ("0", 0), ("-100", -10_000), ("1000", 100_000)]
)
def test_a_percentage_is_a_decimal_of_two_places(text, change):
    assert parse_percent(text) == change
    assert parse_percent(percent_text(change)) == change


@pytest.mark.parametrize("text", ["", "ten", "1e2", "0.001", "--1", "1001", "5%", " 5", "٣"])
def test_what_is_no_percentage_is_refused(text):
    with pytest.raises(ValueError, match="percentage"):
        parse_percent(text)


@given(st.integers(0, 10**12), st.integers(-20_000, 100_000))
def test_a_changed_rate_is_never_negative_and_less_than_one_above_the_exact_one(rate, change):
    found = changed_rate(rate, change)
    exact = rate * max(0, 10_000 + change)
    assert 0 <= found * 10_000 - exact < 10_000


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("mn"), st.sampled_from([A, B, C, None])), max_size=12))
def test_undoing_any_publication_gives_the_book_without_it_where_nothing_later_counts(entries):
    timeline = [published(f"p{n:02d}", at, n, sell={name: price}) for n, (at, name, price) in enumerate(entries)]
    for target in timeline:
        contents, _ = undo(timeline, target)
        undone = [*timeline, Publication("zz", 9, 99, contents)]
        without = book_at([each for each in timeline if each is not target], 9).sell
        assert book_at(undone, 9).sell == without
