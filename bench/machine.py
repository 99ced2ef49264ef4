"""The machine and its processes: cores, CPU time, memory, and starting and ending what the bench needs."""

import contextlib
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

LOAD_CORE, GATEWAY_CORE = 0, 1  # upstream and load share the first, the gateway under test has the second
PATIENCE_S = 10.0


class MissingError(Exception):
    """Something that is to be measured cannot be run here; the message says why."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for each in found:
        for path in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in path.read_text().split() if int(child) not in found]
    return found


def cpu_ns(pids: Sequence[int]) -> int:
    """Return the CPU time of the threads of processes as the kernel charged it, in nanoseconds."""
    total = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(path.read_text().split()[0])
    return total


def rss_bytes(pids: Sequence[int]) -> int:
    """Return the resident memory of processes, in bytes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


def described() -> str:
    """Return the machine in one line."""
    model = "unknown processor"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((each.partition(":")[2].strip() for each in lines if each.startswith("model name")), model)
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores of {model}, {system}, Python {platform.python_version()}"


class Processes:
    """Everything that a run starts; all of it ends with the run."""

    def __init__(self, folder: Path) -> None:
        """Keep logs in ``folder``."""
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: Sequence[str], core: int, env: Mapping[str, str] | None = None) -> int:
        """Start a program pinned to a core; returns its id. Its words go to ``<name>.log``.

        Raises:
            MissingError: the program is not here.

        """
        with (self.folder / f"{name}.log").open("ab") as log:
            try:
                process = subprocess.Popen(
                    ["taskset", "-c", str(core), *command],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    cwd=self.folder,
                    env={**os.environ, **(env or {})},
                )
            except OSError as error:
                raise MissingError(f"{command[0]} cannot be started: {error.strerror}") from error
        self._running.append(process)
        return process.pid

    def log_of(self, name: str) -> str:
        """Return the last line that a program said."""
        lines = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it said nothing"

    def alive(self, pid: int) -> bool:
        """Whether a process that was started still runs."""
        return any(each.pid == pid and each.poll() is None for each in self._running)

    def stop(self, pid: int) -> None:
        """End one process."""
        for each in self._running:
            if each.pid == pid and each.poll() is None:
                each.send_signal(signal.SIGTERM)
                try:
                    each.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    each.kill()
                    each.wait()

    def close(self) -> None:
        """End everything."""
        for each in reversed(self._running):
            self.stop(each.pid)


@contextlib.contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Stop processes for as long as the block runs."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def wait_until(truth: Callable[[], bool], seconds: float) -> bool:
    """Wait for something to become true; whether it did."""
    until = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
