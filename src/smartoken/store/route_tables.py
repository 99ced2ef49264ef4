"""Tables of routes, named routes, drills and what workers tell each other of breakers.

Routes and named routes are kept as versions: the newest published one counts, and undoing adds another. A definition
of NULL takes the route back: the set-up's tiers and shares count again, or the name is gone.
"""

import sqlalchemy as sa

from smartoken.store.schema import metadata

__all__ = ["metadata"]

route_publications = sa.Table(
    "route_publications",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("model", sa.String(200), nullable=False, index=True),  # lower case
    sa.Column("state", sa.String(16), nullable=False),  # draft | published
    sa.Column("definition", sa.JSON(none_as_null=True)),  # {"tiers": [...], "options": {...}}
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("undoes", sa.String(64)),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("published_ms", sa.BigInteger),
    sa.Column("published_by", sa.String(200)),
    sa.Column("number", sa.BigInteger),  # the order of publication; NULL in a draft
)

named_routes = sa.Table(
    "named_routes",
    metadata,
    sa.Column("account_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),  # without the @
    sa.Column("number", sa.BigInteger, primary_key=True),  # of the version, from 1
    sa.Column("definition", sa.JSON(none_as_null=True)),  # {"model": "...", "fallbacks": [...]}
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
)

drills = sa.Table(
    "drills",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("model", sa.String(200), nullable=False, index=True),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("terms", sa.JSON, nullable=False),  # what was asked for
    sa.Column("result", sa.JSON, nullable=False),
)

# Changes of breakers, by the worker that saw them; the others follow, and old ones are removed.
breaker_events = sa.Table(
    "breaker_events",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("worker", sa.String(64), nullable=False),
    sa.Column("offer", sa.String(300), nullable=False),  # "": the key at every offer
    sa.Column("key_id", sa.String(200), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("cause", sa.String(32), nullable=False),
    sa.Column("wait_ms", sa.BigInteger, nullable=False),
)
