"""Answers that break off and are gone on with by another offer: one stream for the client, two lines on the bill."""

import json
from random import Random

import httpx2
import pytest

from live import live
from smartoken.gateway.meter import estimate_prompt
from smartoken.money import amount_text
from smartoken.providers.upstream import UpstreamCut
from smartoken.tokens import estimate_tokens

TEXT = "echo?tokens=60"
SAMPLE = [{"role": "user", "content": "Tell the fleet: 東西 and 12 more"}]
MODELS = [
    ("test/deepseek", [("deepseek", TEXT), ("deepseek", TEXT)]),
    ("test/moonshot", [("openai", TEXT), ("moonshot", TEXT)]),
    ("test/qwen", [("qwen", TEXT), ("qwen", TEXT)]),
    ("test/plain", [("deepseek", TEXT), ("openai", TEXT)]),
    ("test/single", [("deepseek", TEXT)]),
]


class Cutting:
    """The real upstream whose answers end after so many bytes; the last one is what was cut."""

    def __init__(self, under, after):
        self.under, self.left, self.requests = under, after, 0

    async def request(self, *asked):
        self.requests += 1
        return CutResponse(await self.under.request(*asked), self)

    async def close(self):
        """Close nothing: the real upstream is not ours."""


class CutResponse:
    def __init__(self, under, cutting):
        self.under, self.cutting = under, cutting
        self.status, self.headers = under.status, under.headers

    @property
    def last_byte(self):
        return self.under.last_byte

    async def chunk(self):
        piece = await self.under.chunk() if self.cutting.left > 0 else b""
        kept, self.cutting.left = piece[: self.cutting.left], self.cutting.left - len(piece)
        if kept:
            return kept
        self.under.abort()
        raise UpstreamCut("cut by the test", reason="body", sent=True)

    async def read(self, limit):
        return await self.under.read(limit)

    def abort(self):
        self.under.abort()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with live(tmp_path_factory.mktemp("continuations"), MODELS) as running:
        yield running


@pytest.fixture
def cut(gateway):
    """Cut the answers of a model's first offer after so many bytes, until the test ends."""
    upstreams = gateway.worker.gateway.upstreams

    def begin(model, after):
        first = gateway.worker.directory.current.models[model].offers[0].offer.id
        cutting = Cutting(upstreams._client, after)
        upstreams.detour = lambda target: cutting if target.offer.offer.id == first else upstreams._client
        return cutting

    yield begin
    upstreams.detour = None


def call(gateway, model, **more):
    body = {"model": model, "messages": SAMPLE, "stream": True, "provider": {"continuation": True}, **more}
    return httpx2.post(f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers, timeout=20)


def shown(gateway, answer):
    url = f"{gateway.base_url}/calls/{answer.headers['x-request-id']}"
    return httpx2.get(url, headers=gateway.headers).json()


def events(answer):
    blocks = [each for each in answer.text.split("\n\n") if each]
    assert all(each.startswith("data: ") for each in blocks)
    return [each[6:] if each[6:] == "[DONE]" else json.loads(each[6:]) for each in blocks]


@pytest.fixture(scope="module")
def whole(gateway):
    """Return the text that the script has for the sample, asked for past the gateway."""
    body = {"model": TEXT, "messages": SAMPLE}
    answer = httpx2.post(f"http://127.0.0.1:{gateway.sandbox.port}/v1/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]


WIDE = ("test/deepseek", "test/moonshot", "test/qwen")


def read(answer, call_id):
    """Return the text and the finish of one well-formed stream, which it has to be."""
    chunks = events(answer)
    assert chunks.pop() == "[DONE]"
    assert chunks.pop()["choices"] == []  # usage, which was asked for
    assert {each["id"] for each in chunks} == {call_id}
    assert len({each["created"] for each in chunks}) == 1
    choices = [each["choices"][0] for each in chunks]
    assert all(len(each["choices"]) == 1 and each["choices"][0]["index"] == 0 for each in chunks)
    assert [each["delta"].get("role") for each in choices] == ["assistant"] + [None] * (len(choices) - 1)
    assert [each["finish_reason"] for each in choices] == [None] * (len(choices) - 1) + ["stop"]
    return "".join(each["delta"].get("content", "") for each in choices)


def due_nano(parts):
    """Return what (prompt, completion) pairs come to at the price of these models: USD 1 and 2 per million tokens."""
    return sum(prompt * 1_000 + completion * 2_000 for prompt, completion in parts)


def test_over_200_random_cuts_the_client_gets_the_scripted_whole_and_pays_what_the_matrix_says(gateway, cut, whole):
    chance, seams, places = Random(20261125), 0, set()
    for number in range(200):
        model = WIDE[number % len(WIDE)]
        cutting = cut(model, chance.randint(1, 17_000))
        gateway.sandbox.truth.clear()
        answer = call(gateway, model, stream_options={"include_usage": True})
        gateway.worker.gateway.upstreams.pools.breakers.forget()
        call_id = answer.headers["x-request-id"]
        text = read(answer, call_id)
        record, truths = shown(gateway, answer), list(gateway.sandbox.truth)
        assert text == whole
        assert record["end_reason"] == "completed"
        assert cutting.requests == 1
        last = record["attempts"][-1]
        if "goes on" not in last.get("why", ""):  # cut before any content: nothing to go on from; or after the end
            assert record["charge_usd"] == amount_text(due_nano([(truths[-1].prompt, truths[-1].completion)]))
            continue
        seams += 1
        kept = int(last["why"].split()[3])
        places.add(kept)
        first = (estimate_prompt({"messages": SAMPLE}), estimate_tokens(whole[:kept]))
        rest = (truths[-1].prompt, truths[-1].completion)
        assert truths[-1].text == whole[kept:]
        assert record["charge_usd"] == amount_text(due_nano([first, rest]))
        assert [record["attempts"][place]["usage"]["completion_tokens"] for place in (0, 1)] == [first[1], rest[1]]
        lines = [1, 1, 2, 2] if rest[1] else [1, 1, 2]  # cut between the last text and the finish: nothing is left
        assert [line["attempt"] for line in record["price_lines"]] == lines
        usage = events(answer)[-2]["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (first[0] + rest[0], first[1] + rest[1])
        assert usage["charge_usd"] == record["charge_usd"]
    assert seams > 120  # enough of the cuts fell into the text
    assert len(places) > 30


def test_both_attempts_are_kept_with_their_cost_and_within_what_was_held(gateway, cut):
    cut("test/deepseek", 3_000)
    answer = call(gateway, "test/deepseek")
    (record,) = gateway.records(answer.headers["x-request-id"])
    assert record["charge_nano"] == record["cost_nano"]  # these models are sold for what they cost
    assert 0 < record["charge_nano"] <= record["bound_nano"]
    assert record["overrun_nano"] == 0
    assert record["provider"] == "up2-deepseek-test"
    assert record["usage_source"] == "mixed"
    assert record["evidence"] == "continued:1"
    assert [each["attempt"] for each in json.loads(record["price_lines"])] == [1, 1, 2, 2]


def test_the_rest_is_asked_for_as_the_vendor_documents_it(gateway, cut):
    cut("test/deepseek", 3_000)
    call(gateway, "test/deepseek", reasoning_effort=None)
    asked = gateway.sandbox.requests[-1]
    assert asked.path == "/as/deepseek/beta/chat/completions"
    assert asked.body["messages"][:-1] == SAMPLE
    begun = asked.body["messages"][-1]
    assert begun.pop("content")
    assert begun == {"role": "assistant", "prefix": True}
    assert "provider" not in asked.body


HONEST = [
    # the model, more of the body, what the evidence says
    ("test/deepseek", {"provider": {"continuation": False}}, None),
    ("test/deepseek", {"provider": {}}, None),
    ("test/plain", {}, "no other offer can go on with it"),
    ("test/single", {}, "no other offer can go on with it"),
    ("test/deepseek", {"response_format": {"type": "json_object"}}, "the call binds the form of the answer"),
    (
        "test/deepseek",
        {"max_tokens": 20, "messages": [{"role": "user", "content": "9" * 24}]},
        "its limit may be used up",
    ),
]


@pytest.mark.parametrize(("model", "more", "why"), HONEST)
def test_what_may_not_be_gone_on_with_ends_honestly(gateway, cut, model, more, why):
    cut(model, 2_000)
    answer = call(gateway, model, **more)
    record, last = shown(gateway, answer), events(answer)[-1]
    assert last["error"]["code"] == "upstream_cut"
    assert last["choices"][0]["finish_reason"] == "error"
    assert record["end_reason"] == "upstream_cut"
    assert record["evidence"] == (None if why is None else f"not continued: {why}")
    assert len(record["attempts"]) == 1
    assert [each.get("attempt") for each in record["price_lines"]] == [None, None]
