"""The unit tests of money notice planted bugs: a few in every run, all of them in the full one."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
BILLING = Path(__file__).parents[2] / "src" / "smartoken" / "billing"


def planted(*arguments):
    done = subprocess.run([sys.executable, str(RUN), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_every_bug_can_still_be_planted():
    listed = runpy.run_path(str(RUN.with_name("mutants.py")))["MUTANTS"]
    texts = {each.file: (BILLING / each.file).read_text() for each in listed}
    assert [(each.file, each.name) for each in listed if texts[each.file].count(each.old) != 1] == []
    assert len({(each.file, each.name) for each in listed}) == len(listed)


def test_three_planted_bugs_are_noticed():
    assert planted("--sample", "3") == "3 bugs planted, 3 noticed, 0 live"


@pytest.mark.slow
def test_every_planted_bug_is_noticed():
    last = planted()
    assert last.endswith(" 0 live")
    assert int(last.split()[0]) >= 100
