"""Tables of role tokens, approvals that wait for a second person, and events."""

from smartoken.store.schema import metadata

__all__ = ["metadata"]
