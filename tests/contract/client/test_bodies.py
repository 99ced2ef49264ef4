"""Bodies of any size, both ways: back-pressure, early answers, limits."""

import asyncio
import hashlib
import socket
import time

import pytest

from contract.client.answers import CHUNKED, JSON, LINE, sized
from contract.client.calls import OK, QUICK, call, peer_of, quick_client
from contract.client.conftest import Run
from contract.client.scripted import (
    Line,
    ScriptedServer,
    fin,
    hold,
    pause,
    rst,
    send,
    take,
)
from smartoken.providers.upstream import (
    UpstreamBadAnswer,
    UpstreamCut,
    UpstreamTimeout,
)


def test_a_large_body_arrives_whole_at_a_slow_server(run: Run) -> None:
    body = bytes(range(256)) * (12 << 10)  # 3 MiB

    def slow_take(line: Line) -> None:
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        for _ in range(5):
            line.unread += line.receive()
            time.sleep(0.02)
        line.take_request()

    with ScriptedServer([slow_take, send(OK), take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            assert await call(client, peer_of(server), body) == JSON
            assert await call(client, peer_of(server)) == JSON
            assert client.stats().created == 1
            await client.close()

        run(main)
        sent = server.requests[0].partition(b"\r\n\r\n")[2]
        assert hashlib.sha256(sent).digest() == hashlib.sha256(body).digest()


def test_an_early_answer_ends_the_sending_and_the_connection(run: Run) -> None:
    def read_some(line: Line) -> None:
        line.receive()

    answer = sized(b"too large", b"connection: close", line=b"HTTP/1.1 413 Too Large\r\n")
    with ScriptedServer([read_some, send(answer), pause(0.3)], [take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], b"x" * (64 << 20))
            assert response.status == 413
            assert await response.read(100) == b"too large"
            assert await call(client, peer_of(server)) == JSON
            await client.close()

        run(main)
        assert server.accepted == 2


def test_an_early_answer_without_close_does_not_free_a_half_sent_request(run: Run) -> None:
    def read_some(line: Line) -> None:
        line.receive()

    with ScriptedServer([read_some, send(OK), hold], [take, send(sized(b"second")), hold]) as server:

        async def main() -> None:
            client = quick_client()
            assert await call(client, peer_of(server), b"x" * (64 << 20)) == JSON
            assert await call(client, peer_of(server)) == b"second"
            await client.close()

        run(main)
        assert server.accepted == 2


def test_a_reset_while_sending_is_a_cut(run: Run) -> None:
    def read_some(line: Line) -> None:
        line.receive()

    with ScriptedServer([read_some, rst]) as server:

        async def main() -> None:
            client = quick_client()
            with pytest.raises(UpstreamCut) as caught:
                await call(client, peer_of(server), b"x" * (64 << 20))
            assert (caught.value.reason, caught.value.sent) == ("no_answer", True)
            await client.close()

        run(main)


def test_an_upstream_that_takes_nothing_of_a_large_body_times_out(run: Run) -> None:
    with ScriptedServer([pause(1.0)]) as server:

        async def main() -> None:
            client = quick_client()
            with pytest.raises(UpstreamTimeout) as caught:
                await call(client, peer_of(server, QUICK), b"x" * (64 << 20))
            assert caught.value.reason == "first_byte"
            await client.close()

        run(main)


def test_an_unread_body_stops_the_sender(run: Run) -> None:
    total = 64 << 20
    progress = [0]

    def flood(line: Line) -> None:
        line.socket.sendall(LINE + b"content-length: %d\r\n\r\n" % total)
        piece = b"x" * 65536
        for _ in range(total // len(piece)):
            line.socket.sendall(piece)
            progress[0] += len(piece)

    with ScriptedServer([take, flood, take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            stopped = -1
            while progress[0] != stopped or not stopped:
                stopped = progress[0]
                await asyncio.sleep(0.25)
            assert stopped < total // 2
            size, largest = 0, 0
            while chunk := await response.chunk():
                size += len(chunk)
                largest = max(largest, len(chunk))
            assert size == total
            assert largest <= 1 << 20
            assert await call(client, peer_of(server)) == JSON
            assert client.stats().created == 1
            await client.close()

        run(main)


def test_a_whole_body_over_the_high_water_mark_is_read(run: Run) -> None:
    body = b"y" * (3 << 20)
    with ScriptedServer([take, send(sized(body)), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            await asyncio.sleep(0.1)
            assert await response.read(3 << 20) == body
            assert client.stats().idle == 1
            await client.close()

        run(main)


@pytest.mark.parametrize(
    "answer",
    [sized(b"z" * 4096), CHUNKED + b"1000\r\n" + b"z" * 4096 + b"\r\n0\r\n\r\n", LINE + b"\r\n" + b"z" * 4096],
    ids=["declared", "chunked", "until_eof"],
)
@pytest.mark.parametrize("limit", [4095, 4096])
def test_read_takes_up_to_its_limit_and_refuses_more(answer: bytes, limit: int, run: Run) -> None:
    with ScriptedServer([take, send(answer), fin, hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            if limit == 4096:
                assert await response.read(limit) == b"z" * 4096
            else:
                with pytest.raises(UpstreamBadAnswer) as caught:
                    await response.read(limit)
                assert caught.value.reason == "body_limit"
            await client.close()

        run(main)


def test_an_endless_body_is_refused_in_bounded_memory(run: Run) -> None:
    def endless(line: Line) -> None:
        line.socket.sendall(LINE + b"\r\n")
        while True:
            line.socket.sendall(b"e" * 65536)

    with ScriptedServer([take, endless]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            with pytest.raises(UpstreamBadAnswer) as caught:
                await response.read(1 << 20)
            assert caught.value.reason == "body_limit"
            await client.close()

        run(main)


def test_a_hundred_thousand_tiny_chunks_arrive(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n"), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            size = 0
            while chunk := await response.chunk():
                size += len(chunk)
            assert size == 100_000
            await client.close()

        run(main)
