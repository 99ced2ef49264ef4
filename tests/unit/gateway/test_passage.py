"""The short way of a stream: the client gets the same bytes, the call counts the same, the journal says as much."""

import asyncio
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.bound import HoldPlan
from smartoken.catalog.offers import Offer
from smartoken.gateway.call import Attempt, Call, Outcome, Target
from smartoken.gateway.passage import Passage
from smartoken.gateway.protocols.chat import read_chat
from smartoken.gateway.purse import CHECKPOINT_TOKENS, Purse
from smartoken.gateway.reply import Reply
from smartoken.gateway.stream import AnswerStream
from smartoken.gateway.till import Held, Place
from smartoken.identity.facts import Account, ApiKey, Caller, Policy
from smartoken.operations.served import ServedOffer
from smartoken.providers.deepseek import DEEPSEEK
from smartoken.providers.dialect import OPENAI
from smartoken.providers.response import HttpResponse
from smartoken.providers.setup import ProviderSetup, UpstreamKey
from smartoken.providers.streams import StreamReader
from smartoken.providers.upstream import DEFAULT_TIMEOUTS
from smartoken.store.vault import Secret

KEY = ApiKey(
    "key_1", "acct_1", "main", "test", None, None, (), (), (), 0, 0, 0, Policy(), {}, "active", None, 0, "", ""
)
CALLER = Caller(KEY, Account("acct_1", "acme", "Acme", None, "UTC", "prepaid", 0, Policy(), "active"))
ASKED = orjson.dumps({"model": "test/alpha", "messages": [{"role": "user", "content": "Hi"}], "stream": True})
CALL = Call("call_1", CALLER, read_chat(ASKED), datetime(2026, 11, 25, tzinfo=UTC), 0, 0.0, None)
SETUP = ProviderSetup("up", "openai", "http://127.0.0.1:1/v1", ())
OFFER = ServedOffer(Offer("up:test/alpha", "test/alpha", "up", "alpha-up", None), SETUP, None)


class Clock:
    """Stands still."""

    def monotonic(self):
        return 5.0


class Book:
    """Keeps the checkpoints."""

    def __init__(self):
        self.said = []
        self.fault = None

    def progress(self, call_id, counted, _held):
        if self.fault is not None:
            raise self.fault
        self.said.append((call_id, counted))


class Line:
    """A client's connection: what it got, and whether it takes more at once."""

    def __init__(self):
        self.got = b""
        self.open = True

    async def send(self, message):
        self.got += message.get("body", b"")

    def whole(self, *_):
        return False

    def piece(self, body):
        if self.open:
            self.got += body
        return self.open


class Way:
    """One attempt's stream with all that it needs, taken by the call or, where it goes, past it."""

    def __init__(self, held=1_000_000, dialect=OPENAI):
        self.line, self.book, self.heard = Line(), Book(), {}
        self.reply = Reply(self.line.send, self.line)
        outcome = Outcome(attempts=[Attempt("up:test/alpha", "up", "main", 0)])
        self.stream = AnswerStream(CALL, Target(OFFER, UpstreamKey("k", "main", Secret("s")), {}), outcome, self.reply)
        self.reader = StreamReader(dialect)
        plan = HoldPlan(0, held, held, None, None)
        money = Held(None, plan, (), None, held, Place((), (), (), 0), "acct_1")
        self.purse = Purse(CALL, money, None, self.book)
        self.passage = Passage(self.reader, self.stream, self.purse, self.reply, Clock()).noting(self.heard)
        self.short = 0

    async def take(self, piece, *, passing):
        if passing and self.passage.take(piece):
            self.short += 1
            return
        await self.stream.take(self.reader.feed(piece), 5.0)
        if self.stream.begun:
            self.purse.plainly_covers(self.stream.meter, 5.0)

    def facts(self):
        meter = self.stream.meter
        return (
            meter.counted_tokens(), self.line.got, meter.pieces, meter.most_tokens, meter.has_output,
            meter.thinking, meter.reasoning_text, self.reader.reasoning_text, self.book.said,
            self.stream.complete, self.stream.done,
        )  # fmt: skip


def event(text, finish=None, index=0, **more):
    delta = {"content": text} if text is not None else {}
    choice = {"index": index, "delta": delta | more, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "c", "created": 7, "model": "alpha-up", "choices": [choice]}) + b"\n\n"


EVENTS = st.one_of(
    st.text(st.sampled_from('a"\\\n模é{}'), max_size=4).map(event),
    st.text(st.sampled_from('a"\\\n模é{}'), max_size=4).map(lambda text: event(None, reasoning_content=text)),
    st.sampled_from([event("word"), event("word"), event("other", index=1), event("x", role="assistant")]),
    st.sampled_from([event(None, "stop"), event(None), b": comment\n\n", event("thought", reasoning_content="so")]),
)
FIRST = event("", role="assistant")


PIECES = st.lists(st.one_of(EVENTS, EVENTS, EVENTS, st.tuples(EVENTS, EVENTS).map(b"".join)), max_size=30)


@given(st.sampled_from([OPENAI, DEEPSEEK]), PIECES)
def test_past_the_call_or_through_it_comes_to_the_same(dialect, pieces):
    long, short = Way(dialect=dialect), Way(dialect=dialect)

    async def both():
        for piece in [FIRST, event("Hello"), event(" all"), *pieces]:
            await long.take(piece, passing=False)
            await short.take(piece, passing=True)

    asyncio.run(both())
    assert short.facts() == long.facts()


def begun(**terms):
    way = Way(**terms)

    async def begin():
        for piece in [FIRST, event("Hello"), event(" all")]:
            await way.take(piece, passing=False)

    asyncio.run(begin())
    return way


def test_a_plain_text_passes():
    way = begun()
    before = way.line.got
    assert way.passage.take(event(' "more" 模'))
    chunk = orjson.loads(way.line.got[len(before) + len(b"data: ") :])
    assert chunk["choices"][0]["delta"] == {"content": ' "more" 模'}
    assert (chunk["id"], chunk["model"]) == ("call_1", "test/alpha")
    assert way.heard == {way.reply: 5.0}


def test_thinking_passes_and_is_kept_for_replay_where_the_vendor_demands_it():
    way = Way(dialect=DEEPSEEK)

    async def begin():
        for piece in [FIRST, event(None, reasoning_content="Let"), event(None, reasoning_content=" me")]:
            await way.take(piece, passing=False)

    asyncio.run(begin())
    assert way.passage.take(event(None, reasoning_content=" see"))
    assert way.line.got.endswith(b'"delta":{"reasoning_content":" see"},"finish_reason":null}]}\n\n')
    assert way.reader.reasoning_text == way.stream.meter.reasoning_text == "Let me see"
    assert way.stream.meter.thinking


def slow(way):
    way.line.open = False


def left(way):
    way.reply.left()


def over(way):
    way.stream.done = True


@pytest.mark.parametrize("change", [slow, left, over])
def test_nothing_passes_and_nothing_is_counted_when_it_is_the_calls_to_take(change):
    way = begun()
    change(way)
    before = way.facts()
    assert not way.passage.take(event(" more"))
    assert way.facts() == before


def test_nothing_passes_near_the_end_of_what_is_held():
    way = begun(held=40)
    assert not way.passage.take(event(" more " * 10))


class Wire:
    """What a response asks of its connection."""

    def resume(self):
        pass


def test_what_a_passage_raises_is_for_who_waits():
    way = begun()
    way.book.fault = OSError("no room")

    async def main():
        response = HttpResponse(asyncio.get_running_loop(), Wire(), DEFAULT_TIMEOUTS, 0.0)
        response.status, response.passage = 200, way.passage.take
        waiting = asyncio.ensure_future(response.chunk())
        for _ in range(CHECKPOINT_TOKENS):
            await asyncio.sleep(0)
            response.push(event(" more"))
            response.wake()
        with pytest.raises(OSError, match="no room"):
            await waiting

    asyncio.run(main())


def test_what_a_passage_took_is_not_read_again():
    way = begun()

    async def main():
        response = HttpResponse(asyncio.get_running_loop(), Wire(), DEFAULT_TIMEOUTS, 0.0)
        response.status, response.passage = 200, way.passage.take
        waiting = asyncio.ensure_future(response.chunk())
        await asyncio.sleep(0)
        response.push(event(" more"))
        response.wake()
        await asyncio.sleep(0)
        assert not waiting.done()
        response.push(event(None, "stop"))
        response.wake()
        assert await waiting == event(None, "stop")
        response.end(None)
        assert await response.chunk() == b""

    asyncio.run(main())
