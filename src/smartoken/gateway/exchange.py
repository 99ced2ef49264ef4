"""One request on a client's connection and its answer: ASGI's ``receive`` and ``send``, without a queue or a timer.

The head of an answer waits for the first bytes of its body (as ASGI has it), so that a whole answer is one write. A
head with a line break inside a field is refused. After the client has left, ``send`` does nothing and ``receive``
says so; ``scope["smartoken.left"]``, where the application has set it, is called at that moment. An application that
fails before its answer began is answered for with 500; one that fails later has its connection cut, so that a broken
answer never looks whole.
"""

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import Protocol

from smartoken.gateway.reply import ASGI, Headers, Message, Scope

LEFT = "smartoken.left"
DOOR = "smartoken.door"
_logger = logging.getLogger(__name__)
_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAILED = b"Internal Server Error"
_BODILESS = frozenset({204, 304})


class Carrier(Protocol):
    """What an exchange needs of the connection that carries it."""

    loop: asyncio.AbstractEventLoop
    blocked: bool  # the client takes its bytes too slowly

    def write(self, piece: bytes) -> None:
        """Send bytes of the answer."""

    async def drained(self) -> None:
        """Wait until the client has taken what was written."""

    def taken(self) -> None:
        """Note that what was buffered of the body has been taken."""

    def answered(self, exchange: "Exchange") -> None:
        """Note that the answer is whole."""

    def finished(self, exchange: "Exchange") -> None:
        """Note that the application has returned."""

    def cut(self) -> None:
        """Close the connection at once."""


class Exchange:
    """A request whose head is whole, from there to the last byte of its answer."""

    __slots__ = (
        "_carrier",
        "_chunked",
        "_given",
        "_left_to_send",
        "_parts",
        "_start",
        "_waiter",
        "begun",
        "buffered",
        "complete",
        "gone",
        "keep_alive",
        "more",
        "scope",
        "task",
    )

    def __init__(self, carrier: Carrier, scope: Scope, *, keep_alive: bool) -> None:
        """Stand for a request that came over ``carrier``; ``keep_alive`` says whether another one may follow."""
        self._carrier = carrier
        self.scope: Scope = scope
        self.keep_alive = keep_alive
        self.task: asyncio.Task[None] | None = None
        self.begun = False  # bytes of the answer went out
        self.more = True  # more of the body is to come
        self.buffered = 0
        self.complete = False
        self.gone = False
        self._parts: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._start: Message | None = None
        self._given = False  # the last piece of the body was given out
        self._chunked = False
        self._left_to_send = 0

    # What the connection tells.

    def feed(self, part: bytes) -> None:
        """Take a piece of the request's body; nobody wants it once the answer is whole."""
        if not self.complete:
            self._parts.append(part)
            self.buffered += len(part)
            self._wake()

    def feed_end(self) -> None:
        """Take note that the body is whole."""
        self.more = False
        self._wake()

    def left(self) -> None:
        """Take note that the client is gone, and tell whoever asked to be told."""
        if self.complete or self.gone:
            return
        self.gone = True
        self._wake()
        tell = self.scope.get(LEFT)
        if tell is not None:
            tell()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the application is given.

    async def run(self, app: ASGI) -> None:
        """Let the application answer."""
        self.scope[DOOR] = self
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._carrier.cut()
            raise
        except Exception:  # the process edge: what an application leaves unanswered is answered here
            _logger.exception("%s %s failed", self.scope["method"], self.scope["path"])
        if not self.complete and not self.gone:
            await self._answer_for_it()
        self._carrier.finished(self)
        self.scope.pop(LEFT, None)  # it knows who answers, who knows us: a cycle for the collector
        self.scope.pop(DOOR, None)

    async def _answer_for_it(self) -> None:
        if self.begun:
            self._carrier.cut()
            return
        length = str(len(_FAILED)).encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", length)]
        self._start = None
        self.keep_alive = False
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": _FAILED})

    async def receive(self) -> Message:
        """Return the next piece of the body; after its end wait for the client to leave, or for the answer's end."""
        if self.more and not self._parts and not self.begun and self._expects_continue():
            self._carrier.write(_CONTINUE)
        while not self.gone and not self.complete and (self._given or (self.more and not self._parts)):
            self._waiter = self._carrier.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.gone or self.complete:
            return {"type": "http.disconnect"}
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.buffered = 0
        self._given = not self.more
        self._carrier.taken()
        return {"type": "http.request", "body": body, "more_body": self.more}

    def _expects_continue(self) -> bool:
        return any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.scope["headers"])

    async def send(self, message: Message) -> None:
        """Send the head of the answer, or a piece of its body, no faster than the client takes it.

        Raises:
            RuntimeError: the messages are not those of one answer, or its body is not as long as was said.

        """
        if self._carrier.blocked and not self.gone:
            await self._carrier.drained()
        if self.gone:
            return
        if message["type"] == "http.response.start":
            if self._start is not None:
                raise RuntimeError("an answer has one head")
            self._start = message
            return
        if self._start is None or self.complete:
            raise RuntimeError("a piece of body came before the head or after the end")
        body, more = message.get("body", b""), message.get("more_body", False)
        head = b"" if self.begun else self._head(self._start, body, more=more)
        piece = self._framed(body, more=more)
        if head or piece:
            self._carrier.write(head + piece)
        if not more:
            self.complete = True
            self._wake()
            self._carrier.answered(self)

    def whole(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer, its length not among ``headers``; false, and nothing sent, where ``send`` is needed."""
        if self.gone:
            return True
        if self._carrier.blocked or self._start is not None or status in _BODILESS or not self._plain:
            return False
        fields = b"".join([b"%b: %b\r\n" % field for field in headers])
        if fields.count(b"\n") != len(headers) or fields.count(b"\r") != len(headers):
            raise RuntimeError("a line break within a field of the answer's head")
        self.begun = self.complete = True
        line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()
        end = b"" if self.keep_alive else b"connection: close\r\n"
        self._carrier.write(b"%b%bcontent-length: %d\r\n%b\r\n%b" % (line, fields, len(body), end, body))
        self._wake()
        self._carrier.answered(self)
        return True

    def piece(self, body: bytes) -> bool:
        """Send a piece of an answer in chunks; false, and nothing sent, where ``send`` is needed."""
        if self.gone:
            return True
        if not self._chunked or self._carrier.blocked or self.complete:
            return False
        if body:
            self._carrier.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    @property
    def _plain(self) -> bool:
        return bool(self.scope["http_version"] == "1.1" and self.scope["method"] != "HEAD")

    def _head(self, start: Message, body: bytes, *, more: bool) -> bytes:
        """Return the status line and the fields, and fix how the body is framed."""
        status: int = start["status"]
        headers: Headers = start.get("headers", [])
        lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()]
        length = None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                self.keep_alive = self.keep_alive and value.lower() != b"close"
                continue  # written below
            lines.append(b"%b: %b\r\n" % (name, value))
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self._left_to_send = -1  # below zero: no body at all
        elif length is not None:
            self._left_to_send = length
        elif not more:
            lines.append(b"content-length: %d\r\n" % len(body))
            self._left_to_send = len(body)
        elif self.scope["http_version"] == "1.1":
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            self.keep_alive = False  # to HTTP/1.0 the end of the connection is the end of the body
            self._left_to_send = 1 << 62
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        elif self.scope["http_version"] != "1.1":
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("a line break within a field of the answer's head")
        self.begun = True
        return head

    def _framed(self, body: bytes, *, more: bool) -> bytes:
        """Return a piece of the body as it goes over the wire."""
        if self._chunked:
            framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return framed if more else framed + b"0\r\n\r\n"
        if self._left_to_send < 0:
            return b""
        self._left_to_send -= len(body)
        if self._left_to_send < 0 or (self._left_to_send and not more and self.keep_alive):
            raise RuntimeError("the body is not as long as its head says")
        return body
