"""A price written in the words of the set-up file is the same price when it is read."""

from datetime import date, time

from hypothesis import given
from hypothesis import strategies as st

from smartoken.catalog.files import load_catalog
from smartoken.catalog.offers import Band, Price, Promotion, TimeOfDay
from smartoken.catalog.price_file import read_price as read_file_price
from smartoken.catalog.strict import parse_toml
from smartoken.operations.setup_prices import read_price, written
from smartoken.operations.setup_text import text_of

rates = st.integers(0, 10**12)
maybe_rate = st.none() | rates
rate_bands = st.builds(Band, rates, rates, maybe_rate, maybe_rate, audio_input=maybe_rate)
hours = st.builds(
    TimeOfDay,
    st.just("Asia/Shanghai"),
    st.just(((time(9), time(12)), (time(14), time(18, 30)))),
    st.lists(st.integers(1, 7), min_size=1, unique=True).map(tuple),
    st.sampled_from([None, "CN"]),
    st.integers(0, 1000),
)
promotions = st.builds(
    Promotion, st.integers(0, 1000), st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.just("UTC"), st.just("")
)


@st.composite
def prices(draw):
    """Prices of every shape that a file can say: flat, or bands that end open."""
    last = draw(rate_bands)
    bounded = draw(st.lists(st.tuples(rate_bands, st.integers(1, 10**6)), max_size=3))
    bands = [
        Band(each.input, each.output, each.cached_input, each.cache_write, bound, audio_input=each.audio_input)
        for each, bound in sorted(bounded, key=lambda pair: pair[1])
    ]
    return Price(
        draw(st.sampled_from(["USD", "CNY"])), (*bands, last), draw(st.none() | hours), draw(st.none() | promotions)
    )


@given(prices())
def test_a_written_price_reads_back_the_same(price):
    assert read_price(written(price)) == price


@given(prices())
def test_a_written_price_is_what_the_file_reader_takes(price):
    table = parse_toml(f"price = {text_of(written(price))}", "p.toml")
    assert read_file_price(table.table("price")) == price
    table.done()


def test_every_price_of_the_catalog_can_be_written():
    for offer in load_catalog().offers.values():
        if offer.price is not None:
            assert read_price(written(offer.price)) == offer.price
