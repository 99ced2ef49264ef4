"""A small client for Valkey (RESP 2 over asyncio): pipelines of commands on one connection, every wait bounded.

Only what is not money goes through it. Fails by raising ``ValkeyError``; after that the connection is closed, and the
next use opens another.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from smartoken.store.vault import Secret

DEFAULT_PORT = 6379
TIMEOUT_S = 1.0
_SCHEMES = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
_MAX_REPLY = 64 * 1024 * 1024
Word = str | bytes | int


class ValkeyError(RuntimeError):
    """Valkey is out of reach, too slow, or refused a command; the message holds no password."""


@dataclass(frozen=True, slots=True)
class ValkeyAddress:
    """Where a Valkey server is and how to enter."""

    host: str
    port: int
    tls: bool
    database: int
    username: str
    password: Secret | None

    @classmethod
    def parse(cls, url: str) -> "ValkeyAddress":
        """Read ``valkey://[user:password@]host[:port][/database]``; ``valkeys://`` is the same over TLS.

        Raises:
            ValueError: the URL is of another form; the message names the setting and shows no password.

        """
        parts = urlsplit(url)
        database = parts.path.strip("/") or "0"
        try:
            tls, port = _SCHEMES[parts.scheme], parts.port
        except (KeyError, ValueError):
            tls, port, database = False, None, ""
        if not parts.hostname or not database.isdecimal():
            raise ValueError("SMARTOKEN_VALKEY_URL must be of the form valkey://[user:password@]host:port[/database]")
        password = Secret(unquote(parts.password)) if parts.password else None
        return cls(
            parts.hostname, port or DEFAULT_PORT, tls, int(database), unquote(parts.username or "default"), password
        )

    def __str__(self) -> str:
        """Show where it is, and nothing that opens it."""
        return f"{self.host}:{self.port}/{self.database}"


class ValkeyClient:
    """One connection, opened when it is first needed."""

    def __init__(self, address: ValkeyAddress, timeout_s: float = TIMEOUT_S) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, *words: Word) -> Any:
        """Send one command and return its reply.

        Raises:
            ValkeyError: the server refused it or is out of reach.

        """
        return (await self.pipeline([words]))[0]

    async def pipeline(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Send commands in one write and return their replies: bytes, int, None or lists of these.

        Raises:
            ValkeyError: one was refused, or the server is out of reach; it is unknown which of them were carried out.

        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._exchange(commands)
            except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
                await self._hang_up()
                reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
                raise ValkeyError(f"Valkey at {self.address} is out of reach: {reason}") from error
            except BaseException:
                await self._hang_up()  # a reply that nobody read would answer the next command
                raise

    async def close(self) -> None:
        """Close the connection."""
        async with self._turn:
            await self._hang_up()

    async def _exchange(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        if self._writer is None:
            await self._connect()
        return await self._send(commands)

    async def _connect(self) -> None:
        at = self.address
        context = ssl.create_default_context() if at.tls else None
        self._reader, self._writer = await asyncio.open_connection(at.host, at.port, ssl=context)
        greeting: list[Sequence[Word]] = []
        if at.password is not None:
            greeting.append(("AUTH", at.username, at.password.reveal()))
        if at.database:
            greeting.append(("SELECT", at.database))
        if greeting:
            await self._send(greeting)

    async def _send(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        reader, writer = self._reader, self._writer
        if reader is None or writer is None:
            raise EOFError("no connection")
        writer.write(b"".join(_encoded(each) for each in commands))
        await writer.drain()
        replies = [await _reply(reader) for _ in commands]
        for each in replies:
            if isinstance(each, _Refusal):
                raise ValkeyError(f"Valkey at {self.address} refused a command: {each.text}")
        return replies

    async def _hang_up(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, asyncio.TimeoutError, ssl.SSLError):
                await asyncio.wait_for(writer.wait_closed(), self._timeout_s)


@dataclass(frozen=True, slots=True)
class _Refusal:
    text: str


def _encoded(words: Sequence[Word]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


async def _reply(reader: asyncio.StreamReader) -> Any:
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    match kind:
        case b"+":
            return rest
        case b"-":
            return _Refusal(rest.decode("utf-8", "replace")[:200])
        case b":":
            return int(rest)
        case b"$":
            length = _length(rest)
            return None if length < 0 else (await reader.readexactly(length + 2))[:-2]
        case b"*":
            length = _length(rest)
            return None if length < 0 else [await _reply(reader) for _ in range(length)]
    raise ValueError("not the Valkey protocol")


def _length(text: bytes) -> int:
    length = int(text)
    if length > _MAX_REPLY:
        raise ValueError("a reply beyond every bound")
    return length
