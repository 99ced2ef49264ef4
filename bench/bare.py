"""The least that a Python proxy can do: uvloop, httptools, bytes passed on as they are parsed. No feature at all.

    bare.py PORT:UPSTREAM_PORT...

No key is looked at, no JSON is read, nothing is counted, priced, journalled or recorded, and no error is handled. What
it costs is the floor for a gateway in Python, as nginx is the floor for any.
"""

import asyncio
import sys
from collections import deque
from functools import partial
from typing import cast

import httptools
import uvloop


class Upstream(asyncio.Protocol):
    """A kept connection to the provider; its answers go to whichever client holds it."""

    def __init__(self, pool: "deque[Upstream]") -> None:
        """Belong to a pool."""
        self.pool = pool
        self.client: Client | None = None
        self.parser = httptools.HttpResponseParser(self)
        self.fields: list[bytes] = []
        self.parts: list[bytes] = []
        self.chunked = False
        self.begun = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, client: "Client", request: bytes) -> None:
        """Send a request for a client."""
        self.client = client
        assert self.transport is not None  # noqa: S101 - connected before it is in the pool
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Parse, and pass on what came of a stream."""
        self.parser.feed_data(data)
        if self.chunked and self.parts:
            self.pass_on(b"".join([b"%x\r\n%b\r\n" % (len(part), part) for part in self.parts]))
            self.parts.clear()

    def pass_on(self, body: bytes) -> None:
        """Send bytes to the client, behind the head if they are the first."""
        if not self.begun:
            self.begun = True
            body = b"HTTP/1.1 %d OK\r\n%b\r\n%b" % (self.parser.get_status_code(), b"".join(self.fields), body)
        if self.client is not None and self.client.transport is not None:
            self.client.transport.write(body)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        self.fields.append(b"%b: %b\r\n" % (name, value))
        self.chunked = self.chunked or name.lower() == b"transfer-encoding"

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.parts.append(body)

    def on_message_complete(self) -> None:
        """Send the end, and be free for another call."""
        body = b"".join(self.parts)
        if self.chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        self.pass_on(body)
        self.client, self.chunked, self.begun = None, False, False
        self.fields, self.parts = [], []
        self.pool.append(self)


class Client(asyncio.Protocol):
    """A client's connection: one request after the other."""

    def __init__(self, port: int, pool: deque[Upstream]) -> None:
        """Answer from the provider at a port."""
        self.port = port
        self.pool = pool
        self.parser = httptools.HttpRequestParser(self)
        self.fields: list[bytes] = []
        self.parts: list[bytes] = []
        self.url = b""
        self.transport: asyncio.Transport | None = None
        self.dialling: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport."""
        del exc
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Take the target."""
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        self.fields.append(b"%b: %b\r\n" % (name, value))

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.parts.append(body)

    def on_message_complete(self) -> None:
        """Pass the request on over a free connection, or a new one."""
        parts = (self.parser.get_method(), b" ", self.url, b" HTTP/1.1\r\n", *self.fields, b"\r\n", *self.parts)
        request = b"".join(parts)
        self.fields, self.parts = [], []
        if self.pool:
            self.pool.pop().ask(self, request)
            return
        task = asyncio.get_running_loop().create_task(self.dial(request))
        self.dialling.add(task)
        task.add_done_callback(self.dialling.discard)

    async def dial(self, request: bytes) -> None:
        """Open a connection and send the request over it."""
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: Upstream(self.pool), "127.0.0.1", self.port)
        upstream.ask(self, request)


async def serve(pairs: list[str]) -> None:
    """Listen on every port."""
    loop = asyncio.get_running_loop()
    for pair in pairs:
        port, to = map(int, pair.split(":"))
        pool: deque[Upstream] = deque()
        await loop.create_server(partial(Client, to, pool), "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))
