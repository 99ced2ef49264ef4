"""The price book in the store: what is published read back, and what is sold kept, so that any call resolves.

``keep`` runs when a worker has loaded what it sells and before any call is priced by it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from smartoken.billing.price_book import Publication
from smartoken.operations import price_queries
from smartoken.operations.price_stages import Prices
from smartoken.operations.price_versions import fx_row
from smartoken.operations.price_words import stored
from smartoken.operations.setup_stored import SITE_FACT, json_fact
from smartoken.store import revisions


def publication_of(row: Mapping[str, Any]) -> Publication:
    """Return a stored publication."""
    return Publication(row["id"], row["from_ms"], row["published_ms"], stored(row["contents"]))


def stored_publications(conn: Connection) -> list[Publication]:
    """Return everything published, in the order in which it counts."""
    return [publication_of(each) for each in price_queries.published(conn)]


def stored_markup(conn: Connection) -> Decimal:
    """Return what the operator makes of the catalog's prices; 1 leaves them as they are."""
    return Decimal(json_fact(conn, SITE_FACT).get("markup", "1"))


def keep(conn: Connection, prices: Prices, revision: int, now_ms: int) -> None:
    """Store the versions and rates of every stage, and note which versions begin to be in force.

    A worker whose directory is no longer the newest stores what its calls may name, and notes no beginning: another
    worker has noted newer ones.
    """
    in_force = [(*place, version) for place, version in prices.in_force.items()]
    rows = [each.row(now_ms) for each in prices.versions.values()]
    begun = price_queries.store_versions(conn, rows, [fx_row(each, now_ms) for each in prices.rates], in_force)
    if revisions.current(conn) != revision:
        return
    price_queries.add_periods(
        conn,
        [
            {"kind": kind, "subject": subject, "price_list": price_list, "version_id": version, "from_ms": start}
            for kind, subject, price_list, version in begun
            for start in [_start(prices, (kind, subject, price_list), now_ms)]
        ],
    )


def _start(prices: Prices, place: tuple[str, str, str], now_ms: int) -> int:
    """Return from when a version counts: from its publication's instant, which a worker notices a moment later."""
    return min(prices.since.get(place, now_ms), now_ms)
