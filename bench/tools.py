"""The bench's own tools, built from C at the start of a run, and the peers, installed once into a cache folder.

Nothing of a peer lies in the checkout. ``SMARTOKEN_BENCH_CACHE`` says where else than ``~/.cache/smartoken-bench``.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from machine import MissingError

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("SMARTOKEN_BENCH_CACHE") or Path.home() / ".cache" / "smartoken-bench")
LITELLM = "litellm[proxy]==1.108.7"
PORTKEY = "@portkey-ai/gateway@1.15.2"
INSTALL_S = 900


def build(folder: Path) -> None:
    """Compile the C tools into a folder.

    Raises:
        MissingError: there is no compiler.

    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise MissingError("no C compiler: apt-get install gcc")
    for source in sorted((HERE / "tools").glob("*.c")):
        subprocess.run([compiler, "-O2", "-o", str(folder / source.stem), str(source)], check=True)


def spin_ms(folder: Path) -> float:
    """Return how long a fixed piece of work takes, in milliseconds of CPU."""
    done = subprocess.run([str(folder / "spin")], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _install(name: str, commands: Sequence[Sequence[str]], folder: Path) -> None:
    for command in commands:
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            shutil.rmtree(folder)
            raise MissingError(f"{name} cannot be installed: {error}") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            shutil.rmtree(folder)
            raise MissingError(f"{name} cannot be installed: {said[-1][:200]}")


def litellm() -> Path:
    """Return LiteLLM's program, installed into a virtual environment of its own.

    Raises:
        MissingError: it cannot be installed here.

    """
    folder = CACHE / LITELLM.replace("[proxy]==", "-")
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            LITELLM,
        ]
        _install("LiteLLM", ([sys.executable, "-m", "venv", str(folder)], pip), folder)
        (folder / "done").touch()
    return folder / "bin" / "litellm"


def portkey() -> Path:
    """Return the start file of Portkey's gateway, installed into a folder of its own.

    Raises:
        MissingError: it cannot be installed here.

    """
    if shutil.which("node") is None:
        raise MissingError("Portkey needs Node.js, which is not here")
    folder = CACHE / PORTKEY.replace("/", "-").replace("@", "")
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"private": True}))
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", PORTKEY]
        _install("Portkey", (npm,), folder)
        (folder / "done").touch()
    return folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
