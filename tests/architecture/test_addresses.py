"""No file of the project names a package registry or a path of somebody's machine."""

import re

import pytest

from architecture.source import ROOT, project_files

# Written in pieces, so that this file passes its own rule.
HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("registry", "npmjs", "org"),
    ("registry", "yarnpkg", "com"),
    ("deb", "debian", "org"),
    ("crates", "io"),
    ("proxy", "golang", "org"),
    ("repo1", "maven", "org"),
    ("rubygems", "org"),
)
FOLDERS = (("root",), ("work", "main"), ("work", "shared"), ("work", "brief"), ("work", ".library"), ("opt", "wheels"))
FORBIDDEN = re.compile(
    "|".join(
        [re.escape(".".join(host)) for host in HOSTS]
        + [rf"(?<![\w.$}}])/{re.escape('/'.join(parts))}\b" for parts in FOLDERS]
        + [r"(?<![\w.$}])/(?:home|Users)/(?!you\b|USER\b)\w+"]
    )
)


def test_no_file_names_a_registry_or_a_machine():
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            hit = FORBIDDEN.search(line)
            if hit:
                found.append(f"{path.relative_to(ROOT)}:{number}: {hit[0]}")
    assert found == []


@pytest.mark.parametrize("text", ["https://" + ".".join(HOSTS[0]) + "/simple", "see /" + "root/x", "/" + "home/ann/x"])
def test_a_planted_address_is_found(text):
    assert FORBIDDEN.search(text)
