"""Tables of the price book, of the versions that calls were priced with, and of reconciliation.

A *version* is a price with everything that made it, stored once and never changed; a *period* says from when a version
was in force for a model (or an offer's cost), under the standard price or a price list. A *publication* is a change of
the book by an operator: a draft until it is published, then unchangeable.
"""

import sqlalchemy as sa

from smartoken.store.schema import metadata

__all__ = ["metadata"]

price_publications = sa.Table(
    "price_publications",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),  # draft | published
    sa.Column("from_ms", sa.BigInteger),  # from when it holds; NULL in a draft: from its publication
    sa.Column("contents", sa.JSON, nullable=False),  # {"sell": {...}, "cost": {...}, "lists": {...}}
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("undoes", sa.String(64)),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("published_ms", sa.BigInteger),
    sa.Column("published_by", sa.String(200)),
)

price_versions = sa.Table(
    "price_versions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # made from the content, so the same price has the same version
    sa.Column("kind", sa.String(8), nullable=False),  # sell | cost
    sa.Column("subject", sa.String(300), nullable=False),  # a model of a sell price, an offer of a cost
    sa.Column("price_list", sa.String(64), nullable=False),  # "" for the standard price
    sa.Column("price", sa.JSON, nullable=False),  # in the words of the set-up file
    sa.Column("terms", sa.JSON, nullable=False),  # what made it: origin, exchange rate, markup, the list's rule
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Index("ix_price_versions_subject", "kind", "subject"),
)

price_periods = sa.Table(
    "price_periods",
    metadata,
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("subject", sa.String(300), primary_key=True),
    sa.Column("price_list", sa.String(64), primary_key=True),
    sa.Column("from_ms", sa.BigInteger, primary_key=True),
    sa.Column("version_id", sa.String(64), nullable=False),  # "" from when it is no longer sold under this list
)

# Exchange rates as they were used; a call names one, so none is ever changed.
fx_snapshots = sa.Table(
    "fx_snapshots",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("pair", sa.String(16), nullable=False),
    sa.Column("rate_nano", sa.BigInteger, nullable=False),
    sa.Column("valid_from", sa.String(10), nullable=False),
    sa.Column("source", sa.String(500), nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)

# What each check of the books found, newest kept; those with a drift are kept for good.
check_results = sa.Table(
    "check_results",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, primary_key=True),
    sa.Column("took_ms", sa.BigInteger, nullable=False),
    sa.Column("compared", sa.BigInteger, nullable=False),
    sa.Column("drifts", sa.JSON, nullable=False),  # [{"subject", "expected", "found", "words"}], the first hundred
    sa.Column("drift_count", sa.BigInteger, nullable=False),
)

# What comparisons with the outside came to: expected calls of a run, a provider's bill.
reconciliation_runs = sa.Table(
    "reconciliation_runs",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # usage | bill
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("summary", sa.JSON, nullable=False),
)
