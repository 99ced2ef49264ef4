"""Every example runs as its use case shows it, and prints what the page says that it printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from architecture.source import ROOT
from browser.served import served

PROGRAMS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*/*.py"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    with served(folder) as address:
        yield address, (folder / "demo-key").read_text().strip()


def test_every_use_case_has_its_program():
    shown = {path.stem for path in (ROOT / "docs" / "site" / "use-cases").glob("*.md")} - {"index"}
    assert {Path(each).parent.name for each in PROGRAMS} >= shown
    assert len(PROGRAMS) >= 5


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_prints_what_is_kept_beside_it(server, program):
    address, key = server
    env = {"PATH": os.environ["PATH"], "SMARTOKEN_BASE_URL": f"{address}/v1", "SMARTOKEN_API_KEY": key}
    done = subprocess.run(
        [sys.executable, str(ROOT / program)], env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / program).with_name("expected.txt").read_text(encoding="utf-8")
