"""What a campaign would give: to whom and why not, without effect; and what operators give by name."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from smartoken.campaigns.rules import (
    Campaign,
    Granted,
    Reason,
    Refused,
    Tally,
    Terms,
    Trigger,
    decide,
)
from smartoken.campaigns.text import read_terms, rules_text, version_of
from smartoken.errors import InvalidRequestError
from smartoken.money import amount_text
from smartoken.operations import campaign_queries, claims
from smartoken.operations.accounts import account_id_of
from smartoken.operations.campaign_terms import instant, maybe_instant
from smartoken.operations.campaigns import Row, Wanted, row_of
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text

MOST_LISTED = 1000


def dry_run(conn: Connection, work: Work, named: str, wanted: Wanted) -> dict[str, Any]:
    """Say who would get what, and why not, by the draft as if it were published; nothing is written.

    Accounts are asked in the order in which they were made, each counting against the caps of the next. ``accounts``
    restricts the run; ``at`` is the instant that it is asked for, by default now or the start, whichever is later.
    """
    demand(work.actor, Permission.CAMPAIGNS_READ)
    row = row_of(conn, named)
    terms = read_terms(row["draft"])
    start = max(work.now_ms, terms.starts_ms or 0)
    at_ms = start if wanted.get("at") is None else instant(wanted["at"], "at", terms.zone, end=False)
    trigger = Trigger(wanted["trigger"]) if wanted.get("trigger") is not None else None
    named_accounts = wanted.get("accounts")
    asked = _all_accounts(conn) if named_accounts is None else account_ids(conn, work, named_accounts)
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


def account_ids(conn: Connection, work: Work, names: Sequence[str]) -> list[str]:
    """Return the ids of accounts by their names, each once.

    Raises:
        InvalidRequestError: there are too many.

    """
    if len(names) > MOST_LISTED:
        raise InvalidRequestError(f"`accounts` holds at most {MOST_LISTED} names a request.", param="accounts")
    ids = [account_id_of(conn, work, Permission.ACCOUNTS_READ, each) for each in names]
    return list(dict.fromkeys(each for each in ids if each is not None))


def give(conn: Connection, work: Work, named: str, accounts: Sequence[str]) -> dict[str, Any]:
    """Give grants to accounts that an operator names, each by the rules; those refused are told with their reasons."""
    demand(work.actor, Permission.CAMPAIGNS_WRITE)
    row = row_of(conn, named)
    found = []
    for account_id in account_ids(conn, work, accounts):
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
