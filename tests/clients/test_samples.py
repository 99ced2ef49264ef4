"""Every sample of the site's own pages runs as it is printed, with a model that answers here.

A sample is a fence of bash, python or ts below ``docs/concepts`` and ``docs/site``; ``no-test`` after the language
opts out, for what only a reader's own file makes whole. The quickstart has a test of its own, which compares output.
"""

import os
import re
import subprocess
import sys

import pytest

from browser.served import served
from clients.environments import HERE, node, npm_project

ROOT = HERE.parents[1]
FENCE = re.compile(r"^```(bash|python|ts)( [^\n]*)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
LEAST = 11


def samples():
    """Page and line, language and text of every sample."""
    for folder in ("concepts", "site"):
        for path in sorted((ROOT / "docs" / folder).rglob("*.md")):
            page = path.read_text(encoding="utf-8")
            for hit in FENCE.finditer(page):
                if "no-test" not in (hit[2] or ""):
                    line = page.count("\n", 0, hit.start()) + 1
                    yield pytest.param(hit[1], hit[3], id=f"{path.relative_to(ROOT / 'docs')}:{line}-{hit[1]}")


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    with served(folder) as address:
        yield address, (folder / "demo-key").read_text().strip()


def test_the_samples_are_found():
    assert len(list(samples())) >= LEAST


@pytest.mark.parametrize(("language", "text"), list(samples()))
def test_a_sample_runs_as_it_is_printed(started, tmp_path, language, text):
    address, key = started
    here = text.replace("http://127.0.0.1:8000", address).replace("{{BASE_URL}}", address)
    env = {"PATH": f"{os.environ['PATH']}", "SMARTOKEN_API_KEY": key}
    if language == "ts":
        (tmp_path / "node_modules").symlink_to(npm_project("node") / "node_modules")
        (tmp_path / "sample.mjs").write_text(here)
        argv = [node().node, "sample.mjs"]
    else:
        argv = ["bash", "-euo", "pipefail", "-c", here] if language == "bash" else [sys.executable, "-c", here]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
