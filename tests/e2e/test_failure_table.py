"""Every failure of every dialect on the real path: what is done, what is billed, what the client sees, what rests.

``failures.txt`` is the table. A provider that is scripted byte by byte stands where the first offer's would; everything
else is the gateway as it runs: readers, classes, queue, streams, breakers and settlement. Before each call the breaker
of the first offer is one failure short of opening, so that one more which counts can be seen.
"""

import json
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from live import live
from smartoken.errors import FailureClass
from smartoken.providers.registry import DIALECTS
from smartoken.providers.upstream import UpstreamConnectError, UpstreamCut, UpstreamTimeout
from smartoken.routing.breakers import TRIP_FAILURES
from smartoken.routing.reactions import KeyState
from unit.routing.reaction_table import rows as reactions

LINES = [line for line in (Path(__file__).parent / "failures.txt").read_text().splitlines() if line.strip()]
COLUMNS, ROWS = LINES[0].split(), [[each.strip() for each in line.split("|")] for line in LINES[2:]]
OTHER, ALONE = "another offer", "alone"
MODELS = [
    row
    for name in DIALECTS
    for row in ((f"{name}/pair", [(name, "echo"), ("openai", "echo?tokens=5")]), (f"{name}/single", [(name, "echo")]))
]
BODY = {"messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 16, "stream": True}
TEXT = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]} for text in ("Hello", " there")]


def sse(*payloads):
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in payloads)


def error_of(said):
    """Make an error's body of what is said: a code, words in quotes, or both; nothing for a status alone."""
    code, _, words = said.partition('"')
    if not code.strip() and not words:
        return b""
    return json.dumps({"error": {"message": words.strip('"') or "said so", "code": code.strip() or None}}).encode()


class Scripted:
    """Fails as a row says, as whichever provider it stands for."""

    def __init__(self, error, position):
        self.error, self.after = error, position == "after content"

    async def request(self, *_sent):
        status, _, said = self.error.partition(" ")
        if self.after:
            return Answer(200, [sse(*TEXT), self._end(status, said)])
        match status:
            case "refused":
                raise UpstreamConnectError("refused", reason="connect", sent=False)
            case "silent":
                raise UpstreamTimeout("silent", reason="first_byte", sent=True)
            case "cut" | "garbled":
                return Answer(200, [self._end(status, said)])
        return Answer(int(status), [error_of(said)])

    def _end(self, status, said):
        match status:
            case "silent":
                return UpstreamTimeout("silent", reason="idle", sent=True)
            case "cut":
                return UpstreamCut("cut", reason="body", sent=True)
            case "garbled":
                return b'data: {"choices\n\n'
        return b"data: " + error_of(said) + b"\n\n"

    async def close(self):
        """Close nothing."""


class Answer:
    """An answer piece by piece; an exception among the pieces is raised."""

    last_byte = 0.0

    def __init__(self, status, pieces):
        self.status, self.pieces, self.headers = status, pieces, {"content-type": "application/json"}

    async def chunk(self):
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def read(self, limit):
        return (await self.chunk())[:limit]

    def abort(self):
        """Close nothing."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("failures"), MODELS) as running, httpx2.Client(timeout=20) as running.client:
        yield running


def observed(gateway, name, error, position, route):
    """Return class, action, billed, what the client saw, key and breaker of one call."""
    model = f"{name}/{'pair' if route == OTHER else 'single'}"
    first = gateway.worker.directory.current.models[model].offers[0]
    upstreams = gateway.worker.gateway.upstreams
    breakers, key = upstreams.pools.breakers, first.provider.keys[0].id
    breakers.forget()
    for _ in range(TRIP_FAILURES - 1):
        breakers.failed((first.offer.id, key), FailureClass.PROVIDER_CAPACITY, 0.0, None)
    scripted, usual = Scripted(error, position), upstreams._client
    upstreams.detour = lambda target: scripted if target.offer.offer.id == first.offer.id else usual
    try:
        answer = gateway.client.post(
            f"{gateway.base_url}/chat/completions", json={"model": model, **BODY}, headers=gateway.headers
        )
    finally:
        upstreams.detour = None
    rests = gateway.worker.desk.breakers()
    call = answer.headers["x-request-id"]
    shown = gateway.client.get(f"{gateway.base_url}/calls/{call}", headers=gateway.headers).json()
    tried = shown["attempts"]
    assert tried[0]["offer"] == first.offer.id
    action, saw = client_view(answer, len(tried))
    return tried[0]["failure"], action, billed(shown, first.offer.id), saw, *state(rests, first.offer.id)


def client_view(answer, attempts):
    """Return what was done and what the client saw."""
    if answer.status_code != 200:
        error = answer.json()["error"]
        return "tell" if answer.status_code == 400 else "give_up", f"{answer.status_code} {error['code']}"
    if answer.text.endswith("data: [DONE]\n\n"):
        assert attempts == 2
        assert "Hello there" not in answer.text
        return "next", "another's answer"
    last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
    assert last["choices"][0]["finish_reason"] == "error"
    return "end_honestly", f"event {last['error']['code']}"


def billed(shown, first):
    """Return what the customer paid for the attempt that failed; what else it paid is exactly the other's answer."""
    charge = Decimal(shown["charge_usd"])
    if not charge:
        return "nothing"
    price = (shown["prompt_tokens"] * 1 + shown["completion_tokens"] * 2) / Decimal(1_000_000)
    assert charge == price
    return "delivered" if shown["attempts"][-1]["offer"] == first else "nothing"


def state(rests, offer):
    """Return what became of the key and of the breaker."""
    if not rests:
        return "well", "nothing"
    (row,) = rests
    if row.offer == "":
        return row.key_state.value, "rests_key"
    assert row.offer == offer
    if row.key_state is KeyState.LACKS_MODEL:
        return row.key_state.value, "rests_pair"
    return "well", "counts"


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_every_failure_of_a_dialect_has_the_consequences_of_its_rows(gateway, name):
    found = [[*row[:4], *observed(gateway, *row[:4])] for row in ROWS if row[0] == name]
    assert [" | ".join(row) for row in found] == [" | ".join(row) for row in ROWS if row[0] == name]


def test_the_table_has_every_class_that_a_dialect_knows_at_every_position_and_route_and_no_row_twice():
    assert COLUMNS == ["dialect", "|", "error", "|", "position", "|", "route", "|", "class", "|", "action", "|",
                       "billed", "|", "client", "|", "key", "|", "breaker"]  # fmt: skip
    assert len(ROWS) == len({tuple(row[:4]) for row in ROWS}) >= 80
    transport = {"timeout", "cut", "bad_answer"}
    for name, spoken in DIALECTS.items():
        known = {rule.kind.value for rule in spoken.errors} | transport
        in_streams = {
            rule.kind.value for rule in spoken.errors if not rule.status
        } | transport  # an event has no status
        wanted = (
            ("before sent", OTHER, {"connect"}),
            ("before sent", ALONE, {"connect"}),
            ("before content", OTHER, known),
            ("before content", ALONE, known),
            ("after content", OTHER, in_streams),
        )
        for position, route, kinds in wanted:
            had = {row[4] for row in ROWS if [row[0], *row[2:4]] == [name, position, route]}
            assert had >= kinds, (name, position, route, kinds - had)


def test_every_row_says_what_the_table_of_reactions_promises_for_its_class():
    promised = {row[:3]: row[3:] for row in reactions()}
    for row in ROWS:
        position = row[2].replace(" ", "_")
        left = "offers" if row[3] == OTHER else "nothing"
        assert tuple(row[5:]) == promised[row[4], position, left], row
