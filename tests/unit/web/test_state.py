"""The status page, its feed, the changes of models and prices, and the rules of campaigns."""

import re
from dataclasses import replace
from datetime import date
from html import unescape

import pytest

from smartoken.web import figures
from smartoken.web.rests import spans
from unit.web.conftest import NOW_MS

MINUTE = 60_000


def event(minute, state, wait_s=0, offer="o", key="k", cause="timeout"):
    return {
        "created_ms": NOW_MS + minute * MINUTE,
        "offer": offer,
        "key_id": key,
        "state": state,
        "cause": cause,
        "wait_ms": wait_s * 1000,
    }


# What was told, and the spans: (offer, begins, ends, rests, seen), in minutes from now.
TOLD = [
    ([], []),
    ([event(-10, "open", 60), event(-9, "half_open"), event(-9, "closed")], [("o", -10, -9, 1, True)]),
    ([event(-10, "open", 60)], [("o", -10, -9, 1, False)]),
    ([event(-1, "open", 300)], [("o", -1, None, 1, True)]),
    ([event(-10, "open", 60), event(-8, "open", 600), event(-1, "closed")], [("o", -10, -1, 2, True)]),
    ([event(-10, "open", 600), event(-10, "open", 600), event(-5, "closed")], [("o", -10, -5, 1, True)]),
    ([event(-3, "closed")], []),
    (
        [event(-9, "open", 60, offer="a"), event(-8, "closed", offer="a"), event(-2, "open", 600, offer="b")],
        [("b", -2, None, 1, True), ("a", -9, -8, 1, True)],
    ),
]


@pytest.mark.parametrize(("told", "expected"), TOLD)
def test_what_workers_told_becomes_spans_of_rest(told, expected):
    found = [
        (
            each.offer,
            (each.begin_ms - NOW_MS) // MINUTE,
            None if each.end_ms is None else (each.end_ms - NOW_MS) // MINUTE,
            each.rests,
            each.seen,
        )
        for each in spans(reversed(told), NOW_MS)
    ]
    assert found == expected


def test_durations_are_shown_in_the_words_of_the_design():
    assert [figures.lasting(each) for each in (812, 1_560, 60_000, 124_000, 11_100_000)] == [
        "812 ms",
        "1.56 s",
        "1 m 00 s",
        "2 m 04 s",
        "3 h 05 m",
    ]


def items(feed, what):
    """One word of each item of a feed."""
    assert feed.startswith('<?xml version="1.0" encoding="utf-8"?>')
    return [unescape(each) for each in re.findall(rf"<item>.*?<{what}>(.*?)</{what}>", feed)]


def offered(visitor):
    """A model of a provider, and an offer of it as breakers know it."""
    return next(
        (served, each)
        for served in visitor.held.current.models.values()
        for each in served.offers
        if served.model.vendor == "sandbox"
    )


def test_the_status_page_and_its_feed_show_what_rested_without_the_sandbox(fresh):
    told = []
    visitor = fresh(rests=lambda: told)
    served, offer = offered(visitor)
    told.append(event(-10, "open", 60, offer=offer.offer.id, key=offer.provider.keys[0].id))
    assert "No route rested in the last 24 hours." in visitor.ask("/status").text  # scripted faults are no history
    real = replace(served, model=replace(served.model, vendor="zhipu", id="zhipu/one", name="One"))
    old = visitor.held.current
    visitor.held.current = replace(old, models={"zhipu/one": real})
    page = visitor.ask("/status").text
    assert "One: a route" in page
    assert "no answer in time" in page
    assert "Not tried since" in page
    assert items(visitor.ask("/status.xml").text, "link") == ["http://gate.test:8000/models/zhipu/one"]
    hidden = replace(visitor.held.current, show_providers=False)
    visitor.held.current = hidden
    assert f"a route at {offer.provider.id}" not in visitor.ask("/status").text
    assert f"a route at {offer.provider.id}" in page


def test_a_model_whose_routes_rest_is_told_first(fresh):
    visitor = fresh(resting_s=lambda _offer: 5.0)
    served, _ = offered(visitor)
    real = replace(served, model=replace(served.model, vendor="zhipu", id="zhipu/one", name="One"))
    visitor.held.current = replace(visitor.held.current, models={"zhipu/one": real})
    assert "1 of 1 models has no route at the moment" in visitor.ask("/status").text
    assert '"state":"down"' in visitor.ask("/status.json").text


def test_the_changelog_shows_prices_that_changed_and_can_be_narrowed(fresh):
    name = "zhipu/glm-5.3"
    price = {"currency": "USD", "input": "1.00", "output": "2.00"}
    lower = {"bands": [{"input": "0.50", "output": "1.00"}, {"input": "1.00", "output": "2.00"}]}
    changed = {"model": name, "from": "2026-11-20T08:00:00Z", "price": lower, "before": price}
    visitor = fresh(changes=lambda: [changed, {**changed, "model": "gone/one"}])
    page = visitor.ask("/changelog?kind=Price").text
    assert "$1.00 / $2.00 before, $0.50 / $1.00 since" in page
    assert "Sandbox:" not in page
    assert page.count("<tr><td") == 1
    assert "Price: GLM-5.3" in items(visitor.ask("/changelog.xml").text, "title")
    assert visitor.site.today() == date(2026, 11, 25)


def test_no_price_that_changed_is_said_so(fresh):
    assert "No price has changed on this server" in fresh().ask("/changelog?kind=Price").text


@pytest.mark.parametrize(("state", "said"), [("running", "It is running."), ("ended", "nothing is given any more")])
def test_the_page_of_a_campaign_holds_every_sentence_of_its_rules(fresh, state, said):
    rules = "Autumn: rules\n\nYou get <a grant>.\nIt pays for calls.\n"
    terms = {"amount": "5.00", "budget": "500.00", "triggers": ["code", "first_call"], "models": ["test/*"]}
    told = {"name": "Autumn & more", "state": state, "terms": terms, "rules_version": "rules_1", "rules": rules}
    visitor = fresh(campaign=lambda slug: told if slug == "autumn" else None)
    page = visitor.ask("/campaigns/autumn").text
    assert said in page
    assert "<li>You get &lt;a grant&gt;.</li><li>It pays for calls.</li>" in page
    assert "Autumn &amp; more" in page
    assert "SmarToken 0.0.test, Apache-2.0" in page  # the product's version stays its own
    assert "/api/v1/wallet/redeem" in page
    assert visitor.ask("/campaigns/winter").status == 404
    assert visitor.ask("/campaigns/Not-A-Name").status == 404
