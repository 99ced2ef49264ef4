"""What counts as a request, however it is cut, and what is said to what is none."""

import asyncio
import gc
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.server.conftest import Run
from contract.server.floor import HEAD, FakeTransport, dialled, echo, post, serving
from smartoken.gateway.head import FIELD_LIMIT, HEAD_LIMIT

CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
TRAILERS = HEAD + b"transfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"
WELL_FORMED = {
    "a body of known length": (post(), b"POST /v1/x hello"),
    "an empty body": (post(b""), b"POST /v1/x "),
    "a chunked body": (CHUNKED, b"POST /v1/x hello"),
    "chunks with extensions and trailers": (TRAILERS, b"POST /v1/x hello"),
    "a query": (b"GET /a?b=1&c HTTP/1.1\r\nhost: h\r\n\r\n", b"GET /a "),
    "an absolute target": (b"GET http://h/a/b?c HTTP/1.1\r\nhost: h\r\n\r\n", b"GET /a/b "),
    "an upgrade that is not spoken": (
        b"GET /a HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"GET /a ",
    ),
    "an upgrade offered with a body": (
        post(b"hello", b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"),
        b"POST /v1/x hello",
    ),
    "an upgrade offered with a chunked body": (
        CHUNKED.replace(b"transfer", b"connection: upgrade\r\nupgrade: h2c\r\ntransfer"),
        b"POST /v1/x hello",
    ),
    "an upgrade offered with a body of no bytes": (
        post(b"", b"connection: upgrade\r\nupgrade: h2c\r\n"),
        b"POST /v1/x ",
    ),
    "line breaks before the request": (b"\r\n\r\n" + post(), b"POST /v1/x hello"),
    "HTTP/1.0 without a host": (b"GET /a HTTP/1.0\r\n\r\n", b"GET /a "),
    "an empty host": (b"GET /a HTTP/1.1\r\nhost:\r\n\r\n", b"GET /a "),
    "an address of IPv6 as host": (b"GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"GET /a "),
}


@pytest.mark.parametrize("name", WELL_FORMED)
def test_a_request_is_read_in_whatever_pieces_it_comes(run: Run, name: str) -> None:
    raw, expected = WELL_FORMED[name]

    async def main() -> None:
        async with serving() as floor:
            for cut in range(1, len(raw)):
                transport, connection = FakeTransport(), floor.make()
                connection.connection_made(transport)
                for piece in (raw[:cut], raw[cut:]):
                    connection.data_received(piece)
                    await asyncio.sleep(0)
                for _ in range(4):
                    await asyncio.sleep(0)
                assert transport.written.startswith(b"HTTP/1.1 200 OK\r\n"), (cut, transport.written)
                assert transport.written.endswith(b"\r\n\r\n" + expected), (cut, transport.written)
                connection.connection_lost(None)

    run(main)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=12))
def test_requests_in_a_row_are_answered_in_order_however_they_are_cut(cuts: list[int]) -> None:
    raw = post(b"one") + CHUNKED + b"GET /three HTTP/1.1\r\nhost: h\r\n\r\n" + post(b"four")

    async def main() -> None:
        async with serving() as floor:
            transport, connection = FakeTransport(), floor.make()
            connection.connection_made(transport)
            places = sorted({min(each, len(raw)) for each in cuts} | {0, len(raw)})
            for start, end in itertools.pairwise(places):
                connection.data_received(raw[start:end])
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            said = [piece.partition(b"\r\n\r\n")[2] for piece in bytes(transport.written).split(b"HTTP/1.1 200 OK")[1:]]
            assert said == [b"POST /v1/x one", b"POST /v1/x hello", b"GET /three ", b"POST /v1/x four"]
            connection.connection_lost(None)

    asyncio.run(main())


MALFORMED = {
    "no HTTP at all": b"hello\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a version of the future": b"GET / HTTP/7.1\r\nhost: h\r\n\r\n",
    "an unknown method": b"BREW /pot HTTP/1.1\r\nhost: h\r\n\r\n",
    "a length that is no number": HEAD + b"content-length: five\r\n\r\nhello",
    "a negative length": HEAD + b"content-length: -1\r\n\r\n",
    "a length with a sign": HEAD + b"content-length: +5\r\n\r\nhello",
    "a length beyond 64 bits": HEAD + b"content-length: 99999999999999999999\r\n\r\n",
    "two lengths": HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "two lengths in one field": HEAD + b"content-length: 5, 5\r\n\r\nhello",
    "length and chunks": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in chunks": HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunks twice": HEAD + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "a field without a colon": HEAD + b"nonsense\r\n\r\n",
    "a space before the colon": HEAD + b"x-a : 1\r\n\r\n",
    "a folded field": HEAD + b"x-a: 1\r\n 2\r\n\r\n",
    "a zero byte in a field": HEAD + b"x-a: 1\x002\r\n\r\n",
    "a bare carriage return in a field": HEAD + b"x-a: 1\r2\r\n\r\n",
    "a target beyond ASCII": "GET /größe HTTP/1.1\r\nhost: h\r\n\r\n".encode(),
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + b"host: h\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET /a HTTP/1.0\r\nhost: h\r\nHost: g\r\n\r\n",
    "a host with a path": b"GET /a HTTP/1.1\r\nhost: h/b\r\n\r\n",
    "two hosts in one field": b"GET /a HTTP/1.1\r\nhost: h g\r\n\r\n",
    "a host beyond ASCII": "GET /a HTTP/1.1\r\nhost: größe\r\n\r\n".encode(),
    "a space in the target": b"GET /a b HTTP/1.1\r\nhost: h\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_gets_400_and_the_connection_closes(run: Run, name: str) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(MALFORMED[name])
            status, headers, body = await client.answer()
            assert (status, headers["connection"]) == (400, "close")
            assert b'"code":"invalid_request"' in body
            assert headers["x-request-id"].encode() in body
            assert await client.rest() == b""

    run(main)


CODED = {
    "a coding under the chunks": b"gzip, chunked",
    "a coding in a field of its own": b"gzip\r\ntransfer-encoding: chunked",
    "no coding, said so": b"identity, chunked",
    "a coding that does not end in chunks": b"gzip",
}
HELLO = b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("name", CODED)
def test_a_body_in_a_coding_besides_chunks_is_not_taken_for_the_body_itself(run: Run, name: str) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(HEAD + b"transfer-encoding: " + CODED[name] + HELLO)
            status, headers, body = await client.answer()
            assert (status, headers["connection"]) == (501, "close")
            assert b'"param":"transfer-encoding"' in body
            assert b"Transfer-Encoding may be `chunked` alone" in body
            assert await client.rest() == b""

    run(main)


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"\tchunked ", b", chunked"])
def test_chunks_alone_are_taken_however_they_are_written(run: Run, value: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as floor, dialled(floor) as client:
            await client.send(HEAD + b"transfer-encoding: " + value + HELLO)
            status, _, body = await client.answer()
            assert (status, body) == (200, b"POST /v1/x hello")

    run(main)


TOO_LARGE = {
    "a long target": b"GET /" + b"a" * HEAD_LIMIT + b" HTTP/1.1\r\nhost: h\r\n\r\n",
    "one long field": HEAD + b"x-a: " + b"a" * HEAD_LIMIT + b"\r\n\r\n",
    "many long fields": HEAD + (b"x-a: " + b"a" * 1000 + b"\r\n") * 70 + b"\r\n",
    "many fields": HEAD + b"a: 1\r\n" * FIELD_LIMIT + b"\r\n",
    "a name without end": HEAD + b"a" * 2 * HEAD_LIMIT,
    "many trailers": HEAD
    + b"transfer-encoding: chunked\r\n\r\n0\r\n"
    + (b"x-a: " + b"a" * 1000 + b"\r\n") * 70
    + b"\r\n",
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_head_over_its_limits_gets_431_although_more_is_being_sent(run: Run, name: str) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            raw = TOO_LARGE[name]
            for start in range(0, len(raw), 16_384):
                await client.send(raw[start : start + 16_384])
                await asyncio.sleep(0)
            await client.send(b"x" * 100_000)
            status, headers, body = await client.answer()
            assert (status, headers["connection"]) == (431, "close")
            assert b'"limit_bytes":65536' in body
            assert await client.rest() == b""

    run(main)


def test_a_head_just_within_its_limits_is_taken(run: Run) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            fields = b"x-a: " + b"a" * (HEAD_LIMIT - 2_000) + b"\r\n" + b"a: 1\r\n" * (FIELD_LIMIT - 3)
            raw = post(b"hello", fields)
            for start in range(0, len(raw), 10_000):
                await client.send(raw[start : start + 10_000])
                await asyncio.sleep(0.002)
            assert (await client.answer())[0] == 200

    run(main)


def test_a_chunk_without_a_size_ends_the_request_as_if_the_client_had_left(run: Run) -> None:
    seen = []

    async def reading(scope, receive, send) -> None:
        while True:
            message = await receive()
            seen.append(message["type"])
            if message["type"] == "http.disconnect":
                return

    async def main() -> None:
        async with serving(reading) as floor, dialled(floor) as client:
            await client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
            await asyncio.sleep(0.05)
            await client.send(b"zz\r\n")
            assert (await client.answer())[0] == 400
            assert await client.rest() == b""
        assert seen == ["http.request", "http.disconnect"]

    run(main)


def test_a_call_leaves_no_cycle_behind_for_the_collector(run: Run) -> None:
    async def remembering(scope, receive, send) -> None:
        scope["smartoken.left"] = lambda: (scope, send)
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(remembering) as floor:
            transport, connection = FakeTransport(), floor.make()
            connection.connection_made(transport)
            gc.collect()
            gc.disable()
            try:
                for _ in range(50):
                    connection.data_received(post())
                    for _ in range(4):
                        await asyncio.sleep(0)
                assert transport.written.count(b"200 OK") == 50
                assert gc.collect() < 50
            finally:
                gc.enable()
                connection.connection_lost(None)

    run(main)


@pytest.mark.parametrize("tail", [b"", b"GET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n"])
def test_nothing_after_the_body_of_an_offered_upgrade_is_a_request(run: Run, tail: bytes) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(post(b"hello", b"connection: upgrade\r\nupgrade: h2c\r\n") + tail)
            status, headers, body = await client.answer()
            assert (status, headers["connection"], body) == (200, "close", b"POST /v1/x hello")
            assert await client.rest() == b""

    run(main)


def test_the_body_of_an_offered_upgrade_is_framed_as_strictly_as_any(run: Run) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            offer = HEAD + b"connection: upgrade\r\nupgrade: h2c\r\n"
            raw = offer + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
            await client.send(raw)
            assert (await client.answer())[0] == 400
            assert await client.rest() == b""

    run(main)
