"""The page of the set-up file shows files that the reader takes."""

import re
from pathlib import Path

import pytest

from smartoken.identity.keys import mint
from smartoken.operations.setup_file import read_setup

PAGE = (Path(__file__).parents[3] / "docs" / "setup-file.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
VARIABLES = {"UP1_KEY": "made-up", "ACME_KEY": mint(bytes(range(32)))}


def test_the_sample_of_every_section_is_taken_whole():
    file = read_setup(SAMPLES[0], "setup-file.md", VARIABLES)
    assert file.sections == {"site", "provider", "model", "account", "fx"}
    assert file.variables == ("UP1_KEY", "ACME_KEY")


OPTIONAL = sorted(set(re.findall(r"^# ([a-z_]+ = .*?)(?:  +\S.*)?$", SAMPLES[0], re.MULTILINE)))


@pytest.mark.parametrize("line", [each for each in OPTIONAL if "}" in each or "{" not in each])
def test_an_optional_line_of_the_sample_is_taken_when_it_is_written_out(line):
    text = re.sub(rf"^# {re.escape(line)}.*$", lambda _: line, SAMPLES[0], flags=re.MULTILINE)
    assert text != SAMPLES[0]
    text = text.replace('billing = "prepaid"', 'billing = "open"')
    assert read_setup(text, "setup-file.md", VARIABLES).items


def test_the_sample_of_bands_and_hours_is_a_price():
    text = '[[model]]\nid = "test/banded"\n' + SAMPLES[1]
    (item,) = read_setup(text, "setup-file.md", {}).items
    assert len(item.view["price"]["bands"]) == 4
    assert item.view["price"]["time_of_day"]["holidays"] == "CN"
    assert item.view["price"]["promotion"]["until"] == "2026-12-31"
