"""Tables of role tokens, approvals that wait for a second person, exposed keys, events and jobs."""

import sqlalchemy as sa

from smartoken.store.schema import metadata

__all__ = ["metadata"]

# API tokens of the staff; the text itself is shown once and not kept.
access_tokens = sa.Table(
    "access_tokens",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("last4", sa.String(4), nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("expires_ms", sa.BigInteger),
    sa.Column("revoked_ms", sa.BigInteger),
)

# What one actor asked for and another must allow before money moves.
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("account_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False),  # adjustment | grant
    sa.Column("nano", sa.BigInteger, nullable=False),
    sa.Column("wanted", sa.JSON, nullable=False),  # the body as it was asked for
    sa.Column("asked_by", sa.String(200), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # waiting | approved | rejected
    sa.Column("decided_by", sa.String(200)),
    sa.Column("decided_ms", sa.BigInteger),
    sa.Column("reason", sa.String(500)),  # of the decision
    sa.Column("transfer_id", sa.String(200)),
)

# Where the text of a key was seen in public; open until the key is rotated or revoked.
key_exposures = sa.Table(
    "key_exposures",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("key_id", sa.String(64), nullable=False, index=True),
    sa.Column("place", sa.String(300), nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("cleared_ms", sa.BigInteger),
)

# What somebody should be told. ``once`` is unique, so that the same thing is not told twice.
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("account_id", sa.String(64), index=True),  # NULL: for the staff alone
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(300), nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("once", sa.String(300), unique=True),
)

# One row a job; whoever moves ``due_ms`` on runs it.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("due_ms", sa.BigInteger, nullable=False),
    sa.Column("runs", sa.BigInteger, nullable=False),
    sa.Column("started_ms", sa.BigInteger),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Column("ok", sa.Boolean),
    sa.Column("result", sa.String(500)),
)

# What is still owed of money that was to be taken while calls held it; a row's owed_nano is the sum of these.
debts = sa.Table(
    "debts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("row_id", sa.String(200), nullable=False, index=True),
    sa.Column("account_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("target", sa.String(200), nullable=False),  # the book that receives it
    sa.Column("nano", sa.BigInteger, nullable=False),  # what is left to take
    sa.Column("parts", sa.Integer, nullable=False),  # how often some of it was taken
    sa.Column("ref", sa.String(300)),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("reason", sa.String(500)),
    sa.Column("original", sa.String(200)),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)
