"""What a campaign decides, as a table; and that no order of claims passes a cap."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.campaigns.rules import (
    AccountFacts,
    Campaign,
    Granted,
    Refused,
    State,
    Tally,
    Terms,
    TermsError,
    Trigger,
    Why,
    check,
    decide,
    state_of,
)
from unit.campaigns.campaign_table import ACCOUNT, CASES, NOW, TERMS, USD, case


@pytest.mark.parametrize(("changes", "trigger", "wanted"), CASES, ids=[f"{row[0]} by {row[1]}" for row in CASES])
def test_the_table_of_decisions_holds(changes, trigger, wanted):
    campaign, facts, tally = case(changes)
    found = decide(campaign, facts, tally, Trigger(trigger) if trigger else None, NOW)
    if isinstance(wanted, tuple):
        assert found == Granted(*wanted)
    else:
        assert isinstance(found, Refused)
        assert [each.code for each in found.reasons] == wanted
        assert all(each.sentence[0].isupper() and each.sentence.endswith(".") for each in found.reasons)


def test_the_table_meets_every_reason_and_is_long_enough():
    met = {code for _, _, wanted in CASES if isinstance(wanted, list) for code in wanted}
    assert met == {each.value for each in Why}
    assert len(CASES) >= 60


STATES = [
    ({"published": False}, "draft"),
    ({}, "running"),
    ({"starts_ms": NOW + 1}, "scheduled"),
    ({"starts_ms": NOW, "ends_ms": NOW + 1}, "running"),
    ({"ends_ms": NOW}, "ended"),
    ({"paused": True}, "paused"),
    ({"ended_ms": 1}, "ended"),
]


@pytest.mark.parametrize(("changes", "wanted"), STATES)
def test_a_state_follows_from_terms_acts_and_clock(changes, wanted):
    assert state_of(case(changes)[0], NOW) is State(wanted)


WRONG = [
    ({"triggers": ()}, "triggers"),
    ({"triggers": (Trigger.CODE, Trigger.CODE)}, "triggers"),
    ({"amount_nano": 0}, "amount"),
    ({"amount_nano": -1}, "amount"),
    ({"budget_nano": 5 * USD - 1}, "budget"),
    ({"first": 0}, "first"),
    ({"max_grants": 0}, "max_grants"),
    ({"per_account": 0}, "per_account"),
    ({"new_within_days": -1}, "new_within_days"),
    ({"min_paid_nano": -1}, "min_paid"),
    ({"grant_days": 0}, "grant_days"),
    ({"starts_ms": 5, "ends_ms": 5}, "ends_at"),
    ({"starts_ms": 5, "grant_until_ms": 4}, "grant_until"),
    ({"priority": -1}, "priority"),
    ({"priority": 1001}, "priority"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_terms_that_contradict_themselves_are_refused_by_field(changes, field):
    with pytest.raises(TermsError) as refused:
        check(replace(TERMS, **changes))
    assert refused.value.field == field


def test_plain_terms_are_accepted():
    check(TERMS)


CAPPED = st.builds(
    Terms,
    st.just("Any"),
    st.just((Trigger.CODE,)),
    st.integers(1, 50),
    st.integers(50, 500),
    first=st.none() | st.integers(1, 5),
    per_account=st.integers(1, 3),
    max_grants=st.none() | st.integers(1, 12),
)


@given(CAPPED, st.lists(st.integers(0, 7), max_size=60))
def test_no_order_of_claims_passes_a_cap(terms, claimants):
    check(terms)
    had, tally = {}, Tally()
    for number in claimants:
        facts = AccountFacts(f"acct_{number}", f"a{number}", NOW, claims=had.get(number, 0))
        found = decide(Campaign(terms, published=True), facts, tally, Trigger.CODE, NOW)
        if isinstance(found, Granted):
            had[number] = found.n
            tally = Tally(tally.grants + 1, tally.granted_nano + found.nano, len(had))
    assert tally.granted_nano == tally.grants * terms.amount_nano <= terms.budget_nano
    assert max(had.values(), default=0) <= terms.per_account
    assert terms.max_grants is None or tally.grants <= terms.max_grants
    assert terms.first is None or tally.accounts <= terms.first


@given(CAPPED, st.integers(0, 20), st.integers(0, 500), st.integers(0, 20), st.integers(0, 4))
def test_a_refusal_has_a_reason_and_a_grant_keeps_to_every_cap(terms, grants, given_nano, accounts, claims):
    facts = replace(ACCOUNT, claims=claims)
    found = decide(Campaign(terms, published=True), facts, Tally(grants, given_nano, accounts), Trigger.CODE, NOW)
    within = (
        given_nano + terms.amount_nano <= terms.budget_nano
        and claims < terms.per_account
        and (terms.max_grants is None or grants < terms.max_grants)
        and (terms.first is None or claims > 0 or accounts < terms.first)
    )
    assert isinstance(found, Granted) == within
    assert isinstance(found, Granted) or found.reasons
