"""Giving promotional money: a grant has a fund and a book of its own, so that it burns, expires and is shown apart."""

from dataclasses import dataclass

from sqlalchemy import Connection

from smartoken.billing import ledger
from smartoken.billing import queries as money
from smartoken.billing.ledger import Stamp, grant_book
from smartoken.billing.wallet import add_fund_row, post


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant may pay for, when, and in which order (a lower priority burns first)."""

    models: tuple[str, ...] = ()
    effective_ms: int | None = None
    expires_ms: int | None = None
    priority: int = 50
    category: str | None = None
    campaign_id: str | None = None
    rules_version: str | None = None


def give(conn: Connection, account_id: str, grant: tuple[str, int], terms: Terms, stamp: Stamp) -> None:
    """Give an account a grant; ``grant`` is (its id, nano-USD)."""
    grant_id, nano = grant
    book = grant_book(account_id, grant_id)
    row = {
        "id": book,
        "account_id": account_id,
        "kind": "grant",
        "grant_id": grant_id,
        "priority": terms.priority,
        "effective_ms": terms.effective_ms,
        "expires_ms": terms.expires_ms,
        "promotional": True,
        "models": list(terms.models),
        "category": terms.category,
        "campaign_id": terms.campaign_id,
        "rules_version": terms.rules_version,
        "closed": False,
        "created_ms": stamp.at_ms,
    }
    money.insert_fund(conn, row)
    add_fund_row(conn, book, account_id)
    post(conn, ledger.grant(stamp, account_id, grant_id, nano), account_id)
