"""Serving: a port, a worker on it, and what the terminal says. ``smartoken serve`` is this file.

The address and a token for local commands are kept in ``run.json`` (0600) while the server lives. SIGTERM and Ctrl-C
turn readiness off, let calls under way finish for at most 30 seconds, and exit 0; a second signal ends at once. With
several workers the process that was started only watches them (``gateway.crew``).
"""

import asyncio
import contextlib
import errno
import functools
import gc
import json
import logging
import os
import secrets
import shlex
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import uvicorn
import uvloop

from smartoken.app import (
    DRAIN_S,
    Application,
    OpenStore,
    Worker,
    calls_over,
    control_plane,
    open_store,
    running,
    web_plane,
)
from smartoken.clock import Clock, SystemClock
from smartoken.gateway.crew import Crew, Seat, Snapshots
from smartoken.gateway.routes import GatewayApp
from smartoken.gateway.server import Connection
from smartoken.identity.places import is_everywhere
from smartoken.logs import Redactor, set_up
from smartoken.operations import demo, first_call
from smartoken.providers.address import in_url
from smartoken.settings import Settings
from smartoken.store.database import StoreBusyError, StoreError, is_sqlite
from smartoken.store.keyfile import SecretKeyError
from smartoken.store.migrate import SchemaError
from smartoken.store.valkey import ValkeyAddress
from smartoken.store.vault import VaultError

RUN_FILE = "run.json"
_PORTS_TRIED = 100
_USAGE = 2
# A call makes some hundred objects and hardly a cycle: the default of 700 collects several times within each call.
_GC_THRESHOLDS = (50_000, 20, 50)
Say = Callable[[str], None]


class PortTakenError(RuntimeError):
    """The port that was asked for is in use; the message names its holder where the system tells."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that holds a data dir: where it listens, its process, and the token for local commands."""

    address: str
    pid: int
    token: str


def read_running(data_dir: Path) -> Running | None:
    """Return the server that holds the data dir, if its file is there and it answers."""
    try:
        kept = json.loads((data_dir / RUN_FILE).read_text())
        found = Running(kept["address"], int(kept["pid"]), kept["token"])
        with urllib.request.urlopen(f"{found.address}/healthz", timeout=2) as answer:  # noqa: S310 - our own http URL
            return found if answer.status == HTTPStatus.OK else None
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return None


def holder_of(port: int) -> str:
    """Return the process that listens on a port, as far as ``/proc`` tells."""
    wanted = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    wanted.add(f"socket:[{fields[9]}]")
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in wanted for link in (entry / "fd").iterdir()):
                return f"process {entry.name} ({(entry / 'comm').read_text().strip()})"
    return "another process"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(4096)
    except OSError:
        sock.close()
        raise
    return sock


def _unbindable(settings: Settings, error: OSError) -> PortTakenError:
    return PortTakenError(f"SMARTOKEN_HOST {settings.host} cannot be listened on: {error.strerror or error}.")


def bind(settings: Settings) -> socket.socket:
    """Return a listening socket: the port that was asked for, or from the default on the first free one.

    Raises:
        PortTakenError: the port that was asked for is taken.

    """
    if settings.port_given:
        try:
            return _listen(settings.host, settings.port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise _unbindable(settings, error) from error
            raise PortTakenError(
                f"Port {settings.port} on {settings.host} is taken by {holder_of(settings.port)}: {error.strerror}. "
                "Choose another SMARTOKEN_PORT or stop it."
            ) from error
    for port in range(settings.port, settings.port + _PORTS_TRIED):
        try:
            return _listen(settings.host, port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise _unbindable(settings, error) from error
    raise PortTakenError(f"Ports {settings.port} to {settings.port + _PORTS_TRIED - 1} are all taken.")


class Server(uvicorn.Server):
    """Uvicorn, but draining is ours: unready first, then the calls under way, then the sockets."""

    worker: Worker | None = None
    signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT)
    _leaving: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal, end at the second."""
        if self._leaving is not None or self.worker is None:
            super().handle_exit(sig, frame)
            return
        self.worker.draining = True
        self._leaving = asyncio.get_event_loop().create_task(self._leave(self.worker))

    async def _leave(self, worker: Worker) -> None:
        await calls_over(worker, DRAIN_S, lambda: self.force_exit)
        worker.gateway.relay.stop()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals on the loop, so that draining can start a task; nothing is raised again afterwards."""
        loop = asyncio.get_running_loop()
        for each in self.signals:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in self.signals:
                loop.remove_signal_handler(each)


@contextlib.contextmanager
def run_file(settings: Settings, address: str, token: str) -> Iterator[Running]:
    """Keep ``run.json`` while the server lives."""
    entry = Running(address, os.getpid(), token)
    path = settings.data_dir / RUN_FILE
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump({"address": entry.address, "pid": entry.pid, "token": entry.token}, file)
    fresh.replace(path)  # whole or not there: a command that reads it never finds a half
    try:
        yield entry
    finally:
        path.unlink(missing_ok=True)


def curl(address: str, key: str | Path, model: str) -> str:
    """Return a cURL command that answers when it is pasted; a key that pays with real money is read from its file."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Say hello in one sentence."}]})
    bearer = f"'Authorization: Bearer {key}'"
    if isinstance(key, Path):
        bearer = f'"Authorization: Bearer $(cat {shlex.quote(str(key.resolve()))})"'
    return (
        f"curl {address}/v1/chat/completions \\\n"
        f"  -H {bearer} \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(body)}"
    )


def _greet(worker: Worker, address: str, say: Say) -> None:
    """Say where the gateway is and how to make a first call, with a real provider too if the environment has a key."""
    store, settings = worker.store, worker.settings
    making = demo.Making(store.clock.now_ns(), os.urandom, store.pepper)
    key = store.db.run_write(demo.ensure, settings.data_dir, making)
    say(f"SmarToken listens on {address}")
    if key is not None:
        say("Try it without any provider account:\n")
        say(curl(address, key, "sandbox/echo") + "\n")
    real = first_call.cheapest(worker.directory.current)
    if real is not None:
        store.db.run_write(first_call.ensure, settings.data_dir, making)
        say(f"And with your own provider key ({real.model.name}, on a key with a budget of USD 1.00):\n")
        say(curl(address, settings.data_dir / first_call.KEY, real.model.id) + "\n")


def _secrets(worker: Worker, tokens: Mapping[str, str | None]) -> list[str]:
    """Return every secret that this process holds, for the redactor of its logs."""
    keys = [key.secret.reveal() for each in worker.directory.current.providers.values() for key in each.keys]
    return [*keys, *(each for each in tokens.values() if each), *(worker.settings.secret_key or "").split(",")]


def addresses(bound: Sequence[Any], public_url: str | None) -> tuple[str, str]:
    """Return the address that is told to people, and the one that this machine's commands use.

    ``bound`` is what the listener's socket says: its host, its port, and more for IPv6.
    """
    host, port = bound[:2]
    here = host if not is_everywhere(host) else "::1" if ":" in host else "127.0.0.1"
    return public_url or f"http://{in_url(host)}:{port}", f"http://{in_url(here)}:{port}"


def _reachable(settings: Settings, address: str) -> str:
    """Return what links begin with: the public address, else that of this machine, else nothing."""
    everywhere = is_everywhere(urlsplit(address).hostname or "")
    return "" if settings.public_url is None and everywhere else address


def _server(application: Application) -> Server:
    return Server(
        uvicorn.Config(
            application,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
    )


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker serves from: the settings, the store, the socket, the token of local commands, its seat if any."""

    settings: Settings
    store: OpenStore
    sock: socket.socket
    token: str
    seat: Seat | None = None


async def _serve(post: Post, say: Say) -> None:
    """Run one worker until it is told to stop."""
    settings, store, seat = post.settings, post.store, post.seat
    redact = Redactor()
    set_up(settings.log_level, settings.log_format, redact)
    application = Application()
    server = _server(application)
    address, local = addresses(post.sock.getsockname(), settings.public_url)
    shared = Snapshots(settings.data_dir) if seat is not None else None
    async with running(settings, store, server.server_state.connections, shared) as worker:
        server.worker = worker
        worker.gateway = replace(worker.gateway, docs_url=f"{_reachable(settings, address)}/help/errors")
        with contextlib.ExitStack() as stack:
            if seat is None:
                stack.enter_context(run_file(settings, local, post.token))
            tokens = {"local": post.token, "SMARTOKEN_ADMIN_TOKEN": settings.admin_token}
            control = control_plane(worker, tokens)
            application.attach(GatewayApp(worker.gateway), control, web_plane(worker, control, address))
            redact.known = lambda: _secrets(worker, tokens)
            store.db.announce(local)
            lines: list[str] = []
            if seat is None or (seat.first and seat.number == 0):
                await asyncio.to_thread(_greet, worker, address, say if seat is None else lines.append)
            await worker.directory.refresh()  # the keys just printed answer from the first call on
            await worker.cashier.look()
            gc.collect()
            gc.freeze()  # what was made at the start is never garbage; later collections pass it over
            gc.set_threshold(*_GC_THRESHOLDS)
            if seat is not None:
                server.signals = (signal.SIGTERM,)
                loop = asyncio.get_running_loop()
                loop.add_reader(seat.supervisor_fd, _left_alone, server, seat)
                seat.ready(lines)
            await server.serve(sockets=[post.sock])


def _left_alone(server: Server, seat: Seat) -> None:
    """Drain and end: the supervisor is gone."""
    asyncio.get_running_loop().remove_reader(seat.supervisor_fd)
    server.handle_exit(signal.SIGTERM, None)


def _work(settings: Settings, clock: Clock, sock: socket.socket, token: str, seat: Seat) -> int:
    """Be one of several workers; each opens the store for itself."""
    store = replace(open_store(settings, migrate=False), clock=clock)
    try:
        main: Any = _serve(Post(settings, store, sock, token, seat), print)
        uvloop.run(main)
    finally:
        store.db.close_sync()
    return 0


def _serve_several(settings: Settings, clock: Clock, sock: socket.socket, say: Say) -> int:
    """Watch several workers until told to stop."""
    set_up(settings.log_level, settings.log_format, Redactor())
    if settings.valkey_url is None:
        logging.getLogger(__name__).warning(
            "rate limits are not shared without SMARTOKEN_VALKEY_URL: each of %d workers enforces its part of a limit, "
            "rounded up; budgets are exact all the same",
            settings.workers,
        )
    _, local = addresses(sock.getsockname(), settings.public_url)
    token = secrets.token_hex(32)

    @contextlib.contextmanager
    def opened(lines: list[str]) -> Iterator[None]:
        with run_file(settings, local, token):
            for line in lines:
                say(line)
            yield

    return Crew(
        settings.workers, functools.partial(_work, settings, clock, sock, token), Snapshots(settings.data_dir)
    ).run(opened)


def serve(settings: Settings, say: Say = print, clock: Clock | None = None) -> int:
    """Serve until told to stop, by the machine's clock if no other is given; returns the exit code.

    0 also when the same data dir is served already, with its address said; 2 for a setting that cannot be used.
    """
    if settings.workers > 1 and is_sqlite(settings.database_url):
        sys.stderr.write("--workers above 1 needs SMARTOKEN_DATABASE_URL set to PostgreSQL.\n")
        return _USAGE
    try:
        if settings.valkey_url is not None:
            ValkeyAddress.parse(settings.valkey_url)
        clock = clock or SystemClock()
        store = replace(open_store(settings), clock=clock)
    except StoreBusyError as error:
        already = read_running(settings.data_dir)
        if already is not None:
            say(f"SmarToken is running already on {already.address} (process {already.pid}).")
            return 0
        if error.address is not None:
            say(f"SmarToken is running already on {error.address} (process {error.pid}).")
            return 0
        sys.stderr.write(f"{error}\n")
        return _USAGE
    except (StoreError, SchemaError, SecretKeyError, VaultError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return _USAGE
    try:
        sock = bind(settings)
    except PortTakenError as error:
        sys.stderr.write(f"{error}\n")
        store.db.close_sync()
        return _USAGE
    try:
        if settings.workers > 1:
            store.db.close_sync()  # migrated; a fork may share neither connections nor threads
            return _serve_several(settings, clock, sock, say)
        main: Any = _serve(Post(settings, store, sock, secrets.token_hex(32)), say)
        uvloop.run(main)
    finally:
        store.db.close_sync()
        sock.close()
    return 0
