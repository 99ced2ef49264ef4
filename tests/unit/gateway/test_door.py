"""The server's own door sends the bytes that ASGI's messages send, or says that it does not."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.gateway.exchange import Exchange
from smartoken.gateway.reply import Reply


class Carrier:
    """A connection that keeps what is written."""

    def __init__(self, blocked):
        self.blocked = blocked
        self.written = b""
        self.done = []

    def write(self, piece):
        self.written += piece

    async def drained(self):
        self.blocked = False

    def answered(self, exchange):
        self.done.append(exchange)


def exchange_of(facts):
    method, version, keep_alive, blocked, gone = facts
    exchange = Exchange(Carrier(blocked), {"method": method, "http_version": version}, keep_alive=keep_alive)
    exchange.gone = gone
    return exchange


def sent(exchange):
    carrier = exchange._carrier
    head, found, body = carrier.written.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    return line, sorted(fields), found, body, len(carrier.done), exchange.complete, exchange.keep_alive


FACTS = st.tuples(
    st.sampled_from(["POST", "GET", "HEAD"]), st.sampled_from(["1.1", "1.0"]), st.booleans(), st.booleans(),
    st.sampled_from([False] * 5 + [True]),
)  # fmt: skip
HEADERS = st.lists(st.tuples(st.sampled_from([b"x-a", b"x-b"]), st.sampled_from([b"1", b"two words", b""])), max_size=3)


@given(FACTS, st.sampled_from([200, 204, 304, 402, 599]), HEADERS, st.binary(max_size=5))
def test_a_whole_answer_is_the_same_through_both(facts, status, headers, body):
    plain, door = exchange_of(facts), exchange_of(facts)

    async def both():
        await Reply(plain.send).whole(status, body, headers)
        await Reply(door.send, door).whole(status, body, headers)

    asyncio.run(both())
    assert sent(door) == sent(plain)


@given(FACTS, st.lists(st.binary(max_size=5), max_size=4))
def test_pieces_are_the_same_through_both(facts, pieces):
    plain, door = exchange_of(facts), exchange_of(facts)

    async def both():
        for exchange in (plain, door):
            reply = Reply(exchange.send, exchange)
            await reply.begin()
            for piece in pieces:
                if exchange is plain or not reply.at_once(piece):
                    await reply.chunk(piece)
            await reply.end()

    asyncio.run(both())
    assert sent(door) == sent(plain)


def test_a_line_break_in_a_field_is_refused_at_the_door_too():
    exchange = exchange_of(("POST", "1.1", True, False, False))
    with pytest.raises(RuntimeError, match="line break"):
        exchange.whole(200, [(b"x-a", b"1\r\nx-b: 2")], b"")
    assert (exchange._carrier.written, exchange.begun, exchange.complete) == (b"", False, False)
