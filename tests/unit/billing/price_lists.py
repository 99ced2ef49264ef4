"""Price lists in every shape that the catalog knows, each after a real one, for the tables of the tests."""

from datetime import date, time

from smartoken.catalog.offers import Band, Price, Promotion, TimeOfDay

M = 1_000_000
PEAK = TimeOfDay(
    zone="Asia/Shanghai",
    peak=((time(9), time(12)), (time(14), time(18))),
    weekdays=(1, 2, 3, 4, 5),
    holidays="CN",
    off_peak_percent=50,
)
HOLIDAYS = {date(2026, 10, 1), date(2026, 10, 2)}


def is_holiday(calendar, day):
    return calendar == "CN" and day in HOLIDAYS


def flat(input_rate, output_rate, **more):
    return Price("USD", (Band(input_rate, output_rate, **more),))


PRICES = {
    "flat, cache read": flat(280_000, 420_000, cached_input=28_000),
    "flat, no cache price": Price("CNY", (Band(500_000, 2 * M),)),
    "flat, cache read and write": flat(100_000, 400_000, cached_input=10_000, cache_write=125_000),
    "flat, audio": Price("CNY", (Band(600_000, 3_600_000, cached_input=120_000, audio_input=9 * M),)),
    "CNY": Price("CNY", (Band(2 * M, 3 * M, cached_input=200_000),)),
    "hours of day": Price("CNY", (Band(2 * M, 8 * M, cached_input=40_000),), time_of_day=PEAK),
    "promotion": Price(
        "USD",
        (Band(834_000, 2_501_000, cached_input=42_000),),
        promotion=Promotion(50, date(2026, 12, 31), "Asia/Shanghai"),
    ),
    "hours and promotion": Price(
        "USD", (Band(3, 10),), time_of_day=PEAK, promotion=Promotion(50, date(2026, 12, 31), "Asia/Shanghai")
    ),
    "two prompt bands": Price(
        "USD",
        (
            Band(1_250_000, 10 * M, cached_input=125_000, up_to_prompt_tokens=200_000),
            Band(2_500_000, 15 * M, cached_input=250_000),
        ),
    ),
    "two prompt bands, no cache price": Price(
        "CNY", (Band(1_500_000, 7_200_000, up_to_prompt_tokens=128_000), Band(3 * M, 18 * M))
    ),
    "two prompt bands, cache write": Price(
        "USD",
        (
            Band(50_000, 400_000, cached_input=10_000, cache_write=62_500, up_to_prompt_tokens=256_000),
            Band(250_000, 2 * M, cached_input=50_000, cache_write=312_500),
        ),
    ),
    "three prompt bands": Price(
        "CNY",
        (
            Band(2_500_000, 10 * M, cached_input=500_000, up_to_prompt_tokens=32_000),
            Band(4 * M, 16 * M, cached_input=800_000, up_to_prompt_tokens=128_000),
            Band(7 * M, 28 * M, cached_input=1_400_000),
        ),
    ),
    "three prompt bands, no cache price": Price(
        "CNY",
        (
            Band(150_000, 1_500_000, up_to_prompt_tokens=32_000),
            Band(300_000, 3 * M, up_to_prompt_tokens=128_000),
            Band(600_000, 6 * M),
        ),
    ),
    "three prompt bands, cache write": Price(
        "USD",
        (
            Band(1_200_000, 6 * M, cached_input=240_000, cache_write=1_500_000, up_to_prompt_tokens=32_000),
            Band(2_400_000, 12 * M, cached_input=480_000, cache_write=3 * M, up_to_prompt_tokens=128_000),
            Band(3 * M, 15 * M, cached_input=600_000, cache_write=3_750_000),
        ),
    ),
    "four prompt bands": Price(
        "CNY",
        (
            Band(1 * M, 4 * M, cached_input=200_000, up_to_prompt_tokens=32_000),
            Band(1_500_000, 6 * M, cached_input=300_000, up_to_prompt_tokens=128_000),
            Band(2_500_000, 10 * M, cached_input=500_000, up_to_prompt_tokens=256_000),
            Band(5 * M, 25 * M, cached_input=1 * M),
        ),
    ),
    "four prompt bands, cache write": Price(
        "USD",
        (
            Band(300_000, 1_500_000, cached_input=60_000, cache_write=375_000, up_to_prompt_tokens=32_000),
            Band(500_000, 2_500_000, cached_input=100_000, cache_write=625_000, up_to_prompt_tokens=128_000),
            Band(800_000, 4 * M, cached_input=160_000, cache_write=1 * M, up_to_prompt_tokens=256_000),
            Band(1_600_000, 9_600_000, cached_input=320_000, cache_write=2 * M),
        ),
    ),
    "answer bands": Price(
        "CNY",
        (
            Band(800_000, 2 * M, cached_input=160_000, up_to_prompt_tokens=32_000, up_to_output_tokens=200),
            Band(800_000, 6 * M, cached_input=160_000, up_to_prompt_tokens=32_000),
            Band(1_200_000, 8 * M, cached_input=240_000),
        ),
    ),
    "answer bands, four": Price(
        "CNY",
        (
            Band(800_000, 2 * M, cached_input=160_000, up_to_prompt_tokens=32_000, up_to_output_tokens=200),
            Band(800_000, 8 * M, cached_input=160_000, up_to_prompt_tokens=32_000),
            Band(1_200_000, 16 * M, cached_input=160_000, up_to_prompt_tokens=128_000),
            Band(2_400_000, 24 * M, cached_input=160_000),
        ),
    ),
    "thinking bands": Price(
        "CNY",
        (
            Band(800_000, 2 * M, cached_input=160_000, up_to_prompt_tokens=128_000, thinking=False),
            Band(800_000, 8 * M, cached_input=160_000, up_to_prompt_tokens=128_000, thinking=True),
            Band(2_400_000, 20 * M, cached_input=480_000, up_to_prompt_tokens=256_000, thinking=False),
            Band(2_400_000, 24 * M, cached_input=480_000, up_to_prompt_tokens=256_000, thinking=True),
            Band(4_800_000, 48 * M, cached_input=960_000, thinking=False),
            Band(4_800_000, 64 * M, cached_input=960_000, thinking=True),
        ),
    ),
    "last band bounded": Price(
        "USD", (Band(1 * M, 2 * M, up_to_prompt_tokens=1_000), Band(3 * M, 4 * M, up_to_prompt_tokens=2_000))
    ),
    "free cache read": flat(100_000, 400_000, cached_input=0),
    "cache dearer than input": flat(100, 10, cached_input=150, cache_write=120),
}


def shape(price):
    """What distinguishes a price from others, its figures aside."""
    bands = tuple(
        (
            each.up_to_prompt_tokens is not None,
            each.up_to_output_tokens is not None,
            each.thinking,
            each.cached_input is not None,
            each.cache_write is not None,
            each.audio_input is not None,
        )
        for each in price.bands
    )
    return bands, price.time_of_day is not None, price.promotion is not None
