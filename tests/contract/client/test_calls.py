"""What a call does over its life: reuse, the one retry, aborting, early answers, back-pressure, deadlines, closing."""

import asyncio
import hashlib
import socket
import time
from dataclasses import replace

import pytest

from contract.client.answers import CHUNKED, JSON, LINE, sized
from contract.client.conftest import NO_ROOTS, Run, until
from contract.client.scripted import (
    Line,
    ScriptedServer,
    Step,
    fin,
    hold,
    pause,
    rst,
    send,
    stop_listening,
    take,
)
from smartoken.errors import FailureClass
from smartoken.providers.client import UpstreamClient
from smartoken.providers.upstream import (
    Peer,
    Timeouts,
    UpstreamBadAnswer,
    UpstreamClosedError,
    UpstreamConnectError,
    UpstreamCut,
    UpstreamStats,
    UpstreamTimeout,
)

OK = sized(JSON)
QUICK = Timeouts(connect_s=2, first_byte_s=0.15, idle_s=0.15, total_s=5)


def peer_of(server: ScriptedServer, timeouts: Timeouts | None = None) -> Peer:
    return Peer.parse(f"http://127.0.0.1:{server.port}/v1", allow_private=True, timeouts=timeouts or Timeouts())


def quick_client() -> UpstreamClient:
    return UpstreamClient(tls=NO_ROOTS, sweep_s=0.02)


async def call(client: UpstreamClient, peer: Peer, body: bytes = JSON) -> bytes:
    response = await client.request(peer, "POST", "/chat", [], body)
    return await response.read(1 << 20)


# Reuse and the one retry


def test_calls_in_sequence_share_one_connection(run: Run) -> None:
    with ScriptedServer([*[take, send(OK)] * 5, hold]) as server:

        async def main() -> None:
            client = quick_client()
            for _ in range(5):
                assert await call(client, peer_of(server)) == JSON
            assert client.stats() == UpstreamStats(open=1, idle=1, created=1, reused=4, retried=0, failed_connects=0)
            await client.close()

        run(main)


def test_calls_at_once_have_a_connection_each_and_the_last_freed_goes_first(run: Run) -> None:
    one: list[Step] = [take, pause(0.05), send(sized(b"one")), take, send(sized(b"one again")), hold]
    two: list[Step] = [take, pause(0.15), send(sized(b"two")), take, send(sized(b"two again")), hold]
    with ScriptedServer(one, two) as server:

        async def main() -> None:
            client = quick_client()
            peer = peer_of(server)
            assert sorted(await asyncio.gather(call(client, peer), call(client, peer))) == [b"one", b"two"]
            assert await call(client, peer) == b"two again"
            await client.close()

        run(main)


@pytest.mark.parametrize("end", [fin, rst], ids=["fin", "rst"])
def test_a_stale_connection_is_retried_once_on_a_fresh_one(end: Step, run: Run) -> None:
    with ScriptedServer([take, send(OK), take, end], [take, send(sized(b"fresh")), hold]) as server:

        async def main() -> None:
            client = quick_client()
            assert await call(client, peer_of(server)) == JSON
            assert await call(client, peer_of(server)) == b"fresh"
            assert client.stats().retried == 1
            await client.close()

        run(main)
        assert server.accepted == 2


def test_the_retry_goes_to_a_fresh_connection_even_when_others_are_idle(run: Run) -> None:
    dies: list[Step] = [take, pause(0.05), send(OK), take, rst]
    with ScriptedServer(dies, dies, [take, send(sized(b"fresh")), hold]) as server:

        async def main() -> None:
            client = quick_client()
            await asyncio.gather(call(client, peer_of(server)), call(client, peer_of(server)))
            assert await call(client, peer_of(server)) == b"fresh"
            await client.close()

        run(main)


def test_a_fresh_connection_is_never_retried(run: Run) -> None:
    with ScriptedServer([take, fin], [take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            with pytest.raises(UpstreamCut) as caught:
                await call(client, peer_of(server))
            assert (caught.value.reason, caught.value.sent) == ("no_answer", True)
            await client.close()

        run(main)
        assert server.accepted == 1


def test_a_second_stale_connection_is_not_retried_again(run: Run) -> None:
    with ScriptedServer([take, send(OK), take, fin], [take, fin], [take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            await call(client, peer_of(server))
            with pytest.raises(UpstreamCut) as caught:
                await call(client, peer_of(server))
            assert caught.value.reason == "no_answer"
            await client.close()

        run(main)
        assert server.accepted == 2


@pytest.mark.parametrize("first_bytes", [b"H", b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_one_byte_of_an_answer_forbids_the_retry(first_bytes: bytes, run: Run) -> None:
    with ScriptedServer([take, send(OK), take, send(first_bytes), pause(0.02), fin], [take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            await call(client, peer_of(server))
            with pytest.raises(UpstreamCut) as caught:
                await call(client, peer_of(server))
            assert caught.value.reason == "head"
            await client.close()

        run(main)
        assert server.accepted == 1


def test_a_timeout_on_a_reused_connection_is_not_retried(run: Run) -> None:
    with ScriptedServer([take, send(OK), take, hold], [take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            await call(client, peer_of(server, QUICK))
            with pytest.raises(UpstreamTimeout):
                await call(client, peer_of(server, QUICK))
            await client.close()

        run(main)
        assert server.accepted == 1


def test_a_retry_that_cannot_connect_says_that_bytes_were_sent(run: Run) -> None:
    with ScriptedServer([take, send(OK), take, stop_listening, rst]) as server:

        async def main() -> None:
            client = quick_client()
            await call(client, peer_of(server))
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, peer_of(server))
            assert caught.value.sent is True
            await client.close()

        run(main)


def test_an_idle_connection_that_the_server_closes_leaves_the_pool(run: Run) -> None:
    with ScriptedServer([take, send(OK), pause(0.02), fin]) as server:

        async def main() -> None:
            client = quick_client()
            await call(client, peer_of(server))
            await until(lambda: client.stats().open == 0)
            assert client.stats().idle == 0
            await client.close()

        run(main)


def test_bytes_on_an_idle_connection_close_it(run: Run) -> None:
    with ScriptedServer([take, send(OK), pause(0.02), send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            await call(client, peer_of(server))
            await until(lambda: client.stats().open == 0)
            await client.close()

        run(main)
        server.wait_until(lambda s: s.hung_up == 1)


def test_an_idle_connection_is_closed_after_its_time(run: Run) -> None:
    with ScriptedServer([take, send(OK), hold]) as server:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS, sweep_s=0.02, keep_idle_s=0.1)
            await call(client, peer_of(server))
            assert client.stats().idle == 1
            await asyncio.sleep(0.3)
            assert client.stats().open == 0
            await client.close()

        run(main)


def test_no_more_connections_are_kept_than_the_limit(run: Run) -> None:
    with ScriptedServer(*[[take, pause(0.1), send(OK), hold]] * 4) as server:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS, idle_limit=2)
            await asyncio.gather(*[call(client, peer_of(server)) for _ in range(4)])
            await asyncio.sleep(0.05)
            assert (client.stats().open, client.stats().idle) == (2, 2)
            await client.close()

        run(main)


def test_peers_that_differ_in_their_address_check_share_no_connection(run: Run) -> None:
    with ScriptedServer([take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            await call(client, peer_of(server))
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, replace(peer_of(server), allow_private=False))
            assert caught.value.reason == "address"
            await client.close()

        run(main)


# Aborting


def test_abort_in_the_body_closes_the_upstream_at_once(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED + b"2\r\nhi\r\n"), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            assert await response.chunk() == b"hi"
            response.abort()
            response.abort()
            with pytest.raises(UpstreamClosedError) as caught:
                await response.chunk()
            assert (caught.value.reason, caught.value.sent) == ("aborted", True)
            await asyncio.to_thread(server.wait_until, lambda s: s.hung_up == 1)
            assert client.stats().open == 0
            await client.close()

        run(main)


def test_abort_wakes_the_reader(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            asyncio.get_running_loop().call_later(0.05, response.abort)
            with pytest.raises(UpstreamClosedError):
                await response.chunk()
            await client.close()

        run(main)


def test_abort_after_the_end_leaves_the_connection_to_its_next_user(run: Run) -> None:
    with ScriptedServer([take, send(OK), take, pause(0.05), send(sized(b"second")), hold]) as server:

        async def main() -> None:
            client = quick_client()
            first = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            second = asyncio.ensure_future(call(client, peer_of(server)))
            await asyncio.sleep(0.02)
            first.abort()
            assert await second == b"second"
            assert await first.read(100) == JSON
            await client.close()

        run(main)


def test_an_unread_body_is_not_reused_after_abort(run: Run) -> None:
    with ScriptedServer([take, send(LINE + b"content-length: 99\r\n\r\nhi"), hold], [take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            response.abort()
            assert await call(client, peer_of(server)) == JSON
            await client.close()

        run(main)
        assert server.accepted == 2


def test_a_cancelled_request_closes_its_connection(run: Run) -> None:
    with ScriptedServer([take, hold]) as server:

        async def main() -> None:
            client = quick_client()
            task = asyncio.ensure_future(call(client, peer_of(server)))
            await asyncio.to_thread(server.wait_until, lambda s: bool(s.requests))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.wait_until, lambda s: s.hung_up == 1)
            assert client.stats().open == 0
            await client.close()

        run(main)


def test_a_cancelled_chunk_loses_nothing(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED), pause(0.1), send(b"2\r\nhi\r\n0\r\n\r\n"), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await response.chunk()
            assert await response.chunk() == b"hi"
            assert await response.chunk() == b""
            await client.close()

        run(main)


def test_two_readers_at_once_are_refused(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            first = asyncio.ensure_future(response.chunk())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="one reader"):
                await response.chunk()
            response.abort()
            with pytest.raises(UpstreamClosedError):
                await first
            await client.close()

        run(main)


# Large bodies and early answers


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


# Back-pressure and limits


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
            await asyncio.sleep(0.3)
            stopped = progress[0]
            assert stopped < total // 2
            await asyncio.sleep(0.1)
            assert progress[0] == stopped
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


# Deadlines


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", LINE], ids=["nothing", "interim", "half_head"])
def test_no_head_in_time_is_a_first_byte_timeout(said: bytes, run: Run) -> None:
    with ScriptedServer([take, send(said), hold]) as server:

        async def main() -> None:
            client = quick_client()
            started = time.monotonic()
            with pytest.raises(UpstreamTimeout) as caught:
                await call(client, peer_of(server, QUICK))
            assert (caught.value.reason, caught.value.sent) == ("first_byte", True)
            assert caught.value.kind is FailureClass.TIMEOUT
            assert 0.14 < time.monotonic() - started < 0.6
            await asyncio.to_thread(server.wait_until, lambda s: s.hung_up == 1)
            await client.close()

        run(main)


def test_a_stall_in_the_body_is_an_idle_timeout_after_what_came(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED + b"2\r\nhi\r\n"), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server, QUICK), "POST", "/chat", [], JSON)
            assert await response.chunk() == b"hi"
            with pytest.raises(UpstreamTimeout) as caught:
                await response.chunk()
            assert caught.value.reason == "idle"
            await client.close()

        run(main)


def test_comments_keep_a_stream_from_being_idle_and_show_as_last_byte(run: Run) -> None:
    comment = b"e\r\n: keep-alive\n\n\r\n"
    beats: list[Step] = [step for _ in range(5) for step in (send(comment), pause(0.08))]
    with ScriptedServer([take, send(CHUNKED), *beats, send(b"0\r\n\r\n"), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server, QUICK), "POST", "/chat", [], JSON)
            seen = [response.last_byte]
            while await response.chunk():
                seen.append(response.last_byte)
            assert len(seen) >= 4
            assert seen == sorted(seen)
            assert seen[-1] - seen[0] > 0.2
            await client.close()

        run(main)


def test_a_slow_reader_is_not_an_idle_upstream(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED + b"2\r\nhi\r\n"), pause(0.45), send(b"0\r\n\r\n"), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server, QUICK), "POST", "/chat", [], JSON)
            assert await response.chunk() == b"hi"
            await asyncio.sleep(0.4)
            assert await response.chunk() == b""
            await client.close()

        run(main)


def test_the_total_time_ends_a_stream_that_never_stops(run: Run) -> None:
    def endless(line: Line) -> None:
        line.socket.sendall(CHUNKED)
        while True:
            line.socket.sendall(b"1\r\na\r\n")
            time.sleep(0.01)

    with ScriptedServer([take, endless]) as server:

        async def main() -> None:
            client = quick_client()
            short = Timeouts(first_byte_s=1, idle_s=1, total_s=0.25)
            response = await client.request(peer_of(server, short), "POST", "/chat", [], JSON)

            async def drain() -> None:
                while await response.chunk():
                    pass

            with pytest.raises(UpstreamTimeout) as caught:
                await drain()
            assert caught.value.reason == "total"
            await client.close()

        run(main)


def test_the_total_time_ends_a_response_that_nobody_reads(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED + b"2\r\nhi\r\n"), hold]) as server:

        async def main() -> None:
            client = quick_client()
            response = await client.request(peer_of(server, Timeouts(total_s=0.1)), "POST", "/chat", [], JSON)
            await asyncio.to_thread(server.wait_until, lambda s: s.hung_up == 1)
            assert await response.chunk() == b"hi"
            with pytest.raises(UpstreamTimeout):
                await response.chunk()
            await client.close()

        run(main)


# Connecting


def test_a_refused_connection_sent_nothing(run: Run) -> None:
    with ScriptedServer() as server:
        port = server.port

    async def main() -> None:
        client = quick_client()
        with pytest.raises(UpstreamConnectError) as caught:
            await call(client, Peer.parse(f"http://127.0.0.1:{port}", allow_private=True))
        assert (caught.value.reason, caught.value.sent) == ("connect", False)
        assert caught.value.kind is FailureClass.CONNECT
        assert client.stats().failed_connects == 1
        await client.close()

    run(main)


def test_a_name_that_does_not_resolve_is_a_dns_failure_kept_for_a_second(run: Run) -> None:
    asked: list[str] = []

    async def nobody(host: str, port: int) -> list[str]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async def main() -> None:
        client = UpstreamClient(tls=NO_ROOTS, resolve=nobody)
        asked.clear()
        for _ in range(3):
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, Peer.parse("http://no.such.test"))
            assert (caught.value.reason, caught.value.sent) == ("dns", False)
        assert asked == ["no.such.test"]
        await client.close()

    run(main)


def test_a_resolver_that_hangs_is_a_connect_timeout(run: Run) -> None:
    async def asleep(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    async def main() -> None:
        client = UpstreamClient(tls=NO_ROOTS, resolve=asleep)
        with pytest.raises(UpstreamConnectError) as caught:
            await call(client, Peer.parse("http://slow.test", timeouts=Timeouts(connect_s=0.05)))
        assert (caught.value.reason, caught.value.sent) == ("connect_timeout", False)
        await client.close()

    run(main)


def test_addresses_are_tried_in_order_and_the_one_that_works_is_remembered(run: Run) -> None:
    with ScriptedServer([take, send(sized(JSON, b"connection: close"))], [take, send(OK), hold]) as server:

        async def main() -> None:
            asked: list[str] = []

            async def two(host: str, port: int) -> list[str]:
                asked.append(host)
                return ["127.0.0.2", "127.0.0.1"]  # nobody listens on the first

            client = UpstreamClient(tls=NO_ROOTS, resolve=two)
            peer = Peer.parse(f"http://two.test:{server.port}", allow_private=True)
            assert await call(client, peer) == JSON
            assert await call(client, peer) == JSON
            assert asked == ["two.test"]
            assert b"host: two.test:%d\r\n" % server.port in server.requests[0]
            await client.close()

        run(main)


def test_one_private_address_among_public_ones_refuses_the_host(run: Run) -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "169.254.169.254"]

    async def main() -> None:
        client = UpstreamClient(tls=NO_ROOTS, resolve=mixed)
        with pytest.raises(UpstreamConnectError) as caught:
            await call(client, Peer.parse("http://rebinding.test"))
        assert (caught.value.reason, caught.value.sent) == ("address", False)
        assert "allow_private" in caught.value.message
        await client.close()

    run(main)


def test_the_system_resolver_is_checked_too(run: Run) -> None:
    async def main() -> None:
        client = quick_client()
        for host in ("localhost", "127.1", "0x7f000001", "2130706433", "[::1]"):
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, Peer.parse(f"http://{host}:1"))
            assert caught.value.reason == "address"
        await client.close()

    run(main)


# Closing


def test_close_ends_running_calls_and_refuses_new_ones(run: Run) -> None:
    with ScriptedServer([take, send(CHUNKED), hold], [take, hold], [take, send(OK), hold]) as server:

        async def main() -> None:
            client = quick_client()
            streamed = await client.request(peer_of(server), "POST", "/chat", [], JSON)
            waiting = asyncio.ensure_future(call(client, peer_of(server)))
            await asyncio.to_thread(server.wait_until, lambda s: len(s.requests) == 2)
            await call(client, peer_of(server))
            await client.close()
            await client.close()
            assert client.stats().open == 0
            with pytest.raises(UpstreamClosedError):
                await streamed.chunk()
            with pytest.raises(UpstreamClosedError):
                await waiting
            with pytest.raises(UpstreamClosedError) as caught:
                await call(client, peer_of(server))
            assert (caught.value.reason, caught.value.sent) == ("client_closed", False)

        run(main)


def test_a_client_that_was_never_used_closes(run: Run) -> None:
    async def main() -> None:
        client = quick_client()
        await client.close()
        assert client.stats() == UpstreamStats(open=0, idle=0, created=0, reused=0, retried=0, failed_connects=0)

    run(main)
