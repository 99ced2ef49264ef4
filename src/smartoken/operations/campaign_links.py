"""Links of campaigns: signed, never stored, made void by a generation, previewed and claimed."""

from typing import Any

from sqlalchemy import Connection

from smartoken.campaigns import queries as campaigns
from smartoken.campaigns.links import Link, read, sign
from smartoken.campaigns.rules import (
    Refused,
    State,
    Trigger,
    state_of,
)
from smartoken.errors import CodeRefusedError, InvalidRequestError
from smartoken.operations import audit, claims
from smartoken.operations.campaign_offers import claimant, offered
from smartoken.operations.campaign_terms import instant, maybe_instant
from smartoken.operations.campaigns import Row, Wanted, locked
from smartoken.operations.office import Work


def make_link(conn: Connection, work: Work, named: str, expires_at: str | None) -> dict[str, Any]:
    """Return a signed link of a campaign; nothing of it is stored.

    Raises:
        InvalidRequestError: the campaign does not grant by link.

    """
    row = locked(conn, work, named)
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
    row = locked(conn, work, named)
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
