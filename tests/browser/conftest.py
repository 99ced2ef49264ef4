"""One server and one browser for all tests of a worker."""

import subprocess
import sys

import pytest

from browser.chromium import browser as start_browser
from browser.served import ROOT, served
from clients.environments import npm_project


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """The server's data dir."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def address(place):
    """Where the site is served, with the assets of this checkout if they can be built here."""
    subprocess.run([sys.executable, ROOT / "frontend" / "build.py"], check=False, capture_output=True)
    with served(place) as found:
        yield found


@pytest.fixture(scope="session")
def browser():
    """A browser with one tab."""
    with start_browser() as found:
        yield found


@pytest.fixture(scope="session")
def axe():
    """The source of the accessibility checker."""
    return (npm_project("axe") / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
