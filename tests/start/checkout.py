"""Copies of the checkout in folders of their own, and ``dev.py`` run in them as a newcomer would."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from architecture.source import ROOT, project_files

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
# What this machine or this run set, and a newcomer's would not have.
FOREIGN = ("SMARTOKEN_", "PYTEST_", "COV_", "COVERAGE_", "PYTHONPATH", "VIRTUAL_ENV")


def copy(place: Path) -> Path:
    """Copy what belongs to the project, without git's metadata and without any environment."""
    for path in project_files():
        target = place / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return place


def clean_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what tests and coverage put there, plus changes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, **(changes or {})}


def install_as_it_is(place: Path) -> None:
    """Bring a copy to the state after a first start without a registry: its ``.venv`` borrows this one's packages."""
    script = """
import subprocess, sys, dev
subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(dev.VENV)], check=True)
dev.place_project()
dev.STAMP.write_text(dev.json.dumps({"run": dev.digest(dev.RUN_LOCK), "dev": ""}))
"""
    python = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([python, "-c", script], cwd=place, env=clean_environment(), check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = place / ".venv" / "lib" / version / "site-packages"
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")


def dev(place: Path, *arguments: str, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()) -> "Said":
    """Run ``dev.py`` to its end and return what it said."""
    done = subprocess.run(
        [*before, sys.executable, "dev.py", *arguments],
        cwd=place,
        env=clean_environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1_200,
        check=False,
    )
    return Said(done.returncode, done.stdout)


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    text: str


@dataclass(frozen=True)
class Served:
    """A server under way: its address, its process, how long until it told its address, what it said until then."""

    address: str
    process: subprocess.Popen[str]
    after_s: float
    text: str

    def answer(self, path: str) -> int:
        """The status of a GET."""
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return answer.status


@contextmanager
def serving(
    place: Path, *command: str, env: Mapping[str, str] | None = None, only: bool = False, timeout_s: float = 300
) -> Iterator[Served]:
    """Start a server, wait until it answers, and stop it as Ctrl-C does; ``only`` takes ``env`` as all there is."""
    argv = command or (sys.executable, "dev.py", "run")
    around = dict(env or {}) if only else clean_environment(env)
    began = time.monotonic()
    process = subprocess.Popen(argv, cwd=place, env=around, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said: list[str] = []
    try:
        assert process.stdout is not None
        address = None
        for line in process.stdout:
            said.append(line)
            address = ADDRESS.search(line)
            if address:
                break
        text = "".join(said)
        assert address, f"no address was printed, exit code {process.wait(10)}:\n{text}"
        after_s = time.monotonic() - began
        wait_until_ready(address[0], process, began + timeout_s)
        yield Served(address[0], process, after_s, text)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            rest, _ = process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            rest, _ = process.communicate()
        said.append(rest)


def wait_until_ready(address: str, process: subprocess.Popen[str], until: float) -> None:
    """Poll until the server answers."""
    while True:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5):
                return
        except OSError:
            assert process.poll() is None, "the server ended before it answered"
            assert time.monotonic() < until, "the server never answered"
            time.sleep(0.05)


def printed_curl(place: Path, address: str) -> str:
    """Send what the printed cURL sends: the demo key asks ``sandbox/echo``. Returns the body."""
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        data=b'{"model": "sandbox/echo", "messages": [{"role": "user", "content": "Say hello in one sentence."}]}',
        headers={
            "Authorization": f"Bearer {(place / 'data' / 'demo-key').read_text().strip()}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def free_port() -> int:
    """A port that nobody holds at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def without_write_right() -> tuple[str, ...]:
    """What to put before a command so that root, too, is bound by a folder's mode."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override")


def bare_path(place: Path, *extra: tuple[str, str]) -> str:
    """Make a folder for PATH that holds one Python and what is named in pairs: no make, no git, no pip, no apt."""
    folder = place / "bare-bin"
    folder.mkdir()
    python = getattr(sys, "_base_executable", sys.executable)
    (folder / f"python{sys.version_info[0]}.{sys.version_info[1]}").symlink_to(python)
    for name, body in extra:
        (folder / name).write_text(body)
        (folder / name).chmod(0o755)
    return str(folder)
