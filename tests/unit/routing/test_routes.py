"""Where a call goes: tiers, shares, strategies, policies, and the reason against every offer left out."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from smartoken.catalog.offers import DataPolicy
from smartoken.routing.routes import (
    Ability,
    Because,
    Candidate,
    Condition,
    Needs,
    Options,
    Preferences,
    Strategy,
    Tier,
    breach,
    decide,
    route_of,
)
from smartoken.routing.strategies import Share, Turns, by_shares, by_stickiness
from unit.routing.routing_worlds import NAMES, SG, Facts, Rule, given, names, offers, random_plan, route


def test_priority_1_is_tried_before_priority_2():
    order = names(decide(route({"b": 100}, {"a": 100}), offers(a="sg", b="sg"), given()))
    assert order == ["b", "a"]


@pytest.mark.parametrize("percents", [{"a": 70, "b": 30}, {"a": 50, "b": 30, "c": 20}, {"a": 99, "b": 1}])
def test_shares_are_kept_within_one_percent_over_10_000_calls(percents):
    turns, seen = Turns(), Counter()
    world = offers(**dict.fromkeys(percents, "sg"))
    for _ in range(10_000):
        seen[names(decide(route(percents), world, given(turns=turns)))[0]] += 1
    assert all(abs(seen[name] - percent * 100) <= 100 for name, percent in percents.items())


def test_shares_stay_exact_for_each_kind_of_call_when_kinds_alternate():
    turns, seen = Turns(), Counter()
    world, split = offers(a="sg", b="sg", c="cn"), route({"a": 40, "b": 40, "c": 20})
    for number in range(10_000):
        bound = number % 2 == 0
        needs = Needs(rules=(SG,) if bound else ())
        seen[bound, names(decide(split, world, given(needs, turns=turns)))[0]] += 1
    assert abs(seen[True, "a"] - 2_500) <= 50
    assert abs(seen[False, "a"] - 2_000) <= 50
    assert abs(seen[False, "c"] - 1_000) <= 50
    assert (True, "c") not in seen


def test_a_share_of_nothing_is_a_spare():
    order = names(decide(route({"a": 100, "b": 0}), offers(a="sg", b="sg"), given()))
    assert order == ["a", "b"]


def test_a_sticky_session_stays_on_one_offer_until_that_offer_trips():
    sticky = route(Tier((Share("a", 50), Share("b", 50)), Strategy.STICKY))
    world, turns = offers(a="sg", b="sg"), Turns()
    firsts = Counter()
    for session in range(500):
        chosen = {names(decide(sticky, world, given(Needs(sticky=f"s{session}"), turns=turns)))[0] for _ in range(20)}
        assert len(chosen) == 1
        firsts.update(chosen)
    assert 200 < firsts["a"] < 300  # sessions are spread by share


def test_a_sticky_session_leaves_an_offer_the_moment_it_rests_and_comes_back():
    sticky, world = route(Tier((Share("a", 50), Share("b", 50)), Strategy.STICKY)), offers(a="sg", b="sg")
    needs = Needs(sticky="one session")
    home = names(decide(sticky, world, given(needs)))[0]
    other = "b" if home == "a" else "a"
    assert names(decide(sticky, world, given(needs, Facts(waits={home: 5.0})))) == [other]
    assert names(decide(sticky, world, given(needs)))[0] == home


def test_only_the_sessions_of_an_offer_that_drops_out_move():
    shares = tuple(Share(name, 25) for name in "abcd")
    sticky, world = route(Tier(shares, Strategy.STICKY)), offers(a="sg", b="sg", c="sg", d="sg")
    for session in range(200):
        needs = Needs(sticky=str(session))
        before = names(decide(sticky, world, given(needs)))[0]
        after = names(decide(sticky, world, given(needs, Facts(waits={"d": 9.0}))))[0]
        assert before in (after, "d")


def test_the_lowest_price_comes_first_and_unknown_costs_last():
    world = {
        name: replace(each, cost_pico={"a": 300, "b": 100}.get(name)) for name, each in offers(a=0, b=0, c=0).items()
    }
    tier = Tier((Share("a", 40), Share("b", 20), Share("c", 40)), Strategy.PRICE)
    assert names(decide(route(tier), world, given())) == ["b", "a", "c"]


def test_the_lowest_latency_comes_first_once_each_was_seen():
    tier = Tier((Share("a", 50), Share("b", 50)), Strategy.LATENCY)
    world = offers(a="sg", b="sg")
    assert names(decide(route(tier), world, given(view=Facts(times={"a": 100.0}))))[0] == "b"  # never seen
    turns, seen = Turns(), Counter()
    for _ in range(1_000):
        seen[names(decide(route(tier), world, given(view=Facts(times={"a": 100.0, "b": 500.0}), turns=turns)))[0]] += 1
    assert 950 <= seen["a"] < 1_000  # one turn in twenty looks at the others


def test_latencies_that_are_close_share_the_calls():
    tier, world, turns = Tier((Share("a", 50), Share("b", 50)), Strategy.LATENCY), offers(a="sg", b="sg"), Turns()
    view = Facts(times={"a": 100.0, "b": 115.0})
    seen = Counter(names(decide(route(tier), world, given(view=view, turns=turns)))[0] for _ in range(1_000))
    assert 450 <= seen["a"] <= 550


BREACHES = [
    (Rule(), DataPolicy(), None),
    (SG, DataPolicy(region="sg"), None),
    (SG, DataPolicy(region="cn"), "region cn is not in sg"),
    (SG, DataPolicy(), "region unknown is not in sg"),
    (Rule(no_training=True), DataPolicy(trains=False), None),
    (Rule(no_training=True), DataPolicy(trains=True), "trains on API data"),
    (Rule(no_training=True), DataPolicy(), "whether it trains on API data is unknown"),
]


@pytest.mark.parametrize(("rule", "facts", "why"), BREACHES)
def test_a_fact_that_is_unknown_breaks_a_policy_that_is_set(rule, facts, why):
    assert breach(rule, facts) == why


WORLD = {
    "a": Candidate("a", "up1", DataPolicy("cn", trains=False), context=1_000, abilities={Ability.TOOLS: True}),
    "b": Candidate("b", "up2", DataPolicy("sg", trains=False), context=9_000, abilities={Ability.TOOLS: False}),
    "c": Candidate("c", "up3", DataPolicy("sg"), abilities={}),
}
ROWS = [
    # what the call needs, the order, the reasons
    (Needs(), ["a", "b", "c"], {}),
    (Needs(rules=(SG,)), ["b", "c"], {"a": Because.POLICY}),
    (Needs(rules=(SG, Rule(no_training=True))), ["b"], {"a": Because.POLICY, "c": Because.POLICY}),
    (Needs(abilities=frozenset({Ability.TOOLS})), ["a", "c"], {"b": Because.ABILITY}),
    (Needs(prompt_tokens=5_000), ["b", "c"], {"a": Because.CONTEXT}),
    (Needs(preferences=Preferences(only=("up2",))), ["b"], {"a": Because.CLIENT, "c": Because.CLIENT}),
    (Needs(preferences=Preferences(ignore=("up1", "c"))), ["b"], {"a": Because.CLIENT, "c": Because.CLIENT}),
    (Needs(preferences=Preferences(order=("up3", "up2"))), ["c", "b", "a"], {}),
    (
        Needs(preferences=Preferences(order=("up3",), fallbacks=False)),
        ["c"],
        {"a": Because.CLIENT, "b": Because.CLIENT},
    ),
    (Needs(preferences=Preferences(fallbacks=False)), ["a"], {}),
    (Needs(rules=(SG,), preferences=Preferences(order=("up1",), fallbacks=False)), [], None),
]


@pytest.mark.parametrize(("needs", "order", "reasons"), ROWS)
def test_what_is_left_out_is_told_with_its_reason(needs, order, reasons):
    decision = decide(route({"a": 100}, {"b": 100}, {"c": 100}), WORLD, given(needs))
    assert names(decision) == order
    if reasons is not None:
        assert {each.offer: each.because for each in decision.excluded} == reasons
    assert all(each.why for each in decision.excluded)


def test_a_tier_is_only_for_the_calls_that_fit_its_condition():
    production = Tier((Share("a", 100),), when=Condition(environments=("production",), needs=(Ability.TOOLS,)))
    long = Tier((Share("c", 100),), when=Condition(min_prompt_tokens=500))
    split = route(production, {"b": 100}, long)
    world = offers(a="sg", b="sg", c="sg")
    assert names(decide(split, world, given(Needs("production", frozenset({Ability.TOOLS}))))) == ["a", "b"]
    assert names(decide(split, world, given(Needs("production")))) == ["b"]
    assert names(decide(split, world, given(Needs("staging", frozenset({Ability.TOOLS}), 900)))) == ["b", "c"]


def test_when_everything_rests_after_failures_the_one_due_soonest_is_tried():
    view = Facts(waits={"a": 30.0, "b": 4.0}, anyway={"a", "b"})
    decision = decide(route({"a": 100}, {"b": 100}), offers(a="sg", b="sg"), given(view=view))
    assert decision.last_resort
    assert names(decision) == ["b"]


def test_a_key_without_money_is_no_last_resort():
    view = Facts(waits={"a": 30.0, "b": None})
    decision = decide(route({"a": 100}, {"b": 100}), offers(a="sg", b="sg"), given(view=view))
    assert not decision.order
    assert [each.wait_s for each in decision.excluded] == [30.0, None]


def test_an_offer_whose_provider_is_not_set_up_is_named():
    decision = decide(route({"a": 50, "gone": 50}), offers(a="sg"), given())
    assert names(decision) == ["a"]
    assert decision.excluded[0].because is Because.ABSENT


def test_a_route_follows_from_the_tiers_and_shares_of_the_set_up():
    made = route_of("m", [("b", 2, 100), ("a", 1, 60), ("c", 1, 40)])
    assert [tuple(each.offer for each in tier.shares) for tier in made.tiers] == [("a", "c"), ("b",)]
    assert made.options == Options()


def test_regions_sg_is_never_broken_in_10_000_random_plans_fallbacks_and_last_resorts():
    chance, tried = Random(20261125), 0
    for _ in range(10_000):
        split, regions, needs, view = random_plan(chance)
        decision = decide(split, offers(**regions), given(needs, view))
        assert all(regions[each.offer] == "sg" for each in decision.order)
        told = {each.offer for each in decision.excluded} | {each.offer for each in decision.order}
        everyone = {share.offer for tier in split.tiers for share in tier.shares}
        assert told == everyone or not needs.preferences.fallbacks
        tried += len(decision.order)
    assert tried > 3_000  # enough was allowed for the rule to have been at stake


@for_all(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100), min_size=1), st.integers(0, 10_000))
def test_every_offer_of_a_tier_has_exactly_one_place_in_its_order(percents, turn):
    shares = tuple(Share(*each) for each in percents.items())
    found = [each.offer for each in by_shares(shares, lambda _: turn)]
    assert sorted(found) == sorted(percents)
    assert sorted(each.offer for each in by_stickiness(shares, str(turn))) == sorted(percents)
