"""Terms of a campaign as the API writes and shows them. Pure.

Instants are RFC 3339, or wall-clock times of the campaign's zone; a plain date as an end includes that day.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from smartoken.campaigns.rules import ClawBack, Terms, TermsError, Trigger, check
from smartoken.errors import InvalidRequestError
from smartoken.money import amount_text
from smartoken.operations import fields
from smartoken.operations.setup_accounts import instant_text

Wanted = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}")
_MOST_INVITED = 100_000
_INSTANTS = {"starts_at": "starts_ms", "ends_at": "ends_ms", "grant_until": "grant_until_ms"}
_AMOUNTS = {"amount": "amount_nano", "budget": "budget_nano", "min_paid": "min_paid_nano"}
_PLAIN = ("new_within_days", "first", "grant_days", "per_account", "max_grants", "priority")
BLANK = Terms("", (), 0, 0)


def instant(text: str, param: str, zone: str, *, end: bool) -> int:
    """Return an instant in milliseconds; one without an offset is a wall-clock time of the zone.

    Raises:
        InvalidRequestError: no instant.

    """
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            at = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
        else:
            at = datetime.fromisoformat(text)
            at = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone))
        return (at.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as problem:
        example = '"2027-01-31T00:00:00Z", or "2027-01-31" or "2027-01-31T09:00" in the campaign\'s zone'
        raise InvalidRequestError(f"`{param}` must be such as {example}.", param=param) from problem


def changed_terms(terms: Terms, wanted: Wanted) -> Terms:
    """Return terms with what is wanted changed; what is left out stays.

    Raises:
        InvalidRequestError: a field is wrong, or the fields contradict each other.

    """
    new: dict[str, Any] = {}
    if "name" in wanted:
        new["name"] = fields.text(wanted["name"], "name", 200)
    if "timezone" in wanted:
        new["zone"] = fields.zone(wanted["timezone"])
    zone = new.get("zone", terms.zone)
    for name, column in _INSTANTS.items():
        if name in wanted:
            given = wanted[name]
            new[column] = None if given is None else instant(given, name, zone, end=name != "starts_at")
    for name, column in _AMOUNTS.items():
        if name in wanted:
            new[column] = fields.amount(wanted[name], name)
    new.update({name: wanted[name] for name in _PLAIN if name in wanted})
    new.update(_lists(wanted))
    found = replace(terms, **new)
    try:
        check(found)
    except TermsError as problem:
        raise InvalidRequestError(f"`{problem.field}`: {problem}.", param=problem.field) from problem
    return found


def _lists(wanted: Wanted) -> dict[str, Any]:
    new: dict[str, Any] = {}
    if "triggers" in wanted:
        new["triggers"] = tuple(Trigger(each) for each in wanted["triggers"])
    if "claw_back" in wanted:
        new["claw_back"] = ClawBack(wanted["claw_back"])
    if "models" in wanted:
        new["models"] = tuple(fields.patterns(wanted["models"]))
    if "invited" in wanted:
        if len(wanted["invited"]) > _MOST_INVITED:
            raise InvalidRequestError(f"`invited` holds at most {_MOST_INVITED} names.", param="invited")
        new["invited"] = tuple(sorted({fields.text(each, "invited", 254).lower() for each in wanted["invited"]}))
    if "not_after" in wanted:
        new["not_after"] = tuple(each if each == "*" else _slug(each, "not_after") for each in wanted["not_after"])
    if "email_domains" in wanted:
        domains = [each.strip().lower().removeprefix("@") for each in wanted["email_domains"]]
        if not all(_DOMAIN.fullmatch(each) for each in domains):
            raise InvalidRequestError("`email_domains` must hold names such as example.com.", param="email_domains")
        new["email_domains"] = tuple(dict.fromkeys(domains))
    return new


def _slug(text: str, param: str) -> str:
    try:
        return fields.slug(text)
    except InvalidRequestError as problem:
        raise InvalidRequestError(f'`{param}` must hold short names of campaigns, or "*".', param=param) from problem


def maybe_instant(moment_ms: int | None) -> str | None:
    """Return an instant as RFC 3339, None for none."""
    return None if moment_ms is None else instant_text(moment_ms)


def shown_terms(terms: Terms) -> dict[str, Any]:
    """Return terms in the words of the API."""
    return {
        "name": terms.name,
        "triggers": [each.value for each in terms.triggers],
        "amount": amount_text(terms.amount_nano),
        "budget": amount_text(terms.budget_nano),
        "timezone": terms.zone,
        "starts_at": maybe_instant(terms.starts_ms),
        "ends_at": maybe_instant(terms.ends_ms),
        "new_within_days": terms.new_within_days,
        "email_domains": list(terms.email_domains),
        "invited": list(terms.invited),
        "first": terms.first,
        "not_after": list(terms.not_after),
        "min_paid": amount_text(terms.min_paid_nano),
        "grant_days": terms.grant_days,
        "grant_until": maybe_instant(terms.grant_until_ms),
        "models": list(terms.models),
        "per_account": terms.per_account,
        "max_grants": terms.max_grants,
        "priority": terms.priority,
        "claw_back": terms.claw_back.value,
    }
