"""Plant each bug of the list in a copy of the source and see that the unit tests of billing fail.

    python tests/mutants/run.py               all of them
    python tests/mutants/run.py --sample 3    three, spread over the list
    python tests/mutants/run.py --only NAME   those whose name or file has this in it

Exits with 1 when a bug lives, 2 when the run itself is faulty: the tests fail without any bug, or a bug's text is not
in the source exactly once. The tables run first; the state machine only where they noticed nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from mutants import MUTANTS, Mutant  # noqa: E402 - this file is a script, its folder is not on the path before

TESTS = Path("tests/unit/billing")
MACHINES = "test_machine.py"
APART = ("test_journal.py",)  # of files, not of money's rules
# A failure is enough, its smallest example is not asked for.
QUICK = """from hypothesis import Phase, settings

settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile("mutants")
"""
LIMIT_S = 300  # a bug may loop for ever; that is noticed too


class FaultyRunError(Exception):
    """The run proves nothing: a planted text is missing, or the tests fail by themselves."""


@dataclass(frozen=True)
class Verdict:
    """What became of one bug: who noticed it, or nobody."""

    mutant: Mutant
    noticed_by: str | None
    seconds: float


class Copy:
    """A copy of the source and of billing's tests in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src", folder / "src", ignore=skipped)
        shutil.copytree(ROOT / TESTS, folder / TESTS, ignore=skipped)
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / TESTS / "conftest.py").write_text(QUICK, encoding="utf-8")

    def fails(self, files: Sequence[str]) -> str | None:
        """Run test files; returns the first test that failed, None if all passed."""
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-p",
            "no:randomly",
        ]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
        try:
            done = subprocess.run(
                [*argv, *files],
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "the time limit"
        if done.returncode == 0:
            return None
        if done.returncode != 1:
            raise FaultyRunError(f"pytest could not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        if any(line.startswith("ERROR ") for line in failed):
            raise FaultyRunError(f"a test could not be collected:\n{done.stdout[-2000:]}")
        return failed[0].removeprefix("FAILED ").partition(" - ")[0] if failed else "a test"

    def tables(self, about: str = "") -> list[str]:
        """Return the test files that run in a moment, the one about a source file first."""
        names = sorted(each.name for each in (self.folder / TESTS).glob("test_*.py"))
        names.sort(key=lambda name: name != f"test_{about}")
        return [str(TESTS / name) for name in names if name not in (MACHINES, *APART)]

    def machines(self) -> list[str]:
        """Return the test files that take longer."""
        return [str(TESTS / MACHINES)]

    def judge(self, mutant: Mutant) -> Verdict:
        """Plant one bug, run the tests, take it out again."""
        path = self.folder / "src" / "smartoken" / "billing" / mutant.file
        source = path.read_text(encoding="utf-8")
        if source.count(mutant.old) != 1:
            raise FaultyRunError(
                f"{mutant.file}: {mutant.old!r} is there {source.count(mutant.old)} times ({mutant.name})"
            )
        began = time.monotonic()
        path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            noticed = self.fails(self.tables(mutant.file)) or self.fails(self.machines())
        finally:
            path.write_text(source, encoding="utf-8")
        return Verdict(mutant, noticed, time.monotonic() - began)


def chosen(sample: int | None, only: str) -> tuple[Mutant, ...]:
    """Return the bugs to plant: all, those with a word in them, or a number spread evenly over the list."""
    found = tuple(each for each in MUTANTS if only in each.file or only in each.name)
    if sample is None or sample >= len(found):
        return found
    return tuple(found[place * len(found) // sample] for place in range(sample))


def run(mutants: Sequence[Mutant]) -> list[Verdict]:
    """Judge bugs one by one, with a line for each.

    Raises:
        FaultyRunError: the tests fail without any bug, or a bug cannot be planted.

    """
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Copy(Path(folder))
        failed = copy.fails(copy.tables())
        if failed is not None:
            raise FaultyRunError(f"without any bug, {failed} fails")
        for each in mutants:
            found = copy.judge(each)
            verdicts.append(found)
            end = f"noticed by {found.noticed_by}" if found.noticed_by else "LIVES"
            sys.stdout.write(f"{each.file:14} {each.name}: {end} ({found.seconds:.1f} s)\n")
            sys.stdout.flush()
    living = [each for each in verdicts if each.noticed_by is None]
    sys.stdout.write(f"{len(verdicts)} bugs planted, {len(verdicts) - len(living)} noticed, {len(living)} live\n")
    return verdicts


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, metavar="N", help="plant only N bugs, spread over the list")
    parser.add_argument("--only", default="", metavar="WORD", help="plant only bugs with this in their name or file")
    asked = parser.parse_args()
    try:
        verdicts = run(chosen(asked.sample, asked.only))
    except FaultyRunError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return int(any(each.noticed_by is None for each in verdicts))


if __name__ == "__main__":
    sys.exit(main())
