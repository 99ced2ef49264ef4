"""The prices that ship: figures checked by hand against their sources, what is sold at which, and the rates between."""

from datetime import date, time
from decimal import Decimal
from importlib.resources import files

import pytest

from smartoken.catalog.files import load_catalog, read_catalog
from smartoken.catalog.fx import FxRate, FxTable, FxUnknownError
from smartoken.catalog.sell import list_price, sell_price
from smartoken.money import charge_nano, convert_nano, parse_rate

CATALOG = load_catalog()

# offer, price list (0 the main one), band, input, cached input, cache write, output; "-" where the source names none
PRICES = """
deepseek:deepseek-flash              0 0  CNY  2        0.04     -        8
deepseek:deepseek-flash              1 0  USD  0.3      0.006    -        1.2
deepseek:deepseek-v4-pro             0 0  CNY  9        0.3      -        27
deepseek:deepseek-v4-pro             1 0  USD  1.32     0.044    -        3.96
alibaba:deepseek-v4-pro              0 0  CNY  9        1.8      -        27
volcengine:deepseek-v4-pro           0 0  CNY  9        0.3      -        27
siliconflow:deepseek-v4-pro          0 0  CNY  12       0.1      -        24
siliconflow:deepseek-v4-pro          1 0  USD  1.50162  0.135    -        3.135
siliconflow:deepseek-v4-flash-2604   0 0  CNY  1        0.02     -        2
alibaba:qwen3.8-max                  0 0  CNY  12       1.5      15       36
alibaba:qwen3.8-max                  1 0  USD  2        0.25     2.5      6
alibaba:qwen3.7-plus                 1 0  USD  0.32     0.064    0.4      1.28
alibaba:qwen3.7-plus                 1 1  USD  0.96     0.192    1.2      3.84
alibaba:qwen3.6-27b                  0 0  CNY  3        -        -        18
alibaba:qwen3.5-plus                 0 2  CNY  4        0.4      5        24
alibaba:qwen-plus                    0 0  CNY  0.8      0.16     -        2
alibaba:qwen-plus                    0 1  CNY  0.8      0.16     -        8
alibaba:qwen-plus                    0 4  CNY  4.8      0.96     -        48
alibaba:qwen-plus                    0 5  CNY  4.8      0.96     -        64
alibaba:qwen-long                    0 0  CNY  0.5      -        -        2
alibaba:qwen3-coder-plus             0 3  CNY  20       4        -        200
alibaba:qwen3-coder-plus             1 3  USD  6        1.2      7.5      60
alibaba:qwen3-vl-flash               1 1  USD  0.075    0.015    0.09375  0.6
alibaba:minimax-m3.1-flash           0 0  CNY  1        0.1      -        4
moonshot:kimi-k3                     0 0  USD  3        0.3      3        15
moonshot:kimi-k2.6                   0 0  CNY  6.5      1.1      -        27
alibaba:kimi-k2.6                    0 0  CNY  6.5      1.3      -        27
zhipu:glm-5.3                        1 0  USD  1.4      0.26     -        4.4
zhipu:glm-5.1                        0 0  CNY  6        1.3      -        24
zhipu:glm-4.7                        0 0  CNY  2        0.4      -        8
zhipu:glm-4.7                        0 1  CNY  3        0.6      -        14
zhipu:glm-4.7                        0 2  CNY  4        0.8      -        16
zhipu:glm-4.7-flash                  0 0  CNY  0        0        -        0
zhipu:glm-4.5-air                    0 0  CNY  0.8      0.16     -        2
volcengine:doubao-seed-2.1-pro-260915  0 0  USD  0.8625  0.1725  -        4.3125
volcengine:doubao-seed-2.1-lite      0 0  USD  0.115    0.023    -        0.388126
volcengine:doubao-seed-2.0-pro       0 2  CNY  9.6      0.64     -        48
volcengine:doubao-seed-1.6           0 0  CNY  0.8      0.16     -        2
minimax:minimax-m3                   1 1  USD  0.6      0.12     -        2.4
minimax:minimax-m2.7-highspeed       0 0  CNY  4.2      0.42     2.625    16.8
tencent:hy4                          0 0  USD  0.834    0.042    -        2.501
tencent:hy3                          1 0  USD  0.139    0.03475  -        0.556
tencent:hunyuan-2.0-instruct         0 1  CNY  4.505    -        -        11.13
baidu:ernie-5.1                      0 1  CNY  6        -        -        22
stepfun:step-5-preview               1 0  USD  1        0.1      -        2.7
xiaomi:mimo-v2.6-pro                 0 0  CNY  3        0.025    -        6
xiaomi:mimo-v2.6-pro                 1 0  USD  0.435    0.0036   -        0.87
longcat:longcat-2.0                  0 0  USD  0.3      0.006    -        1.2
longcat:longcat-2.0                  1 0  USD  0.75     0.015    -        2.95
antgroup:ling-3.0-flash              0 0  CNY  0.4      -        -        1.2
baichuan:baichuan-m3                 0 0  CNY  10       -        -        30
siliconflow:kimi-k2.7-code           1 0  USD  0.85916  0.17993  -        3.8
siliconflow:qwen3-8b                 1 0  USD  0.06     -        -        0.06
sensenova:sensenova-6.8-flash-lite   0 0  USD  0        0        -        0
"""


@pytest.mark.parametrize("row", PRICES.strip().splitlines(), ids=lambda row: " ".join(row.split()[:3]))
def test_a_figure_is_the_one_of_its_source(row):
    offer_id, place, band_number, currency, *rates = row.split()
    offer = CATALOG.offers[offer_id]
    price = (offer.price, *offer.prices_other)[int(place)]
    band = price.bands[int(band_number)]
    expected = [None if each == "-" else parse_rate(each) for each in rates]
    assert price.currency == currency
    assert [band.input, band.cached_input, band.cache_write, band.output] == expected


@pytest.mark.parametrize(
    ("offer", "place", "bounds"),
    [
        ("deepseek:deepseek-v4-pro", 0, [(None, None, None)]),
        ("alibaba:qwen3.7-flash", 0, [(32000, None, None), (256000, None, None), (None, None, None)]),
        ("alibaba:qwen3.5-plus", 1, [(256000, None, None), (None, None, None)]),
        (
            "alibaba:qwen-plus",
            0,
            [(each, None, thinking) for each in (128000, 256000, None) for thinking in (False, True)],
        ),
        ("zhipu:glm-4.7", 0, [(32000, 200, None), (32000, None, None), (None, None, None)]),
        (
            "volcengine:doubao-seed-1.8",
            0,
            [(32000, 200, None), (32000, None, None), (128000, None, None), (None, None, None)],
        ),
        ("minimax:minimax-m3", 1, [(512000, None, None), (None, None, None)]),
        ("baidu:ernie-5.0", 0, [(32000, None, None), (None, None, None)]),
    ],
)
def test_the_bands_of_a_price_have_the_bounds_of_their_source(offer, place, bounds):
    price = (CATALOG.offers[offer].price, *CATALOG.offers[offer].prices_other)[place]
    found = [(each.up_to_prompt_tokens, each.up_to_output_tokens, each.thinking) for each in price.bands]
    assert found == bounds


def test_audio_that_costs_more_than_text_keeps_its_own_rate():
    assert CATALOG.offers["volcengine:doubao-seed-2.1-lite"].price.bands[0].audio_input == 1_725_000


def test_deepseek_doubles_on_working_days_of_china():
    for price in (CATALOG.offers["deepseek:deepseek-flash"].price, CATALOG.models["deepseek/deepseek-flash"].price):
        hours = price.time_of_day
        assert (hours.zone, hours.weekdays, hours.holidays) == ("Asia/Shanghai", (1, 2, 3, 4, 5), "CN")
        assert hours.peak == ((time(9), time(12)), (time(14), time(18)))
        assert hours.off_peak_percent == 50


def test_hy4_is_bought_at_half_until_new_year_and_sold_at_list_price():
    promotion = CATALOG.offers["tencent:hy4"].price.promotion
    assert (promotion.percent, promotion.until, promotion.zone) == (50, date(2026, 12, 31), "Asia/Shanghai")
    sold = CATALOG.models["hunyuan/hy4"].price
    assert (sold.promotion, sold.bands[0].output) == (None, 2_501_000)


@pytest.mark.parametrize(
    ("model", "band", "rates"),
    [
        ("deepseek/deepseek-v4-pro", 0, ("1.32", "0.044", "3.96")),  # the USD list
        ("zhipu/glm-5.2", 0, ("1.4", "0.26", "4.4")),  # the vendor's, not a host's
        ("qwen/qwen-plus", 0, ("0.4", "0.08", "1.2")),  # the USD list, which has no step for thinking
        ("minimax/minimax-m2.5", 0, ("0.3", "0.03", "1.2")),
        ("qwen/qwen-long", 0, ("0.070438", None, "0.28175")),  # CNY 0.5 and 2 at 0.140874833, rounded up
        ("ernie/ernie-5.1", 1, ("0.845249", None, "3.099247")),  # CNY 6 and 22
        ("doubao/doubao-seed-2.0-mini", 1, ("0.05635", "0.005635", "0.5635")),  # CNY 0.4, 0.04 and 4
        ("siliconflow/qwen/qwen3-8b", 0, ("0.06", None, "0.06")),
    ],
)
def test_a_model_sells_at_its_vendors_usd_list_or_at_cny_times_the_rate(model, band, rates):
    found, _ = CATALOG.resolve(model)
    assert found.price.currency == "USD"
    sold = found.price.bands[band]
    expected = [None if each is None else parse_rate(each) for each in rates]
    assert [sold.input, sold.cached_input, sold.output] == expected


def test_a_markup_multiplies_every_sell_rate_and_no_cost():
    marked = load_catalog(markup=Decimal("1.10"))
    band = marked.models["qwen/qwen-long"].price.bands[0]
    assert (band.input, band.output) == (77_482, 309_925)  # 0.5 and 2 CNY x 0.140874833 x 1.1, rounded up
    assert marked.models["deepseek/deepseek-flash"].price.bands[0].cached_input == 6_600
    assert marked.offers == CATALOG.offers


def test_an_operators_rate_replaces_the_shipped_one():
    rate = FxRate("CNY/USD", 150_000_000, date(2026, 12, 1), "test")
    priced = load_catalog(fx=CATALOG.fx.with_rates((rate,)))
    assert priced.models["qwen/qwen-long"].price.bands[0].input == 75_000
    assert priced.models["qwen/qwen-long"].price.note == "from CNY at the rate of 2026-12-01"


def test_without_any_rate_a_cny_list_is_not_sold():
    with pytest.raises(FxUnknownError, match=r"no exchange rate for CNY/USD: add one with \[\[fx\]\]"):
        load_catalog(fx=FxTable(()))


def test_the_shipped_rate_turns_cny_cost_into_usd_as_documented():
    rate = CATALOG.fx.newest("CNY/USD")
    assert rate.rate_nano == 140_874_833
    cost = charge_nano([(176, parse_rate("2")), (1024, parse_rate("0.2")), (350, parse_rate("3"))])
    assert cost == 1_606_800
    assert convert_nano(cost, rate.rate_nano) == 226_358


def test_a_model_takes_the_list_price_of_its_vendor_where_the_vendor_sells_it():
    catalog, listed = read_catalog(files("smartoken.catalog") / "data")
    assert set(listed) == {each.id for each in CATALOG.models.values() if each.price}
    for model_id, offer_id in listed.items():
        model, offer = catalog.models[model_id], catalog.offers[offer_id]
        sellers = {each.provider for each in catalog.offers_of(model_id)}
        assert offer.provider == model.vendor or model.vendor not in sellers, model_id
        assert CATALOG.models[model_id].price == sell_price(list_price(offer), CATALOG.fx)
