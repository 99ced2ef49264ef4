"""The sandbox's own HTTP/1.1 server: bytes in, scripted bytes out, on a loopback listener of its own.

It is not a general server. It exists because the faults that matter (a cut inside a chunk, a reset, a wrong chunk
size) cannot be made through a framework. No task runs for a request: a connection plays its steps from callbacks, stops
while the peer does not read, and forgets the rest when the peer goes. Answers keep the order of pipelined requests.
It fails open: what it cannot read is answered with 400 and closed.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httptools
import orjson

from smartoken.clock import Clock, SystemClock
from smartoken.sandbox.answer import Reply, Seat, answer
from smartoken.sandbox.truth import Received, Requests, Truth, Truths
from smartoken.sandbox.wire import End, Ending, Send, Step, Wait, plain_steps

MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_WAITING = 32  # pipelined requests before reading stops
_BURST = 64  # steps played before other connections get a turn
_BACKLOG = 4096
_JSON = "application/json"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Sandbox:
    """A scripted upstream.

    ``requests`` holds what came in, ``truth`` what was sent back; both keep the last ``keep``. ``clock`` gives only
    the ``created`` of answers. Equal seeds and equal requests in equal order give equal bytes.
    """

    def __init__(self, seed: int = 0, clock: Clock | None = None, keep: int = 10_000) -> None:
        self.seed = seed
        self.clock = clock or SystemClock()
        self.requests = Requests(keep)
        self.truth = Truths(keep)
        self.connections: set[Connection] = set()
        self.accepted = 0  # connections ever
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and return the port (a free one for 0).

        Raises:
            OSError: the address is taken.

        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self, loop), host, port, backlog=_BACKLOG)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Stop listening and drop every connection; safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        if server is not None:
            await server.wait_closed()
        await asyncio.sleep(0)

    def reply(self, request: Received) -> Reply:
        """Decide an answer and note request and truth."""
        path = urlsplit(request.path)
        if path.path in {"/_truth", "/_requests"}:
            return Reply(self._shown(path.path, parse_qs(path.query)))
        seat = Seat(self.seed, self.requests.total, self.clock.now_ns() // 1_000_000_000)
        self.requests.add(request)
        reply = answer(request, seat)
        if reply.truth is not None:
            self.truth.add(reply.truth)
        return reply

    def _shown(self, path: str, query: dict[str, list[str]]) -> Iterator[Step]:
        limit = query.get("limit", ["100"])[0]
        last = int(limit) if limit.isdigit() else 100
        rows = [each.shown() for each in self.requests[-last or len(self.requests) :]]
        if path == "/_truth":
            wanted = query.get("id")
            found = self.truth.of(wanted[0]) if wanted else list(self.truth)[-last or len(self.truth) :]
            rows = [each.shown() for each in found]
        return plain_steps(200, orjson.dumps({"data": rows}, default=str), _JSON)


class Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        self._sandbox = sandbox
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Received, bool]] = deque()
        self._steps: Iterator[Step] | None = None
        self._truth: Truth | None = None
        self._timer: asyncio.Handle | None = None
        self._blocked = False
        self._keep_alive = True
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note a new peer."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # TCP gives a full transport
        self._sandbox.connections.add(self)
        self._sandbox.accepted += 1

    def connection_lost(self, _exc: Exception | None) -> None:
        """Stop playing; an answer under way was left by its client."""
        self._closed = True
        self._sandbox.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._steps = None
        self._waiting.clear()
        if self._truth is not None and self._truth.ended == "playing":
            self._truth.ended = "client_left"

    def eof_received(self) -> bool:
        """Close too: a peer that closes its side is gone, and that is how a hang learns of it."""
        return False

    def pause_writing(self) -> None:
        """Stop playing until the peer reads."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Play on."""
        self._blocked = False
        self._play()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "The sandbox does not upgrade connections.")
        except httptools.HttpParserError:
            self._refuse(400, "The request is not valid HTTP/1.1.")

    def on_url(self, url: bytes) -> None:
        """Collect the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; the last of equal names counts."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Tell a waiting client to send its body."""
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._size += len(body)
        if self._size <= MAX_BODY_BYTES:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request, and answer it if nothing is under way."""
        if self._closed:
            return
        if self._size > MAX_BODY_BYTES:
            self._refuse(413, "The body is too large.")
            return
        keep = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        method = self._parser.get_method().decode("latin-1")
        url = self._url.decode("latin-1")
        self._waiting.append((Received(method, url, self._headers, b"".join(self._body)), keep))
        self._begin()
        if len(self._waiting) > _MAX_WAITING:
            self._transport.pause_reading()
        if self._steps is None:
            self._next()

    def _refuse(self, status: int, message: str) -> None:
        if self._closed:
            return
        self._waiting.clear()
        self._keep_alive = False
        if self._steps is not None:
            return  # the answer under way ends first, then the connection
        self._truth = None
        self._steps = plain_steps(status, orjson.dumps({"error": {"message": message}}), _JSON)
        self._play()

    def _next(self) -> None:
        if self._steps is not None or not self._waiting:
            return
        request, self._keep_alive = self._waiting.popleft()
        if len(self._waiting) == _MAX_WAITING:
            self._transport.resume_reading()
        reply = self._sandbox.reply(request)
        self._steps, self._truth = reply.steps, reply.truth
        self._play()

    def _play(self) -> None:
        """Play steps until a pause, an end, a full buffer, or another connection's turn."""
        self._timer = None
        steps = self._steps
        if steps is None:
            return
        for _ in range(_BURST):
            if self._blocked or self._closed:
                return
            step = next(steps, None)
            if isinstance(step, Send):
                self._transport.write(step.payload)
                if self._truth is not None:
                    self._truth.add(step.said)
            elif isinstance(step, Wait):
                later = self._loop.call_later
                self._timer = later(step.seconds, self._play) if step.seconds > 0 else self._loop.call_soon(self._play)
                return
            elif step is None:
                return  # hanging
            else:
                self._end(step)
                return
        self._timer = self._loop.call_soon(self._play)

    def _end(self, end: End) -> None:
        self._steps = None
        if self._truth is not None:
            self._truth.ended = end.ended
        match end.how:
            case Ending.KEEP if self._keep_alive:
                # A loop rather than a recursion: a peer may have pipelined many requests.
                self._timer = self._loop.call_soon(self._next) if self._waiting else None
            case Ending.KEEP | Ending.CLOSE:
                self._transport.close()
            case Ending.RESET:
                self._reset()
            case Ending.HANG:
                self._steps = iter(())  # busy for ever: later requests on this connection wait

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """Drop the connection."""
        self._transport.abort()
