"""Which answers that broke off may be gone on with, by whom, with what request, and what the parts add up to."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.prices import Rates, Tariff, Tier
from smartoken.catalog.offers import Abilities, Model, Offer, Reasoning
from smartoken.errors import FailureClass, UpstreamCutError
from smartoken.gateway.call import Attempt, Call, EndReason, Outcome, Part, Target
from smartoken.gateway.meter import Meter
from smartoken.gateway.protocols.chat import read_chat
from smartoken.gateway.seams import (
    MOST_SEAMS,
    Story,
    charge_of,
    join,
    obstacle,
    obstacle_of,
    price_lines,
    remainder_of,
    wanted,
)
from smartoken.identity.facts import Account, ApiKey, Caller, Policy
from smartoken.operations.served import ServedOffer
from smartoken.providers.continuing import continued_path
from smartoken.providers.deepseek import DEEPSEEK
from smartoken.providers.moonshot import MOONSHOT
from smartoken.providers.setup import ProviderSetup
from smartoken.tokens import TokenUsage, UsageSource

CUT = FailureClass.CUT
ACCOUNT = Account("acct_1", "acme", "Acme", None, "UTC", "prepaid", 0, Policy(), "active")
KEY = ApiKey(
    "key_1", "acct_1", "main", "test", None, None, (), (), (), 0, 0, 0, Policy(), {}, "active", None, 0, "", ""
)
ASK = [{"role": "user", "content": "Tell me"}]


def a_call(options=None, **body):
    request = read_chat(orjson.dumps({"model": "test/alpha", "messages": ASK, "stream": True, **body}))
    caller = Caller(replace(KEY, options=options or {}), ACCOUNT)
    return Call("call_1", caller, request, datetime(2026, 11, 25, tzinfo=UTC), 0, 0.0, None)


def a_model(**facts):
    return replace(Model("test/alpha", "Alpha", "test", "test", 32_768, 4_096), **facts)


def an_offer(dialect="deepseek", upstream="alpha-up", **facts):
    offer = replace(Offer("up2:test/alpha", "test/alpha", "up2", upstream, None), **facts)
    return ServedOffer(offer, ProviderSetup("up2", dialect, "http://127.0.0.1:1/v1", ()), None)


WANTED = [
    # the key's option, the body's provider, whether it is wanted
    ({}, None, False),
    ({"continuation": True}, None, True),
    ({"continuation": True}, {"only": ["up1"]}, True),
    ({"continuation": True}, {"continuation": False}, False),
    ({}, {"continuation": True}, True),
    ({}, {"continuation": None}, False),
    ({"continuation": "yes"}, None, False),
]


@pytest.mark.parametrize(("option", "provider", "expected"), WANTED)
def test_the_call_decides_and_else_its_key(option, provider, expected):
    more = {} if provider is None else {"provider": provider}
    assert wanted(a_call(option, **more)) is expected


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
MAY = [
    # more of the body, the failure, what was said, a word of the reason against it
    ({}, CUT, "So", None),
    ({}, FailureClass.TIMEOUT, "So", None),
    ({}, FailureClass.BAD_ANSWER, "So", None),
    ({}, FailureClass.PROVIDER_CAPACITY, "So", None),
    ({}, FailureClass.KEY_BROKE, "So", None),
    ({}, FailureClass.OWN_RATE_LIMIT, "So", None),
    ({}, FailureClass.REFUSAL, "So", "fault"),
    ({}, FailureClass.REQUEST_FAULT, "So", "fault"),
    ({}, FailureClass.CONTEXT_LENGTH, "So", "fault"),
    ({}, CUT, "", "thinking"),
    ({"n": 2}, CUT, "So", "choices"),
    ({"n": 1}, CUT, "So", None),
    ({"tools": [TOOL]}, CUT, "So", "tools"),
    ({"tools": []}, CUT, "So", None),
    ({"functions": [{"name": "f"}]}, CUT, "So", "tools"),
    ({"response_format": {"type": "text"}}, CUT, "So", None),
    ({"response_format": {"type": "json_object"}}, CUT, "So", "form"),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, CUT, "So", "form"),
    ({"messages": [*ASK, {"role": "assistant", "content": "S"}]}, CUT, "So", "assistant"),
    ({"stop": "END"}, CUT, "So it E", "stop"),
    ({"stop": "END"}, CUT, "So it EN", "stop"),
    ({"stop": "END"}, CUT, "So it", None),
    ({"stop": ["###", "\n\n"]}, CUT, "So it\n", "stop"),
    ({"stop": "\n"}, CUT, "So it", None),
    ({"logprobs": True}, CUT, "So", None),
]


@pytest.mark.parametrize(("more", "failure", "said", "word"), MAY)
def test_only_text_with_a_safe_middle_is_gone_on_with(more, failure, said, word):
    why = obstacle(a_call(**more), failure, said)
    assert why is None if word is None else word in why


OFFERS = [
    # the model's facts, the offer, a word of the reason against it
    ({}, an_offer("deepseek"), None),
    ({}, an_offer("moonshot"), None),
    ({}, an_offer("qwen"), None),
    ({}, an_offer("qwen", "qwen3.7-plus"), None),
    ({}, an_offer("qwen", "kimi-k2.6"), "documents"),
    ({}, an_offer("qwen", "vendor/deepseek-v4"), "documents"),
    ({}, an_offer("openai"), "documents"),
    ({}, an_offer("zhipu"), "documents"),
    ({"abilities": Abilities(prefix=False)}, an_offer(), "known not"),
    ({"abilities": Abilities(prefix=False)}, an_offer(abilities=Abilities(prefix=True)), None),
    ({"abilities": Abilities(prefix=True)}, an_offer(abilities=Abilities(prefix=False)), "known not"),
    ({"reasoning": Reasoning(supported=True)}, an_offer(), None),
    ({"reasoning": Reasoning(supported=True, can_disable=False)}, an_offer(), "always thinks"),
]


@pytest.mark.parametrize(("facts", "offer", "word"), OFFERS)
def test_an_offer_goes_on_where_its_vendor_documents_it_and_no_thinking_would_come(facts, offer, word):
    why = obstacle_of(a_model(**facts), offer)
    assert why is None if word is None else word in why


PATHS = [
    (DEEPSEEK, "", "/beta/chat/completions"),
    (DEEPSEEK, "/v1", "/beta/chat/completions"),
    (DEEPSEEK, "/as/deepseek", "/as/deepseek/beta/chat/completions"),
    (MOONSHOT, "/v1", None),
]


@pytest.mark.parametrize(("spoken", "base", "expected"), PATHS)
def test_a_path_of_its_own_takes_the_place_of_the_version(spoken, base, expected):
    assert continued_path(spoken, base) == expected


def broke_off(*pieces, thought=(), call=None, failure=CUT):
    """Return an outcome whose answer broke off after these pieces, with its meter."""
    meter = Meter()
    for piece in thought:
        meter.see({"reasoning_content": piece})
    for piece in pieces:
        meter.see({"content": piece})
    attempt = Attempt("up1:test/alpha", "up1", "main", 0, failure=failure)
    target = Target(an_offer(), None, {"messages": ASK})
    outcome = Outcome(EndReason.UPSTREAM_CUT, 200, UpstreamCutError("cut"), target=target, attempts=[attempt])
    outcome.usage, outcome.thinking = meter.counted(target.body), meter.thinking
    return outcome, meter


def told(call, *pieces, model=None, **more):
    outcome, meter = broke_off(*pieces, **more)
    story = Story()
    story.take(call, model or a_model(), outcome, meter)
    return story, outcome


def test_the_request_for_the_rest_ends_with_what_was_said_and_leaves_the_clients_as_it_was():
    call = a_call(temperature=0.5)
    story, _ = told(call, "So", " it goes")
    rest = remainder_of(call, a_model(), an_offer("moonshot"), story)
    said = {"role": "assistant", "content": "So it goes", "partial": True}
    assert rest.request.body["messages"] == [*ASK, said]
    assert rest.request.body["temperature"] == 0.5
    assert call.request.body["messages"] == ASK
    assert (rest.id, rest.request.limit) == (call.id, None)


def test_thinking_is_off_for_the_rest_whatever_was_asked():
    call = a_call(reasoning_effort="high", thinking={"type": "enabled"})
    model = a_model(reasoning=Reasoning(supported=True))
    story, _ = told(call, "So", thought=("Hm",), model=model)
    body = remainder_of(call, model, an_offer(), story).request.body
    assert "reasoning_effort" not in body
    assert "thinking" not in body
    assert body["enable_thinking"] is False


LIMITS = [
    # the limit, pieces, whether the limit covers thinking, thinking, what is left (None: it may be used up)
    (100, ["one "] * 12, True, [], 85),
    (100, ["one "] * 12, True, ["two "] * 4, 80),
    (15, ["one "] * 12, True, [], None),
    (16, ["one "] * 12, True, [], 1),
    (10, ["12345678"], True, [], None),  # by our count a digit is a token: rather too little than past the limit
    (100, ["one "] * 12, False, ["two "] * 4, 85),
]


@pytest.mark.parametrize(("limit", "pieces", "covers", "thought", "left"), LIMITS)
def test_what_was_said_counts_against_the_clients_limit(limit, pieces, covers, thought, left):
    call = a_call(max_tokens=limit)
    model = a_model(reasoning=Reasoning(supported=True, limit_covers_reasoning=covers))
    story, _ = told(call, *pieces, thought=thought, model=model)
    if left is None:
        assert story.told(None) == "not continued: its limit may be used up"
    else:
        got = remainder_of(call, model, an_offer(), story).request.limit
        assert left - 3 <= got <= left  # words are estimated, each piece counts for a token at least


def test_an_answer_is_gone_on_with_a_bounded_number_of_times():
    call, seen = a_call(), 0
    outcome, meter = broke_off("So")
    story = Story()
    story.take(call, a_model(), outcome, meter)
    while not story.over:
        seen += 1
        rest, meter = broke_off(" and so on")
        outcome.attempts.append(rest.attempts[0])
        rest.attempts = outcome.attempts
        join(outcome, rest, story)
        story.take(call, a_model(), outcome, meter)
    assert seen == MOST_SEAMS
    assert story.said == "So" + " and so on" * MOST_SEAMS
    assert story.told(None) == f"continued:{MOST_SEAMS}; not continued: it was gone on with {MOST_SEAMS} times"
    assert [each.place for each in outcome.parts] == [1, 2, 3]


def test_a_call_ends_as_its_last_part_did_and_used_what_all_of_them_used():
    call = a_call()
    story, whole = told(call, "So")
    first = whole.usage
    rest = Outcome(EndReason.LENGTH, 200, None, TokenUsage(20, 5), "limited_by:budget", whole.target, "alpha-2")
    whole.attempts.append(Attempt("up2:test/alpha", "up2", "main", 9))
    rest.attempts = whole.attempts
    join(whole, rest, story)
    story.end()
    assert (whole.end, whole.error, whole.model_served) == (EndReason.LENGTH, None, "alpha-2")
    assert whole.usage == TokenUsage(first.prompt + 20, first.completion + 5, source=UsageSource.MIXED)
    assert story.told(whole.evidence) == "limited_by:budget; continued:1"
    assert [each.usage for each in whole.attempts] == [first, TokenUsage(20, 5)]


FAULTS = [
    # how the remainder broke off, whose error the client is told: that one's, or the cut's before it
    (FailureClass.REFUSAL, True),
    (FailureClass.CUT, True),
    (FailureClass.TIMEOUT, True),
    (FailureClass.REQUEST_FAULT, False),
    (FailureClass.CONTEXT_LENGTH, False),
]


@pytest.mark.parametrize(("failure", "told_of_it"), FAULTS)
def test_what_a_provider_finds_at_fault_in_our_own_request_is_not_told_as_the_clients(failure, told_of_it):
    story, whole = told(a_call(), "So")
    before, cut = whole.usage, whole.error
    error = UpstreamCutError("again")
    whole.attempts.append(Attempt("up2:test/alpha", "up2", "main", 9, failure=failure))
    rest = Outcome(EndReason.UPSTREAM_CUT, 200, error, TokenUsage(9, 9), target=whole.target, attempts=whole.attempts)
    join(whole, rest, story)
    assert whole.error is (error if told_of_it else cut)
    assert len(whole.parts) == 2  # what was delivered is billed either way
    assert whole.usage.completion == before.completion + 9


BANDED = (Tier(100, None, Rates(1_001, 1_001, 1_001, 2_003, 0)), Tier(None, None, Rates(5_009, 5_009, 5_009, 7_001, 1)))
TARIFF = Tariff("USD", BANDED, (Tier(None, None, Rates(9_001, 9_001, 9_001, 9_007, 0)),))


def a_part(place, usage, *, thinking=False):
    return Part(place, Target(an_offer(), None, {}), usage, thinking)


def test_each_part_has_the_rates_of_its_own_length_and_the_sum_is_rounded_up_once():
    parts = [a_part(1, TokenUsage(100, 1), thinking=False), a_part(3, TokenUsage(101, 1))]
    charged = charge_of(parts, TARIFF)
    pico = 100 * 1_001 + 2_003 + 101 * 5_009 + 7_001
    assert charged.nano == -(-pico // 1_000)
    assert [(each["attempt"], each["what"], each["rate"]) for each in price_lines(parts, charged)] == [
        (1, "input", 1_001), (1, "output", 2_003), (3, "input", 5_009), (3, "output", 7_001),
    ]  # fmt: skip


counts = st.builds(
    lambda fresh, cached, write, output: TokenUsage(fresh + cached + write, output, cached, write),
    *(st.integers(0, 200) for _ in range(4)),
)


@given(st.lists(st.tuples(counts, st.booleans()), min_size=1, max_size=4))
def test_the_lines_of_the_parts_multiply_out_to_the_charge(told_by):
    parts = [a_part(place, usage, thinking=thinking) for place, (usage, thinking) in enumerate(told_by, 1)]
    charged = charge_of(parts, TARIFF)
    lines = price_lines(parts, charged)
    assert len(lines) == len(charged.lines)
    assert charged.nano == -(-sum(each["tokens"] * each["rate"] for each in lines) // 1_000)
    for place, part in enumerate(parts, 1):
        own = [each for each in lines if each["attempt"] == place]
        assert sum(each["tokens"] for each in own) == part.usage.total
