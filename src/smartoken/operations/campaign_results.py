"""What came of a campaign: its report, and taking back what is unspent."""

from typing import Any

from sqlalchemy import Connection

from smartoken.campaigns import queries as campaigns
from smartoken.campaigns.rules import (
    ClawBack,
    state_of,
)
from smartoken.campaigns.text import read_terms
from smartoken.money import amount_text
from smartoken.operations import audit, campaign_queries, claims, claw_backs, exposures
from smartoken.operations.campaign_offers import account_ids
from smartoken.operations.campaigns import Wanted, locked, row_of
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand


def take_back(conn: Connection, work: Work, named: str, wanted: Wanted) -> dict[str, Any]:
    """Take back what is unspent of a campaign's grants, of all accounts or of those named.

    Grants whose own rules, as published when they were given, rule that out are left.

    Raises:
        InvalidRequestError: no reason is given.

    """
    row = locked(conn, work, named)
    reason = exposures.cleaned(conn, work, wanted["reason"], "reason", 500)
    names = wanted.get("accounts")
    given = campaigns.claims_of_campaign(conn, row["id"], None if names is None else account_ids(conn, work, names))
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
    row = row_of(conn, named)
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
