"""Charges by table. Every expected figure was worked out by hand from the listed rates, none by the code."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.prices import charge, cost, rates, tariff
from smartoken.catalog.files import load_catalog
from smartoken.catalog.offers import Band, Price
from smartoken.tokens import TokenUsage
from unit.billing.price_lists import PRICES, flat, is_holiday, shape

NOON = datetime(2026, 11, 3, 4, tzinfo=UTC)  # Tuesday 12:00 in Shanghai: off-peak there
CHARGES = """
price                              | prompt  cached  write  output thinking | band          nano
flat, cache read                   |   1200    1024      0     350  no      |    0       224,952
flat, cache read                   |      0       0      0       0  no      |    0             0
flat, cache read                   |      0       0      0       1  no      |    0           420
flat, no cache price               |   1000     400      0     100  no      |    0       700,000
flat, cache read and write         |   3000    1000    500     200  no      |    0       302,500
free cache read                    |   1000    1000      0       1  no      |    0           400
flat, audio                        |   1000       0      0     100  no      |    0       960,000
CNY                                |   1200    1024      0     350  no      |    0     1,606,800
two prompt bands                   | 200000       0      0    1000  no      |    0   260,000,000
two prompt bands                   | 200001       0      0    1000  no      |    1   515,002,500
two prompt bands, no cache price   | 128000   64000      0      10  no      |    0   192,072,000
two prompt bands, no cache price   | 128001       0      0      10  no      |    1   384,183,000
two prompt bands, cache write      |   3000    1000    500     200  no      |    0       196,250
two prompt bands, cache write      |      7       0      7       0  no      |    0           438
two prompt bands, cache write      | 256000  256000      0       1  no      |    0     2,560,400
two prompt bands, cache write      | 256001       0      0       1  no      |    1    64,002,250
three prompt bands                 |  32000       0      0       1  no      |    0    80,010,000
three prompt bands                 |  32001       0      0       1  no      |    1   128,020,000
three prompt bands                 | 128000   28000      0       1  no      |    1   422,416,000
three prompt bands                 | 128001       0      0       1  no      |    2   896,035,000
three prompt bands, no cache price | 128001       0      0       1  no      |    2    76,806,600
three prompt bands, cache write    |  32000       0      0      10  no      |    0    38,460,000
three prompt bands, cache write    | 128000       0      0      10  no      |    1   307,320,000
three prompt bands, cache write    | 128001       0      1      10  no      |    2   384,153,750
four prompt bands                  | 256000       0      0       1  no      |    2   640,010,000
four prompt bands                  | 256001       0      0       1  no      |    3 1,280,030,000
four prompt bands, cache write     | 256001   56001 200000       1  no      |    3   417,929,920
answer bands                       |  32000       0      0     200  no      |    0    26,000,000
answer bands                       |  32000       0      0     201  no      |    1    26,806,000
answer bands                       |  32001       0      0     200  no      |    2    40,001,200
answer bands, four                 |    100       0      0     200  no      |    0       480,000
answer bands, four                 | 128000       0      0       1  no      |    2   153,616,000
answer bands, four                 | 128001       0      0       1  no      |    3   307,226,400
thinking bands                     | 128000       0      0    1000  no      |    0   104,400,000
thinking bands                     | 128000       0      0    1000  yes     |    1   110,400,000
thinking bands                     | 256000       0      0    1000  no      |    2   634,400,000
thinking bands                     | 128001       0      0    1000  yes     |    3   331,202,400
thinking bands                     | 256001       0      0    1000  yes     |    5 1,292,804,800
last band bounded                  |   1000       0      0       1  no      |    0     1,002,000
last band bounded                  |   2001       0      0       1  no      |    1     6,007,000
"""
ROWS = [line for line in CHARGES.strip().splitlines()[1:] if line]


@pytest.mark.parametrize("row", ROWS)
def test_a_charge_is_the_sum_of_tokens_times_rates_rounded_up_once(row):
    name, counts, expected = (part.split() if place else part.strip() for place, part in enumerate(row.split("|")))
    prompt, cached, write, output = map(int, counts[:4])
    thinking = counts[4] == "yes"
    usage = TokenUsage(prompt, output, cached, write)
    found = rates(PRICES[name], prompt=prompt, output=output, thinking=thinking, at=NOON, is_holiday=is_holiday)
    assert found.band == int(expected[0])
    assert charge(found, usage).nano == int(expected[1].replace(",", ""))


HOURS = """
Monday 2026-11-02 08:59:59    50
Monday 2026-11-02 09:00:00   100
Monday 2026-11-02 11:59:59   100
Monday 2026-11-02 12:00:00    50
Monday 2026-11-02 13:59:59    50
Monday 2026-11-02 14:00:00   100
Monday 2026-11-02 18:00:00    50
Friday 2026-11-06 17:59:59   100
Saturday 2026-11-07 10:00:00  50
Sunday 2026-11-08 10:00:00    50
holiday 2026-10-01 10:00:00   50
holiday 2026-10-02 15:00:00   50
worked-Saturday 2026-10-10 10:00:00 50
"""


@pytest.mark.parametrize("row", HOURS.strip().splitlines())
def test_the_hour_of_day_is_judged_in_the_prices_own_zone(row):
    _, day, clock, percent = row.split()
    at = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
    found = tariff(PRICES["hours of day"], at, is_holiday)
    # 500 fresh x 2.00 + 500 cached x 0.04 + 100 out x 8.00 = 1,820,000 nano-CNY in peak hours, half of it outside
    usage = TokenUsage(prompt=1000, completion=100, cached=500)
    assert found.charge(usage, thinking=False).nano == 1_820_000 * int(percent) // 100
    assert found.rates(prompt=1, output=1, thinking=False).factor_percent == int(percent)


def test_a_year_without_known_holidays_counts_as_working_days():
    at = datetime(2031, 10, 1, 2, tzinfo=UTC)  # a Wednesday, 10:00 in Shanghai
    assert (
        tariff(PRICES["hours of day"], at, lambda *_: False).rates(prompt=1, output=1, thinking=False).input
        == 2_000_000
    )


def test_a_promotion_holds_through_its_last_day_in_its_zone():
    price, usage = PRICES["promotion"], TokenUsage(prompt=100, completion=100)
    last_second = datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)
    new_year_in_shanghai = datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert tariff(price, last_second, is_holiday).charge(usage, thinking=False).nano == 166_750
    assert tariff(price, new_year_in_shanghai, is_holiday).charge(usage, thinking=False).nano == 333_500


def test_percentages_multiply_and_round_a_rate_up_to_a_whole_pico_unit():
    found = tariff(PRICES["hours and promotion"], NOON, is_holiday).rates(prompt=1, output=1, thinking=False)
    assert (found.input, found.output) == (1, 3)  # a quarter of 3 and of 10
    assert (found.time_percent, found.promotion_percent, found.factor_percent) == (50, 50, 25)


def test_the_lines_of_a_charge_multiply_out_to_it():
    found = tariff(PRICES["two prompt bands, cache write"], NOON, is_holiday)
    worked = found.charge(TokenUsage(prompt=3000, completion=200, cached=1000, cache_write=500), thinking=False)
    assert worked.lines == (
        ("input", 1500, 50_000),
        ("cached_input", 1000, 10_000),
        ("cache_write", 500, 62_500),
        ("output", 200, 400_000),
    )


def test_a_million_tiny_calls_are_not_rounded_up_by_the_token():
    tiny = flat(50, 50)  # USD 0.00005 per 1M: a token is a twentieth of a nano-unit
    assert tariff(tiny, NOON, is_holiday).charge(TokenUsage(prompt=1_000_000), thinking=False).nano == 50_000


def test_cost_stays_in_its_currency_and_tells_its_worth():
    charged = tariff(PRICES["CNY"], NOON, is_holiday).charge(
        TokenUsage(prompt=1200, cached=1024, completion=350), thinking=False
    )
    paid = cost(charged, "CNY", 140_874_833)
    assert (paid.nano, paid.currency, paid.usd_nano) == (1_606_800, "CNY", 226_358)
    assert cost(charged, "CNY", None).usd_nano is None
    assert cost(charged, "USD", None).usd_nano == 1_606_800


@pytest.mark.parametrize(
    "usage",
    [
        TokenUsage(prompt=-1),
        TokenUsage(completion=-1),
        TokenUsage(prompt=10, cached=11),
        TokenUsage(prompt=10, cached=6, cache_write=5),
        TokenUsage(prompt=10, cached=-1),
        TokenUsage(prompt=10, cache_write=-1),
    ],
)
def test_counts_that_contradict_each_other_are_not_priced(usage):
    with pytest.raises(ValueError, match="contradict"):
        tariff(flat(1, 1), NOON, is_holiday).charge(usage, thinking=False)


def test_a_price_is_asked_at_an_aware_instant_and_has_a_band():
    with pytest.raises(ValueError, match="aware"):
        tariff(flat(1, 1), datetime(2026, 1, 1), is_holiday)  # noqa: DTZ001 - the naive instant is the point
    with pytest.raises(ValueError, match="at least one band"):
        tariff(Price("USD", ()), NOON, is_holiday)


def test_a_list_that_forgets_calls_with_thinking_prices_them_all_the_same():
    price = Price("USD", (Band(1, 2, thinking=False),))
    assert tariff(price, NOON, is_holiday).rates(prompt=1, output=1, thinking=True).output == 2


def test_every_shape_of_price_in_the_shipped_catalog_stands_in_the_tables_above():
    known = {shape(each) for each in PRICES.values()}
    catalog = load_catalog()
    listed = [price for offer in catalog.offers.values() for price in (offer.price, *offer.prices_other) if price]
    listed += [model.price for model in catalog.models.values() if model.price]
    assert len(listed) > 100
    assert {shape(each) for each in listed} - known == set()


counts = st.integers(0, 400_000)


@given(
    name=st.sampled_from(sorted(PRICES)),
    prompt=counts,
    output=counts,
    more=st.integers(1, 1000),
    thinking=st.booleans(),
)
def test_within_a_band_one_more_token_never_costs_less(name, prompt, output, more, thinking):
    found = tariff(PRICES[name], NOON, is_holiday)
    base = found.charge(TokenUsage(prompt, output), thinking=thinking).nano
    for usage in (TokenUsage(prompt + more, output), TokenUsage(prompt, output + more)):
        before = found.rates(prompt=prompt, output=output, thinking=thinking)
        after = found.rates(prompt=usage.prompt, output=usage.completion, thinking=thinking)
        if before.band == after.band:
            assert found.charge(usage, thinking=thinking).nano >= base


@given(
    name=st.sampled_from(sorted(PRICES)),
    prompt=counts,
    output=counts,
    more=st.integers(1, 1000),
    thinking=st.booleans(),
)
def test_every_shipped_shape_is_dearer_in_later_bands_too(name, prompt, output, more, thinking):
    found = tariff(PRICES[name], NOON, is_holiday)
    base = found.charge(TokenUsage(prompt, output), thinking=thinking).nano
    assert found.charge(TokenUsage(prompt + more, output), thinking=thinking).nano >= base
    assert found.charge(TokenUsage(prompt, output + more), thinking=thinking).nano >= base
