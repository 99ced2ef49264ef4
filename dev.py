#!/usr/bin/env python3
"""Set up, run, test and check SmarToken with nothing but Python: ``python3 dev.py TARGET [ARGUMENTS]``.

What it promises: it works without make, git metadata or ensurepip, as root or not; it keeps ``.venv``; it installs
exactly what the hashed lock files name, as wheels; a second start installs nothing. What it cannot do it says, with
the command that mends it, and stops with a non-zero exit code. It runs on Python 3.8 or later so that it can say
that 3.11 is missing; the product itself needs 3.11 to 3.14.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from frontend import build as frontend

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "smartoken-stamp.json"
RUN_LOCK = ROOT / "requirements.txt"
DEV_LOCK = ROOT / "requirements-dev.txt"
VERSIONS = ((3, 14), (3, 13), (3, 12), (3, 11))
PROBE = "import sys, ssl, sqlite3, venv; print('%d.%d' % sys.version_info[:2])"
OLDEST_PIP = (22, 3)  # the first with `pip --python`
COVERAGE_FLOOR = 90
LINTED = ("src", "tests", "frontend", "examples", "dev.py")
NO_REGISTRY = (
    "Retrying (",
    "from versions: none",
    "Failed to establish a new connection",
    "CERTIFICATE_VERIFY_FAILED",
    "ProxyError",
    "SSLError",
    "Temporary failure in name resolution",
    "Could not fetch",
    "error sending request",
)
NO_REGISTRY_FIX = """No package registry could be reached, so the packages of the lock file cannot be installed.
  behind a proxy:        HTTPS_PROXY=http://HOST:PORT python3 dev.py {target}
  own certificates:      PIP_CERT=/path/to/ca.pem python3 dev.py {target}
  own mirror:            PIP_INDEX_URL=https://MIRROR/simple python3 dev.py {target}
  wheels in a folder:    PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheels python3 dev.py {target}"""
NO_PYTHON_FIX = """SmarToken needs Python 3.11, 3.12, 3.13 or 3.14 with ssl and sqlite3; none was found that runs.
  Debian, Ubuntu:  apt-get install python3.11 (or newer)
  Fedora:          dnf install python3.13
  macOS:           brew install python@3.13
  pyenv:           pyenv install 3.13 && pyenv local 3.13
  elsewhere:       SMARTOKEN_PYTHON=/path/to/python3.13 python3 dev.py {target}"""
NO_PIP_FIX = """No pip was found (22.3 or newer), neither here nor in {python}.
  Debian, Ubuntu:  apt-get install python3-pip   (or python3-venv)
  elsewhere:       {python} -m ensurepip, or put `uv` on PATH"""


class Stop(Exception):  # noqa: N818 - it ends the program in an orderly way, which is not always an error
    """Something that the person in front has to mend; ``code`` becomes the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


def say(text: str) -> None:
    """Print at once, so that lines keep their order beside those of child processes."""
    print(text, flush=True)


def answer_of(argv: list[str]) -> str | None:
    """Return what a command prints, or None when it cannot run or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def step(name: str, argv: list[str], *, shown: bool = False, env: dict[str, str] | None = None) -> None:
    """Run one named step; a quiet one prints its output only when it fails. Raises Stop with the step's exit code."""
    began = time.monotonic()
    if shown:
        say(f"-- {name}")
    environment = dict(os.environ, **(env or {}))
    pipe = None if shown else subprocess.PIPE
    done = subprocess.run(
        argv, cwd=str(ROOT), env=environment, stdout=pipe, stderr=None if shown else subprocess.STDOUT, check=False
    )
    if done.returncode:
        if not shown:
            say(done.stdout.decode("utf-8", "replace").rstrip())
        raise Stop(f"FAILED: {name}", done.returncode if done.returncode > 0 else 1)
    if not shown:
        say(f"ok {name} ({time.monotonic() - began:.1f} s)")


def pythons() -> list[str]:
    """Return the interpreters to try, newest first; a name may stand several times on PATH (a shim, then the real)."""
    chosen = os.environ.get("SMARTOKEN_PYTHON")
    if chosen:
        return [chosen]
    found = []
    for major, minor in VERSIONS:
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            path = os.path.join(folder, f"python{major}.{minor}")  # noqa: PTH118 - an empty folder must stay relative
            if os.access(path, os.X_OK) and path not in found:
                found.append(path)
        if sys.version_info[:2] == (major, minor):
            found.append(sys.executable)
    return found


def version_of(python: str) -> tuple[int, int] | None:
    """Return the version of an interpreter that really runs and has what we need, else None."""
    answer = answer_of([python, "-I", "-c", PROBE])
    if not answer:
        return None
    major, minor = answer.split(".")
    return int(major), int(minor)


def choose_python(target: str) -> str:
    """Return the newest suitable interpreter. Raises Stop naming the fix."""
    for python in pythons():
        if version_of(python) in VERSIONS:
            return python
    raise Stop(NO_PYTHON_FIX.format(target=target))


def venv_python() -> str:
    """Return the path of the environment's interpreter."""
    return str(VENV / "bin" / "python")


def make_venv(target: str) -> None:
    """Make ``.venv`` when it is absent or its interpreter no longer runs; a running one is kept as it is."""
    if (VENV / "bin" / "python").exists():
        version = version_of(venv_python())
        if version in VERSIONS:
            return
        if version is not None:
            raise Stop(
                f"{VENV} holds Python {version[0]}.{version[1]}; 3.11 or newer is needed. Move it away and retry."
            )
    if VENV.is_symlink() or VENV.exists():
        say(f"{VENV} does not run any more (its Python is gone); making it anew")
    python = choose_python(target)
    say(f"using {python}")
    argv = [python, "-m", "venv", "--clear", "--without-pip", str(VENV)]
    try:
        step("make .venv", argv)
    except Stop as stop:
        raise Stop(f"{stop}. If the module venv is missing: apt-get install python3-venv", stop.code) from None


def pip_commands() -> list[list[str]]:
    """Return the pips to try, as commands that install into ``.venv``."""
    inside = venv_python()
    outside = [[sys.executable, "-m", "pip"]]
    outside += [[python, "-m", "pip"] for python in pythons()]
    outside += [[path] for path in (shutil.which("pip3"), shutil.which("pip")) if path]
    return [[inside, "-m", "pip"]] + [[*command, "--python", inside] for command in outside]


def working_pip() -> list[str] | None:
    """Return the first pip that can install into ``.venv``, or None."""
    for command in pip_commands():
        answer = answer_of([*command, "--version"]) or ""
        words = answer.split()
        numbers = words[1].split(".") if len(words) > 1 and words[0] == "pip" else []
        if len(numbers) > 1 and numbers[0].isdigit() and numbers[1].isdigit():
            if (int(numbers[0]), int(numbers[1])) >= OLDEST_PIP:
                return [*command, "install"]
        elif command[0] == venv_python():
            answer_of([venv_python(), "-m", "ensurepip"])
            if answer_of([venv_python(), "-m", "pip", "--version"]):
                return [*command, "install"]
    uv = shutil.which("uv")
    return [uv, "pip", "install", "--python", venv_python()] if uv else None


def installer() -> list[str]:
    """Return the command that installs into ``.venv``; apt brings pip only for root, and says so. Raises Stop."""
    found = working_pip()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        say("no pip here; running as root, so it is installed with: apt-get install -y python3-pip")
        step("apt-get update", ["apt-get", "update", "-q"])
        step("apt-get install python3-pip", ["apt-get", "install", "-y", "-q", "python3-pip"])
        found = working_pip()
    if found is None:
        raise Stop(NO_PIP_FIX.format(python=venv_python()))
    return found


def digest(*paths: Path) -> str:
    """Return one hash over files and over where this checkout lies."""
    total = hashlib.sha256(str(ROOT).encode())
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()


def stamped() -> dict[str, str]:
    """Return which locks are installed; an unreadable stamp counts as none."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_writable() -> None:
    """Raise Stop naming the folder when nothing can be written beside this file."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".smartoken-", dir=str(ROOT))
    except OSError as problem:
        raise Stop(
            f"cannot write in {ROOT}: {problem.strerror}. Copy the checkout to a folder of yours, or make it writable."
        ) from None
    os.close(descriptor)
    os.unlink(name)  # noqa: PTH108 - beside mkstemp, which works on names


def install(lock: Path, target: str) -> None:
    """Install what a lock names, wheels with matching hashes only. Raises Stop, naming the fix."""
    argv = [*installer(), "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock)]
    if argv[1:3] != ["pip", "install"]:
        argv += ["--quiet", "--disable-pip-version-check", "--retries", os.environ.get("PIP_RETRIES", "2")]
    began = time.monotonic()
    say(f"-- install {lock.name} (wheels only, hashes checked)")
    environment = dict(os.environ, PIP_USER="0", PIP_ROOT_USER_ACTION="ignore")
    done = subprocess.run(
        argv, cwd=str(ROOT), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        say("\n".join(output.strip().splitlines()[-6:]))
        if any(word in output for word in NO_REGISTRY):
            raise Stop(NO_REGISTRY_FIX.format(target=target), 3)
        raise Stop(f"FAILED: install {lock.name}", done.returncode)
    say(f"ok install {lock.name} ({time.monotonic() - began:.1f} s)")


def place_project() -> None:
    """Make this checkout's ``src`` importable in ``.venv`` and give it the command ``smartoken``."""
    folder = answer_of([venv_python(), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    if not folder:
        raise Stop(f"{venv_python()} does not say where its packages live; move {VENV} away and retry.")
    (Path(folder) / "smartoken-checkout.pth").write_text(f"{ROOT / 'src'}\n", encoding="utf-8")
    script = VENV / "bin" / "smartoken"
    body = "import sys\n\nfrom smartoken.__main__ import main\n\nsys.exit(main())\n"
    script.write_text(f"#!/bin/sh\n''''exec \"{venv_python()}\" \"$0\" \"$@\"\n'''\n{body}", encoding="utf-8")
    script.chmod(0o755)


def ready(target: str, *, dev: bool) -> None:
    """Bring ``.venv`` up to the lock files; does nothing, quickly, when it already is."""
    locks = {"run": digest(RUN_LOCK), "dev": digest(DEV_LOCK)}
    need = "dev" if dev else "run"
    has = stamped()
    if has.get("dev") == locks["dev"] or has.get(need) == locks[need]:
        if os.access(venv_python(), os.X_OK):
            return
        has = {}
    check_writable()
    make_venv(target)
    install(DEV_LOCK if dev else RUN_LOCK, target)
    place_project()
    STAMP.write_text(json.dumps({"run": locks["run"], "dev": locks["dev"] if dev else ""}), encoding="utf-8")


def assets(arguments: list[str]) -> None:
    """Build the site's styles, scripts and fonts, unless they are built."""
    ready("assets", dev=False)
    step("assets", [venv_python(), str(ROOT / "frontend" / "build.py"), *arguments])


def begin_assets() -> None:
    """Build the site's assets beside the start: the gateway answers at once, pages are plain until it is done."""
    if frontend.built(frontend.PLACE) or not os.access("/bin/sh", os.X_OK):
        return
    with contextlib.suppress(OSError):  # then the shell says that it cannot write
        (ROOT / "build").mkdir(exist_ok=True)
    script = '"$0" frontend/build.py --background > build/web.log 2>&1 &'
    subprocess.run(["/bin/sh", "-c", script, venv_python()], cwd=str(ROOT), check=False, stdin=subprocess.DEVNULL)


def run(arguments: list[str]) -> None:
    """Start the product on the first free port from 8000."""
    ready("run", dev=False)
    begin_assets()
    os.chdir(str(ROOT))
    os.execv(venv_python(), [venv_python(), "-m", "smartoken", "serve", *arguments])  # noqa: S606 - no shell wanted


def pytest(*arguments: str) -> list[str]:
    """Return the command that runs tests."""
    return [venv_python(), "-m", "pytest", "-q", *arguments]


def present(*names: str) -> list[str]:
    """Return those folders of tests that this checkout has."""
    return [f"tests/{name}" for name in names if (ROOT / "tests" / name).is_dir()]


def test(arguments: list[str]) -> None:
    """Run the unit, contract, end-to-end and quick start tests; or those named."""
    ready("test", dev=True)
    named = any((ROOT / argument.partition("::")[0]).exists() for argument in arguments if argument[:1] != "-")
    places = [] if named else present("unit", "contract", "e2e", "start", "browser")
    if not named:
        client("node")
        visitor()
    step("tests", pytest("-n", "auto", *places, *arguments), shown=True)


def client(name: str) -> int:
    """Install a client that tests call into the cache folder; a failure is said here and fails those tests later."""
    began = time.monotonic()
    argv = [venv_python(), str(ROOT / "tests" / "clients" / "environments.py"), name]
    done = subprocess.run(argv, cwd=str(ROOT), stdout=subprocess.PIPE, check=False)
    if not done.returncode:
        place = done.stdout.decode("utf-8", "replace").partition("\n")[0]
        say(f"ok client {name} in {place} ({time.monotonic() - began:.1f} s)")
    return done.returncode


def visitor() -> None:
    """Find or install what the browser tests need; a failure is said here and fails those tests later."""
    client("axe")
    subprocess.run([venv_python(), str(ROOT / "tests" / "browser" / "chromium.py")], cwd=str(ROOT), check=False)


def distributions() -> int:
    """Write the list of what the product runs on to build/sbom.json and return how many distributions it names."""
    names = []
    for line in RUN_LOCK.read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name, _, rest = line.partition("==")
            names.append({"type": "library", "name": name.split("[")[0], "version": rest.split()[0]})
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": names}
    for entry in names:
        entry["purl"] = f"pkg:pypi/{entry['name']}@{entry['version']}"
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "sbom.json").write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    return len(names)


def check(arguments: list[str]) -> None:
    """Run all that a submission must pass; the last lines are pytest's summary."""
    ready("check", dev=True)
    step("ruff check", [venv_python(), "-m", "ruff", "check", *LINTED])
    step("ruff format", [venv_python(), "-m", "ruff", "format", "--check", *LINTED])
    step("mypy strict", [venv_python(), "-m", "mypy"])
    step("import rule", [venv_python(), str(VENV / "bin" / "lint-imports"), "--no-cache"])
    say(f"ok {distributions()} distributions at run time (build/sbom.json)")
    client("node")
    visitor()
    assets([])
    coverage = ["--cov", "smartoken", "--cov-report", "", "--cov-fail-under", str(COVERAGE_FLOOR)]
    step("tests with coverage", pytest("-n", "auto", *coverage, "tests", *arguments), shown=True)


def test_full(arguments: list[str]) -> None:
    """Run every test, the slow ones too."""
    ready("test-full", dev=True)
    for name in ("node", "vercel", "langchain", "litellm", "llama"):
        client(name)
    visitor()
    assets([])
    step("every test", pytest("-n", "auto", "-m", "", "tests", *arguments), shown=True)


def test_real(arguments: list[str]) -> None:
    """Run the tests against a real model server, which is built once."""
    ready("test-real", dev=True)
    places = folder_of("tests/real")
    if client("llama"):
        raise Stop("NOT RUN: the real model server is not there; the reason and the fix stand above.", 1)
    step("tests with a real model server", pytest("-m", "", *places, *arguments), shown=True)


def folder_of(name: str) -> list[str]:
    """Return the path when it is there. Raises Stop when this checkout lacks it."""
    if not (ROOT / name).exists():
        raise Stop(f"{name} is not in this checkout")
    return [name]


def acceptance(arguments: list[str]) -> None:
    """Run docs/acceptance.md row by row."""
    ready("acceptance", dev=True)
    client("node")
    step("acceptance", [venv_python(), *folder_of("tests/acceptance/run.py"), *arguments], shown=True)


def bench(arguments: list[str]) -> None:
    """Measure this machine and print the performance report."""
    ready("bench", dev=True)
    step("bench", [venv_python(), *folder_of("bench/report.py"), *arguments], shown=True)


def docs(arguments: list[str]) -> None:
    """Check that the docs name every setting, command, metric and error, and that their links lead somewhere."""
    ready("docs", dev=True)
    step("docs", pytest("tests/architecture/test_docs.py", *arguments), shown=True)


def screenshots(arguments: list[str]) -> None:
    """Take pictures of the site's pages with Chromium: 390, 820 and 1440 px, light and dark."""
    ready("screenshots", dev=True)
    assets([])
    step("screenshots", [venv_python(), *folder_of("tests/browser/screenshots.py"), *arguments], shown=True)


def fmt(arguments: list[str]) -> None:
    """Format the code and apply the linter's safe fixes."""
    ready("fmt", dev=True)
    step("ruff format", [venv_python(), "-m", "ruff", "format", *(arguments or LINTED)])
    step("ruff fixes", [venv_python(), "-m", "ruff", "check", "--fix", *(arguments or LINTED)])


def lock(arguments: list[str]) -> None:
    """Write both lock files anew from pyproject.toml: Python 3.11 to 3.14, Linux and macOS, hashes, no addresses."""
    uv = shutil.which("uv", path=os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", "")]))
    if uv is None:
        raise Stop("`uv` makes the lock: `pip install uv`, or any other way to put it on PATH")
    common = [uv, "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-config"]
    common += ["--quiet", "--no-emit-index-url", "--no-header", "--only-binary", ":all:", *arguments, "pyproject.toml"]
    step("requirements.txt", [*common, "-o", RUN_LOCK.name])
    step("requirements-dev.txt", [*common, "--group", "dev", "-c", RUN_LOCK.name, "-o", DEV_LOCK.name])


TARGETS = {
    "run": run,
    "test": test,
    "check": check,
    "acceptance": acceptance,
    "bench": bench,
    "test-real": test_real,
    "test-full": test_full,
    "docs": docs,
    "assets": assets,
    "screenshots": screenshots,
    "lock": lock,
    "fmt": fmt,
}


def main() -> int:
    """Run one target. Returns the exit code."""
    width = max(map(len, TARGETS))
    lines = [f"  {name:<{width}}  {(act.__doc__ or '').splitlines()[0]}" for name, act in TARGETS.items()]
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description="targets:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", choices=list(TARGETS), metavar="TARGET")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to the target")
    chosen = parser.parse_args()
    try:
        TARGETS[chosen.target](chosen.arguments)
    except Stop as stop:
        say(str(stop))
        return stop.code
    except KeyboardInterrupt:
        return 130
    except PermissionError as problem:
        say(f"cannot write {problem.filename}: {problem.strerror}. Make it yours (chown) or copy the checkout.")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
