"""Every table that there is: whoever needs the whole schema imports ``metadata`` from here."""

from smartoken.store import access_tables, campaign_tables, money_tables, price_tables, route_tables
from smartoken.store.schema import metadata

__all__ = ["access_tables", "campaign_tables", "metadata", "money_tables", "price_tables", "route_tables"]
