"""Answers that break off and are gone on with by another offer: one stream for the client, two lines on the bill."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx2
import pytest

from live import live
from smartoken.gateway.meter import estimate_prompt
from smartoken.money import amount_text
from smartoken.providers.upstream import UpstreamCut
from smartoken.sandbox.counting import count
from smartoken.tokens import estimate_tokens

TEXT = "echo?tokens=60"
SAMPLE = [{"role": "user", "content": "Tell the fleet: 東西 and 12 more"}]
THINKS = {"reasoning": {"supported": True, "can_disable": True, "default_on": True}}
SG, CN = {"policy": {"region": "sg", "trains": False}}, {"policy": {"region": "cn", "trains": False}}
MODELS = [
    ("test/deepseek", [("deepseek", TEXT), ("deepseek", TEXT)]),
    ("test/moonshot", [("openai", TEXT), ("moonshot", TEXT)]),
    ("test/qwen", [("qwen", TEXT), ("qwen", TEXT)]),
    ("test/plain", [("deepseek", TEXT), ("openai", TEXT)]),
    ("test/single", [("deepseek", TEXT)]),
    ("test/stalls", [("deepseek", f"{TEXT}&fault=stall&after=9"), ("moonshot", TEXT)]),
    ("test/errs", [("deepseek", f"{TEXT}&fault=error-event-late&after=9"), ("moonshot", TEXT)]),
    ("test/garbles", [("deepseek", f"{TEXT}&fault=malformed&after=9"), ("moonshot", TEXT)]),
    ("test/unfinished", [("moonshot", f"{TEXT}&fault=done-without-finish&after=9"), ("deepseek", TEXT)]),
    ("test/third", [("deepseek", f"{TEXT}&cut_after=9"), ("deepseek", "overloaded"), ("qwen", TEXT)]),
    ("test/lacks", [("deepseek", f"{TEXT}&cut_after=9"), ("deepseek", "no-such-model"), ("qwen", TEXT)]),
    ("test/twice", [("deepseek", f"{TEXT}&cut_after=9"), ("moonshot", f"{TEXT}&cut_after=9"), ("qwen", TEXT)]),
    ("test/thrice", [*[("moonshot", f"{TEXT}&cut_after=9")] * 3, ("qwen", TEXT)]),
    ("test/thinks", [("moonshot", f"{TEXT}&think=5&cut_after=9"), ("deepseek", TEXT)], THINKS),
    ("test/only-thinks", [("moonshot", f"{TEXT}&think=15&cut_after=9"), ("deepseek", TEXT)], THINKS),
    ("test/slow", [("deepseek", f"{TEXT}&cut_after=9"), ("moonshot", f"{TEXT}&pace_ms=30")]),
    ("test/regions", [("deepseek", f"{TEXT}&cut_after=9", SG), ("moonshot", TEXT, CN), ("qwen", TEXT, SG)]),
    ("test/endless", [("deepseek", "echo?tokens=3000&cut_after=400&step=2"), ("qwen", "echo?tokens=3000&step=2")]),
    ("test/cn-only", [("deepseek", f"{TEXT}&cut_after=9", SG), ("moonshot", TEXT, CN), ("qwen", TEXT)]),
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
    with live(tmp_path_factory.mktemp("continuations"), MODELS) as running, httpx2.Client(timeout=20) as http:
        running.http = http
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


def call(gateway, model, secret=None, **more):
    """Make a streamed call that asks to be gone on with; with another key's ``secret`` it asks for nothing itself."""
    asked = {"provider": {"continuation": True}} if secret is None else {}
    body = {"model": model, "messages": SAMPLE, "stream": True, **asked, **more}
    headers = gateway.headers if secret is None else {"authorization": f"Bearer {secret}"}
    return gateway.http.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers)


def text_of(answer):
    return read(answer, answer.headers["x-request-id"], usage=False)


def shown(gateway, answer):
    url = f"{gateway.base_url}/calls/{answer.headers['x-request-id']}"
    return gateway.http.get(url, headers=gateway.headers).json()


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


def read(answer, call_id, *, usage=True):
    """Return the text of one well-formed stream, which it has to be."""
    chunks = events(answer)
    assert chunks.pop() == "[DONE]"
    if usage:
        assert chunks.pop()["choices"] == []
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


DIES = [
    # the model, the failure of the first attempt, how many attempts, seams
    ("test/stalls", "timeout", 2, 1),
    ("test/errs", "provider_capacity", 2, 1),
    ("test/garbles", "bad_answer", 2, 1),
    ("test/unfinished", "cut", 2, 1),
    ("test/third", "cut", 3, 1),
    ("test/twice", "cut", 3, 2),
    ("test/thinks", "cut", 2, 1),
    ("test/slow", "cut", 2, 1),
]


@pytest.mark.parametrize(("model", "failure", "attempts", "seams"), DIES)
def test_however_it_dies_the_rest_comes_from_an_offer_that_can_tell_it(gateway, whole, model, failure, attempts, seams):
    answer = call(gateway, model)
    record = shown(gateway, answer)
    assert text_of(answer) == whole
    assert (record["attempts"][0]["failure"], len(record["attempts"])) == (failure, attempts)
    assert record["evidence"] == f"continued:{seams}"
    assert len({line["attempt"] for line in record["price_lines"]}) == seams + 1
    (stored,) = gateway.records(answer.headers["x-request-id"])
    assert stored["charge_nano"] == sum(
        each["tokens"] * each["rate"] // 1_000 for each in json.loads(stored["price_lines"])
    )
    assert stored["charge_nano"] <= stored["bound_nano"]


def test_after_two_seams_the_answer_ends_honestly_and_all_three_parts_are_billed(gateway, whole):
    answer = call(gateway, "test/thrice")
    record = shown(gateway, answer)
    assert events(answer)[-1]["error"]["code"] == "upstream_cut"
    assert record["evidence"] == "continued:2; not continued: it was gone on with 2 times"
    assert {line["attempt"] for line in record["price_lines"]} == {1, 2, 3}
    assert whole.startswith("".join(each["choices"][0]["delta"].get("content", "") for each in events(answer)[:-1]))


def test_what_was_only_thought_is_not_gone_on_with(gateway):
    answer = call(gateway, "test/only-thinks")
    assert events(answer)[-1]["error"]["code"] == "upstream_cut"
    assert shown(gateway, answer)["evidence"] == "not continued: only thinking had been sent"


def test_thinking_that_was_shown_stays_and_the_rest_is_asked_for_without(gateway):
    answer = call(gateway, "test/thinks")
    thought = "".join(each["choices"][0]["delta"].get("reasoning_content", "") for each in events(answer)[:-1])
    assert thought
    asked = gateway.sandbox.requests[-1].body
    assert asked["thinking"] == {"type": "disabled"}
    assert "reasoning_content" not in asked["messages"][-1]


REGIONS = [
    ("test/regions", "up3-regions-test", 2, None),
    ("test/cn-only", "up1-cn-only-test", 1, "no other offer can go on with it"),
]


@pytest.mark.parametrize(("model", "provider", "attempts", "why"), REGIONS)
def test_the_data_policy_holds_for_the_rest_too(gateway, whole, model, provider, attempts, why):
    name = f"sg-{model}-{time.time_ns()}"
    secret = gateway.add_key(name, policy={"regions": ["sg"], "no_training": False}, options={"continuation": True})
    answer = call(gateway, model, secret)
    record = shown(gateway, answer)
    assert (record["provider"], len(record["attempts"])) == (provider, attempts)
    if why is None:
        assert text_of(answer) == whole
    else:
        assert record["evidence"] == f"not continued: {why}"


def test_a_key_asks_once_for_all_its_calls_and_a_call_may_say_no(gateway, whole):
    secret = gateway.add_key(f"opted-{time.time_ns()}", options={"continuation": True})
    assert text_of(call(gateway, "test/third", secret)) == whole
    refused = call(gateway, "test/third", secret, provider={"continuation": False})
    assert events(refused)[-1]["error"]["code"] == "upstream_cut"


def test_without_money_for_another_attempt_the_answer_ends_honestly_within_the_budget(gateway):
    chance, outcomes = Random(7), set()
    for number in range(40):
        limit = chance.randint(350_000, 1_800_000)
        name = f"small-{number}-{time.time_ns()}"
        secret = gateway.add_key(name, options={"continuation": True})
        gateway.add_budget(name, limit)
        answer = call(gateway, "test/third", secret, max_tokens=chance.randint(61, 300))
        gateway.worker.gateway.upstreams.pools.breakers.forget()
        if answer.status_code != 200:
            assert answer.status_code == 402
            outcomes.add("refused")
            continue
        (record,) = gateway.records(answer.headers["x-request-id"])
        assert record["charge_nano"] <= record["bound_nano"] <= limit
        assert record["overrun_nano"] == 0
        outcomes.add(record["evidence"])
    assert outcomes == {"refused", "continued:1", "not continued: the money for another attempt cannot be held"}


def test_a_client_that_leaves_during_the_rest_pays_for_what_both_sent(gateway):
    body = {"model": "test/slow", "messages": SAMPLE, "stream": True, "provider": {"continuation": True}}
    seen = ""
    with httpx2.stream("POST", f"{gateway.base_url}/chat/completions", json=body, headers=gateway.headers) as answer:
        for piece in answer.iter_text():
            seen += piece
            if seen.count("data: ") > 16:
                break
        call_id = answer.headers["x-request-id"]
    (record,) = gateway.records(call_id)
    assert record["end_reason"] == "client_left"
    assert [each["attempt"] for each in json.loads(record["price_lines"])] == [1, 1, 2, 2]


@pytest.mark.parametrize("limit", [16, 24, 40, 59, 200])
def test_the_clients_limit_holds_over_all_parts(gateway, limit):
    answer = call(gateway, "test/third", max_tokens=limit)
    gateway.worker.gateway.upstreams.pools.breakers.forget()
    chunks = events(answer)
    text = "".join(each["choices"][0]["delta"].get("content", "") for each in chunks if each != "[DONE]")
    assert count(text) <= limit
    if chunks[-1] == "[DONE]":
        ends = [each["choices"][0]["finish_reason"] for each in chunks[:-1]]
        assert ends[-1] == ("length" if limit < 60 else "stop")


def test_many_at_once_that_are_continued_never_spend_more_than_their_budget(gateway):
    name, limit = f"crowd-{time.time_ns()}", 4_000_000
    secret = gateway.add_key(name, options={"continuation": True})
    gateway.add_budget(name, limit)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: call(gateway, "test/third", secret, max_tokens=200), range(36)))
    gateway.worker.gateway.upstreams.pools.breakers.forget()
    ids = {each.headers["x-request-id"] for each in answers if each.status_code == 200}
    stored = [each for each in gateway.records() if each["id"] in ids]
    assert len(stored) == len(ids) > 5
    charged = sum(each["charge_nano"] for each in stored)
    assert charged <= limit
    assert sum(each["overrun_nano"] for each in stored) == 0
    assert any(each["evidence"] == "continued:1" for each in stored)
    budget = httpx2.get(f"{gateway.base_url}/key", headers={"authorization": f"Bearer {secret}"}).json()["budget"]
    assert (budget["held"], budget["used"]) == (amount_text(0), amount_text(charged))


def test_a_path_that_lacks_the_model_rests_nothing_of_the_usual_one(gateway, whole):
    answer = call(gateway, "test/lacks")
    assert text_of(answer) == whole
    assert [each["failure"] for each in shown(gateway, answer)["attempts"]] == ["cut", "key_lacks_model", None]
    resting = [each.offer for each in gateway.worker.desk.breakers()]
    assert "up2-lacks-test:test/lacks" not in resting


def test_what_is_no_yes_or_no_is_refused_by_name_and_an_estimate_takes_the_field(gateway):
    refused = call(gateway, "test/third", provider={"continuation": "yes"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "provider.continuation")
    body = {"model": "test/third", "messages": SAMPLE, "provider": {"continuation": True}}
    assert gateway.http.post(f"{gateway.base_url}/estimate", json=body, headers=gateway.headers).status_code == 200


def test_a_remainder_that_named_no_limit_ends_where_the_money_does(gateway):
    chance, ends = Random(11), set()
    for number in range(10):
        limit = chance.randint(3_500_000, 16_000_000)
        name = f"open-{number}-{time.time_ns()}"
        secret = gateway.add_key(name, options={"continuation": True})
        gateway.add_budget(name, limit)
        answer = call(gateway, "test/endless", secret)
        gateway.worker.gateway.upstreams.pools.breakers.forget()
        (record,) = gateway.records(answer.headers["x-request-id"])
        assert record["charge_nano"] <= record["bound_nano"] <= limit
        assert record["overrun_nano"] == 0
        ends.add((record["end_reason"], record["evidence"]))
        if record["end_reason"] == "length":
            assert answer.text.endswith("data: [DONE]\n\n")
            assert record["charge_nano"] > limit // 3  # it went on for long before the money ended
    assert ("length", "limited_by:budget; continued:1") in ends
    assert ("completed", "continued:1") in ends
