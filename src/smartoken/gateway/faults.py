"""The twelve ways in which a drill breaks an upstream: a wrapper over the real one's ``request`` and ``chunk``.

Everything behind it is the real path: dialects, readers, breakers, failover, money. Errors are told in the words of the
provider's own dialect. Faults that need an answer to break take the real provider's and break it; the others never
reach it. Whoever drills is told of each strike at the moment when the gateway meets it, so that it can see what the
client had by then. An attempt that was chosen but whose answer held nothing to break is no strike.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from smartoken.errors import FailureClass
from smartoken.providers.complaints import USUAL, Complaint, complaints
from smartoken.providers.upstream import (
    Peer,
    Upstream,
    UpstreamConnectError,
    UpstreamCut,
    UpstreamResponse,
    UpstreamTimeout,
)


class Fault(StrEnum):
    """What goes wrong."""

    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"  # in turn in OpenAI's words and in the dialect's own, with Retry-After
    ARREARS = "arrears"
    SERVER_ERROR = "server_error"
    HANG = "hang"
    SLOW_FIRST_TOKEN = "slow_first_token"  # noqa: S105 - a token of text
    EMPTY = "empty"
    ERROR_ON_200 = "error_on_200"
    CUT = "cut"
    STALL = "stall"
    GARBLED = "garbled"  # in turn a missing [DONE], a wrong usage, a malformed chunk


# Shown once content was sent, where the answer is streamed: no other offer can take over, the end must be honest.
AFTER_CONTENT = frozenset({Fault.CUT, Fault.STALL, Fault.GARBLED})
_TOLD_AS = {
    Fault.UNAUTHORIZED: FailureClass.KEY_INVALID,
    Fault.RATE_LIMITED: FailureClass.OWN_RATE_LIMIT,
    Fault.ARREARS: FailureClass.KEY_BROKE,
    Fault.SERVER_ERROR: FailureClass.PROVIDER_CAPACITY,
    Fault.ERROR_ON_200: FailureClass.PROVIDER_CAPACITY,
}
_OK = 200
_CONTENT = re.compile(rb'"(?:content|reasoning_content|arguments)": ?"(?:[^"\\]|\\.)+"')
_ENDS = re.compile(rb'"finish_reason": ?"|data: ?\[DONE\]')
_USAGE = re.compile(rb'"(prompt|completion)_tokens": ?\d+')
_DONE = re.compile(rb"data: ?\[DONE\]")
_EVENT = re.compile(rb"\r?\n\r?\n")
_NO_DONE, _WRONG_USAGE = 1, 2  # of three, in turn; the third is a malformed chunk


class Strike(NamedTuple):
    """What the gateway has just met."""

    fatal: bool  # no whole answer can come of this attempt
    answer: bytes = b""  # a whole answer that the provider gave and the fault took away


@dataclass(frozen=True, slots=True)
class Breakage:
    """One fault with its figures."""

    fault: Fault
    percent: int = 100  # of the attempts at the broken offer
    delay_s: float = 1.0  # of a slow first token
    longest_wait_s: float = 3.0  # of a hang or a stall
    retry_after_s: int = 2  # of a rate limit


class ScriptedResponse:
    """An answer that was written beforehand."""

    def __init__(self, said: Complaint, more: Mapping[str, str], *, streamed: bool) -> None:
        framed = streamed and said.status == _OK and said.body
        self.status = said.status
        self.headers: Mapping[str, str] = {
            "content-type": "text/event-stream" if streamed and said.status == _OK else "application/json",
            **more,
        }
        self.last_byte = 0.0
        self._rest = b"data: " + said.body + b"\n\n" if framed else said.body

    async def chunk(self) -> bytes:
        """Return everything at once, then the end."""
        piece, self._rest = self._rest, b""
        return piece

    async def read(self, limit: int) -> bytes:
        """Return the whole body."""
        return (await self.chunk())[:limit]

    def abort(self) -> None:
        """Close nothing."""


class BrokenResponse:
    """A real answer that goes wrong; it is passed on event by event, so that what came before the fault is out."""

    def __init__(self, under: UpstreamResponse, upstream: "BrokenUpstream") -> None:
        self._under = under
        self._broken = upstream.broken
        self._how = upstream.chosen % 3
        self._struck = upstream.strike
        self._silence = upstream.silence
        self._events: deque[bytes] = deque()
        self._rest = b""
        self._contents = 0
        self._gone_wrong = False

    @property
    def status(self) -> int:
        """The real status."""
        return self._under.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The real headers."""
        return self._under.headers

    @property
    def last_byte(self) -> float:
        """The real time of the latest byte."""
        return self._under.last_byte

    def abort(self) -> None:
        """Close the real connection."""
        self._under.abort()

    async def chunk(self) -> bytes:
        """Return the next event, or go wrong."""
        piece = b""
        while not piece:
            if self._gone_wrong and self._broken.fault is not Fault.GARBLED:
                await self._break_off()
            if not self._events and not await self._more():
                return b""
            if self._events:
                piece = self._damaged(self._events.popleft())
        return piece

    async def _more(self) -> bool:
        """Take in what comes next; false at the end, which is the last chance to break an answer off."""
        piece = await self._under.chunk()
        if piece:
            *whole, self._rest = _split(self._rest + piece)
            self._events.extend(whole)
            return True
        if self._rest:
            self._events.append(self._rest)
            self._rest = b""
            return True
        self._gone_wrong = True
        return self._broken.fault is not Fault.GARBLED

    def _damaged(self, event: bytes) -> bytes:
        """Return what is passed on of an event; nothing of one that is left out."""
        fault, found = self._broken.fault, _CONTENT.search(event)
        if fault is Fault.GARBLED and self._how == _NO_DONE:
            if not _DONE.search(event):
                return event
            self._struck(Strike(fatal=False))
            return b""
        if fault is Fault.GARBLED and self._how == _WRONG_USAGE:
            if not _USAGE.search(event):
                return event
            self._struck(Strike(fatal=False))
            return _USAGE.sub(rb'"\1_tokens":-1', event)
        if self._gone_wrong or not (_ENDS.search(event) or (found is not None and self._contents)):
            self._contents += found is not None
            return event
        middle = (found.start() + found.end()) // 2 if found is not None else len(event) // 2
        if fault is Fault.GARBLED:
            self._struck(Strike(fatal=True))
            self._gone_wrong = True  # the reader goes no further
            return event[:middle] + b"\xff\n\n"
        self._gone_wrong = True
        return event[:middle]  # in the middle of a token

    async def _break_off(self, answer: bytes = b"") -> None:
        self._under.abort()
        self._struck(Strike(fatal=True, answer=answer if self._under.status == _OK else b""))
        if self._broken.fault is Fault.CUT:
            raise UpstreamCut("the drill cut the answer", reason="body", sent=True)
        await self._silence(self._broken.longest_wait_s)
        raise UpstreamTimeout("the drill kept silent", reason="idle", sent=True)

    async def read(self, limit: int) -> bytes:
        """Return the rest of the body, or go wrong: nothing of a whole answer has reached the client."""
        whole = await self._under.read(limit)
        if self._broken.fault is not Fault.GARBLED:
            await self._break_off(whole)
        if self._how == _WRONG_USAGE and _USAGE.search(whole):
            self._struck(Strike(fatal=False))
            return _USAGE.sub(rb'"\1_tokens":-1', whole)
        self._struck(Strike(fatal=True, answer=whole))
        return whole[: len(whole) // 2]


class SlowResponse(BrokenResponse):
    """A real answer whose first bytes come late."""

    async def _wait(self) -> None:
        if not self._gone_wrong:
            self._gone_wrong = True
            self._struck(Strike(fatal=False))
            await self._silence(self._broken.delay_s)

    async def chunk(self) -> bytes:
        """Return the next bytes; the first late."""
        await self._wait()
        return await self._under.chunk()

    async def read(self, limit: int) -> bytes:
        """Return the body, late."""
        await self._wait()
        return await self._under.read(limit)


class BrokenUpstream:
    """The real upstream with a fault in front of it; counts what it was asked, chose and struck."""

    def __init__(self, under: Upstream, broken: Breakage, noted: Callable[[Strike], None] | None = None) -> None:
        self._under = under
        self._noted = noted
        self._over = asyncio.Event()
        self.broken = broken
        self.attempts = 0
        self.chosen = 0
        self.struck = 0

    def towards(self, dialect_id: str) -> "Carrier":
        """Return what carries the attempts at an offer of a dialect."""
        return Carrier(self, dialect_id)

    def end(self) -> None:
        """Break nothing any more, and let nobody wait who still does."""
        self._over.set()

    async def silence(self, seconds: float) -> None:
        """Say nothing for so long, or until the drill is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    def strike(self, strike: Strike) -> None:
        """Count what the gateway has just met, and tell whoever drills."""
        self.struck += 1
        if self._noted is not None:
            self._noted(strike)

    async def carry(self, dialect_id: str, peer: Peer, send: "_Send") -> UpstreamResponse:
        """Send, or go wrong: exactly ``percent`` of the attempts, evenly spread."""
        broken, number = self.broken, self.attempts
        self.attempts += 1
        if self._over.is_set() or (number + 1) * broken.percent // 100 == number * broken.percent // 100:
            return await send.by(self._under, peer)
        self.chosen += 1
        fault = broken.fault
        if fault is Fault.REFUSED:
            self.strike(Strike(fatal=True))
            raise UpstreamConnectError("connection refused (drill)", reason="connect", sent=False)
        if fault is Fault.HANG:
            self.strike(Strike(fatal=True))
            await self.silence(min(peer.timeouts.first_byte_s, broken.longest_wait_s))
            raise UpstreamTimeout("no answer in time (drill)", reason="first_byte", sent=True)
        if fault in _TOLD_AS or fault is Fault.EMPTY:
            self.strike(Strike(fatal=True))
            more = {"retry-after": str(broken.retry_after_s)} if fault is Fault.RATE_LIMITED else {}
            return ScriptedResponse(self._said(dialect_id), more, streamed=b'"stream":true' in send.body)
        response = await send.by(self._under, peer)
        kind = SlowResponse if fault is Fault.SLOW_FIRST_TOKEN else BrokenResponse
        return kind(response, self)

    def _said(self, dialect_id: str) -> Complaint:
        """Return what the provider says, the wordings that it has in turn."""
        fault, turn = self.broken.fault, self.chosen - 1
        if fault is Fault.EMPTY:
            return Complaint(_OK, b"")
        words = complaints(dialect_id, _TOLD_AS[fault])
        if fault is Fault.RATE_LIMITED:
            words = (complaints(USUAL, FailureClass.OWN_RATE_LIMIT)[0], *words)
        said = words[turn % len(words)]
        return said._replace(status=_OK) if fault is Fault.ERROR_ON_200 else said


class _Send(NamedTuple):
    """A request that is on its way."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    async def by(self, upstream: Upstream, peer: Peer) -> UpstreamResponse:
        """Send it."""
        return await upstream.request(peer, self.method, self.path, self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Carrier:
    """The broken upstream as the relay sees it, at an offer of one dialect."""

    broken: BrokenUpstream
    dialect_id: str

    async def request(
        self, peer: Peer, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> UpstreamResponse:
        """Send, or go wrong."""
        return await self.broken.carry(self.dialect_id, peer, _Send(method, path, headers, body))

    async def close(self) -> None:
        """Close nothing: the real upstream is not ours."""


def _split(piece: bytes) -> list[bytes]:
    """Return the events of a stream, each with its blank line, and the rest that is not whole yet."""
    found, start = [], 0
    for each in _EVENT.finditer(piece):
        found.append(piece[start : each.end()])
        start = each.end()
    return [*found, piece[start:]]
