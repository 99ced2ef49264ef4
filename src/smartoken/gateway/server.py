"""One client connection: HTTP/1.1 comes in, exchanges go to the application, their answers go out in order.

Uvicorn's server accepts the sockets and ends them; this is the protocol that it is told to use in place of its own,
which costs a call more than reading its body does, and tells nobody that a client has left. Promises: a request is one
only if llhttp takes it in its strict mode; what is not one is answered with 400 once, after the answers before it, and
the connection closes. Heads are bounded, bodies are read no faster than the application takes them, requests sent
ahead wait in line. Nothing here sets a timer: ``sweep`` compares what each connection waits for.

A client that closes its sending side has left, as with nginx.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from smartoken.errors import InvalidRequestError, RequestTooLargeError
from smartoken.gateway.exchange import Exchange
from smartoken.gateway.head import (
    FIELD_LIMIT,
    HEAD_LIMIT,
    MALFORMED,
    ONE_HOST,
    ONLY_CHUNKS,
    TOO_LARGE,
    UNKNOWN_CODING,
    coded,
    framing,
    names_a_host,
    refusal,
    too_large,
)
from smartoken.gateway.reply import ASGI, Headers

HEAD_S = 10.0  # for a head, from its first byte
BODY_S = 30.0  # between two pieces of a body, and for the rest of one that nobody waits for
REQUEST_S = 300.0  # for a whole request
LINGER_S = 2.0  # for reading past a refusal, so that the client sees it before the connection is reset
BODY_AHEAD = 64 * 1024  # bytes of body kept for an application that does not ask for them
UNWANTED_BODY = 32 * 1024 * 1024  # bytes of body read past an answer that did not wait for them
LINE_LIMIT = 32  # requests that may wait for the answers before them
_VERSIONS = frozenset({"1.1", "1.0"})
_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Connection(asyncio.Protocol):
    """The protocol of one socket."""

    __slots__ = (
        "_ahead",
        "_app",
        "_client",
        "_connections",
        "_deaf",
        "_drains",
        "_fed",
        "_framing",
        "_head_later",
        "_head_most",
        "_headers",
        "_in_head",
        "_keep_s",
        "_line",
        "_lingering",
        "_parser",
        "_paused",
        "_receiving",
        "_refusal",
        "_server",
        "_tasks",
        "_trailers",
        "_unwanted",
        "_url",
        "_whole_by",
        "blocked",
        "exchange",
        "loop",
        "since",
        "transport",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn hands it over by this name; there is no lifespan here
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Be what uvicorn makes for each socket."""
        self.loop = _loop or asyncio.get_running_loop()
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.exchange: Exchange | None = None  # being answered
        self.blocked = False
        self.since = self.loop.time()  # when that began which ``impatient`` judges
        self._app: ASGI = config.loaded_app
        self._keep_s = float(config.timeout_keep_alive)
        self._connections: set[Any] = server_state.connections
        self._tasks: set[Any] = server_state.tasks
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._line: deque[Exchange] = deque()  # whole heads that wait for the answers before them
        self._receiving: Exchange | None = None  # its body is coming in
        self._client: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None
        self._in_head = True
        self._fed = 0  # bytes being parsed
        self._head_later = 0  # bytes of the head that came after those in which it began
        self._head_most = 0  # no fewer than the bytes of the head
        self._trailers = 0  # their bytes
        self._framing = b""  # how long the body is of a request that offers another protocol
        self._headers: Headers = []
        self._url = b""
        self._whole_by = 0.0
        self._unwanted = 0
        self._paused = False
        self._lingering = False
        self._deaf = False  # nothing that comes now is a request
        self._refusal = b""  # what to say when every answer is out
        self._drains: list[asyncio.Future[None]] = []

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and start the clock on the first head: a silent connection is idle too."""
        self.transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._client = _address(transport.get_extra_info("peername"))
        self._server = _address(transport.get_extra_info("sockname"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever is answering that nobody is listening."""
        del exc
        self._connections.discard(self)
        self._parser = None  # it holds our bound methods, and so us
        self._deaf = True
        line, self._line = self._line, deque()
        for each in (self.exchange, *line):
            if each is not None:
                each.left()
        self.resume_writing()

    def eof_received(self) -> None:
        """Take the end of the client's bytes for its leaving; the event loop closes the socket."""

    def data_received(self, data: bytes) -> None:
        """Parse what came; start what is complete enough to start."""
        parser = self._parser
        if self._deaf or parser is None:
            return
        if self._in_head:
            self._head_later += len(data)
            self._head_most += len(data)
        self._fed = len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            if not self._deaf:
                self._refuse(MALFORMED, InvalidRequestError("This is not a valid HTTP/1.1 request."))
            return
        if self._in_head and self._head_later > HEAD_LIMIT:
            self._refuse_head()

    def pause_writing(self) -> None:
        """Hold back the answer: the client takes its bytes too slowly."""
        self.blocked = True

    def resume_writing(self) -> None:
        """Let the answer go on."""
        self.blocked = False
        drains, self._drains = self._drains, []
        for each in drains:
            if not each.done():
                each.set_result(None)

    # What the parser calls, inside ``feed_data``.

    def on_message_begin(self) -> None:
        """Begin a head."""
        if self._deaf:
            raise ValueError("nothing follows the last request")
        self._in_head = True
        self._head_later, self._head_most = 0, self._fed
        self._trailers = 0
        self._headers = []
        self._url = b""
        self.since = self.loop.time()
        self._whole_by = self.since + REQUEST_S

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; trailers are read over, but not without end."""
        if self._in_head:
            self._headers.append((name.lower(), value))
            return
        self._trailers += len(name) + len(value)
        if self._trailers > HEAD_LIMIT:
            self._refuse_head()
            raise ValueError("too many trailers")

    def on_headers_complete(self) -> None:
        """Start the exchange, or let it wait in line."""
        parser = self._parser
        if parser is None:
            return
        self._in_head = False
        headers = self._headers
        if (self._head_most > HEAD_LIMIT or len(headers) > FIELD_LIMIT) and too_large(self._url, headers):
            self._refuse_head()
            raise ValueError("the head is too large")
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise ValueError("neither HTTP/1.1 nor HTTP/1.0")
        if not names_a_host(headers, version):
            self._refuse(MALFORMED, InvalidRequestError(ONE_HOST, param="host"))
            raise ValueError("not one host")
        if coded(headers):
            self._refuse(UNKNOWN_CODING, InvalidRequestError(ONLY_CHUNKS, param="transfer-encoding"))
            raise ValueError("a coding that is not known")
        target, path, query = _split(self._url)
        exchange = self._receiving = Exchange(
            self,
            {
                "type": "http",
                "asgi": _ASGI,
                "http_version": version,
                "method": parser.get_method().decode("ascii"),
                "scheme": "http",
                "path": path,
                "raw_path": target,
                "query_string": query,
                "root_path": "",
                "headers": headers,
                "client": self._client,
                "server": self._server,
            },
            keep_alive=parser.should_keep_alive(),
        )
        self._framing = framing(headers) if parser.should_upgrade() else b""
        if self.exchange is None:
            self._start(exchange)
            return
        self._line.append(exchange)
        if len(self._line) >= LINE_LIMIT:
            self._end_after_last()
        self._pause()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        exchange = self._receiving
        if exchange is None:
            return
        if exchange.complete:
            self._unwanted += len(body)
            if self._unwanted > UNWANTED_BODY:
                self.cut()
            return
        self.since = self.loop.time()
        exchange.feed(body)
        if exchange.buffered > BODY_AHEAD:
            self._pause()

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        if self._framing:
            return  # to the parser, which hands over what follows an offered upgrade; here it is the body
        exchange, self._receiving = self._receiving, None
        if exchange is None:
            return
        exchange.feed_end()
        self.since = self.loop.time()
        self._unwanted = 0
        if not exchange.keep_alive:
            self._deaf = True

    # What an exchange calls.

    def write(self, piece: bytes) -> None:
        """Send bytes of the answer."""
        self.transport.write(piece)

    async def drained(self) -> None:
        """Wait until the client has taken what was written, or has left."""
        while self.blocked:
            drain = self.loop.create_future()
            self._drains.append(drain)
            await drain

    def taken(self) -> None:
        """Read on, if it was the body that stopped us."""
        if not self._line:
            self._resume()

    def answered(self, exchange: Exchange) -> None:
        """Go on with the next request in line, or wait for one; close where none may follow."""
        self.exchange = None
        if not exchange.keep_alive or self.transport.is_closing():
            self._end()
        elif self._line:
            self._start(self._line.popleft())
        elif self._refusal:
            self._end()
        else:
            self.since = self.loop.time()
        if not self._line:
            self._resume()

    def finished(self, exchange: Exchange) -> None:
        """Let go of the task that ran an exchange."""
        self._tasks.discard(exchange.task)
        exchange.task = None

    def cut(self) -> None:
        """Close at once, so that what was sent does not look whole."""
        self._deaf = True
        self.transport.abort()

    # What the server and the sweep call.

    def shutdown(self) -> None:
        """Close, or let the answer under way be the last one."""
        self._deaf = True
        self._line.clear()
        if self.exchange is None:
            self.transport.close()
        else:
            self.exchange.keep_alive = False

    def impatient(self, now: float) -> bool:
        """Whether the client has taken too long: with a head, with a body, or to send another request."""
        waited = now - self.since
        if self._lingering:
            return waited > LINGER_S
        if self._receiving is not None:
            return not self._paused and (waited > BODY_S or now > self._whole_by)
        if self.exchange is not None:
            return False
        return waited > (HEAD_S if self._in_head else self._keep_s)

    # Its own.

    def _start(self, exchange: Exchange) -> None:
        self.exchange = exchange
        task = exchange.task = self.loop.create_task(exchange.run(self._app))
        self._tasks.add(task)

    def _decline(self, rest: bytes) -> None:
        """Take a request that offers another protocol for an ordinary one, the last; ``rest`` begins with its body."""
        exchange, framing = self._receiving, self._framing
        if exchange is None or not framing:
            self._end_after_last()
            return
        self._framing = b""
        exchange.keep_alive = False
        self._parser = httptools.HttpRequestParser(_Body(self))
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
        if rest:
            self.data_received(rest)

    def _end_after_last(self) -> None:
        """Let the last request that was taken be the last one answered."""
        self._deaf = True
        last = self._line[-1] if self._line else self.exchange
        if last is None:
            self._end()
        else:
            last.keep_alive = False

    def _pause(self) -> None:
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.since = self.loop.time()
            self.transport.resume_reading()

    def _refuse_head(self) -> None:
        limit = f"The request's head is larger than {HEAD_LIMIT} bytes or {FIELD_LIMIT} fields."
        self._refuse(TOO_LARGE, RequestTooLargeError(limit, details={"limit_bytes": HEAD_LIMIT}))

    def _refuse(self, status: str, error: InvalidRequestError | RequestTooLargeError) -> None:
        """Answer what is no request once the answers before it are out, and read no more."""
        if self._deaf:
            return
        self._deaf = True
        self._refusal = refusal(status, error)
        broken = self._receiving
        if broken is not None and not broken.complete:
            if broken.begun:
                self.cut()
                return
            broken.left()  # the rest of its body will never come
            if broken is self.exchange:
                self.exchange = None
            elif broken in self._line:
                self._line.remove(broken)
        if self.exchange is None:
            self._end()

    def _end(self) -> None:
        """Close; where the client is still sending, only after it had time to read what it was told."""
        self._deaf = True
        if self._refusal:
            self.transport.write(self._refusal)
        elif self._receiving is None:
            self.transport.close()
            return
        self._lingering = True
        self.since = self.loop.time()
        self._resume()
        self.transport.write_eof()


class _Body:
    """What a parser tells that is given a body alone."""

    def __init__(self, connection: Connection) -> None:
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete


def _address(found: Any) -> tuple[str, int] | None:
    """Return host and port of a socket's name; ``None`` for one that has none."""
    return (str(found[0]), int(found[1])) if isinstance(found, tuple | list) and len(found) > 1 else None


def _split(url: bytes) -> tuple[bytes, str, bytes]:
    """Return the path as it came, the path decoded, and the query of a request's target.

    Raises:
        ValueError: it is none.

    """
    if url[:1] != b"/" or b"#" in url:
        parsed = httptools.parse_url(url)
        target, query = parsed.path or b"/", parsed.query or b""
    else:
        target, _, query = url.partition(b"?")
    path = target.decode("ascii")
    return target, unquote(path) if "%" in path else path, query


def sweep(connections: Iterable[Any], now: float) -> int:
    """Close the connections whose clients take too long; returns how many."""
    closed = 0
    for each in list(connections):
        if isinstance(each, Connection) and each.impatient(now) and not each.transport.is_closing():
            each.transport.close()
            closed += 1
    return closed
