"""docs/sandbox.md names everything that can be asked for."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from smartoken.sandbox.cards import CARDS, Card, Fault, Usage
from smartoken.sandbox.garble import ODD
from smartoken.sandbox.poses.pose import Kind
from smartoken.sandbox.poses.registry import POSES, WRONGS

PAGE = Path(__file__).parents[3] / "docs" / "sandbox.md"
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE.read_text(encoding="utf-8")))
KNOBS = [each.name for each in fields(Card) if each.name != "name"]
WORDS = {
    "card": list(CARDS),
    "knob": KNOBS,
    "fault": [each.value for each in Fault if each],
    "usage": [each.value for each in Usage],
    "failure": [each.value for each in Kind],
    "dialect": list(POSES),
    "claim": list(WRONGS),
    "odd event": list(ODD),
}


@pytest.mark.parametrize("what", WORDS)
def test_the_page_names_every(what):
    assert [word for word in WORDS[what] if word not in NAMED] == []
