"""Pictures of every kind of page: ``python3 dev.py screenshots [FOLDER] [NAME ...]``, three widths, both themes.

``python3 dev.py screenshots readme`` takes the six small ones of ``docs/screenshots`` instead.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from browser.chromium import browser
from browser.kinds import PAGES, THEMES, WIDTHS
from browser.served import ROOT, served

README = (
    ("home", "home", 1280, "light"),
    ("models", "models", 1280, "dark"),
    ("model", "model", 1280, "light"),
    ("compare", "compare", 1280, "dark"),
    ("check", "check", 1280, "light"),
    ("quickstart", "quickstart", 1280, "dark"),
)
CHECK = "const form = document.querySelector('form[method=post]'); form.submit(); true"
SCALE = 0.6
# A picture names the usual port and data dir, not those of the moment.
PLAIN = """(() => { const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) walk.currentNode.textContent = walk.currentNode.textContent
    .replaceAll('%s', 'data').replaceAll('%s', 'http://127.0.0.1:8000'); })()"""


def readme() -> int:
    """Take the pictures of the README."""
    place = ROOT / "docs" / "screenshots"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, browser() as found:
        for name, page, width, theme in README:
            found.shape(width, 800, theme)
            found.show(address + PAGES[page])
            if page == "check":
                found.leave(CHECK)
            found.run(PLAIN % (folder, address))
            found.picture(place / f"{name}.png", whole=False, scale=SCALE)
    sys.stdout.write(f"{len(README)} pictures in {place}\n")
    return 0


def main() -> int:
    """Take them; prints the folder."""
    subprocess.run([sys.executable, ROOT / "frontend" / "build.py"], check=False)
    if sys.argv[1:] == ["readme"]:
        return readme()
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "screenshots"
    place.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[2:] or list(PAGES)
    taken = 0
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, browser() as found:
        for theme in THEMES:
            for width in WIDTHS:
                found.shape(width, theme=theme)
                for name in wanted:
                    found.show(address + PAGES[name])
                    found.picture(place / f"{name}-{width}-{theme}.png")
                    taken += 1
    sys.stdout.write(f"{taken} pictures in {place}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
