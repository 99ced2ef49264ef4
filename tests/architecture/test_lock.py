"""The lock files are complete, hashed and without addresses; what is locked is what the product asks for."""

import re
import tomllib

import pytest

from architecture.source import ROOT, product

RUN, DEV = "requirements.txt", "requirements-dev.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IMPORTED_AS = {
    "chinesecalendar": "chinese_calendar",
    "markdown-it-py": "markdown_it",
}
# Not imported by name, but needed.
SERVES = {
    "tzdata": "zoneinfo reads it where the system has no zones",
    "psycopg": "SQLAlchemy loads it for postgresql URLs",
    "psycopg-pool": "the pool of PostgreSQL connections",
    "starlette": "FastAPI stands on it; asked for by version because of a security fix",
}


def entries(name: str) -> dict[str, tuple[str, int]]:
    """Package to version and number of hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", text):
        head = re.match(r"([a-z0-9.-]+)==(\S+)", block)
        if head:
            found[head[1]] = (head[2], block.count("--hash=sha256:"))
    return found


@pytest.mark.parametrize("name", [RUN, DEV])
def test_every_locked_package_has_hashes_and_no_address(name):
    locked = entries(name)
    assert len(locked) > 20
    assert [package for package, (_, hashes) in locked.items() if not hashes] == []
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    odd = [line for line in lines if re.search(r"://|^\s*-(?!-hash=)|@ |/", line.partition("#")[0])]
    assert odd == []


def test_tests_run_on_the_same_versions_as_the_product():
    run, dev = entries(RUN), entries(DEV)
    assert {name: run[name] for name in run} == {name: dev.get(name) for name in run}


def test_everything_the_product_asks_for_is_locked():
    asked = {re.match(r"[a-z0-9-]+", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert asked <= set(entries(RUN))
    dev = {re.match(r"[a-z0-9-]+", line)[0] for line in PROJECT["dependency-groups"]["dev"]}
    assert dev <= set(entries(DEV))


def test_the_versions_of_the_package_agree():
    text = (ROOT / "src/smartoken/__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{PROJECT["project"]["version"]}"' in text


def test_every_runtime_dependency_is_used():
    statement = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)
    imported = {name for source in product() for name in statement.findall(source.text)}
    asked = {re.match(r"[a-z0-9-]+", line)[0] for line in PROJECT["project"]["dependencies"]} - set(SERVES)
    unused = {name for name in asked if IMPORTED_AS.get(name, name.replace("-", "_")) not in imported}
    assert unused == set()
