"""The wrapper over the upstream's bytes: what each of the twelve faults shows, how that is read, and what follows."""

import itertools
import json

import pytest

from smartoken.errors import FailureClass
from smartoken.gateway.faults import Breakage, BrokenUpstream, Fault
from smartoken.providers.answers import read_answer_bytes
from smartoken.providers.failures import classify
from smartoken.providers.registry import DIALECTS, dialect
from smartoken.providers.streams import StreamReader
from smartoken.providers.upstream import Peer, UpstreamError
from smartoken.routing.reactions import Left, Position, react

PEER = Peer.parse("http://127.0.0.1:9", allow_private=True)
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"content": "alpha"}}]},
    {"choices": [{"index": 0, "delta": {"content": "beta"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}},
]
STREAM = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in CHUNKS) + b"data: [DONE]\n\n"
WHOLE = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "alpha beta"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    }
).encode()

# fault | asked | number of the broken attempt | what the upstream's client sees | class | met | action
TABLE = """
refused          stream 1 !UpstreamConnectError:connect               connect           before_sent    next
refused          whole  1 !UpstreamConnectError:connect               connect           before_sent    next
unauthorized     stream 1 401 authentication_error                    key_invalid       before_content next
unauthorized     whole  1 401 authentication_error                    key_invalid       before_content next
rate_limited     stream 1 429 requests retry-after:2                  own_rate_limit    before_content next
rate_limited     stream 2 429 rate_limit_error retry-after:2          own_rate_limit    before_content next
rate_limited     whole  1 429 requests retry-after:2                  own_rate_limit    before_content next
rate_limited     whole  2 429 rate_limit_error retry-after:2          own_rate_limit    before_content next
arrears          stream 1 402 unknown_error                           key_broke         before_content next
arrears          whole  1 402 unknown_error                           key_broke         before_content next
server_error     stream 1 503 service_unavailable_error               provider_capacity before_content next
server_error     whole  1 503 service_unavailable_error               provider_capacity before_content next
hang             stream 1 !UpstreamTimeout:first_byte                 timeout           before_content next
hang             whole  1 !UpstreamTimeout:first_byte                 timeout           before_content next
slow_first_token stream 1 late role alpha beta finish usage:7/2 done  -                 before_content answered
slow_first_token whole  1 late alpha_beta usage:7/2                   -                 before_content answered
empty            stream 1 nothing                                     bad_answer        before_content next
empty            whole  1 nothing                                     bad_answer        before_content next
error_on_200     stream 1 error:service_unavailable_error             provider_capacity before_content next
error_on_200     whole  1 error:service_unavailable_error             provider_capacity before_content next
cut              stream 1 role alpha half !UpstreamCut:body           cut               after_content  end_honestly
cut              whole  1 !UpstreamCut:body                           cut               before_content next
stall            stream 1 role alpha half !UpstreamTimeout:idle       timeout           after_content  end_honestly
stall            whole  1 !UpstreamTimeout:idle                       timeout           before_content next
garbled          stream 1 role alpha beta finish usage:7/2            -                 after_content  answered
garbled          stream 2 role alpha beta finish usage:-1/-1 done     -                 after_content  answered
garbled          stream 3 role alpha broken finish usage:7/2 done     bad_answer        after_content  end_honestly
garbled          whole  1 half                                        bad_answer        before_content next
garbled          whole  2 alpha_beta usage:-1/-1                      -                 before_content answered
garbled          whole  3 half                                        bad_answer        before_content next
"""
ROWS = [
    (words[0], words[1], int(words[2]), " ".join(words[3:-3]), *words[-3:])
    for words in (line.split() for line in TABLE.strip().splitlines())
]


class Answer:
    """A real provider's answer."""

    status, last_byte, headers = 200, 0.0, {"content-type": "application/json"}

    def __init__(self, pieces):
        self.pieces, self.aborted = list(pieces), False

    async def chunk(self):
        return self.pieces.pop(0) if self.pieces else b""

    async def read(self, limit):
        rest, self.pieces = b"".join(self.pieces), []
        return rest[:limit]

    def abort(self):
        self.aborted = True


class Provider:
    """A provider that always answers, its stream cut into pieces of a size."""

    def __init__(self, size=10_000, stream=STREAM):
        self.size, self.stream, self.asked = size, stream, 0

    async def request(self, *sent):
        self.asked += 1
        if b'"stream":true' not in sent[-1]:
            return Answer([WHOLE])
        return Answer(self.stream[at : at + self.size] for at in range(0, len(self.stream), self.size))

    async def close(self):
        """Close nothing."""


class Seen:
    """What the upstream's client, which is the gateway, gets of one attempt; and what it makes of it."""

    def __init__(self, spoken):
        self.spoken, self.reader = spoken, StreamReader(spoken)
        self.words, self.kind, self.content = [], "-", False
        self.met = None  # where the fault showed

    def struck(self, _strike):
        self.met = Position.AFTER_CONTENT if self.content else Position.BEFORE_CONTENT

    async def attempt(self, upstream, asked):
        body = b'{"stream":true}' if asked == "stream" else b"{}"
        try:
            response = await upstream.request(PEER, "POST", "/chat/completions", [], body)
            await (self.refusal if response.status != 200 else getattr(self, asked))(response)
        except UpstreamError as error:
            self.words.append(f"!{type(error).__name__}:{error.reason}")
            self.kind = error.kind.value
            if not error.sent:
                self.met = Position.BEFORE_SENT

    async def refusal(self, response):
        raw = await response.read(10_000)
        said = json.loads(raw)
        self.words += [str(response.status), said.get("error", said).get("type") or "code"]
        self.words += [f"{name}:{value}" for name, value in response.headers.items() if name == "retry-after"]
        self.kind = classify(self.spoken, response.status, response.headers, raw).kind.value

    async def stream(self, response):
        while piece := await response.chunk():
            self.words += [word(each) for each in piece.split(b"\n\n") if each]
            self.judge(self.reader.feed(piece))
        self.judge(self.reader.close())
        self.words = self.words or ["nothing"]

    def judge(self, events):
        for each in events:
            self.content = self.content or each.has_content
            if each.failure is not None and self.kind == "-":
                self.kind = each.failure.kind.value

    async def whole(self, response):
        raw = await response.read(10_000)
        answer = read_answer_bytes(self.spoken, raw)
        self.words.append(word(raw) if raw else "nothing")
        if answer.failure is not None:
            self.kind = answer.failure.kind.value

    @property
    def action(self):
        if self.kind == "-":
            return "answered"
        return react(FailureClass(self.kind), self.met, Left.OFFERS).action.value


def word(raw):
    """Name one event, or a whole body."""
    raw = raw.removeprefix(b"data: ")
    if raw == b"[DONE]":
        return "done"
    try:
        said = json.loads(raw)
    except UnicodeDecodeError:
        return "broken"
    except json.JSONDecodeError:
        return "half"
    if not isinstance(said, dict):
        return "half"
    if not said.keys() & {"choices", "base_resp"}:
        return f"error:{said.get('error', said).get('type')}"
    usage = said.get("usage")
    counted = f"usage:{usage['prompt_tokens']}/{usage['completion_tokens']}" if usage else ""
    if not said.get("choices"):
        return counted
    choice = said["choices"][0]
    if "message" in choice:
        return f"{choice['message']['content'].replace(' ', '_')} {counted}"
    return choice["delta"].get("content") or ("finish" if choice.get("finish_reason") else "role")


async def met(fault, asked, number, *, dialect_id="deepseek", provider=None, **figures):
    """Let the fault strike ``number`` times and return what the last attempt showed."""
    wanted = {"delay_s": 0.02, "longest_wait_s": 0.02, **figures}
    seen = Seen(dialect(dialect_id))

    def noted(strike):
        seen.struck(strike)

    broken = BrokenUpstream(provider or Provider(), Breakage(Fault(fault), **wanted), noted)
    for _ in range(number):
        seen = Seen(dialect(dialect_id))
        await seen.attempt(broken.towards(dialect_id), asked)
    return seen, broken


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}")
async def test_a_fault_shows_these_bytes_which_are_read_as_this_class_and_lead_to_this_action(row):
    fault, asked, number, sees, kind, position, action = row
    seen, broken = await met(fault, asked, number)
    late = sees.removeprefix("late ")
    assert " ".join(seen.words) == late
    assert (seen.kind, seen.met.value, seen.action) == (kind, position, action)
    assert broken.struck == broken.chosen == broken.attempts == number


def test_the_table_has_every_fault_both_streamed_and_whole():
    assert {row[:2] for row in ROWS} == set(itertools.product((each.value for each in Fault), ("stream", "whole")))


@pytest.mark.parametrize("size", [1, 7, 64, 200, 10_000])
@pytest.mark.parametrize("row", [row for row in ROWS if row[1] == "stream"], ids=lambda row: f"{row[0]}-{row[2]}")
async def test_it_does_not_matter_how_the_bytes_come(row, size):
    seen, broken = await met(row[0], "stream", row[2], provider=Provider(size))
    assert (seen.kind, seen.met.value, seen.action) == row[4:]
    assert broken.struck == row[2]


SAID = [
    (name, fault, number)
    for name in sorted(DIALECTS)
    for fault in (Fault.ARREARS, Fault.RATE_LIMITED, Fault.UNAUTHORIZED, Fault.SERVER_ERROR, Fault.ERROR_ON_200)
    for number in (1, 2, 3)
]
MEANT = {
    Fault.ARREARS: FailureClass.KEY_BROKE,
    Fault.RATE_LIMITED: FailureClass.OWN_RATE_LIMIT,
    Fault.UNAUTHORIZED: FailureClass.KEY_INVALID,
    Fault.SERVER_ERROR: FailureClass.PROVIDER_CAPACITY,
    Fault.ERROR_ON_200: FailureClass.PROVIDER_CAPACITY,
}


@pytest.mark.parametrize("asked", ["stream", "whole"])
@pytest.mark.parametrize(("name", "fault", "number"), SAID)
async def test_every_dialect_is_drilled_in_its_own_words_and_reads_them_as_what_they_mean(name, fault, number, asked):
    seen, _ = await met(fault, asked, number, dialect_id=name)
    assert seen.kind == MEANT[fault].value, seen.words


async def test_arrears_are_not_402_where_the_vendor_says_it_otherwise():
    said = [(await met("arrears", "whole", 1, dialect_id=name))[0].words[0] for name in ("qwen", "zhipu", "volcengine")]
    assert said == ["400", "429", "403"]


async def test_an_attempt_that_was_chosen_but_held_nothing_to_break_is_no_strike():
    bare = STREAM.replace(b"data: [DONE]\n\n", b"")
    _, broken = await met("garbled", "stream", 1, provider=Provider(stream=bare))
    assert (broken.chosen, broken.struck) == (1, 0)


async def test_an_answer_of_a_single_piece_is_cut_before_it_says_that_it_is_whole():
    short = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (CHUNKS[1], CHUNKS[3]))
    seen, _ = await met("cut", "stream", 1, provider=Provider(stream=short))
    assert (seen.words[0], seen.kind, seen.met) == ("alpha", "cut", Position.AFTER_CONTENT)


@pytest.mark.parametrize(("percent", "struck"), [(1, 1), (10, 10), (33, 33), (50, 50), (99, 99), (100, 100)])
async def test_exactly_so_many_attempts_of_a_hundred_are_struck(percent, struck):
    _, broken = await met("server_error", "whole", 100, percent=percent)
    assert (broken.attempts, broken.struck) == (100, struck)


async def test_whoever_waits_is_let_go_when_the_drill_is_over():
    provider = Provider()
    broken = BrokenUpstream(provider, Breakage(Fault.HANG, longest_wait_s=60))
    broken.end()
    seen = Seen(dialect("openai"))
    await seen.attempt(broken.towards("openai"), "whole")
    assert (seen.kind, provider.asked, broken.struck) == ("-", 1, 0)
