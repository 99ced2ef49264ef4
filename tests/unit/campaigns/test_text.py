"""The rules as people read them say everything that the terms do, and have one version."""

from dataclasses import fields, replace

import orjson
import pytest

from smartoken.campaigns.rules import ClawBack, Trigger
from smartoken.campaigns.text import read_terms, rules_text, terms_json, version_of
from unit.campaigns.campaign_table import NOW, TERMS, USD

# a field, another value of it, and what the text says then
SAID = [
    ("name", "Winter", "Winter: rules"),
    ("triggers", (Trigger.LINK, Trigger.SIGN_UP), "following the campaign's link or signing up"),
    ("amount_nano", 7 * USD, "$7.00 of promotional money"),
    ("budget_nano", 900 * USD, "at most $900.00 in all"),
    ("starts_ms", NOW, "begins at 2026-10-26"),
    ("ends_ms", NOW, "ends at 2026-10-26"),
    ("new_within_days", 1, "was made at most 1 day before"),
    ("email_domains", ("a.test", "b.test"), "at a.test or b.test"),
    ("invited", ("acme", "other"), "one of the 2 that were invited"),
    ("first", 10, "Only the first 10 accounts"),
    ("not_after", ("spring",), "has no grant of spring"),
    ("not_after", ("*",), "has no grant of any other campaign"),
    ("min_paid_nano", USD, "at least $1.00 of paid money"),
    ("grant_days", 30, "expires 30 days after it was given"),
    ("grant_until_ms", NOW, "expires at 2026-10-26"),
    ("models", ("test/*", "m/a"), "calls to test/* and m/a"),
    ("per_account", 2, "at most 2 grants."),
    ("max_grants", 99, "at most 99 grants in all"),
    ("priority", 3, "this grant has 3"),
    ("claw_back", ClawBack.NEVER, "A grant is not taken back."),
    ("claw_back", ClawBack.WITHDRAWAL, "once paid money is returned"),
]


@pytest.mark.parametrize(("name", "value", "words"), SAID, ids=[f"{row[0]}={row[1]}" for row in SAID])
def test_the_text_tells_every_field(name, value, words):
    changed = replace(TERMS, **{name: value})
    assert words in rules_text(changed)
    assert words not in rules_text(TERMS)
    assert version_of(changed) != version_of(TERMS)


def test_every_field_is_among_those_that_the_text_tells():
    assert {name for name, _, _ in SAID} | {"zone"} == {each.name for each in fields(TERMS)}


def test_instants_are_told_in_the_campaigns_zone():
    there = replace(TERMS, ends_ms=1_798_732_800_000, zone="Asia/Shanghai")
    assert "ends at 2027-01-01 00:00:00 (Asia/Shanghai)" in rules_text(there)
    assert "ends at 2026-12-31 16:00:00 (UTC)" in rules_text(replace(there, zone="UTC"))


def test_the_list_of_the_invited_counts_in_the_version_and_is_not_told():
    one, other = (replace(TERMS, invited=(name,)) for name in ("anne@a.test", "bob@b.test"))
    assert rules_text(one) == rules_text(other)
    assert version_of(one) != version_of(other)
    assert "anne" not in rules_text(one)


def test_stored_terms_are_the_same_terms():
    whole = TERMS
    for name, value, _ in SAID:
        whole = replace(whole, **{name: value})
        assert read_terms(orjson.loads(orjson.dumps(terms_json(whole)))) == whole
    assert version_of(read_terms(terms_json(whole))) == version_of(whole)
    assert len(version_of(whole)) <= 64
