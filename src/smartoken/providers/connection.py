"""One socket to one upstream, one exchange at a time: bytes in, an answer out, back-pressure both ways.

``Connection`` is the asyncio protocol around httptools' parser. Nothing here starts a task, sets a timer or uses a
queue. Deadlines are plain numbers that the client's sweep compares (``Connection.expire``). Fails closed: whatever is
not one well-framed answer ends in an error and a closed connection.
"""

import asyncio
import ssl
from http import HTTPStatus
from typing import NoReturn, Protocol, cast

import httptools

from smartoken.providers.response import DRAIN, HEAD, HttpResponse
from smartoken.providers.upstream import (
    Timeouts,
    UpstreamBadAnswer,
    UpstreamCut,
    UpstreamError,
    UpstreamTimeout,
)

_FINAL, _SWITCHING = HTTPStatus.OK.value, HTTPStatus.SWITCHING_PROTOCOLS.value  # plain numbers: asked for every answer
HEAD_LIMIT = 64 << 10  # bytes of status line and header fields, and again of trailers
HEADER_COUNT_LIMIT = 200
ONE_WRITE = 64 << 10  # a body up to this size is joined to its head
WRITE_SLICE = 256 << 10
FRAMING_PER_BODY_BYTE = 16  # chunk sizes and extensions may outweigh the body by this factor beyond HEAD_LIMIT

_FRAMING_HEADERS = frozenset({b"content-length", b"transfer-encoding", b"content-encoding"})
_VERSIONS = frozenset({"1.1", "1.0"})
_NO_BODY = frozenset({204, 304})


class Owner(Protocol):
    """What a connection tells the pool it belongs to."""

    def opened(self, connection: "Connection") -> None:
        """Count a socket."""

    def freed(self, connection: "Connection", now: float) -> None:
        """Take a connection back: its answer is whole and it can carry another call."""

    def dropped(self, connection: "Connection") -> None:
        """Stop offering a connection; its socket is closing. May come twice."""

    def closed(self, connection: "Connection") -> None:
        """Count a socket as closed."""


class Connection(asyncio.Protocol):
    """The protocol of one socket. ``answered`` says whether any byte came since the last ``exchange`` began."""

    __slots__ = (
        "_complete",
        "_first_byte_at",
        "_framing_left",
        "_head_left",
        "_headers_left",
        "_in_head",
        "_keep",
        "_loop",
        "_owner",
        "_parser",
        "_paused",
        "_refusal",
        "_response",
        "_sent_all",
        "_transport",
        "_until_eof",
        "_version_seen",
        "_write_paused",
        "answered",
        "gone",
        "idle_until",
        "pool_key",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, pool_key: tuple[object, ...]) -> None:
        """Belong to ``owner`` under ``pool_key``; the transport comes with ``connection_made``."""
        self.pool_key = pool_key
        self.answered = False
        self.gone = False
        self.idle_until = float("inf")
        self._loop = loop
        self._owner = owner
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._response: HttpResponse | None = None
        self._first_byte_at = 0.0
        self._head_left = HEAD_LIMIT
        self._headers_left = HEADER_COUNT_LIMIT
        self._framing_left = HEAD_LIMIT
        self._in_head = True
        self._complete = False
        self._until_eof = False
        self._keep = False
        self._sent_all = False
        self._paused = False
        self._write_paused = False
        self._version_seen = False
        self._refusal: UpstreamBadAnswer | None = None

    async def exchange(self, timeouts: Timeouts, started: float, head: bytes, body: bytes) -> HttpResponse:
        """Send a request and return when the head of its answer is there.

        ``started`` is the loop's time of the call. Raises an ``UpstreamError``; being cancelled closes the connection.
        """
        transport = self._transport
        if transport is None or self.gone:
            raise UpstreamCut("the connection closed before it was used", reason="no_answer", sent=False)
        response = self._response = HttpResponse(self._loop, self, timeouts, started)
        self.answered = False
        self._first_byte_at = self._loop.time() + timeouts.first_byte_s
        self._head_left = self._framing_left = HEAD_LIMIT
        self._headers_left = HEADER_COUNT_LIMIT
        self._in_head = True
        self._complete = self._until_eof = False
        try:
            if len(body) <= ONE_WRITE:
                self._sent_all = True
                transport.write(head + body)
            else:
                await self._send_slices(transport, response, head, body)
            while not response.status and response.fault is None:
                await response.wait(HEAD)
        except BaseException:
            response.abort()
            raise
        if response.fault is not None and not response.status:
            raise response.fault
        return response

    async def _send_slices(
        self, transport: asyncio.Transport, response: HttpResponse, head: bytes, body: bytes
    ) -> None:
        """Send a large body piece by piece, no faster than the upstream takes it, until an early answer or a fault."""
        self._sent_all = False
        patience_s = self._first_byte_at - self._loop.time()
        transport.write(head)
        view = memoryview(body)
        for start in range(0, len(view), WRITE_SLICE):
            while self._write_paused and not response.status and response.fault is None:
                await response.wait(DRAIN)
            if response.status or response.fault is not None:
                return
            transport.write(view[start : start + WRITE_SLICE])
            self._first_byte_at = self._loop.time() + patience_s
        self._sent_all = True

    def expire(self, now: float) -> None:
        """Act on whichever deadline has passed at the loop's time ``now``."""
        response = self._response
        if response is None:
            if now >= self.idle_until:
                self.drop()
        elif now >= response.total_at:
            self.fail(UpstreamTimeout("the call took longer than its total time", reason="total", sent=True))
        elif not response.status:
            if now >= self._first_byte_at:
                self.fail(UpstreamTimeout("no answer came in time", reason="first_byte", sent=True))
        elif response.waited_s(now) >= response.idle_s:
            self.fail(UpstreamTimeout("the answer stalled", reason="idle", sent=True))

    def fail(self, error: UpstreamError) -> None:
        """End the running answer with ``error`` and close the socket at once."""
        response = self._response
        if response is not None:
            self._response = None
            response.end(error)
        self.drop()

    def drop(self) -> None:
        """Close the socket at once; it is never offered again."""
        self.gone = True
        if self._transport is not None:
            self._transport.abort()
        self._owner.dropped(self)

    def disown(self) -> None:
        """Close after a failed dial, and count the socket as closed now.

        uvloop, cancelled between ``connection_made`` and the end of ``create_connection``, closes the socket without
        ever calling ``connection_lost``.
        """
        self.drop()
        if self._transport is not None:
            self._transport = None
            self._parser = None
            self._owner.closed(self)

    def resume(self) -> None:
        """Read from the socket again, if the high-water mark had stopped it."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; when the dial was given up meanwhile, close it."""
        self._transport = cast("asyncio.Transport", transport)
        self._owner.opened(self)
        if self.gone:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Turn an end without EOF (reset, TLS without close_notify) into a cut."""
        if self._response is not None:
            self._cut("reset" if exc is not None else "closed")
        self.gone = True
        self._parser = None  # it holds our bound methods, and so us
        self._owner.dropped(self)
        if self._transport is not None:
            self._transport = None
            self._owner.closed(self)

    def eof_received(self) -> None:
        """Take a clean EOF (FIN, or close_notify under TLS) as the end of a body that ends so, else as a cut."""
        response = self._response
        if response is not None and response.status and self._until_eof and self._eof_is_signed():
            self._finish(response)
        elif response is not None:
            self._cut("closed")
        else:
            self.drop()

    def _eof_is_signed(self) -> bool:
        """Say whether an EOF can be believed: under TLS only with the close_notify that an attacker cannot forge.

        asyncio calls ``eof_received`` for both; reading on tells them apart: an orderly end gives b"" or a zero return.
        """
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        if tls is None:
            return True
        try:
            return bool(tls.read(1) == b"")
        except ssl.SSLError as error:
            return isinstance(error, ssl.SSLZeroReturnError)

    def pause_writing(self) -> None:
        """Stop ``_send_slices``."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Let ``_send_slices`` go on."""
        self._write_paused = False
        if self._response is not None:
            self._response.drained()

    def data_received(self, data: bytes) -> None:
        """Parse; hand over; hold back. Bytes that nobody asked for close the connection."""
        response = self._response
        parser = self._parser
        if response is None or parser is None:
            self.drop()
            return
        response.last_byte = self._loop.time()
        self.answered = True
        in_head = self._in_head
        try:
            if in_head and len(data) > self._head_left:
                self._feed_head(parser, data)
            else:
                parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._complete:
                refusal, self._refusal = self._refusal, None
                self.fail(refusal or _bad(f"not a valid HTTP/1.1 answer: {type(error).__name__}", "protocol"))
                return
            self._keep = False  # the answer is whole, and what follows it is not ours
        if self._complete:
            self._finish(response)
            return
        if not in_head:
            self._framing_left -= len(data)
            if self._framing_left < 0:
                self.fail(_bad("chunk framing or trailers outweigh the body", "framing_limit"))
                return
        elif self._in_head:
            self._head_left -= len(data)
        if response.holds_much() and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        response.wake()

    def _feed_head(self, parser: httptools.HttpResponseParser, received: bytes) -> None:
        """Feed what the head may still hold; only when that completes it, the rest."""
        parser.feed_data(received[: self._head_left])
        if self._in_head:
            self._refuse(f"the answer's head is over {HEAD_LIMIT} bytes", "head_limit")
        parser.feed_data(received[self._head_left :])

    def _cut(self, how: str) -> None:
        response = self._response
        if not self.answered:
            text, reason = f"the upstream {how} the connection without an answer", "no_answer"
        elif response is None or not response.status:
            text, reason = f"the upstream {how} the connection inside the answer's head", "head"
        else:
            text, reason = f"the upstream {how} the connection before the end of its answer", "body"
        self.fail(UpstreamCut(text, reason=reason, sent=True))

    def _finish(self, response: HttpResponse) -> None:
        """Hand over a whole answer and, if nothing speaks against it, the connection."""
        self._response = None
        response.end(None)
        transport = self._transport
        if (
            self._keep
            and self._sent_all
            and not self._until_eof
            and transport is not None
            and not transport.get_write_buffer_size()
            and not transport.is_closing()
        ):
            self.resume()
            self._owner.freed(self, response.last_byte)
        else:
            self.drop()

    def on_message_begin(self) -> None:
        """Stop the parser when a second final answer begins."""
        if self._complete:
            raise ValueError("bytes after the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; count, and drop, one of the trailers."""
        self._headers_left -= 1
        if self._headers_left < 0:
            self._refuse(f"the answer has over {HEADER_COUNT_LIMIT} header fields", "head_limit")
        if self._in_head and self._response is not None:
            self._response.raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Pass over a 1xx answer; check the framing of the final one."""
        response = self._response
        parser = self._parser
        if response is None or parser is None:
            return
        if not self._version_seen:
            self._version_seen = True
            if parser.get_http_version() not in _VERSIONS:
                self._refuse("the answer is neither HTTP/1.1 nor HTTP/1.0", "protocol")
        status = parser.get_status_code()
        if status < _FINAL:
            self._headers_left -= 1  # so that headless 1xx answers have an end too
            if status == _SWITCHING or self._headers_left < 0:
                self._refuse("an upgrade nobody asked for, or 1xx answers without end", "protocol")
            return
        framings = 0
        for name, value in response.raw_headers:
            field = name.lower()
            if field in _FRAMING_HEADERS:
                framings += self._note_framing(response, field, value)
        if framings > 1:
            self._refuse("the answer says twice how long it is", "protocol")
        self._in_head = False
        if status in _NO_BODY:
            framings, response.declared = 1, 0
        self._until_eof = not framings
        response.status = status

    def _note_framing(self, response: HttpResponse, field: bytes, value: bytes) -> int:
        """Take one field that says how the body is framed or coded; return 1 when it says where the body ends."""
        if field == b"content-encoding":
            response.note_coding(value)
            return 0
        if field == b"content-length":
            response.declared = int(value)  # the parser has refused everything but digits that fit 64 bits
        elif value.strip().lower() != b"chunked":
            self._refuse("the answer's transfer coding is not chunked", "protocol")
        return 1

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._response is not None:
            self._framing_left += len(body) * (FRAMING_PER_BODY_BYTE + 1)
            self._response.push(body)

    def on_message_complete(self) -> None:
        """Note the end of the final answer; forget a 1xx one."""
        parser = self._parser
        if self._in_head and self._response is not None:
            self._response.raw_headers.clear()
        elif parser is not None:
            self._keep = parser.should_keep_alive()  # only known inside this callback
            self._complete = True

    def _refuse(self, message: str, reason: str) -> NoReturn:
        """Stop the parser with a refusal, which ``data_received`` turns into the answer's fault."""
        self._refusal = _bad(message, reason)
        raise httptools.HttpParserError(message)


def _bad(message: str, reason: str) -> UpstreamBadAnswer:
    return UpstreamBadAnswer(message, reason=reason, sent=True)
