"""Tables of campaigns, claims and activation codes.

A campaign's counters are on its row and move only by updates that hold to its caps; a code is known by its digest
alone, and who failed to redeem is remembered so that a restart forgives nobody.
"""

import sqlalchemy as sa

from smartoken.store.schema import metadata

__all__ = ["metadata"]

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("slug", sa.String(64), nullable=False, unique=True),
    sa.Column("draft", sa.JSON, nullable=False),  # the terms as they would be published next
    sa.Column("version", sa.String(64)),  # of the rules in force; NULL: never published
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),  # when an operator ended it
    sa.Column("noted_state", sa.String(16), nullable=False),  # the last state that the audit log tells of
    sa.Column("link_generation", sa.Integer, nullable=False),  # links of an earlier one are void
    sa.Column("first", sa.BigInteger),  # the caps of the version in force, beside the counters that they bound
    sa.Column("max_grants", sa.BigInteger),
    sa.Column("budget_nano", sa.BigInteger, nullable=False),
    sa.Column("accounts", sa.BigInteger, nullable=False),
    sa.Column("grants", sa.BigInteger, nullable=False),
    sa.Column("granted_nano", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
)

# Rules as they were published, never changed.
campaign_versions = sa.Table(
    "campaign_versions",
    metadata,
    sa.Column("campaign_id", sa.String(64), sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("version", sa.String(64), primary_key=True),
    sa.Column("terms", sa.JSON, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("published_ms", sa.BigInteger, nullable=False),
    sa.Column("published_by", sa.String(200), nullable=False),
)

# One row a grant; an account's n-th of a campaign exists once.
campaign_claims = sa.Table(
    "campaign_claims",
    metadata,
    sa.Column("campaign_id", sa.String(64), sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("account_id", sa.String(64), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("fund_id", sa.String(200), nullable=False, unique=True),
    sa.Column("trigger", sa.String(16), nullable=False),
    sa.Column("code_id", sa.String(64)),
    sa.Column("nano", sa.BigInteger, nullable=False),
    sa.Column("rules_version", sa.String(64), nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),  # the account named the version; else it was given unasked
    sa.Column("claimed_ms", sa.BigInteger, nullable=False),
    sa.Column("clawed_ms", sa.BigInteger),
    sa.Index("ix_campaign_claims_account", "account_id"),
)

code_batches = sa.Table(
    "code_batches",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("campaign_id", sa.String(64), sa.ForeignKey("campaigns.id"), nullable=False, index=True),
    sa.Column("note", sa.String(200), nullable=False),
    sa.Column("codes", sa.Integer, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),  # of each code
    sa.Column("expires_ms", sa.BigInteger),
    sa.Column("revoked_ms", sa.BigInteger),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
)

codes = sa.Table(
    "codes",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("batch_id", sa.String(64), sa.ForeignKey("code_batches.id"), nullable=False, index=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("uses_left", sa.Integer, nullable=False),
)

# Failed attempts to redeem, by account, by address and in all.
code_failures = sa.Table(
    "code_failures",
    metadata,
    sa.Column("scope", sa.String(200), primary_key=True),  # "account:acct_...", "ip:203.0.113.9", "all"
    sa.Column("since_ms", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
)
