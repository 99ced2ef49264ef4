"""The answer that a caller of the upstream client holds: its head, its body as it comes, one reader at a time.

The body belongs to the response and not to the connection, so a connection is free for the next call the moment its
answer is whole, even while nobody has read it. A future exists only while somebody waits. Bytes that came before a
fault are returned before the fault is raised; an end is only ever returned for a whole body.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from smartoken.providers.encodings import Decoder, EncodingError
from smartoken.providers.upstream import (
    Timeouts,
    UpstreamBadAnswer,
    UpstreamClosedError,
    UpstreamCut,
    UpstreamError,
)

HIGH_WATER = 256 << 10  # unread body bytes at which reading from the socket stops

HEAD, CHUNK, WHOLE, DRAIN = 0, 1, 2, 3  # what a waiter waits for
_IDENTITY = frozenset({b"", b"identity"})


class Source(Protocol):
    """What a response needs of the connection that fills it."""

    def fail(self, error: UpstreamError) -> None:
        """End the running answer with ``error`` and close the socket at once."""

    def resume(self) -> None:
        """Read from the socket again."""


class HttpResponse:
    """Implements ``UpstreamResponse``; the methods below ``abort`` are the connection's."""

    __slots__ = (
        "_chunks",
        "_coding_fault",
        "_decoder",
        "_headers",
        "_limit",
        "_loop",
        "_size",
        "_wait_from",
        "_waiter",
        "_want",
        "_whole",
        "declared",
        "fault",
        "idle_s",
        "last_byte",
        "passage",
        "raw_headers",
        "source",
        "status",
        "total_at",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source, timeouts: Timeouts, started: float) -> None:
        """Start with nothing; ``started`` is the loop's time of the call."""
        self.source: Source | None = source
        self.status = 0
        self.declared = 0
        self.fault: UpstreamError | None = None
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.last_byte = started
        self.idle_s = timeouts.idle_s
        self.total_at = started + timeouts.total_s
        self._loop = loop
        # Offered what comes while ``chunk`` waits: what it takes, ``chunk`` never sees; what it raises, ``chunk`` does.
        self.passage: Callable[[bytes], bool] | None = None
        self._headers: dict[str, str] | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._limit = 0
        self._whole = False
        self._decoder: Decoder | None = None
        self._coding_fault = ""
        self._waiter: asyncio.Future[None] | None = None
        self._want = HEAD
        self._wait_from = started

    @property
    def headers(self) -> dict[str, str]:
        """The fields under lower-case names, repeated ones joined by ", "; made when first asked for."""
        fields = self._headers
        if fields is None:
            fields = self._headers = {}
            for raw_name, raw_value in self.raw_headers:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                fields[name] = f"{fields[name]}, {value}" if name in fields else value
        return fields

    async def chunk(self) -> bytes:
        """Return the next bytes of the decoded body, b"" at its clean end; raises an ``UpstreamError`` else."""
        decoder = self._decoder
        if decoder is None and not self._coding_fault:  # ``_coded_chunk`` written out: one wait less for each chunk
            while not self._chunks:
                if self.fault is not None:
                    raise self.fault
                if self._whole:
                    return b""
                await self.wait(CHUNK)
            return self._next_chunk()
        if decoder is None or self._coding_fault:
            raise self._give_up(self._coding_fault, "encoding")
        try:
            while not (piece := decoder.piece()) and (coded := await self._coded_chunk()):
                decoder.feed(coded)
        except EncodingError as error:
            raise self._give_up(str(error), "encoding") from error
        if not piece and not decoder.whole:
            self.fault = self.fault or UpstreamCut("the coded body breaks off", reason="encoding", sent=True)
            raise self.fault
        return piece

    async def _coded_chunk(self) -> bytes:
        while not self._chunks:
            if self.fault is not None:
                raise self.fault
            if self._whole:
                return b""
            await self.wait(CHUNK)
        return self._next_chunk()

    def _next_chunk(self) -> bytes:
        body = self._taken()
        if self.source is not None:
            self.source.resume()
        return body

    async def read(self, limit: int) -> bytes:
        """Return the rest of the decoded body; over ``limit`` bytes closes the connection and raises (body_limit)."""
        if self._decoder is not None or self._coding_fault:
            return await self._decoded(limit)
        if self.source is not None:
            self._limit = limit
            self.source.resume()
            while not self._whole and self.fault is None and self._size <= limit >= self.declared:
                await self.wait(WHOLE)
        if self._size > limit or self.declared > limit:
            raise self._give_up(f"the answer's body is over {limit} bytes", "body_limit")
        if self.fault is not None:
            raise self.fault
        return self._taken()

    async def _decoded(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await self.chunk():
            size += len(piece)
            if size > limit:
                raise self._give_up(f"the answer's body is over {limit} bytes", "body_limit")
            pieces.append(piece)
        return b"".join(pieces)

    def abort(self) -> None:
        """Close the connection at once unless the answer is already whole; who waits gets ``UpstreamClosedError``."""
        if self.source is not None:
            self.source.fail(UpstreamClosedError("the call was aborted by this side", reason="aborted", sent=True))

    def _give_up(self, message: str, reason: str) -> UpstreamError:
        """End the answer with a fault of its contents and return it."""
        fault = UpstreamBadAnswer(message, reason=reason, sent=True)
        if self.source is not None:
            self.source.fail(fault)
        self.fault = fault
        self._chunks.clear()
        return fault

    def _taken(self) -> bytes:
        """Empty the buffer into one bytes object."""
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        return body

    def wait(self, want: int) -> asyncio.Future[None]:
        """Return what to await until ``wake`` finds what is wanted, or ``drained`` comes for DRAIN.

        Cancelling loses nothing.
        """
        if self._waits() is not None:
            raise RuntimeError("a response has one reader at a time")
        self._want = want
        self._wait_from = self._loop.time()
        waiter = self._waiter = self._loop.create_future()
        return waiter

    def _waits(self) -> asyncio.Future[None] | None:
        """Return what somebody awaits; one that was cancelled is over."""
        waiter = self._waiter
        return None if waiter is None or waiter.done() else waiter

    def wake(self) -> None:
        """Wake who waits, if what it waits for is there."""
        waiter = self._waits()
        if waiter is None:
            return
        want = self._want
        if want == CHUNK and self.passage is not None:
            try:
                if self._passed():
                    return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
                waiter.set_exception(error)
                return
        if (
            self._whole
            or self.fault is not None
            or (want == CHUNK and self._chunks)
            or (want in {HEAD, DRAIN} and self.status)
            or (want == WHOLE and self._size > self._limit)
        ):
            waiter.set_result(None)

    def _passed(self) -> bool:
        """Offer what came to the passage; true when it took it and the body goes on."""
        passage, chunks = self.passage, self._chunks
        if passage is None or not chunks or self._whole or self.fault is not None or self._decoder is not None:
            return False
        if self._coding_fault or not passage(chunks[0] if len(chunks) == 1 else b"".join(chunks)):
            return False
        chunks.clear()
        self._size = 0
        if self.source is not None:
            self.source.resume()
        return True

    def drained(self) -> None:
        """Wake who waits to write on."""
        waiter = self._waits()
        if self._want == DRAIN and waiter is not None:
            waiter.set_result(None)

    def push(self, body: bytes) -> None:
        """Add a piece of the body as it came."""
        self._chunks.append(body)
        self._size += len(body)

    def note_coding(self, coding: bytes) -> None:
        """Note a content coding; one that is not undone here fails the body, never the head."""
        if coding.strip().lower() in _IDENTITY:
            return
        if self._decoder is not None:
            self._coding_fault = "the answer has more than one content coding"
            return
        try:
            self._decoder = Decoder(coding.decode("latin-1"))
        except EncodingError as error:
            self._coding_fault = str(error)

    def end(self, fault: UpstreamError | None) -> None:
        """Take the end: the whole body is here (None), or ``fault`` follows what is here."""
        self.source = None
        self.passage = None  # it knows the call, which knows us: a cycle for the collector
        self._whole = fault is None
        self.fault = fault
        self.wake()

    def holds_much(self) -> bool:
        """Say whether so much is unread that reading should pause; under ``read`` its limit counts."""
        return self._size > HIGH_WATER and self._size > self._limit

    def waited_s(self, now: float) -> float:
        """Return for how many seconds somebody has waited without a byte; 0.0 when nobody waits."""
        return 0.0 if self._waits() is None else now - max(self.last_byte, self._wait_from)
