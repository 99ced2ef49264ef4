"""Activation codes over the store: batches, previews, redemptions, and the brake on guessing.

A code is minted from 80 random bits, shown once and stored as a keyed digest. Redeeming uses it up and gives the grant
in one transaction, so of any number of people with one code one wins for each use. Whoever tries is counted before
the code is looked at, in a transaction of its own, and the attempt is taken off again where it was no failure: so
neither many attempts at once nor a restart buys a further guess. Every failure reads the same.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import codes as code_format
from smartoken.billing import queries as money
from smartoken.campaigns import queries as campaigns
from smartoken.campaigns.rules import Reason, Refused, State, Trigger, Why, state_of
from smartoken.errors import CodeRefusedError, InvalidRequestError, NotFoundError, RateLimitError
from smartoken.operations import audit, campaign_offers, claims, fields
from smartoken.operations.campaign_terms import instant, maybe_instant
from smartoken.operations.idempotency import Asked, once
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text

Wanted = Mapping[str, Any]
Row = campaigns.Row
MOST_CODES = 10_000
MOST_USES = 1_000_000
WINDOW_MS = 15 * 60_000
ACCOUNT_FAILURES = 10  # in a window; then the account waits for its end
ADDRESS_FAILURES = 50  # then an account at this address that failed before waits; one that did not has one attempt
ALL_FAILURES = 1_000  # likewise, for everybody
_REFUSED = "This code cannot be redeemed: it may be mistyped, used up or expired."


def create(conn: Connection, work: Work, wanted: Wanted) -> dict[str, Any]:
    """Make a batch of codes of a campaign; their texts are in this answer and nowhere else.

    Raises:
        InvalidRequestError: a number is out of bounds, the expiry is past, or the campaign does not grant by code.

    """
    demand(work.actor, Permission.CODES_WRITE)
    row = campaigns.campaign_named(conn, wanted["campaign"])
    if row is None:
        raise NotFoundError(f"There is no campaign {wanted['campaign'][:80]!r}.", param="campaign")
    terms = claims.campaign_of(conn, row).terms
    if Trigger.CODE not in terms.triggers:
        raise InvalidRequestError("The campaign's triggers have no `code`.", param="campaign")
    count, uses = wanted["count"], wanted.get("uses", 1)
    for name, number, most in (("count", count, MOST_CODES), ("uses", uses, MOST_USES)):
        if not 1 <= number <= most:
            raise InvalidRequestError(f"`{name}` must be from 1 to {most}.", param=name)
    expires_at = wanted.get("expires_at")
    expires_ms = None if expires_at is None else instant(expires_at, "expires_at", terms.zone, end=True)
    if expires_ms is not None and expires_ms <= work.now_ms:
        raise InvalidRequestError("`expires_at` is in the past.", param="expires_at")
    batch = {
        "id": work.id("batch"),
        "campaign_id": row["id"],
        "note": fields.maybe_text(wanted.get("note"), "note", 200) or "",
        "codes": count,
        "uses": uses,
        "expires_ms": expires_ms,
        "revoked_ms": None,
        "created_ms": work.now_ms,
        "created_by": work.actor.label,
    }
    texts = [code_format.mint(work.entropy(code_format.ENTROPY_BYTES)) for _ in range(count)]
    made = [
        {
            "id": work.id("code"),
            "batch_id": batch["id"],
            "digest": code_format.digest(work.pepper, text),
            "uses_left": uses,
        }
        for text in texts
    ]
    campaigns.insert_batch(conn, batch, made)
    answer = shown({**batch, "campaign": row["slug"], "uses_left": count * uses, "unused": count})
    audit.append(conn, work, audit.Entry("code.create", f"batch:{batch['id']}", None, answer))
    return {**answer, "codes": [code_format.shown(text) for text in texts]}


def shown(row: Row) -> dict[str, Any]:
    """Return a batch without its codes."""
    return {
        "id": row["id"],
        "campaign": row["campaign"],
        "note": row["note"],
        "count": row["codes"],
        "uses": row["uses"],
        "redeemed": row["codes"] * row["uses"] - int(row["uses_left"]),
        "left": 0 if row["revoked_ms"] is not None else int(row["uses_left"]),
        "unused_codes": int(row["unused"]),
        "expires_at": maybe_instant(row["expires_ms"]),
        "revoked_at": maybe_instant(row["revoked_ms"]),
        "created_at": instant_text(row["created_ms"]),
        "created_by": row["created_by"],
    }


def page(conn: Connection, work: Work, campaign: str | None, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return batches with their counts, oldest first; no code is ever told again."""
    demand(work.actor, Permission.CODES_READ)
    campaign_id = None
    if campaign is not None:
        row = campaigns.campaign_named(conn, campaign)
        if row is None:
            raise NotFoundError(f"There is no campaign {campaign[:80]!r}.", param="campaign")
        campaign_id = row["id"]
    return [shown(each) for each in campaigns.batch_rows(conn, campaign_id, after, limit)]


def revoke(conn: Connection, work: Work, batch_id: str) -> None:
    """End a batch: none of its codes is redeemed any more; grants that were given stay.

    Raises:
        NotFoundError: there is no such batch.

    """
    demand(work.actor, Permission.CODES_WRITE)
    row = campaigns.batch_by_id(conn, batch_id)
    if row is None:
        raise NotFoundError("There is no such batch of codes.", param="batch")
    if row["revoked_ms"] is None:
        campaigns.revoke_batch(conn, batch_id, work.now_ms)
        audit.append(conn, work, audit.Entry("code.revoke", f"batch:{batch_id}"))


def _scopes(work: Work, account_id: str) -> tuple[str, str, str]:
    return f"account:{account_id}", f"ip:{work.ip or 'none'}"[:200], "all"


def _slow_down(work: Work, since_ms: int) -> RateLimitError:
    wait_s = max(1.0, (since_ms + WINDOW_MS - work.now_ms) / 1000)
    return RateLimitError(
        "Too many codes that could not be redeemed.",
        limit_source="codes",
        retry_after_s=wait_s,
        remedy="Wait for the time in Retry-After, then check the code for typing mistakes.",
    )


def may_try(conn: Connection, work: Work, account: str | None) -> str:
    """Return the id of the account that tries, unless it has to wait; reads only.

    Raises:
        RateLimitError: it failed too often.

    """
    account_id = campaign_offers.claimant(conn, work, account)
    own, address, everybody = _scopes(work, account_id)
    found = campaigns.failures_of(conn, (own, address, everybody), work.now_ms - WINDOW_MS)
    failures, since_ms = found.get(own, (0, work.now_ms))
    crowded = found.get(address, (0, 0))[0] >= ADDRESS_FAILURES or found.get(everybody, (0, 0))[0] >= ALL_FAILURES
    if failures >= ACCOUNT_FAILURES or (crowded and failures):
        raise _slow_down(work, since_ms)
    return account_id


def count_attempt(conn: Connection, work: Work, account_id: str) -> None:
    """Count an attempt before it is made.

    Raises:
        RateLimitError: attempts at the same time used up what is allowed.

    """
    demand(work.actor, Permission.REDEEM)
    own, address, everybody = _scopes(work, account_id)
    since_ms = work.now_ms - WINDOW_MS
    mine, here, all_in_all = (
        campaigns.add_failure(conn, each, work.now_ms, since_ms) for each in (own, address, everybody)
    )
    crowded = here > ADDRESS_FAILURES or all_in_all > ALL_FAILURES
    if mine > ACCOUNT_FAILURES or (crowded and mine > 1):
        raise _slow_down(work, work.now_ms)


def forgive(conn: Connection, work: Work, account_id: str) -> None:
    """Take an attempt off again: it was no guess."""
    demand(work.actor, Permission.REDEEM)
    campaigns.drop_failure(conn, _scopes(work, account_id))


def _found(conn: Connection, work: Work, text: str) -> tuple[Row, Row]:
    """Return the code that a text stands for, and its campaign.

    Raises:
        CodeRefusedError: for whatever reason it cannot be redeemed, always in the same words.

    """
    try:
        digest = code_format.digest(work.pepper, code_format.read(text))
    except code_format.InvalidCodeError:
        raise CodeRefusedError(_REFUSED, param="code") from None
    code = campaigns.code_of_digest(conn, digest)
    row = campaigns.campaign_named(conn, code["campaign_id"]) if code is not None else None
    if code is None or row is None or code["uses_left"] < 1 or code["revoked_ms"] is not None:
        raise CodeRefusedError(_REFUSED, param="code")
    expired = code["expires_ms"] is not None and code["expires_ms"] <= work.now_ms
    if expired or state_of(claims.campaign_of(conn, row), work.now_ms) in (State.DRAFT, State.ENDED):
        raise CodeRefusedError(_REFUSED, param="code")
    return code, row


def preview(conn: Connection, work: Work, account_id: str, text: str) -> dict[str, Any]:
    """Tell what a code would give an account, with the rules; nothing but the attempt's count changes.

    Raises:
        CodeRefusedError: the code cannot be redeemed.

    """
    demand(work.actor, Permission.REDEEM)
    _, row = _found(conn, work, text)
    forgive(conn, work, account_id)
    return campaign_offers.offered(conn, work, row, account_id, Trigger.CODE)


def redeem(conn: Connection, work: Work, account_id: str, wanted: Wanted) -> dict[str, Any]:
    """Use a code up and give its grant.

    Raises:
        CodeRefusedError: the code cannot be redeemed, or somebody else was first.
        NotEligibleError: the code is good, and the campaign's rules refuse the account.
        InvalidRequestError: the rules have changed since they were shown.

    """
    demand(work.actor, Permission.REDEEM)
    money.lock_ledger(conn)  # first, as everywhere; whoever waited here sees what the one before did
    code, row = _found(conn, work, wanted["code"])
    if any(each["code_id"] == code["id"] for each in campaigns.claims_of_account(conn, account_id)):
        again = Reason(Why.REDEEMED_BEFORE, "The account has redeemed this very code before.")
        raise claims.refused_error(Refused((again,)))
    ask = claims.Ask(account_id, Trigger.CODE, code["id"], wanted.get("rules_version"))
    made = claims.claim(conn, work, row["id"], ask)
    if isinstance(made, Refused):
        raise claims.refused_error(made)
    left = campaigns.take_use(conn, code["id"], work.now_ms)
    if left is None:
        raise CodeRefusedError(_REFUSED, param="code")
    after = {"account": account_id, "batch": code["batch_id"], "uses_left": left}
    audit.append(conn, work, audit.Entry("code.redeem", f"code:{code['id']}", None, after))
    return claims.shown(conn, made, row)


def redeem_once(conn: Connection, work: Work, asked: Asked, account_id: str, wanted: Wanted) -> dict[str, Any]:
    """Redeem, or return what the same request got before; either way it was no guess. Raises as ``redeem`` does."""
    answer = once(conn, work, asked, redeem, account_id, wanted)
    forgive(conn, work, account_id)
    return answer
