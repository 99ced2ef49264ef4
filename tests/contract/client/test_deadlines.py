"""The four times of a call, and connections that cannot be had."""

import asyncio
import socket
import time

import pytest

from contract.client.answers import CHUNKED, JSON, LINE, sized
from contract.client.calls import OK, QUICK, call, peer_of, quick_client
from contract.client.conftest import NO_ROOTS, Run
from contract.client.scripted import (
    Line,
    ScriptedServer,
    Step,
    hold,
    pause,
    send,
    take,
)
from smartoken.errors import FailureClass
from smartoken.providers.client import UpstreamClient
from smartoken.providers.upstream import (
    Peer,
    Timeouts,
    UpstreamConnectError,
    UpstreamTimeout,
)


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
