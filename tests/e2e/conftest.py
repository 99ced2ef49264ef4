"""One gateway for a module's tests, with a model for every way in which an upstream behaves."""

import pytest

from live import live

GOOD = ("openai", "echo")
CARDS = [
    "echo", "no-usage", "content-filter", "tool-call", "reasoning", "json-mode", "worst-case", "rate-limited", "empty",
    "overloaded", "out-of-credit", "cut-mid-stream", "stalls", "malformed-stream", "truncated-json", "hang", "reset",
    "error-event-first", "error-event-late", "bad-chunk-size", "wrong-content-length", "html-502", "redirect",
    "usage-zero", "usage-negative", "usage-huge", "usage-twice", "finish-without-done", "done-without-finish",
]  # fmt: skip
MODELS = [
    *[(f"one/{card}", [("openai", card)]) for card in CARDS],
    *[(f"two/{card}", [("openai", card), GOOD]) for card in CARDS],
    ("one/long", [("openai", "echo?tokens=400&pace_ms=5")]),
    ("one/drain", [("openai", "echo?tokens=60&pace_ms=5", {"cancel": "drain"})]),
    ("one/unpriced", [GOOD], {"price": None}),
    ("one/slow-first", [("openai", "echo?first_ms=400")]),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("gateway"), MODELS) as running:
        yield running


@pytest.fixture(autouse=True)
def rested(request):
    """Let no test wait for a key that an earlier one brought to rest."""
    if "gateway" in request.fixturenames:
        request.getfixturevalue("gateway").worker.gateway.upstreams.pools.breakers.forget()
