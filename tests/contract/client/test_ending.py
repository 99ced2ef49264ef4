"""How a call ends from this side: aborting, cancelling, closing."""

import asyncio

import pytest

from contract.client.answers import CHUNKED, JSON, LINE, sized
from contract.client.calls import OK, call, peer_of, quick_client
from contract.client.conftest import NO_ROOTS, Run
from contract.client.scripted import (
    ScriptedServer,
    hold,
    pause,
    send,
    take,
)
from smartoken.providers.client import UpstreamClient
from smartoken.providers.connection import Connection
from smartoken.providers.upstream import (
    UpstreamClosedError,
    UpstreamStats,
)


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


class CancellingClient(UpstreamClient):
    """Cancels the call at the worst moment: its socket is open, the loop has not yet told the dial."""

    caller: asyncio.Task[bytes]

    def opened(self, connection: Connection) -> None:
        super().opened(connection)
        self.caller.cancel()


def test_a_call_cancelled_while_its_socket_opens_leaves_nothing_behind(run: Run) -> None:
    with ScriptedServer([hold]) as server:

        async def main() -> None:
            client = CancellingClient(tls=NO_ROOTS)
            client.caller = asyncio.ensure_future(call(client, peer_of(server)))
            with pytest.raises(asyncio.CancelledError):
                await client.caller
            assert client.stats().created == 1
            await asyncio.to_thread(server.wait_until, lambda s: s.hung_up == 1)
            async with asyncio.timeout(2):
                await client.close()
            assert client.stats().open == 0

        run(main)
