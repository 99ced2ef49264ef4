"""Claims: the one way by which a campaign gives anything, and what triggers it.

A claim locks the ledger and then the campaign, reads what it decides by, counts itself by the update that holds to the
caps, and posts the grant, all in the transaction that it is given; so claim and grant are one, whatever races. The
triggers are an activation code (``codes``), a link or an operator's list (``campaigns``), the making of an account,
and an account's first answered call, which ``tick`` finds in the sums of usage, off the path of calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import queries as money
from smartoken.billing.ledger import Stamp, grant, grant_book
from smartoken.billing.wallet import add_fund_row, post
from smartoken.campaigns import queries as campaigns
from smartoken.campaigns.rules import (
    DAY_MS,
    AccountFacts,
    Campaign,
    Granted,
    Reason,
    Refused,
    State,
    Tally,
    Terms,
    Trigger,
    Why,
    decide,
    state_of,
)
from smartoken.campaigns.text import read_terms
from smartoken.errors import InvalidRequestError, NotEligibleError, NotFoundError
from smartoken.identity import queries as identity
from smartoken.money import amount_text
from smartoken.operations import audit, campaign_queries, claw_backs
from smartoken.operations.campaign_terms import maybe_instant
from smartoken.operations.office import Work
from smartoken.operations.wallet_sums import sums_of

Row = campaigns.Row
CATEGORY = "campaign"


@dataclass(frozen=True, slots=True)
class Ask:
    """Who claims, by what, and which version of the rules was accepted."""

    account_id: str
    trigger: Trigger
    code_id: str | None = None
    accepted: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A grant that was given."""

    fund_id: str
    account_id: str
    n: int
    nano: int
    expires_ms: int | None
    models: tuple[str, ...]
    rules_version: str


def campaign_of(conn: Connection, row: Row) -> Campaign:
    """Return a stored campaign by the rules in force; a draft by its draft."""
    version = campaigns.version_row(conn, row["id"], row["version"]) if row["version"] is not None else None
    terms = read_terms(version["terms"] if version is not None else row["draft"])
    return Campaign(terms, version is not None, row["paused"], row["ended_ms"])


def tally_of(row: Row) -> Tally:
    """Return a stored campaign's counters."""
    return Tally(row["grants"], row["granted_nano"], row["accounts"])


def facts_of(conn: Connection, campaign_id: str, terms: Terms, account_id: str) -> AccountFacts:
    """Return what the rules ask of an account.

    Raises:
        NotFoundError: there is no such account.

    """
    account = identity.account_by_id(conn, account_id)
    if account is None:
        raise NotFoundError(f"There is no account {account_id[:80]!r}.", param="account")
    had = campaigns.claims_of_account(conn, account_id)
    return AccountFacts(
        id=account_id,
        slug=account["slug"],
        created_ms=account["created_ms"],
        email=account["owner_email"],
        active=account["status"] == "active",
        paid_nano=sums_of(conn, account_id).withdrawable if terms.min_paid_nano else 0,
        first_call_ms=campaign_queries.first_call_ms(conn, account_id)
        if Trigger.FIRST_CALL in terms.triggers
        else None,
        claims=sum(each["campaign_id"] == campaign_id for each in had),
        others=frozenset(each["slug"] for each in had if each["campaign_id"] != campaign_id),
    )


def claim(conn: Connection, work: Work, campaign_id: str, ask: Ask) -> Claimed | Refused:
    """Give an account a grant if the rules in force say so; nothing is written where they refuse.

    Raises:
        InvalidRequestError: the rules are not those that were accepted.
        NotFoundError: there is no such campaign or account.

    """
    money.lock_ledger(conn)  # first, as everywhere: the campaign's row comes after it
    row = campaigns.lock_campaign(conn, campaign_id)
    if row is None:
        raise NotFoundError("There is no such campaign.", param="campaign")
    campaign = campaign_of(conn, row)
    if ask.accepted is not None and ask.accepted != row["version"]:
        raise InvalidRequestError(
            "The rules have changed since they were shown.",
            param="rules_version",
            remedy="Ask for the preview again and accept the version that it shows.",
        )
    facts = facts_of(conn, campaign_id, campaign.terms, ask.account_id)
    decided = decide(campaign, facts, tally_of(row), ask.trigger, work.now_ms)
    if isinstance(decided, Refused):
        return decided
    if not campaigns.count_claim(conn, campaign_id, decided.nano, newcomer=decided.n == 1):
        return Refused((Reason(Why.CAMPAIGN_CAP, "The campaign has given all that it can."),))
    note_state(conn, work, row, campaign)
    return _give(conn, work, row, campaign.terms, (ask, decided))


def _give(conn: Connection, work: Work, row: Row, terms: Terms, what: tuple[Ask, Granted]) -> Claimed:
    ask, decided = what
    grant_id = work.id("grant")
    book = grant_book(ask.account_id, grant_id)
    made = Claimed(book, ask.account_id, decided.n, decided.nano, decided.expires_ms, terms.models, str(row["version"]))
    money.insert_fund(
        conn,
        {
            "id": book,
            "account_id": ask.account_id,
            "kind": "grant",
            "grant_id": grant_id,
            "priority": terms.priority,
            "effective_ms": None,
            "expires_ms": decided.expires_ms,
            "promotional": True,
            "models": list(terms.models),
            "category": CATEGORY,
            "campaign_id": row["id"],
            "rules_version": made.rules_version,
            "closed": False,
            "created_ms": work.now_ms,
        },
    )
    add_fund_row(conn, book, ask.account_id)
    place = f"{ask.account_id}:{decided.n}"
    transfer_id = f"code:{ask.code_id}:{place}" if ask.code_id is not None else f"claim:{row['id']}:{place}"
    stamp = Stamp(transfer_id, work.now_ms, f"campaign {row['slug']}", work.actor.label, _reason(terms, ask.trigger))
    post(conn, grant(stamp, ask.account_id, grant_id, decided.nano), ask.account_id)
    campaigns.insert_claim(
        conn,
        {
            "campaign_id": row["id"],
            "account_id": ask.account_id,
            "n": decided.n,
            "fund_id": book,
            "trigger": ask.trigger.value,
            "code_id": ask.code_id,
            "nano": decided.nano,
            "rules_version": made.rules_version,
            "accepted": ask.accepted is not None,
            "claimed_ms": work.now_ms,
            "clawed_ms": None,
        },
    )
    after = {"account": ask.account_id, "fund": book, "amount": amount_text(decided.nano), "by": ask.trigger.value}
    entry = {**after, "rules_version": made.rules_version}
    audit.append(conn, work, audit.Entry("campaign.grant", f"campaign:{row['id']}", None, entry))
    return made


def _reason(terms: Terms, trigger: Trigger) -> str:
    return f"{terms.name} ({trigger.value.replace('_', ' ')})"[:500]


def told(reasons: Sequence[Reason]) -> list[dict[str, str]]:
    """Return reasons as the API tells them."""
    return [{"code": each.code.value, "message": each.sentence} for each in reasons]


def refused_error(refused: Refused) -> NotEligibleError:
    """Return the error that names every reason of a refusal."""
    words = " ".join(each.sentence for each in refused.reasons)
    return NotEligibleError(words, details={"reasons": told(refused.reasons)})


def shown(conn: Connection, made: Claimed, row: Row) -> dict[str, Any]:
    """Return a grant as the API shows it to whoever got it."""
    sums = sums_of(conn, made.account_id)
    return {
        "campaign": row["slug"],
        "account_id": made.account_id,
        "grant": made.fund_id.rpartition(":")[2],
        "amount": amount_text(made.nano),
        "models": list(made.models),
        "expires_at": maybe_instant(made.expires_ms),
        "rules_version": made.rules_version,
        "balance": amount_text(sums.balance),
        "available": amount_text(sums.available),
    }


def note_state(conn: Connection, work: Work, row: Row, campaign: Campaign) -> State:
    """Write a change of state into the audit log, whether an act or the clock made it; returns the state now."""
    state = state_of(campaign, work.now_ms)
    if row["noted_state"] != state.value:
        campaigns.change_campaign(conn, row["id"], {"noted_state": state.value})
        change = ({"state": row["noted_state"]}, {"state": state.value})
        audit.append(conn, work, audit.Entry("campaign.state", f"campaign:{row['id']}", *change))
    return state


def sign_ups(conn: Connection, work: Work) -> list[str]:
    """Return the campaigns that a new account may get a grant of; with any, the ledger is locked for what follows."""
    found = []
    for row in campaigns.live_campaigns(conn):
        campaign = campaign_of(conn, row)
        if Trigger.SIGN_UP in campaign.terms.triggers and state_of(campaign, work.now_ms) is State.RUNNING:
            found.append(row["id"])
    if found:
        money.lock_ledger(conn)
    return found


def signed_up(conn: Connection, work: Work, campaign_ids: Sequence[str], account_id: str) -> list[Claimed]:
    """Give a new account what campaigns have for it; a campaign that refuses keeps nobody from an account."""
    asked = [claim(conn, work, each, Ask(account_id, Trigger.SIGN_UP)) for each in campaign_ids]
    return [each for each in asked if isinstance(each, Claimed)]


def tick(conn: Connection, work: Work) -> list[Claimed]:
    """Note what the clock changed, and give grants for first calls; run every minute, and harmless at any time.

    What there is to do is looked for without locks, so that a run with nothing to do hinders nobody.
    """
    campaigns.drop_old_failures(conn, work.now_ms - DAY_MS)
    moved = [row["id"] for row in campaigns.unnoted_campaigns(conn) if _moved(conn, work, row)]
    callers = first_callers(conn, work)
    if moved or callers or campaign_queries.overdue_grants(conn):
        money.lock_ledger(conn)
    claw_backs.let_go(conn)
    for campaign_id in moved:
        locked = campaigns.lock_campaign(conn, campaign_id)
        if locked is not None:
            note_state(conn, work, locked, campaign_of(conn, locked))
    asked = [claim(conn, work, each, Ask(account_id, Trigger.FIRST_CALL)) for each, account_id in callers]
    return [each for each in asked if isinstance(each, Claimed)]


def _moved(conn: Connection, work: Work, row: Row) -> bool:
    return bool(state_of(campaign_of(conn, row), work.now_ms).value != row["noted_state"])


def first_callers(conn: Connection, work: Work) -> list[tuple[str, str]]:
    """Return ``(campaign, account)`` where a first call has earned a grant that was not given yet."""
    found = []
    for row in campaigns.live_campaigns(conn):
        campaign = campaign_of(conn, row)
        if Trigger.FIRST_CALL not in campaign.terms.triggers or state_of(campaign, work.now_ms) is not State.RUNNING:
            continue
        if row["granted_nano"] + campaign.terms.amount_nano > row["budget_nano"]:
            continue  # it has given all that it can, so nobody needs to be asked
        for account_id in campaign_queries.callers_without_claim(conn, row["id"], campaign.terms.starts_ms or 0):
            facts = facts_of(conn, row["id"], campaign.terms, account_id)
            if isinstance(decide(campaign, facts, tally_of(row), Trigger.FIRST_CALL, work.now_ms), Granted):
                found.append((row["id"], account_id))
    return found
