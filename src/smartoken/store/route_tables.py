"""Tables of routes, named routes, drills and what breakers share."""

from smartoken.store.schema import metadata

__all__ = ["metadata"]
