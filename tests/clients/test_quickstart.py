"""Every sample of docs/quickstart.md runs as it is printed and prints what stands below it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from clients.environments import HERE, node, npm_project
from clients.scripts import address_of
from smartoken.catalog.files import load_catalog

ROOT = HERE.parents[1]
PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SAMPLES = [
    (kind, text, expected) for (kind, text), (_, expected) in pairwise(FENCES) if kind in {"bash", "python", "ts"}
]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """The product as `make run` starts it, with a data dir of its own: its address and its demo key."""
    place = tmp_path_factory.mktemp("quickstart") / "data"
    env = {name: value for name, value in os.environ.items() if not name.startswith("SMARTOKEN_")}
    env |= {"SMARTOKEN_DATA_DIR": str(place), "PYTHONPATH": str(ROOT / "src")}
    server = subprocess.Popen(
        [sys.executable, "-m", "smartoken", "serve"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while not (address_of(place) and (place / "demo-key").exists()):
            assert server.poll() is None, server.stdout.read()
            assert time.monotonic() < until, "the server did not start in 60 s"
            time.sleep(0.05)
        yield address_of(place), (place / "demo-key").read_text().strip()
    finally:
        server.terminate()
        server.communicate(timeout=40)


def said(kind, text, started, folder):
    """What a sample prints when it asks this server."""
    address, key = started
    here = text.replace("http://127.0.0.1:8000", address)
    argv = {"bash": ["bash", "-c", here], "python": [sys.executable, "-c", here]}.get(kind)
    if argv is None:
        (folder / "node_modules").symlink_to(npm_project("node") / "node_modules")
        (folder / "first.mjs").write_text(here)
        argv = [node().node, "first.mjs"]
    env = {"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin", "SMARTOKEN_API_KEY": key}
    done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_moments(answer):
    return {name: value for name, value in answer.items() if name not in {"id", "created"}}


def test_there_are_samples_in_all_three_languages():
    assert shutil.which("curl"), "the cURL sample needs curl: apt-get install curl"
    assert [kind for kind, _, _ in SAMPLES] == ["bash", "python", "ts", "python", "ts"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"), SAMPLES, ids=[f"{n}-{each[0]}" for n, each in enumerate(SAMPLES)]
)
def test_a_sample_prints_what_the_page_says(started, tmp_path, kind, text, expected):
    printed = said(kind, text, started, tmp_path)
    if kind == "bash":
        assert without_moments(json.loads(printed)) == without_moments(json.loads(expected))
    else:
        assert printed == expected


def test_the_models_and_keys_of_the_table_are_in_the_catalog():
    rows = re.findall(r"^\|[^|]+\| (`[A-Z].*`) \| `([\w./-]+)` \|$", PAGE, re.MULTILINE)
    catalog = load_catalog()
    offers = [(each.model, catalog.providers[each.provider].env) for each in catalog.offers.values()]
    assert len(rows) == 7
    for keys, model in rows:
        for key in re.findall(r"`(\w+)`", keys):
            assert any(model == sold and key in env for sold, env in offers), (key, model)
