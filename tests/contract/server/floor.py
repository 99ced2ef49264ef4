"""A server on a real port with a small application, and a client that speaks bytes."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field

import uvicorn
from uvicorn.server import ServerState

from smartoken.gateway.server import Connection

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: h\r\n"


def post(body=b"hello", extra=b""):
    """Return a request with a body of known length."""
    return HEAD + extra + b"content-length: %d\r\n\r\n" % len(body) + body


async def echo(scope, receive, send):
    """Answer with method, target and body."""
    parts = [await receive()]
    while parts[-1].get("more_body"):
        parts.append(await receive())
    body = b"".join(each.get("body", b"") for each in parts)
    said = b"%b %b %b" % (scope["method"].encode(), scope["raw_path"], body)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@dataclass
class Floor:
    """What a test sees of the server."""

    port: int
    state: ServerState
    make: object

    @property
    def connections(self):
        return list(self.state.connections)


@contextlib.asynccontextmanager
async def serving(app=echo):
    """Serve an application."""
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_config=None, timeout_keep_alive=75)
    config.load()
    state = ServerState()

    def make():
        return Connection(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    try:
        yield Floor(server.sockets[0].getsockname()[1], state, make)
    finally:
        server.close()
        for each in list(state.connections):
            each.cut()
        await server.wait_closed()
        while state.tasks or state.connections:  # noqa: ASYNC110 - the sets have no event
            await asyncio.sleep(0.001)


@dataclass
class Client:
    """One raw connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heads: list = field(default_factory=list)

    async def send(self, raw):
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, *, head_only=False):
        """Read one answer; return (status, headers, body)."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        self.heads.append(head)
        first, *lines = head.decode().split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        status = int(first.split()[1])
        if head_only or status in {100, 204, 304}:
            return status, headers, b""
        if "content-length" in headers:
            return status, headers, await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, await self._chunks()
        return status, headers, await self.reader.read()

    async def _chunks(self):
        body = b""
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            body += await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
            if not size:
                return body

    async def rest(self):
        """Return everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 10)


@contextlib.asynccontextmanager
async def dialled(floor):
    """Open a connection whose buffer is small, so that a client that does not read is felt soon."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    sock.settimeout(0)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", floor.port))
    reader, writer = await asyncio.open_connection(sock=sock)
    client = Client(reader, writer)
    try:
        yield client
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class FakeTransport(asyncio.Transport):
    """Takes what is written, so that a test can feed bytes in without a socket."""

    def __init__(self):
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data):
        self.written += data

    def write_eof(self):
        """Nothing more will be written."""

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        """Nothing is read here."""

    def resume_reading(self):
        """Nothing is read here."""
