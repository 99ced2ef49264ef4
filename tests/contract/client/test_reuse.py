"""Which connection a call gets, and the one case in which a request is sent twice."""

import asyncio
from dataclasses import replace

import pytest

from contract.client.answers import JSON, sized
from contract.client.calls import OK, QUICK, call, peer_of, quick_client
from contract.client.conftest import NO_ROOTS, Run, until
from contract.client.scripted import (
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
from smartoken.providers.client import UpstreamClient
from smartoken.providers.upstream import (
    UpstreamConnectError,
    UpstreamCut,
    UpstreamStats,
    UpstreamTimeout,
)


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
