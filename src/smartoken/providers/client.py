"""The upstream client: pooled keep-alive HTTP/1.1, the hot path of every call.

``UpstreamClient`` implements ``Upstream``. Connections are kept per ``Peer.pool_key`` and reused last-in-first-out,
so that surplus ones age and close. A call costs no task, no timer and no queue; one sweep, a few times a second while
any socket is open, compares deadlines. ``dial.py`` opens the sockets, ``connection.py`` speaks HTTP on them.

A request is sent a second time in exactly one case: its connection had been used before and closed without one byte
of an answer (the upstream closed an idle connection while we wrote). Redirects are answers like any other.
Fails closed: see the errors in ``upstream.py``.
"""

import asyncio
import ssl

from smartoken.providers.connection import Connection
from smartoken.providers.dial import Dialer, Resolve, tls_context
from smartoken.providers.http_head import request_head
from smartoken.providers.response import HttpResponse
from smartoken.providers.upstream import (
    Peer,
    UpstreamClosedError,
    UpstreamConnectError,
    UpstreamCut,
    UpstreamStats,
)

SWEEP_S = 0.25
KEEP_IDLE_S = 30.0  # shorter than the idle time of the servers and balancers we know, so stale reuse is rare
IDLE_LIMIT = 256  # idle connections kept per peer


class UpstreamClient:
    """Carries requests to peers; made once per worker, bound to the loop of its first request."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        sweep_s: float = SWEEP_S,
        keep_idle_s: float = KEEP_IDLE_S,
        idle_limit: int = IDLE_LIMIT,
    ) -> None:
        """Open nothing yet. ``tls`` comes from ``tls_context``; ``resolve`` stands in for the system's resolver."""
        self._tls = tls or tls_context()
        self._resolve = resolve
        self._sweep_s = sweep_s
        self._keep_idle_s = keep_idle_s
        self._idle_limit = idle_limit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dialer: Dialer | None = None
        self._idle: dict[tuple[object, ...], list[Connection]] = {}
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._is_closed = False
        self._created = 0
        self._reused = 0
        self._retried = 0
        self._failed_connects = 0

    async def request(
        self, peer: Peer, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> HttpResponse:
        """Send a request and return when the head of the answer is there; see ``Upstream.request``."""
        loop = self._loop or self._bind()
        if self._is_closed:
            raise _closed(sent=False)
        head = request_head(peer, method, path, headers, len(body))
        started = loop.time()
        sent = False
        idle = self._idle.get(peer.pool_key)
        if idle:
            connection = idle.pop()
            self._reused += 1
            try:
                return await connection.exchange(peer.timeouts, started, head, body)
            except UpstreamCut:
                if connection.answered:
                    raise
            self._retried += 1
            sent = True
        connection = await self._connected(peer, started, sent=sent)
        return await connection.exchange(peer.timeouts, started, head, body)

    async def close(self) -> None:
        """Abort what runs, close every connection and wait until the sockets are closed. May be called again."""
        self._is_closed = True
        for connection in tuple(self._open):
            connection.fail(_closed(sent=True))
        while self._open and self._loop is not None:
            if self._emptied is None or self._emptied.done():
                self._emptied = self._loop.create_future()
            await asyncio.shield(self._emptied)

    def stats(self) -> UpstreamStats:
        """Return the counts for metrics."""
        return UpstreamStats(
            open=len(self._open),
            idle=sum(len(idle) for idle in self._idle.values()),
            created=self._created,
            reused=self._reused,
            retried=self._retried,
            failed_connects=self._failed_connects,
        )

    def _bind(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.get_running_loop()
        self._dialer = Dialer(loop, self._tls, self._resolve)
        return loop

    async def _connected(self, peer: Peer, started: float, *, sent: bool) -> Connection:
        """Open a connection within the connect time and what is left of the total time."""
        if self._loop is None or self._dialer is None:
            raise _closed(sent=sent)
        connection = Connection(self._loop, self, peer.pool_key)
        left_s = started + peer.timeouts.total_s - self._loop.time()
        try:
            await self._dialer.dial(peer, connection, min(peer.timeouts.connect_s, left_s))
        except UpstreamConnectError as error:
            self._failed_connects += 1
            error.sent = sent
            raise
        if self._is_closed:
            connection.drop()
            raise _closed(sent=sent)
        return connection

    def opened(self, connection: Connection) -> None:
        """Count a socket, and sweep while there is one."""
        self._created += 1
        self._open.add(connection)
        if self._sweeper is None and self._loop is not None:
            self._sweeper = self._loop.call_later(self._sweep_s, self._sweep)

    def freed(self, connection: Connection, now: float) -> None:
        """Keep a connection for the next call."""
        idle = self._idle.setdefault(connection.pool_key, [])
        if self._is_closed or len(idle) >= self._idle_limit:
            connection.drop()
            return
        connection.idle_until = now + self._keep_idle_s
        idle.append(connection)

    def dropped(self, connection: Connection) -> None:
        """Offer a connection no more."""
        idle = self._idle.get(connection.pool_key)
        if idle and connection in idle:
            idle.remove(connection)

    def closed(self, connection: Connection) -> None:
        """Count a socket as closed."""
        self._open.discard(connection)
        if not self._open:
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None
            if self._emptied is not None and not self._emptied.done():
                self._emptied.set_result(None)

    def _sweep(self) -> None:
        """Let every connection compare its deadline, forget pools that are empty, and come again."""
        if self._loop is None:
            return
        now = self._loop.time()
        for connection in tuple(self._open):
            connection.expire(now)
        for key in [key for key, idle in self._idle.items() if not idle]:
            del self._idle[key]
        self._sweeper = self._loop.call_later(self._sweep_s, self._sweep)


def _closed(*, sent: bool) -> UpstreamClosedError:
    return UpstreamClosedError("the upstream client is closed", reason="client_closed", sent=sent)
