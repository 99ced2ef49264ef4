"""The bound before the call: figures by hand, then every price against the dearest of all possible calls."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartoken.billing.bound import (
    Growth,
    HoldPlan,
    Reach,
    TooDear,
    UnboundedError,
    Wish,
    affordable,
    bound,
    first_hold,
    ignores_limit,
    must_stop,
    next_hold,
    prompt_bound,
    wants_more,
)
from smartoken.billing.prices import tariff
from smartoken.catalog.offers import Band, Price
from smartoken.tokens import TokenUsage
from unit.billing.price_lists import PRICES, flat, is_holiday

NOON = datetime(2026, 11, 3, 4, tzinfo=UTC)


def at_noon(price):
    return tariff(PRICES[price] if isinstance(price, str) else price, NOON, is_holiday)


# The answer is the output limit of one choice. Figures by hand, from the listed rates.
BOUNDS = """
price                          | prompt context answer choices |          nano  why
flat, cache read               |   1000   64000    100       1 |       322,000  no cached price is assumed
flat, cache read               |   1000   64000    100       4 |       448,000  four answers, one prompt
flat, cache read and write     |   1000   64000    100       1 |       165,000  all of it written to the cache
cache dearer than input        |   1000   64000      0       1 |           150  1000 x 150 pico
two prompt bands               | 200000  300000   1000       1 |   260,000,000  the first band to its edge
two prompt bands               | 200001  300000   1000       1 |   515,002,500  one further, the call changes band
two prompt bands               | 500000  300000   1000       1 |   762,500,000  299,000 in, cut by the context
answer bands                   |   1000   64000    200       1 |     1,200,000  the short answer's band
answer bands                   |   1000   64000    201       1 |     2,006,000  one token more: 1000 x 0.8 + 201 x 6
answer bands                   |   1000   64000    101       2 |     2,012,000  two answers of 101 are 202 tokens
thinking bands                 |   1000   64000    100       1 |     1,600,000  thinking may happen
flat, cache read               |  60000   64000  60000       1 |    26,320,000  dearer than 60,000 in, 4,000 out
flat, cache read               |  60000   64000   8000       2 |    22,400,000  56,000 x 0.28 + 2 x 8,000 x 0.42
"""


@pytest.mark.parametrize("row", BOUNDS.strip().splitlines()[1:])
def test_the_bound_is_the_dearest_call_within_reach(row):
    name, counts, expected = (part.strip() for part in row.split("|"))
    prompt, context, answer, choices = map(int, counts.split())
    nano = int(expected.split()[0].replace(",", ""))
    assert bound([at_noon(name)], Reach(prompt, context, choices), answer) == nano


FALLING = Price("USD", (Band(10_000, 10_000, up_to_prompt_tokens=100), Band(1_000, 1_000)))


def test_a_later_band_that_is_cheaper_does_not_lower_the_bound():
    # 100 tokens in the dear band cost 1,000 + 100; all 500 in the cheap one 500 + 10
    assert bound([at_noon(FALLING)], Reach(500, 1000), 10) == 1_100


def test_the_dearest_of_several_offers_counts():
    both = [at_noon(flat(1_000, 1_000)), at_noon(flat(500, 9_000))]
    assert bound(both, Reach(100, None), 10) == 140
    assert bound(list(reversed(both)), Reach(100, None), 100) == 950


def test_fixed_fees_are_part_of_the_bound():
    assert bound([at_noon(flat(1_000, 1_000))], Reach(100, None), 10, fees_nano=7) == 117


def test_without_a_limit_the_context_bounds_the_answer_and_without_either_nothing_does():
    assert bound([at_noon(flat(1_000, 2_000))], Reach(100, 1000), None) == 2_000
    with pytest.raises(UnboundedError):
        bound([at_noon(flat(1, 1))], Reach(100, None), None)


def test_tariffs_of_two_currencies_have_no_common_bound():
    with pytest.raises(ValueError, match="one currency"):
        bound([at_noon("CNY"), at_noon("flat, cache read")], Reach(1, 10), 1)
    with pytest.raises(ValueError, match="one currency"):
        bound([], Reach(1, 10), 1)


@pytest.mark.parametrize(
    ("texts", "overhead", "context", "media", "expected"),
    [
        (["hello", "wörld"], 20, None, 0, 31),
        (["你好"], 0, None, 0, 6),
        (["😀", "\ud800"], 0, None, 0, 7),
        ([], 12, 1000, 0, 12),
        (["x" * 2000], 12, 1000, 0, 1000),
        (["x"], 1, 1000, 300, 302),
        (["x"], 1, 1000, None, 1000),
    ],
)
def test_the_prompt_is_at_most_its_bytes_and_its_frame(texts, overhead, context, media, expected):
    assert prompt_bound(texts, overhead=overhead, context=context, media=media) == expected


def test_media_without_a_table_and_without_a_context_are_refused():
    with pytest.raises(UnboundedError):
        prompt_bound(["x"], overhead=0, context=None, media=None)


# Rates of one nano-unit a token each way and a prompt of 100: money above 100 is the affordable answer.
HOLDS = """
limit  max    beyond countable | money    |   nano tokens ceiling   send   told  why
500    4000   0      yes       |   10,000 |    600    500     500    500   -     the client's limit is held in full
500    4000   0      yes       |      100 |    600    500     500    500   -     also when the money is not there
9000   4000   0      yes       |   20,000 |   9100   9000    9000   9000   -     never changed
500    4000   300    yes       |   10,000 |    900    800     800    500   -     plus the thinking left out of it
-      4000   0      yes       |  200,000 |   4100   4000    4000   4000   -     a short model in one hold
-      60000  0      yes       |  500,000 |   4196   4096   60000  60000   -     4,096 at first
-      60000  0      yes       |  100,000 |   3125   3025   60000  60000   -     a 32nd of the money
-      60000  0      yes       |   20,100 |   2148   2048   20000  20000   20000 2,048 at least
-      60000  0      yes       |    1,100 |   1100   1000    1000   1000   1000  what fits
-      60000  0      yes       |      356 |    356    256     256    256   256   the least
-      60000  0      yes       |      355 | refused 356                          under 256 tokens
-      100    0      yes       |      200 |    200    100     100    100   -     a model that never says more
-      100    0      yes       |      199 | refused 200
-      60000  0      no        | 2,000,000 |  32868  32768   32768  32768   32768 32,768 when it cannot be counted
-      60000  0      no        |  640,000 |  20000  19900   19900  19900   19900 a 32nd of the money
-      60000  0      no        |   20,100 |   2148   2048    2048   2048   2048
-      60000  0      no        |    1,100 |   1100   1000    1000   1000   1000
-      8000   0      no        |  900,000 |   8100   8000    8000   8000   -
-      -      0      yes       |  900,000 |   4196   4096  200000      -   -     unknown maximum: nothing to send
-      -      0      yes       |   50,100 |   2148   2048   50000  50000   50000
-      -      0      no        | 2,000,000 |  32868  32768   32768  32768   32768
-      8000   2000   no        |  900,000 |  10100  10000   10000   8000   -     answer and thinking, both bounded
-      8000   2000   no        |    5,100 |   4148   4048    4048   2048   2048  thinking first, then what is left
-      8000   2000   yes       |  900,000 |   4196   4096   10000   8000   -     thinking is counted as it comes
-      8000   -      yes       |  900,000 |   4196   4096  200000   8000   -     thinking without bound
-      8000   -      no        | 2,000,000 |  32868  32768   32768   8000   -
500    8000   90000  yes       |  900,000 |   4696   4596   90500    500   -     thinking grows beside a limit too
500    8000   90000  yes       |   10,000 |   2648   2548   90500    500   -
500    8000   90000  no        |   10,000 |  90600  90500   90500    500   -     held in full where it cannot be counted
500    8000   -      yes       |  900,000 |   4696   4596  200000    500   -     the limit in full, the thinking in part
500    8000   -      no        | 2,000,000 |  33368  33268   33268    500   -
500    8000   -      yes       |      800 | refused 856
"""


@pytest.mark.parametrize("row", HOLDS.strip().splitlines()[1:])
def test_a_hold_covers_what_was_asked_and_part_of_what_was_left_open(row):
    asked, money, expected = (part.split() for part in row.split("|"))
    limit, most, beyond = (None if each == "-" else int(each) for each in asked[:3])
    wish = Wish(limit, most, beyond, countable=asked[3] == "yes")
    reach = Reach(100, 200_000)
    found = first_hold([at_noon(flat(1_000, 1_000))], reach, wish, int(money[0].replace(",", "")))
    if expected[0] == "refused":
        assert found == TooDear(int(expected[1]))
        return
    nano, tokens, ceiling, send, told = (None if each == "-" else int(each) for each in expected[:5])
    assert found == HoldPlan(nano, tokens, ceiling, send, told)


def test_of_calls_that_name_no_limit_many_start_at_once_on_little_money():
    # USD 20 per 1M tokens of answer, as the dearest of the catalog, and USD 1
    prices, reach, left = [at_noon(flat(4_000_000, 20_000_000))], Reach(300, 200_000), 10**9
    started = 0
    while isinstance(found := first_hold(prices, reach, Wish(None, 60_000), left), HoldPlan):
        left -= found.nano
        started += 1
    assert started >= 20


def test_a_model_of_unknown_context_and_maximum_is_held_by_steps():
    found = first_hold([at_noon(flat(1_000, 1_000))], Reach(100, None), Wish(None, None), 10**12)
    assert found == HoldPlan(4_196, 4_096, 10_000_000, None, None)


def test_several_answers_are_held_together():
    found = first_hold([at_noon(flat(1_000, 1_000))], Reach(100, 200_000, choices=3), Wish(None, 60_000), 10**9)
    assert found == HoldPlan(100 + 3 * 4_096, 4_096, 60_000, 60_000, None)


GROWING = HoldPlan(nano=4_196, tokens=4_096, ceiling=10_000, send_limit=10_000, told=None)


@pytest.mark.parametrize(
    ("held", "counted", "choices", "more", "stop"),
    [
        (4_096, 0, 1, False, False),
        (4_096, 3_071, 1, False, False),  # 3,838 + 256 = 4,094
        (4_096, 3_072, 1, True, False),  # 3,840 + 256 = 4,096
        (4_096, 3_225, 1, True, False),  # 4,031 + 64 = 4,095
        (4_096, 3_226, 1, True, True),  # 4,032 + 64 = 4,096
        (4_096, 6_348, 2, False, False),  # 7,935 + 256 = 8,191
        (4_096, 6_349, 2, True, False),
        (10_000, 9_999, 1, False, False),  # the whole answer is held: the upstream's own limit ends it
    ],
)
def test_a_hold_grows_before_the_count_reaches_it(held, counted, choices, more, stop):
    assert wants_more(GROWING, held, counted, choices) is more
    assert must_stop(GROWING, held, counted, choices) is stop


@pytest.mark.parametrize(
    ("held", "spare", "expected"),
    [
        (4_096, 500_000, Growth(8_192, 4_096)),  # a step
        (8_192, 50_000, Growth(10_000, 1_808)),  # up to the ceiling
        (4_096, 131_072, Growth(8_192, 4_096)),
        (4_096, 96_000, Growth(7_096, 3_000)),  # a 32nd of what is spare
        (4_096, 50_000, Growth(6_144, 2_048)),  # which is never less than 2,048 tokens
        (4_096, 2_047, Growth(6_143, 2_047)),  # what the money still buys
        (4_096, 1, Growth(4_097, 1)),
        (4_096, 0, None),
        (4_096, -5, None),
        (10_000, 50_000, None),
    ],
)
def test_a_hold_grows_by_steps_up_to_its_ceiling_or_by_what_is_left(held, spare, expected):
    # one nano-unit a token each way and a prompt of 100
    assert next_hold(GROWING, [at_noon(flat(1_000, 1_000))], Reach(100, 200_000), held, spare) == expected


def test_a_context_that_is_full_needs_no_further_hold():
    # 2 nano a prompt token, 1 an answer's: with 90 in, 10 out are left, and longer answers cost less in all
    prices, reach = [at_noon(flat(2_000, 1_000))], Reach(90, 100)
    assert bound(prices, reach, 10) == bound(prices, reach, 60) == 190
    plan = HoldPlan(nano=190, tokens=10, ceiling=60, send_limit=60, told=None)
    assert next_hold(plan, prices, reach, 10, 0) == Growth(60, 0)


@pytest.mark.parametrize(("counted", "choices", "ignored"), [(12_756, 1, False), (12_757, 1, True), (12_757, 2, False)])
def test_an_upstream_that_goes_on_beyond_its_limit_is_cut(counted, choices, ignored):
    assert ignores_limit(GROWING, counted, choices) is ignored


# Small numbers, so that every possible call can be tried.
rate = st.integers(0, 9_000)
edge = st.none() | st.integers(0, 14)
bands = st.lists(
    st.builds(
        Band,
        input=rate,
        output=rate,
        cached_input=st.none() | rate,
        cache_write=st.none() | rate,
        up_to_prompt_tokens=edge,
        up_to_output_tokens=edge,
        thinking=st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
reaches = st.builds(
    Reach,
    prompt=st.integers(0, 14),
    context=st.none() | st.integers(0, 16),
    choices=st.integers(1, 3),
    thinking=st.none() | st.booleans(),
)


def dearest_of_all(found, reach, answer):
    best = 0
    for thinking in (False, True) if reach.thinking is None else (reach.thinking,):
        for prompt in range(reach.prompt + 1):
            if reach.context is not None and prompt > reach.context:
                continue
            one = answer if reach.context is None else min(answer, reach.context - prompt)
            for output in range(one * reach.choices + 1):
                rates = found.rates(prompt=prompt, output=output, thinking=thinking)
                best = max(
                    best, prompt * max(rates.input, rates.cached_input, rates.cache_write) + output * rates.output
                )
    return -(-best // 1000)


@given(bands=bands, reach=reaches, answer=st.integers(0, 12))
@settings(max_examples=300, deadline=None)
def test_the_bound_equals_the_dearest_of_all_possible_calls_whatever_the_bands(bands, reach, answer):
    found = at_noon(Price("USD", tuple(bands)))
    assert bound([found], reach, answer) == dearest_of_all(found, reach, answer)


@given(bands=bands, reach=reaches, answer=st.integers(0, 12), fees=st.integers(0, 5_000))
@settings(max_examples=100, deadline=None)
def test_fees_are_held_for_beside_the_tokens_whatever_the_bands(bands, reach, answer, fees):
    found = at_noon(Price("USD", tuple(bands)))
    assert bound([found], reach, answer, fees) == bound([found], reach, answer) + fees


wide_reaches = st.builds(
    Reach,
    prompt=st.integers(0, 300_000),
    context=st.none() | st.integers(1, 400_000),
    choices=st.integers(1, 4),
    thinking=st.none() | st.booleans(),
)


@given(
    name=st.sampled_from(sorted(PRICES)),
    reach=wide_reaches,
    answer=st.integers(0, 70_000),
    shares=st.tuples(*[st.integers(0, 100)] * 4),
    thinking=st.booleans(),
)
def test_no_call_within_its_bounds_is_charged_more_than_its_hold(name, reach, answer, shares, thinking):
    found = at_noon(name)
    prompt = min(reach.prompt, reach.context if reach.context is not None else reach.prompt) * shares[0] // 100
    one = answer if reach.context is None else min(answer, reach.context - prompt)
    cached = prompt * shares[2] // 100
    usage = TokenUsage(
        prompt, one * reach.choices * shares[1] // 100, cached=cached, cache_write=(prompt - cached) * shares[3] // 100
    )
    thought = thinking if reach.thinking is None else reach.thinking
    assert found.charge(usage, thinking=thought).nano <= bound([found], reach, answer)


@given(bands=bands, reach=reaches, money=st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_affordable_is_the_longest_answer_that_the_money_covers(bands, reach, money):
    found = [at_noon(Price("USD", tuple(bands)))]
    longest = max((each for each in range(13) if bound(found, reach, each) <= money), default=-1)
    assert affordable(found, reach, money, 12) == longest


wishes = st.builds(
    Wish,
    limit=st.none() | st.integers(1, 2_000),
    max_output=st.none() | st.integers(1, 100_000),
    beyond=st.none() | st.integers(0, 500),
    countable=st.booleans(),
)


@given(bands=bands, reach=reaches, wish=wishes, money=st.integers(0, 10**7))
@settings(max_examples=300, deadline=None)
def test_a_hold_never_exceeds_the_money_unless_the_client_set_the_limit(bands, reach, wish, money):
    found = [at_noon(Price("USD", tuple(bands)))]
    held = first_hold(found, reach, wish, money)
    if isinstance(held, TooDear):
        assert held.need_nano > money
        return
    assert held.nano == bound(found, reach, held.tokens)
    assert held.tokens <= held.ceiling
    if wish.limit is None or wish.beyond is None:
        assert held.nano <= money
    if wish.limit is not None:
        assert held.send_limit == wish.limit
        assert held.told is None
        assert held.tokens >= wish.limit
