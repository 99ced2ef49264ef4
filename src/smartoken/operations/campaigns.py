"""Campaigns as operators run them: drafts, publication, pausing, the end.

A draft is changed freely. Publishing freezes it as a version that is in force from then on; another change is another
draft until it is published too. Grants keep the version by which they were given.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import queries as money
from smartoken.campaigns import queries as campaigns
from smartoken.campaigns.rules import (
    State,
    state_of,
)
from smartoken.campaigns.text import read_terms, rules_text, terms_json, version_of
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.money import amount_text
from smartoken.operations import audit, claims, fields
from smartoken.operations.accounts import changed_entry
from smartoken.operations.campaign_terms import BLANK, changed_terms, shown_terms
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text

Wanted = Mapping[str, Any]
Row = campaigns.Row


def row_of(conn: Connection, named: str) -> Row:
    """Return a campaign by id or short name; raises ``NotFoundError``."""
    row = campaigns.campaign_named(conn, named)
    if row is None:
        raise NotFoundError(f"There is no campaign {named[:80]!r}.", param="campaign")
    return row


def locked(conn: Connection, work: Work, named: str) -> Row:
    """Return a campaign that is about to change, locked after the ledger as everywhere."""
    demand(work.actor, Permission.CAMPAIGNS_WRITE)
    found = row_of(conn, named)
    money.lock_ledger(conn)
    row = campaigns.lock_campaign(conn, found["id"]) or found
    # What the clock did comes before what is done now.
    claims.note_state(conn, work, row, claims.campaign_of(conn, row))
    return campaigns.lock_campaign(conn, found["id"]) or row


def shown(conn: Connection, work: Work, row: Row) -> dict[str, Any]:
    """Return a campaign as the API shows it: its state, the rules in force, the draft, and what it gave."""
    campaign = claims.campaign_of(conn, row)
    draft = read_terms(row["draft"])
    return {
        "id": row["id"],
        "slug": row["slug"],
        "state": state_of(campaign, work.now_ms).value,
        "terms": shown_terms(campaign.terms),
        "rules_version": row["version"],
        "draft": shown_terms(draft) if row["version"] is not None and draft != campaign.terms else None,
        "accounts": row["accounts"],
        "grants": row["grants"],
        "granted": amount_text(row["granted_nano"]),
        "left": amount_text(max(0, campaign.terms.budget_nano - row["granted_nano"])),
        "created_at": instant_text(row["created_ms"]),
        "created_by": row["created_by"],
    }


def page(conn: Connection, work: Work, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return campaigns, oldest first."""
    demand(work.actor, Permission.CAMPAIGNS_READ)
    return [shown(conn, work, row) for row in campaigns.campaign_page(conn, after, limit)]


def one(conn: Connection, work: Work, named: str) -> dict[str, Any]:
    """Return one campaign by id or short name, with its rules as text and every version of them."""
    demand(work.actor, Permission.CAMPAIGNS_READ)
    row = row_of(conn, named)
    versions = [
        {
            "version": each["version"],
            "text": each["text"],
            "terms": shown_terms(read_terms(each["terms"])),
            "published_at": instant_text(each["published_ms"]),
            "published_by": each["published_by"],
        }
        for each in campaigns.version_rows(conn, row["id"])
    ]
    return {**shown(conn, work, row), "draft_rules": rules_text(read_terms(row["draft"])), "versions": versions}


def published_rules(conn: Connection, slug: str, now_ms: int) -> dict[str, Any] | None:
    """Return the rules in force for the public page; None where nothing of this name was ever published."""
    row = campaigns.campaign_named(conn, slug)
    if row is None or row["slug"] != slug or row["version"] is None:
        return None
    campaign = claims.campaign_of(conn, row)
    return {
        "name": campaign.terms.name,
        "state": state_of(campaign, now_ms).value,
        "terms": shown_terms(campaign.terms),
        "rules_version": row["version"],
        "rules": rules_text(campaign.terms),
    }


def create(conn: Connection, work: Work, slug: str, wanted: Wanted) -> dict[str, Any]:
    """Make a campaign as a draft.

    Raises:
        InvalidRequestError: a field is wrong, or the short name is taken.

    """
    demand(work.actor, Permission.CAMPAIGNS_WRITE)
    if campaigns.campaign_named(conn, fields.slug(slug)) is not None:
        raise InvalidRequestError(f"There is a campaign {slug!r} already.", param="slug")
    terms = changed_terms(replace(BLANK, name=slug), wanted)
    row = {
        "id": work.id("camp"),
        "slug": slug,
        "draft": terms_json(terms),
        "version": None,
        "paused": False,
        "ended_ms": None,
        "noted_state": State.DRAFT.value,
        "link_generation": 1,
        "first": terms.first,
        "max_grants": terms.max_grants,
        "budget_nano": terms.budget_nano,
        "accounts": 0,
        "grants": 0,
        "granted_nano": 0,
        "created_ms": work.now_ms,
        "created_by": work.actor.label,
    }
    campaigns.insert_campaign(conn, row)
    made = shown(conn, work, row)
    audit.append(conn, work, audit.Entry("campaign.create", f"campaign:{row['id']}", None, {"terms": made["terms"]}))
    return made


def change(conn: Connection, work: Work, named: str, wanted: Wanted) -> dict[str, Any]:
    """Change the draft; the rules in force stay until it is published.

    Raises:
        InvalidRequestError: a field is wrong, or the campaign has ended.

    """
    row = locked(conn, work, named)
    _refuse_ended(conn, work, row)
    before = read_terms(row["draft"])
    after = changed_terms(before, wanted)
    if after != before:
        campaigns.change_campaign(conn, row["id"], {"draft": terms_json(after)})
        entry = changed_entry("campaign.change", f"campaign:{row['id']}", shown_terms(before), shown_terms(after))
        audit.append(conn, work, entry)
    return shown(conn, work, row_of(conn, row["id"]))


def _refuse_ended(conn: Connection, work: Work, row: Row) -> None:
    if state_of(claims.campaign_of(conn, row), work.now_ms) is State.ENDED and row["ended_ms"] is not None:
        raise InvalidRequestError("The campaign has ended for good; make another.", param="campaign")


def publish(conn: Connection, work: Work, named: str) -> dict[str, Any]:
    """Put the draft into force as a version; without a start it starts now, and that instant stands in the rules.

    Raises:
        InvalidRequestError: it has ended, would end in the past, or its caps are below what it gave already.

    """
    row = locked(conn, work, named)
    _refuse_ended(conn, work, row)
    terms = read_terms(row["draft"])
    if terms.starts_ms is None:
        terms = changed_terms(replace(terms, starts_ms=work.now_ms), {})
    if terms.ends_ms is not None and terms.ends_ms <= work.now_ms:
        raise InvalidRequestError("`ends_at` is in the past.", param="ends_at")
    caps = {"budget": (terms.budget_nano, row["granted_nano"]), "max_grants": (terms.max_grants, row["grants"])}
    for name, (cap, given) in {**caps, "first": (terms.first, row["accounts"])}.items():
        if cap is not None and cap < given:
            raise InvalidRequestError(f"`{name}` is below what the campaign gave already.", param=name)
    version, text = version_of(terms), rules_text(terms)
    campaigns.insert_version(
        conn,
        {
            "campaign_id": row["id"],
            "version": version,
            "terms": terms_json(terms),
            "text": text,
            "published_ms": work.now_ms,
            "published_by": work.actor.label,
        },
    )
    bounds = {"first": terms.first, "max_grants": terms.max_grants, "budget_nano": terms.budget_nano}
    campaigns.change_campaign(conn, row["id"], {"version": version, "draft": terms_json(terms), **bounds})
    change_of = ({"rules_version": row["version"]}, {"rules_version": version})
    audit.append(conn, work, audit.Entry("campaign.publish", f"campaign:{row['id']}", *change_of))
    return _noted(conn, work, row["id"])


def _noted(conn: Connection, work: Work, campaign_id: str) -> dict[str, Any]:
    row = row_of(conn, campaign_id)
    claims.note_state(conn, work, row, claims.campaign_of(conn, row))
    return shown(conn, work, row_of(conn, campaign_id))


def pause(conn: Connection, work: Work, named: str, *, paused: bool) -> dict[str, Any]:
    """Stop a campaign from giving, or let it go on.

    Raises:
        InvalidRequestError: it was never published, or has ended.

    """
    row = locked(conn, work, named)
    if state_of(claims.campaign_of(conn, row), work.now_ms) in (State.DRAFT, State.ENDED):
        raise InvalidRequestError(
            "Only a campaign that is scheduled or running is paused or resumed.", param="campaign"
        )
    campaigns.change_campaign(conn, row["id"], {"paused": paused})
    return _noted(conn, work, row["id"])


def resume(conn: Connection, work: Work, named: str) -> dict[str, Any]:
    """Let a paused campaign go on; raises as ``pause`` does."""
    return pause(conn, work, named, paused=False)


def halt(conn: Connection, work: Work, named: str) -> dict[str, Any]:
    """Pause a campaign; raises as ``pause`` does."""
    return pause(conn, work, named, paused=True)


def end(conn: Connection, work: Work, named: str) -> dict[str, Any]:
    """End a campaign for good; what was given stays."""
    row = locked(conn, work, named)
    if row["ended_ms"] is None:
        campaigns.change_campaign(conn, row["id"], {"ended_ms": work.now_ms})
    return _noted(conn, work, row["id"])
