"""Campaigns as operators run them: drafts, publication, dry runs, lists, links, claw-backs, reports.

A draft is changed freely. Publishing freezes it as a version that is in force from then on; another change is another
draft until it is published too. Grants keep the version by which they were given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import queries as money
from smartoken.campaigns import queries as campaigns
from smartoken.campaigns.links import Link, read, sign
from smartoken.campaigns.rules import (
    Campaign,
    ClawBack,
    Granted,
    Reason,
    Refused,
    State,
    Tally,
    Terms,
    Trigger,
    decide,
    state_of,
)
from smartoken.campaigns.text import read_terms, rules_text, terms_json, version_of
from smartoken.errors import CodeRefusedError, InvalidRequestError, NotFoundError
from smartoken.money import amount_text
from smartoken.operations import audit, campaign_queries, claims, claw_backs, exposures, fields
from smartoken.operations.accounts import account_id_of, changed_entry
from smartoken.operations.campaign_terms import BLANK, changed_terms, instant, maybe_instant, shown_terms
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text

Wanted = Mapping[str, Any]
Row = campaigns.Row
MOST_LISTED = 1000


def _row(conn: Connection, named: str) -> Row:
    row = campaigns.campaign_named(conn, named)
    if row is None:
        raise NotFoundError(f"There is no campaign {named[:80]!r}.", param="campaign")
    return row


def _locked(conn: Connection, work: Work, named: str) -> Row:
    """Return a campaign that is about to change, locked after the ledger as everywhere."""
    demand(work.actor, Permission.CAMPAIGNS_WRITE)
    found = _row(conn, named)
    money.lock_ledger(conn)
    row = campaigns.lock_campaign(conn, found["id"])
    assert row is not None  # noqa: S101 - campaigns are never deleted
    claims.note_state(
        conn, work, row, claims.campaign_of(conn, row)
    )  # what the clock did comes before what is done now
    again = campaigns.lock_campaign(conn, found["id"])
    return again or row


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
    row = _row(conn, named)
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
    row = _locked(conn, work, named)
    _refuse_ended(conn, work, row)
    before = read_terms(row["draft"])
    after = changed_terms(before, wanted)
    if after != before:
        campaigns.change_campaign(conn, row["id"], {"draft": terms_json(after)})
        entry = changed_entry("campaign.change", f"campaign:{row['id']}", shown_terms(before), shown_terms(after))
        audit.append(conn, work, entry)
    return shown(conn, work, _row(conn, row["id"]))


def _refuse_ended(conn: Connection, work: Work, row: Row) -> None:
    if state_of(claims.campaign_of(conn, row), work.now_ms) is State.ENDED and row["ended_ms"] is not None:
        raise InvalidRequestError("The campaign has ended for good; make another.", param="campaign")


def publish(conn: Connection, work: Work, named: str) -> dict[str, Any]:
    """Put the draft into force as a version; without a start it starts now, and that instant stands in the rules.

    Raises:
        InvalidRequestError: it has ended, would end in the past, or its caps are below what it gave already.

    """
    row = _locked(conn, work, named)
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
    row = _row(conn, campaign_id)
    claims.note_state(conn, work, row, claims.campaign_of(conn, row))
    return shown(conn, work, _row(conn, campaign_id))


def pause(conn: Connection, work: Work, named: str, *, paused: bool) -> dict[str, Any]:
    """Stop a campaign from giving, or let it go on.

    Raises:
        InvalidRequestError: it was never published, or has ended.

    """
    row = _locked(conn, work, named)
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
    row = _locked(conn, work, named)
    if row["ended_ms"] is None:
        campaigns.change_campaign(conn, row["id"], {"ended_ms": work.now_ms})
    return _noted(conn, work, row["id"])


def dry_run(conn: Connection, work: Work, named: str, wanted: Wanted) -> dict[str, Any]:
    """Say who would get what, and why not, by the draft as if it were published; nothing is written.

    Accounts are asked in the order in which they were made, each counting against the caps of the next. ``accounts``
    restricts the run; ``at`` is the instant that it is asked for, by default now or the start, whichever is later.
    """
    demand(work.actor, Permission.CAMPAIGNS_READ)
    row = _row(conn, named)
    terms = read_terms(row["draft"])
    start = max(work.now_ms, terms.starts_ms or 0)
    at_ms = start if wanted.get("at") is None else instant(wanted["at"], "at", terms.zone, end=False)
    trigger = Trigger(wanted["trigger"]) if wanted.get("trigger") is not None else None
    named_accounts = wanted.get("accounts")
    asked = _all_accounts(conn) if named_accounts is None else _account_ids(conn, work, named_accounts)
    campaign = Campaign(terms, published=True, paused=row["paused"], ended_ms=row["ended_ms"])
    tally, found = claims.tally_of(row), []
    for account_id in asked:
        facts = claims.facts_of(conn, row["id"], terms, account_id)
        decided = decide(campaign, facts, tally, trigger, at_ms)
        if isinstance(decided, Granted):
            newcomer = int(decided.n == 1)
            tally = Tally(tally.grants + 1, tally.granted_nano + decided.nano, tally.accounts + newcomer)
        found.append(_dry_row(facts.id, facts.slug, decided))
    granted = [each for each in found if each["granted"]]
    return {
        "at": instant_text(at_ms),
        "rules_version": version_of(terms),
        "rules": rules_text(terms),
        "would_grant": len(granted),
        "would_refuse": len(found) - len(granted),
        "amount": amount_text(len(granted) * terms.amount_nano),
        "data": found,
    }


def _dry_row(account_id: str, slug: str, decided: Granted | Refused) -> dict[str, Any]:
    nano, expires_ms = 0, None
    reasons: Sequence[Reason] = ()
    if isinstance(decided, Refused):
        reasons = decided.reasons
    else:
        nano, expires_ms = decided.nano, decided.expires_ms
    return {
        "account": slug,
        "account_id": account_id,
        "granted": isinstance(decided, Granted),
        "amount": amount_text(nano),
        "expires_at": maybe_instant(expires_ms),
        "reasons": claims.told(reasons),
    }


def _all_accounts(conn: Connection) -> list[str]:
    found: list[str] = []
    while len(batch := campaign_queries.account_ids(conn, found[-1] if found else None, MOST_LISTED)) == MOST_LISTED:
        found += batch
    return found + batch


def _account_ids(conn: Connection, work: Work, names: Sequence[str]) -> list[str]:
    if len(names) > MOST_LISTED:
        raise InvalidRequestError(f"`accounts` holds at most {MOST_LISTED} names a request.", param="accounts")
    ids = [account_id_of(conn, work, Permission.ACCOUNTS_READ, each) for each in names]
    return list(dict.fromkeys(each for each in ids if each is not None))


def give(conn: Connection, work: Work, named: str, accounts: Sequence[str]) -> dict[str, Any]:
    """Give grants to accounts that an operator names, each by the rules; those refused are told with their reasons."""
    demand(work.actor, Permission.CAMPAIGNS_WRITE)
    row = _row(conn, named)
    found = []
    for account_id in _account_ids(conn, work, accounts):
        made = claims.claim(conn, work, row["id"], claims.Ask(account_id, Trigger.LIST))
        if isinstance(made, Refused):
            reasons = claims.told(made.reasons)
            found.append(
                {"account_id": account_id, "granted": False, "amount": "0.00", "grant": None, "reasons": reasons}
            )
        else:
            grant, amount = made.fund_id.rpartition(":")[2], amount_text(made.nano)
            found.append({"account_id": account_id, "granted": True, "amount": amount, "grant": grant, "reasons": []})
    return {"data": found}


def make_link(conn: Connection, work: Work, named: str, expires_at: str | None) -> dict[str, Any]:
    """Return a signed link of a campaign; nothing of it is stored.

    Raises:
        InvalidRequestError: the campaign does not grant by link.

    """
    row = _locked(conn, work, named)
    campaign = claims.campaign_of(conn, row)
    if Trigger.LINK not in campaign.terms.triggers:
        raise InvalidRequestError("The campaign's triggers have no `link`.", param="triggers")
    zone = campaign.terms.zone
    expires_ms = 0 if expires_at is None else instant(expires_at, "expires_at", zone, end=True)
    token = sign(work.pepper, Link(row["id"], row["link_generation"], expires_ms))
    after = {"expires_at": maybe_instant(expires_ms or None)}
    audit.append(conn, work, audit.Entry("campaign.link", f"campaign:{row['id']}", None, after))
    return {"link": token, "campaign": row["slug"], **after}


def void_links(conn: Connection, work: Work, named: str) -> None:
    """Void every link of a campaign that was made so far."""
    row = _locked(conn, work, named)
    campaigns.change_campaign(conn, row["id"], {"link_generation": row["link_generation"] + 1})
    audit.append(conn, work, audit.Entry("campaign.links_void", f"campaign:{row['id']}"))


def linked(conn: Connection, work: Work, text: str) -> Row:
    """Return the campaign that a link is good for.

    Raises:
        CodeRefusedError: it was not made here, is void or has expired, or its campaign is a draft or has ended.

    """
    link = read(work.pepper, text)
    row = campaigns.campaign_named(conn, link.campaign_id) if link is not None else None
    if link is None or row is None or link.generation != row["link_generation"]:
        raise CodeRefusedError("This link cannot be used.", param="link")
    expired = link.expires_ms and link.expires_ms <= work.now_ms
    if expired or state_of(claims.campaign_of(conn, row), work.now_ms) in (State.DRAFT, State.ENDED):
        raise CodeRefusedError("This link cannot be used.", param="link")
    return row


def preview_link(conn: Connection, work: Work, account: str | None, link: str) -> dict[str, Any]:
    """Tell what a link would give an account; raises as ``linked`` does."""
    account_id = claimant(conn, work, account)
    return offered(conn, work, linked(conn, work, link), account_id, Trigger.LINK)


def claim_link(conn: Connection, work: Work, account: str | None, wanted: Wanted) -> dict[str, Any]:
    """Claim what a link gives; raises as ``linked`` does.

    Raises:
        NotEligibleError: the rules refuse the account.

    """
    account_id = claimant(conn, work, account)
    row = linked(conn, work, wanted["link"])
    ask = claims.Ask(account_id, Trigger.LINK, None, wanted.get("rules_version"))
    made = claims.claim(conn, work, row["id"], ask)
    if isinstance(made, Refused):
        raise claims.refused_error(made)
    return claims.shown(conn, made, row)


def claimant(conn: Connection, work: Work, account: str | None) -> str:
    """Return the id of the account that redeems or claims: a member's own, or the one that the staff names.

    Raises:
        InvalidRequestError: one of the staff named none.

    """
    account_id = account_id_of(conn, work, Permission.REDEEM, account)
    if account_id is None:
        raise InvalidRequestError("Name the account that gets the grant.", param="account")
    return account_id


def offered(conn: Connection, work: Work, row: Row, account_id: str, trigger: Trigger) -> dict[str, Any]:
    """Return what a campaign would give an account now, with its rules; no effect."""
    campaign = claims.campaign_of(conn, row)
    terms: Terms = campaign.terms
    facts = claims.facts_of(conn, row["id"], terms, account_id)
    decided = decide(campaign, facts, claims.tally_of(row), trigger, work.now_ms)
    told = _dry_row(facts.id, facts.slug, decided)
    return {
        "campaign": row["slug"],
        "name": terms.name,
        "eligible": told["granted"],
        "amount": amount_text(terms.amount_nano),
        "models": list(terms.models),
        "expires_at": told["expires_at"],
        "reasons": told["reasons"],
        "rules_version": row["version"],
        "rules": rules_text(terms),
    }


def take_back(conn: Connection, work: Work, named: str, wanted: Wanted) -> dict[str, Any]:
    """Take back what is unspent of a campaign's grants, of all accounts or of those named.

    Grants whose own rules, as published when they were given, rule that out are left.

    Raises:
        InvalidRequestError: no reason is given.

    """
    row = _locked(conn, work, named)
    reason = exposures.cleaned(conn, work, wanted["reason"], "reason", 500)
    names = wanted.get("accounts")
    given = campaigns.claims_of_campaign(conn, row["id"], None if names is None else _account_ids(conn, work, names))
    rules = {each["version"]: read_terms(each["terms"]) for each in campaigns.version_rows(conn, row["id"])}
    due = [each for each in given if rules[each["rules_version"]].claw_back is not ClawBack.NEVER]
    taken = claw_backs.claw(conn, work, due, reason)
    answer = {
        "grants": len(taken),
        "spared": len(given) - len(due),
        "taken": amount_text(sum(each.taken_nano for each in taken)),
        "owed": amount_text(sum(each.owed_nano for each in taken)),
        "data": [each.shown() for each in taken],
    }
    entry = {name: answer[name] for name in ("grants", "spared", "taken", "owed")}
    audit.append(conn, work, audit.Entry("campaign.claw_back", f"campaign:{row['id']}", None, entry, reason))
    return answer


def report(conn: Connection, work: Work, named: str) -> dict[str, Any]:
    """Return what a campaign gave and what came of it; ``granted`` is the sum of what follows it.

    An account is *activated* by an answered call, the sandbox left out, after its first grant.
    """
    demand(work.actor, Permission.CAMPAIGNS_READ)
    row = _row(conn, named)
    sums = campaign_queries.grant_sums(conn, row["id"])
    moved = campaign_queries.moved_by_kind(conn, row["id"])
    activated = campaign_queries.later_called(conn, row["id"])
    cost = -(-sums["spent"] // activated) if activated else None
    return {
        "campaign": row["slug"],
        "state": state_of(claims.campaign_of(conn, row), work.now_ms).value,
        "accounts": row["accounts"],
        "grants": row["grants"],
        "granted": amount_text(row["granted_nano"]),
        "spent": amount_text(sums["spent"]),
        "expired": amount_text(-moved.get("expiry", 0)),
        "clawed_back": amount_text(-moved.get("claw_back", 0)),
        "owed": amount_text(sums["owed"]),
        "left": amount_text(sums["left"]),
        "activated_accounts": activated,
        "later_paid_accounts": campaign_queries.later_paid(conn, row["id"]),
        "cost_per_activated_account": None if cost is None else amount_text(cost),
    }
