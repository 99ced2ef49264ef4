"""A server as ``smartoken serve`` starts it, for a browser to visit."""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve from an empty data dir until the block ends; yields the address."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SMARTOKEN_")}
    env |= {"SMARTOKEN_DATA_DIR": str(folder), "SMARTOKEN_LOG_LEVEL": "warning", "PYTHONUNBUFFERED": "1"}
    log = folder / "said.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "smartoken", "serve", "--port", "0"], cwd=ROOT, env=env, stdout=file, stderr=file
        )
    try:
        yield _address(log, process)
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(log: Path, process: subprocess.Popen) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        found = re.search(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text())
        if found:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{found[0]}/readyz", timeout=5):
                return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise TimeoutError(f"the server never answered:\n{log.read_text()}")
