"""Tables of campaigns, claims and activation codes."""

from smartoken.store.schema import metadata

__all__ = ["metadata"]
