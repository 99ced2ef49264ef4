"""Pictures of every kind of page: ``python3 dev.py screenshots [FOLDER] [NAME ...]``, three widths, both themes."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from browser.chromium import browser
from browser.kinds import PAGES, THEMES, WIDTHS
from browser.served import ROOT, served


def main() -> int:
    """Take them; prints the folder."""
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
