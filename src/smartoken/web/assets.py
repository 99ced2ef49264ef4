"""The stylesheet, scripts and fonts that pages name: built ones where a build was made, else the sources as they are.

``frontend/build.py`` writes ``manifest.json`` last, so its presence says that a build is whole. The gateway answers
before there is one: pages then name the plain stylesheet, which differs in its fonts alone. A look at the manifest
costs one ``stat`` a second at most.
"""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

MANIFEST = "manifest.json"
MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
LOOK_EVERY_S = 1.0
PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[2]


def places() -> tuple[Path, ...]:
    """Return where built assets may lie, then where the sources do."""
    return PACKAGE / "assets", CHECKOUT / "build" / "web", CHECKOUT / "frontend"


class Assets:
    """The assets in use. ``stamp`` changes with their contents and stands in every address of theirs."""

    def __init__(self, folders: tuple[Path, ...], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folders = folders
        self._monotonic = monotonic
        self._looked = float("-inf")
        self._stamp = ""
        self._folder = folders[-1]
        self._files: dict[str, bytes] = {}

    @property
    def stamp(self) -> str:
        """The stamp of what is in use now."""
        now = self._monotonic()
        if now - self._looked >= LOOK_EVERY_S:
            self._looked = now
            self._look()
        return self._stamp

    @property
    def built(self) -> bool:
        """Whether a build is in use."""
        return bool(self.stamp) and (self._folder / MANIFEST).exists()

    def _look(self) -> None:
        for folder in self._folders:
            try:
                stamp = str(json.loads((folder / MANIFEST).read_bytes())["stamp"])
            except (OSError, ValueError, KeyError):
                continue
            if stamp != self._stamp:
                self._stamp, self._folder, self._files = stamp, folder, {}
            return
        if not self._stamp:
            self._folder = self._folders[-1]
            total = hashlib.sha256()
            for path in sorted(self._folder.glob("*.[cj]s*")):
                total.update(path.read_bytes())
            self._stamp = f"plain-{total.hexdigest()[:10]}"

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Return a file's bytes and media type; None for what is not an asset."""
        path = Path(name)
        media = MEDIA.get(path.suffix)
        if media is None or path.name != name or not self.stamp:
            return None
        if name not in self._files:
            try:
                self._files[name] = (self._folder / name).read_bytes()
            except OSError:
                return None
        return self._files[name], media
