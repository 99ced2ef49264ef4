"""The tables of money: rows with limits, leases, transfers and their postings, funds.

A *row* is anything with a limit: a fund (what was paid in) or a budget's window (what may be spent). Its three figures
are the only truth about what may still be held: every lease is granted by ``used + held + x <= limit + credit``.
"""

import sqlalchemy as sa

from smartoken.store.schema import metadata

__all__ = ["metadata"]

# A row's id is its book ("wallet:acct", "grant:acct:id") or its window ("window:key:id:month:start").
money_rows = sa.Table(
    "money_rows",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),  # fund | window
    sa.Column("account_id", sa.String(64), nullable=False, index=True),
    sa.Column("scope_id", sa.String(64), nullable=False, index=True),  # the account, or the key of a key's window
    sa.Column("limit_nano", sa.BigInteger, nullable=False),
    sa.Column("credit_nano", sa.BigInteger, nullable=False),  # how far below zero an open account's wallet may go
    sa.Column("used_nano", sa.BigInteger, nullable=False),
    sa.Column("held_nano", sa.BigInteger, nullable=False),  # the sum of all leases
    sa.Column("owed_nano", sa.BigInteger, nullable=False),  # to be taken as leases return
    sa.Column("ends_ms", sa.BigInteger),
    sa.Column("alerted_percent", sa.Integer, nullable=False),
)

# What one worker owns of one row.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("epoch", sa.String(64), primary_key=True),
    sa.Column("row_id", sa.String(200), primary_key=True),
    sa.Column("amount_nano", sa.BigInteger, nullable=False),
    sa.Column("in_calls_nano", sa.BigInteger, nullable=False),
)

# One row a run of a worker; a silent one loses its leases.
epochs = sa.Table(
    "epochs",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("started_ms", sa.BigInteger, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)

# What may pay for calls, and in which order.
funds = sa.Table(
    "funds",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),  # its book and its row
    sa.Column("account_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),  # wallet | grant
    sa.Column("grant_id", sa.String(64)),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("effective_ms", sa.BigInteger),
    sa.Column("expires_ms", sa.BigInteger),
    sa.Column("promotional", sa.Boolean, nullable=False),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("category", sa.String(64)),
    sa.Column("campaign_id", sa.String(64), index=True),
    sa.Column("rules_version", sa.String(64)),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),  # also the key of idempotency
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("account_id", sa.String(64), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("ref", sa.String(300)),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("reason", sa.String(500)),
    sa.Column("original", sa.String(200), index=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Index("ix_transfers_account_seq", "account_id", "seq"),
)

postings = sa.Table(
    "postings",
    metadata,
    sa.Column("transfer_id", sa.String(200), sa.ForeignKey("transfers.id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("book", sa.String(200), nullable=False),
    sa.Column("nano", sa.BigInteger, nullable=False),
    sa.Index("ix_postings_book", "book"),
)

# Balances of the house's books, kept beside the postings; reconciliation proves the two equal.
house_books = sa.Table(
    "house_books",
    metadata,
    sa.Column("book", sa.String(200), primary_key=True),
    sa.Column("currency", sa.String(3), primary_key=True),
    sa.Column("nano", sa.BigInteger, nullable=False),
)

# Answers already given to requests that move money.
idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("actor", sa.String(200), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)
