"""Tables of the price book's versions, price lists and reconciliation runs."""

from smartoken.store.schema import metadata

__all__ = ["metadata"]
