"""The money of a new account: its wallet, what it opens with, and the sandbox's play money."""

import sqlalchemy as sa

from smartoken.billing import queries as money
from smartoken.billing.ledger import Stamp, adjustment, grant, grant_book
from smartoken.billing.wallet import PLAY, PLAY_MODELS, add_fund_row, open_wallet, post


def open_money(conn: sa.Connection, account_id: str, balance_nano: int, credit_nano: int, stamp: Stamp) -> None:
    """Make an account's wallet and put its opening balance in, as an operator's adjustment."""
    open_wallet(conn, account_id, credit_nano, stamp.at_ms)
    if balance_nano:
        opened = adjustment(stamp, account_id, balance_nano, 0)
        if opened.transfer is not None:
            post(conn, opened.transfer, account_id)


def give_play_money(conn: sa.Connection, account_id: str, grant_id: str, nano: int, stamp: Stamp) -> None:
    """Give an account money that only the sandbox takes."""
    book = grant_book(account_id, grant_id)
    money.insert_fund(
        conn,
        {
            "id": book,
            "account_id": account_id,
            "kind": "grant",
            "grant_id": grant_id,
            "priority": 0,
            "effective_ms": None,
            "expires_ms": None,
            "promotional": True,
            "models": list(PLAY_MODELS),
            "category": PLAY,
            "campaign_id": None,
            "rules_version": None,
            "closed": False,
            "created_ms": stamp.at_ms,
        },
    )
    add_fund_row(conn, book, account_id)
    post(conn, grant(stamp, account_id, grant_id, nano), account_id)
