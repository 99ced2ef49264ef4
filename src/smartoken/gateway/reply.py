"""The one door through which bytes reach a client, whole or streamed.

It knows whether the answer has begun, whether the client has left, and keeps a stream's silence audible with
comments. After the first byte there is no status code: errors leave as protocol events (pipeline.py). Back-pressure
is the ``await`` of the server's ``send``.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Door(Protocol):
    """A server's own way to send what needs no waiting; both say false, and send nothing, where it does."""

    def whole(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer; its length is not among the headers."""

    def piece(self, body: bytes) -> bool:
        """Send bytes of an answer whose head is out and whose end is not known."""


_JSON = (b"content-type", b"application/json")
_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
COMMENT = b": keep-alive\n\n"


def event(payload: Any) -> bytes:
    """Return one server-sent event: exactly one JSON document on one ``data:`` line."""
    return b"data: %b\n\n" % orjson.dumps(payload)


class Reply:
    """The answer to one request."""

    __slots__ = ("_door", "_send", "begun", "ended", "gone", "headers", "on_gone")

    def __init__(self, send: Send, door: Door | None = None) -> None:
        """Answer through ``send``, and where the server has it, through a door that nothing is awaited at."""
        self._send = send
        self._door = door
        self.headers: Headers = []  # added to whatever is sent first
        self.begun = False
        self.ended = False
        self.gone = False
        self.on_gone: Callable[[], None] | None = None

    def left(self) -> None:
        """Note that the client is gone; called by the server's connection, perhaps in the middle of anything."""
        if not self.ended and not self.gone:
            self.gone = True
            if self.on_gone is not None:
                self.on_gone()

    async def whole(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        """Send a complete JSON answer."""
        self.begun = self.ended = True
        start = [_JSON, *self.headers, *(headers or ())]
        if self._door is not None and self._door.whole(status, start, body):
            return
        start.append((b"content-length", str(len(body)).encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": start})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def text(self, body: bytes) -> None:
        """Send a complete answer in Prometheus' text format."""
        self.begun = self.ended = True
        kind = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
        start = [kind, (b"content-length", str(len(body)).encode()), *self.headers]
        await self._send({"type": "http.response.start", "status": 200, "headers": start})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def empty(self, status: int) -> None:
        """Send an answer without a body."""
        self.begun = self.ended = True
        await self._send({"type": "http.response.start", "status": status, "headers": self.headers})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def begin(self) -> None:
        """Send 200 and the stream's headers, once."""
        if not self.begun:
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": [*_STREAM, *self.headers]})

    def at_once(self, body: bytes) -> bool:
        """Send bytes of a stream that has begun without waiting; false, and nothing sent, where ``chunk`` is needed."""
        return self.begun and self._door is not None and self._door.piece(body)

    async def chunk(self, body: bytes) -> None:
        """Send bytes of the stream, beginning it if need be."""
        if not self.begun:
            await self.begin()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def comment(self) -> None:
        """Tell a waiting client that it is not forgotten."""
        if not self.ended and not self.gone:
            await self.chunk(COMMENT)

    async def end(self, body: bytes = b"") -> None:
        """Send the last bytes and close the stream."""
        if not self.begun:
            await self.begin()
        self.ended = True
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
