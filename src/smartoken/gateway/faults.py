"""The twelve ways in which a drill breaks an upstream: a wrapper over the real one's ``request`` and ``chunk``.

Everything behind it is the real path: dialects, readers, breakers, failover, money. Faults that need an answer to
break take the real provider's and break it; the others never reach it. Silence is as long as the provider's own time
limits, cut to ``longest_wait_s`` so that a drill ends.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

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
    RATE_LIMITED = "rate_limited"
    ARREARS = "arrears"
    SERVER_ERROR = "server_error"
    HANG = "hang"
    SLOW_FIRST_TOKEN = "slow_first_token"  # noqa: S105 - a token of text
    EMPTY = "empty"
    ERROR_ON_200 = "error_on_200"
    CUT = "cut"
    STALL = "stall"
    GARBLED = "garbled"  # in turn a malformed chunk, a missing [DONE], a wrong usage


# Shown once content was sent, where the answer is streamed: no other offer can take over, the end must be honest.
AFTER_CONTENT = frozenset({Fault.CUT, Fault.STALL, Fault.GARBLED})
_ANSWERS = {
    Fault.UNAUTHORIZED: (401, b'{"error":{"message":"Authentication fails (drill)","type":"authentication_error"}}'),
    Fault.RATE_LIMITED: (429, b'{"error":{"message":"Rate limit reached (drill)","type":"rate_limit_error"}}'),
    Fault.ARREARS: (402, b'{"error":{"message":"Insufficient Balance (drill)","type":"unknown_error"}}'),
    Fault.SERVER_ERROR: (503, b'{"error":{"message":"Server overloaded (drill)","type":"server_error"}}'),
    Fault.EMPTY: (200, b""),
    Fault.ERROR_ON_200: (200, b'{"error":{"message":"Internal error (drill)","type":"server_error"}}'),
}
_CONTENT = re.compile(rb'"content": ?"[^"]+"')
_USAGE = re.compile(rb'"(prompt|completion)_tokens":\d+')
_DONE = re.compile(rb"data: ?\[DONE\]\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Breakage:
    """One fault with its figures."""

    fault: Fault
    percent: int = 100  # of the attempts at the broken offer
    delay_s: float = 1.0  # of a slow first token
    longest_wait_s: float = 3.0  # of a hang or a stall


class ScriptedResponse:
    """An answer that was written beforehand."""

    def __init__(self, status: int, body: bytes, *, streamed: bool) -> None:
        framed = b"data: " + body + b"\n\n" if streamed and status == 200 and body else body  # noqa: PLR2004 - HTTP's own
        kind = "text/event-stream" if streamed and status == 200 else "application/json"  # noqa: PLR2004 - likewise
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": kind}
        self.last_byte = 0.0
        self._rest = framed

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
    """A real answer that goes wrong after its first content."""

    def __init__(self, under: UpstreamResponse, broken: Breakage, number: int) -> None:
        self._under = under
        self._broken = broken
        self._number = number
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
        """Return the next bytes, or go wrong."""
        if self._gone_wrong:
            await self._break_off()
        piece = await self._under.chunk()
        if self._broken.fault is Fault.GARBLED:
            return self._garbled(piece)
        for found in _CONTENT.finditer(piece):
            self._contents += 1
            if self._contents > 1:
                self._gone_wrong = True
                return piece[: found.start() + (found.end() - found.start()) // 2]  # in the middle of a token
        if not piece:
            self._gone_wrong = True
            await self._break_off()  # an answer too short to be cut in the middle
        return piece

    async def _break_off(self) -> None:
        self._under.abort()
        if self._broken.fault is Fault.CUT:
            raise UpstreamCut("the drill cut the answer", reason="body", sent=True)
        await asyncio.sleep(self._broken.longest_wait_s)
        raise UpstreamTimeout("the drill kept silent", reason="idle", sent=True)

    def _garbled(self, piece: bytes) -> bytes:
        how = self._number % 3
        if how == 1:
            return _DONE.sub(b"", piece)
        if how == 2:  # noqa: PLR2004 - the last of three ways
            return _USAGE.sub(rb'"\1_tokens":-1', piece)
        found = _CONTENT.search(piece)
        if found is None:
            return piece
        self._contents += 1
        return piece[: found.start()] + b'"content":"\xff' + piece[found.end() :] if self._contents > 1 else piece

    async def read(self, limit: int) -> bytes:
        """Return the rest of the body, or go wrong: nothing of a whole answer has reached the client."""
        if self._broken.fault is not Fault.GARBLED:
            await self._under.read(limit)
            await self._break_off()
        whole = await self._under.read(limit)
        return _USAGE.sub(rb'"\1_tokens":-1', whole) if self._number % 3 == 2 else whole[: len(whole) // 2]  # noqa: PLR2004 - as above


class SlowResponse(BrokenResponse):
    """A real answer whose first bytes come late."""

    async def _wait(self) -> None:
        if not self._gone_wrong:
            self._gone_wrong = True
            await asyncio.sleep(self._broken.delay_s)

    async def chunk(self) -> bytes:
        """Return the next bytes; the first late."""
        await self._wait()
        return await self._under.chunk()

    async def read(self, limit: int) -> bytes:
        """Return the body, late."""
        await self._wait()
        return await self._under.read(limit)


class BrokenUpstream:
    """The real upstream with a fault in front of it; counts what it broke."""

    def __init__(self, under: Upstream, broken: Breakage) -> None:
        self._under = under
        self._broken = broken
        self.attempts = 0
        self.injected = 0

    async def request(
        self, peer: Peer, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> UpstreamResponse:
        """Send, or go wrong: exactly ``percent`` of the attempts, evenly spread."""
        broken, number = self._broken, self.attempts
        self.attempts += 1
        if (number + 1) * broken.percent // 100 == number * broken.percent // 100:
            return await self._under.request(peer, method, path, headers, body)
        self.injected += 1
        if broken.fault is Fault.REFUSED:
            raise UpstreamConnectError("connection refused (drill)", reason="connect", sent=False)
        if broken.fault is Fault.HANG:
            await asyncio.sleep(min(peer.timeouts.first_byte_s, broken.longest_wait_s))
            raise UpstreamTimeout("no answer in time (drill)", reason="first_byte", sent=True)
        scripted = _ANSWERS.get(broken.fault)
        if scripted is not None:
            return ScriptedResponse(*scripted, streamed=b'"stream":true' in body)
        response = await self._under.request(peer, method, path, headers, body)
        kind = SlowResponse if broken.fault is Fault.SLOW_FIRST_TOKEN else BrokenResponse
        return kind(response, broken, self.injected)

    async def close(self) -> None:
        """Close nothing: the real upstream is not ours."""
