"""The control API as commands see it: that of the running server, or the same one opened here.

Whoever holds the data dir has the store; ``run.json`` says where it listens and holds a token for this machine's
commands. If nobody serves, the store is opened in this process and the same application answers, so a command has one
way to work.
"""

import asyncio
import contextlib
import http.client
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import orjson
import typer

from smartoken.app import OpenStore, environment_keys, open_store, proxies
from smartoken.catalog.files import load_catalog
from smartoken.clock import SystemClock
from smartoken.commands.terminal import FAILED, USAGE, RefusedError, complain, invocation
from smartoken.control.application import ASGI, PREFIX, build
from smartoken.control.resources import Control, admin_tokens
from smartoken.operations.directory import Extras
from smartoken.operations.directory_watch import DirectoryWatch
from smartoken.operations.environment import providers_of
from smartoken.operations.office import Office
from smartoken.serving import read_running
from smartoken.settings import Settings

TIMEOUT_S = 60
_CLIENT_FAULT, _SERVER_FAULT = 400, 500
_SQLITE = "sqlite:///"
Query = Mapping[str, Any]


class Transport(Protocol):
    """Carries one request to a control API."""

    def send(self, method: str, path: str, body: bytes, once: str) -> tuple[int, bytes]:
        """Return status and body; ``once`` is the request's key of idempotency."""


class ApiError(RefusedError):
    """The control API refused; ``error`` is its error object."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        message = str(error.get("message", f"The server answered {status}."))
        remedy = error.get("remedy")
        useful = remedy and "line" not in error and "`param`" not in remedy  # a command line has no `param`
        text = f"{message} {remedy}" if useful else message
        super().__init__(text, FAILED if status >= _SERVER_FAULT else USAGE)
        self.status = status
        self.error = error


class Api:
    """What commands call."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(
        self, method: str, path: str, body: Any = None, query: Query | None = None, once: str | None = None
    ) -> Any:
        """Return the answer's JSON, None for an empty one; a request is a new one unless ``once`` names it.

        Raises:
            ApiError: the API refused.
            RefusedError: it did not answer.

        """
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{PREFIX}{path}{'?' + urlencode(asked) if asked else ''}"
        status, raw = self._sent(method, target, body, once)
        if status >= _CLIENT_FAULT:
            try:
                error = orjson.loads(raw)["error"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                error = {}
            raise ApiError(status, error)
        return orjson.loads(raw) if raw else None

    def text(self, path: str, query: Query) -> str:
        """Return an answer that is no JSON; raises as ``call`` does."""
        status, raw = self._sent("GET", f"{PREFIX}{path}?{urlencode(query)}", None, None)
        if status >= _CLIENT_FAULT:
            raise ApiError(status, orjson.loads(raw)["error"])
        return raw.decode()

    def _sent(self, method: str, target: str, body: Any, once: str | None) -> tuple[int, bytes]:
        raw = orjson.dumps(body) if body is not None else b""
        return self._transport.send(method, target, raw, once or secrets.token_hex(16))

    def rows(self, path: str, query: Query | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of every page of a list."""
        after: str | None = None
        while True:
            page = self.call("GET", path, None, {**(query or {}), "limit": 500, "after": after})
            yield from page["data"]
            after = page["next"]
            if after is None:
                return


@dataclass(frozen=True, slots=True)
class Remote:
    """The API of a running server."""

    address: str
    token: str

    def send(self, method: str, path: str, body: bytes, once: str) -> tuple[int, bytes]:
        """Send over a connection of its own."""
        parts = urlsplit(self.address)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_S)
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "idempotency-key": once,
        }
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as problem:
            raise RefusedError(f"The server at {self.address} did not answer: {problem}") from problem
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Local:
    """The API opened in this process."""

    app: ASGI
    token: str
    runner: "asyncio.Runner"

    def send(self, method: str, path: str, body: bytes, once: str) -> tuple[int, bytes]:
        """Call the application."""
        return self.runner.run(called(self.app, method, path, (self.token, body, once)))


async def called(app: ASGI, method: str, path: str, given: tuple[str, bytes, str]) -> tuple[int, bytes]:
    """Call an ASGI application once; ``given`` is (bearer token, body, key of idempotency). Returns status and body."""
    token, body, once = given
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
            (b"idempotency-key", once.encode()),
        ],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    status, pieces, messages = 0, [], [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(pieces)


def control_over(settings: Settings, store: OpenStore, watch: DirectoryWatch, tokens: Mapping[str, str | None]) -> ASGI:
    """Return a control plane over an open store."""
    office = Office(store.db, store.vault, store.pepper, watch.catalog, SystemClock(), os.urandom)
    return build(Control(office, watch, admin_tokens(tokens), settings.data_dir))


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[Api]:
    """Yield the control API of whoever holds the data dir, or of this process.

    Raises:
        StoreBusyError, SchemaError, SecretKeyError, VaultError: the store cannot be opened here; each says what to do.

    """
    server = read_running(settings.data_dir)
    if server is not None:
        yield Api(Remote(server.address, settings.token or server.token))
        return
    if settings.database_url.startswith(_SQLITE) and not Path(settings.database_url.removeprefix(_SQLITE)).exists():
        complain(f"Nobody serves {settings.data_dir} and no database is there; a new one is made. "
                 "SMARTOKEN_DATA_DIR names another folder.")  # fmt: skip
    store = open_store(settings)
    try:
        catalog = load_catalog()
        extras = Extras(tuple(providers_of(catalog, environment_keys(settings, catalog), proxies(settings))))
        token = secrets.token_hex(32)
        app = control_over(settings, store, DirectoryWatch(store.db, store.vault, catalog, extras), {"local": token})
        with asyncio.Runner() as runner:
            yield Api(Local(app, settings.token or token, runner))
    finally:
        store.db.close_sync()


def ask(
    context: typer.Context,
    method: str,
    path: str,
    body: Any = None,
    query: Query | None = None,
    *,
    once: str | None = None,
) -> Any:
    """Return the control API's answer to the one request that a command makes; ``once`` is its key of idempotency.

    Raises:
        ApiError: it refused.

    """
    with connected(invocation(context).settings()) as api:
        return api.call(method, path, body, query, once=once)
