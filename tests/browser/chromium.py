"""Headless Chromium over a pipe: pages opened, looked at and photographed, with the standard library alone.

The browser speaks its own protocol over two pipes, so no driver, no port and no web socket is needed. It is the
machine's; as root it is installed with apt, said aloud; else the fix is named. ``python tests/browser/chromium.py``
does no more than that.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHOSEN = "SMARTOKEN_TEST_CHROMIUM"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --no-default-browser-check "
    "--disable-background-networking --disable-component-update --disable-sync --disable-extensions "
    "--disable-dev-shm-usage --hide-scrollbars --force-color-profile=srgb --remote-debugging-pipe"
).split()
ANSWER_S = 60.0
# The browser expects its pipes as descriptors 3 and 4.
PLACE = """
import os, sys
both = [os.dup(int(each)) for each in sys.argv[1:3]]
high = [os.dup2(each, 200 + place) for place, each in enumerate(both)]
for place, each in enumerate(high):
    os.dup2(each, 3 + place, inheritable=True)
os.execv(sys.argv[3], sys.argv[3:])
"""


class MissingBrowserError(RuntimeError):
    """No Chromium can be started; the message says what to install."""


def program() -> str:
    """Return the browser's path, installed where that is possible."""
    chosen = os.environ.get(CHOSEN)
    found = chosen or next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stderr.write("no Chromium here; running as root, so: apt-get install -y --no-install-recommends chromium\n")
        for words in ("update -q", "install -y -q --no-install-recommends chromium"):
            subprocess.run(
                ["apt-get", *words.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )
        found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        raise MissingBrowserError(f"no Chromium: apt-get install chromium, or set {CHOSEN} to its path")
    return found


class Browser:
    """One browser process; pages are opened one after another in one tab."""

    def __init__(self, process: subprocess.Popen, write: int, read: int) -> None:
        self.process = process
        self._write, self._read = write, read
        self._number, self._rest = 0, b""
        self._session = None
        self.events: list[dict] = []

    def call(self, method: str, **params) -> dict:
        """Ask the browser and wait for its answer; what happens meanwhile is kept in ``events``."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + ANSWER_S
        while time.monotonic() < until:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, f"{method}: {said['error']}"
                return said["result"]
            self.events.append(said)
        raise TimeoutError(f"{method}: no answer in {ANSWER_S} s")

    def _next(self) -> dict:
        while b"\0" not in self._rest:
            piece = os.read(self._read, 1 << 20)
            assert piece, "the browser is gone"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def _wait(self, method: str) -> None:
        until = time.monotonic() + ANSWER_S
        while time.monotonic() < until:
            if any(each.get("method") == method for each in self.events):
                return
            self.events.append(self._next())
        raise TimeoutError(f"no {method} in {ANSWER_S} s")

    def open_tab(self) -> None:
        """Open the tab that pages are shown in."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def shape(self, width: int, height: int = 900, theme: str = "light", *, script: bool = True) -> None:
        """Set the window, the theme of the system, and whether scripts run."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def show(self, address: str) -> list[str]:
        """Open a page and return what it complained about: exceptions, refused loads, console errors."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        self._wait("Page.loadEventFired")
        return [fault for each in self.events for fault in _faults(each)]

    def leave(self, script: str) -> None:
        """Run what leads to another page, and wait for that page."""
        self.events.clear()
        self.run(script)
        self._wait("Page.loadEventFired")

    def run(self, script: str):
        """Return what an expression in the page comes to; a promise is awaited."""
        said = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def picture(self, path: Path, *, whole: bool = True, most: int = 6000, scale: float = 1) -> None:
        """Save a picture of the page, the whole of it or what the window shows."""
        metrics = self.call("Page.getLayoutMetrics")
        size, view = metrics["cssContentSize"], metrics["cssLayoutViewport"]
        height = min(size["height"], most) if whole else view["clientHeight"]
        width = size["width"] if whole else view["clientWidth"]
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))


def _faults(event: dict) -> Iterator[str]:
    params = event.get("params", {})
    match event.get("method"):
        case "Runtime.exceptionThrown":
            yield str(params["exceptionDetails"].get("text")) + str(
                params["exceptionDetails"].get("exception", {}).get("description", "")
            )
        case "Log.entryAdded" if params["entry"]["level"] == "error":
            yield f"{params['entry']['text']} {params['entry'].get('url', '')}"
        case "Network.responseReceived" if params["response"]["status"] >= 400:
            yield f"{params['response']['status']} {params['response']['url']}"
        case _:
            pass


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser with a profile of its own, and end it with the block."""
    path = program()
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="smartoken-browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                PLACE,
                str(theirs_read),
                str(theirs_write),
                path,
                *FLAGS,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(theirs_read, theirs_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_read)
        os.close(theirs_write)
        try:
            found = Browser(process, ours_write, ours_read)
            found.open_tab()
            yield found
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(ours_write)
            os.close(ours_read)


if __name__ == "__main__":
    try:
        sys.stdout.write(program() + "\n")
    except MissingBrowserError as missing:
        sys.stderr.write(f"{missing}\n")
        sys.exit(1)
