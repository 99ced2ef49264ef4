"""A server that says exactly the bytes of a script, on blocking sockets in threads of its own.

It shares no code and no loop with what it tests, so one server serves the tests of both event loops. Connection
number n runs script number n; a connection beyond the last script is closed at once.
"""

import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

PATIENCE_S = 10.0

Step = Callable[["Line"], None]
Script = Sequence[Step]


class Line:
    """The server's end of one connection."""

    def __init__(self, plain: socket.socket, server: "ScriptedServer") -> None:
        self.socket = plain
        self.server = server
        self.unread = b""

    def receive(self) -> bytes:
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionError("the client closed")
        return more

    def take_request(self) -> bytes:
        """Read one request with its body, by Content-Length."""
        while b"\r\n\r\n" not in self.unread:
            self.unread += self.receive()
        head, _, rest = self.unread.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(rest) < length:
            rest += self.receive()
        self.unread = rest[length:]
        whole = head + b"\r\n\r\n" + rest[:length]
        self.server.requests.append(whole)
        return whole


def take(line: Line) -> None:
    """Read one whole request."""
    line.take_request()


def send(answer: bytes) -> Step:
    """Say bytes in one piece."""
    return lambda line: line.socket.sendall(answer)


def drip(answer: bytes, seed: int = 0) -> Step:
    """Say bytes in up to 12 pieces cut at random places, each in a packet of its own."""

    def step(line: Line) -> None:
        chance = random.Random(seed)
        cuts = sorted(chance.randrange(len(answer)) for _ in range(min(11, len(answer) - 1)))
        for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True):
            if end > start:
                line.socket.sendall(answer[start:end])
                time.sleep(0.0005)

    return step


def pause(seconds: float) -> Step:
    """Say nothing for a while."""
    return lambda _: time.sleep(seconds)


def fin(line: Line) -> None:
    """End our side; under TLS with a close_notify."""
    if isinstance(line.socket, ssl.SSLSocket):
        with suppress(OSError):
            line.socket = line.socket.unwrap()  # type: ignore[assignment]  # a plain socket from here on
    with suppress(OSError):
        line.socket.shutdown(socket.SHUT_WR)


def ragged(line: Line) -> None:
    """End a TLS connection by FIN alone, without close_notify."""
    descriptor = line.socket.detach()
    line.socket = socket.socket(fileno=descriptor)
    line.socket.shutdown(socket.SHUT_WR)


def rst(line: Line) -> None:
    """Reset the connection."""
    line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.socket.close()


def stop_listening(line: Line) -> None:
    """Refuse every further connection."""
    line.server.stop_listening()


def hold(line: Line) -> None:
    """Wait until the client closes; counted in ``hung_up``."""
    try:
        while line.socket.recv(65536):
            pass
    except OSError:
        pass
    line.server.hung_up += 1


class ScriptedServer:
    """Use as a context manager; ``port`` is then open on 127.0.0.1."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.scripts = list(scripts)
        self.tls = tls
        self.requests: list[bytes] = []
        self.accepted = 0
        self.hung_up = 0
        self.faults: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._lines: list[Line] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_listening()
        for line in self._lines:
            with suppress(OSError):
                line.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for line in self._lines:
            line.socket.close()
        if kind is None and self.faults:
            raise self.faults[0]

    def stop_listening(self) -> None:
        """Wake the accepting thread and close the port."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            number = self.accepted
            self.accepted += 1
            if number >= len(self.scripts):
                plain.close()
                continue
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(PATIENCE_S)
            line = Line(plain, self)
            self._lines.append(line)
            self._start(self._play, line, self.scripts[number])

    def _play(self, line: Line, script: Script) -> None:
        try:
            if self.tls is not None:
                line.socket = self.tls.wrap_socket(line.socket, server_side=True)
            for step in script:
                step(line)
            line.socket.close()
        except OSError:
            line.socket.close()  # the client hung up in the middle of the script, as many scripts intend
        except BaseException as fault:  # noqa: BLE001 - shown by the test's own thread
            self.faults.append(fault)
            line.socket.close()

    def wait_until(self, truth: Callable[["ScriptedServer"], bool]) -> None:
        """Wait for something the script's threads will bring about."""
        give_up = time.monotonic() + PATIENCE_S
        while not truth(self):
            if time.monotonic() > give_up:
                raise AssertionError("the scripted server never got there")
            time.sleep(0.002)
