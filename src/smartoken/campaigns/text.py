"""A campaign's rules in plain English and as JSON, both made from the terms alone, and the version of them. Pure.

The text is complete: every condition, limit and end stands in it. The version is a digest over the terms and the text,
so a rule cannot change while its version stays; it is stored on every grant with which the rules were accepted.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from smartoken.campaigns.rules import TRIGGER_WORDS, ClawBack, Terms, Trigger, days_text
from smartoken.money import amount_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TUPLES = ("email_domains", "invited", "not_after", "models")


def terms_json(terms: Terms) -> dict[str, Any]:
    """Return terms as JSON, to be stored."""
    stored = asdict(terms)
    stored["triggers"] = [each.value for each in terms.triggers]
    stored["claw_back"] = terms.claw_back.value
    return stored | {name: list(stored[name]) for name in _TUPLES}


def read_terms(stored: Mapping[str, Any]) -> Terms:
    """Return stored terms."""
    return Terms(
        **{
            **stored,
            "triggers": tuple(Trigger(each) for each in stored["triggers"]),
            "claw_back": ClawBack(stored["claw_back"]),
            **{name: tuple(stored[name]) for name in _TUPLES},
        }
    )


def version_of(terms: Terms) -> str:
    """Return the version of the rules: the same terms always have the same, other terms never."""
    canonical = json.dumps([terms_json(terms), rules_text(terms)], sort_keys=True, ensure_ascii=True)
    return f"rules_{sha256(canonical.encode('ascii')).hexdigest()[:32]}"


def instant_words(at_ms: int, zone: str) -> str:
    """Return an instant as people of a zone read it."""
    there = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(zone))
    return f"{there:%Y-%m-%d %H:%M:%S} ({zone})"


def rules_text(terms: Terms) -> str:
    """Return the rules, one sentence or more a line."""
    lines = [f"{terms.name}: rules", "", *_what(terms), *_when(terms), *_who(terms), *_limits(terms), *_money(terms)]
    return "\n".join(lines) + "\n"


def _listed(words: list[str], joint: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def _what(terms: Terms) -> list[str]:
    causes = _listed([TRIGGER_WORDS[each] for each in terms.triggers], "or")
    models = f"calls to {_listed([*terms.models], 'and')}" if terms.models else "calls to every model"
    ends = []
    if terms.grant_days is not None:
        ends.append(f"{days_text(terms.grant_days)} after it was given")
    if terms.grant_until_ms is not None:
        ends.append(f"at {instant_words(terms.grant_until_ms, terms.zone)}")
    sooner = ", whichever is sooner" if len(ends) > 1 else ""
    expiry = f"A grant expires {' or '.join(ends)}{sooner}; what is unspent then is lost." if ends else ""
    return [
        f"You get a grant of ${amount_text(terms.amount_nano)} of promotional money for {causes}.",
        f"It pays for {models}, and for nothing else. Sandbox calls are not paid from it.",
        expiry or "A grant does not expire.",
    ]


def _when(terms: Terms) -> list[str]:
    starts = "when it is published" if terms.starts_ms is None else f"at {instant_words(terms.starts_ms, terms.zone)}"
    ends = "when the operator ends it" if terms.ends_ms is None else f"at {instant_words(terms.ends_ms, terms.zone)}"
    return [
        f"The campaign begins {starts} and ends {ends}; from that instant on nothing is granted.",
        "The operator may pause it or end it sooner; grants that were given before stay as they are.",
    ]


def _who(terms: Terms) -> list[str]:
    asked = []
    if terms.new_within_days is not None:
        asked.append(f"was made at most {days_text(terms.new_within_days)} before")
    if terms.email_domains:
        asked.append(f"has an owner whose e-mail address is at {_listed([*terms.email_domains], 'or')}")
    if terms.invited:
        asked.append(f"is one of the {len(terms.invited)} that were invited")
    if "*" in terms.not_after:
        asked.append("has no grant of any other campaign")
    elif terms.not_after:
        asked.append(f"has no grant of {_listed([*terms.not_after], 'or')}")
    if terms.min_paid_nano:
        asked.append(f"holds at least ${amount_text(terms.min_paid_nano)} of paid money at that moment")
    if Trigger.FIRST_CALL in terms.triggers:
        asked.append("if it is for the first call, made that call after the campaign began")
    who = _listed(asked, "and") if asked else "is not suspended"
    return [f"Your account can get it if it {who}." + (" A suspended account gets nothing." if asked else "")]


def _limits(terms: Terms) -> list[str]:
    many = f"{terms.per_account} grant{'s' if terms.per_account != 1 else ''}"
    lines = [f"An account gets at most {many}."]
    if terms.first is not None:
        lines.append(f"Only the first {terms.first} accounts that claim get any.")
    if terms.max_grants is not None:
        lines.append(f"The campaign gives at most {terms.max_grants} grants in all.")
    most = amount_text(terms.budget_nano)
    lines.append(f"The campaign gives at most ${most} in all; a grant is given whole or not at all.")
    return lines


_BY_OPERATOR = "The operator may take back what is unspent, with a reason that you see in the wallet's history."
_CLAW_BACKS = {
    ClawBack.NEVER: "A grant is not taken back.",
    ClawBack.OPERATOR: _BY_OPERATOR,
    ClawBack.WITHDRAWAL: f"{_BY_OPERATOR} It is also taken back once paid money is returned to you.",
}


def _money(terms: Terms) -> list[str]:
    return [
        f"Funds are spent by priority, the lower number first: this grant has {terms.priority}, the wallet 100.",
        "Of the same priority, those that expire come before those that do not, the sooner expiry first.",
        "Of the same expiry, promotional money is spent before paid money.",
        "Promotional money is never paid out.",
        "A return of paid money gives back paid money that is neither spent nor held, and nothing of a grant.",
        "The refund of a call goes to the funds that paid for it, the last that paid first.",
        _CLAW_BACKS[terms.claw_back],
        "What running calls hold is taken when they end; money that was spent is never reclaimed.",
    ]
