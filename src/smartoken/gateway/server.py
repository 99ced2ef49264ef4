"""Uvicorn's connection, told two things it does not know: whom to notify of a leaving client, and its patience.

Uvicorn neither cancels the application nor tells it when a client disconnects unless somebody waits in ``receive``;
a task per call for that would cost more than parsing the call. Slow senders (slowloris) are cut off by ``sweep``.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
BODY_S = 30.0
LEFT = "smartoken.left"


class Connection(HttpToolsProtocol):
    """One client connection."""

    since: float | None = None  # when the request under way began to arrive; None between requests

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Start the clock on the first head: a silent connection is idle too."""
        super().connection_made(transport)
        self.since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the call under way that nobody is listening."""
        super().connection_lost(exc)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            left = cast("dict[str, Any]", cycle.scope).get(LEFT)
            if left is not None:
                left()

    def on_message_begin(self) -> None:
        """Note when a head begins."""
        super().on_message_begin()
        self.since = self.loop.time()

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self.since = None
        super().on_message_complete()

    def impatient(self, now: float) -> bool:
        """Whether the client has taken too long to send its request."""
        if self.since is None:
            return False
        waiting_for_body = self.cycle is not None and not self.cycle.response_complete
        return now - self.since > (BODY_S if waiting_for_body else HEAD_S)


def sweep(connections: Iterable[object], now: float) -> int:
    """Close the connections whose clients take too long; returns how many."""
    closed = 0
    for each in list(connections):
        if isinstance(each, Connection) and each.impatient(now) and not each.transport.is_closing():
            each.transport.close()
            closed += 1
    return closed
