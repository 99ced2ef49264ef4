"""One gateway for the clients, with the sandbox as its upstream."""

import pytest

from live import live

CARDS = ["echo", "tool-call", "json-mode", "reasoning", "overloaded", "cut-mid-stream"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    models = [(f"one/{card}", [("openai", card)]) for card in CARDS]
    with live(tmp_path_factory.mktemp("clients"), models) as running:
        yield running
