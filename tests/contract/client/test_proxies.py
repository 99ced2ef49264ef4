"""Through a proxy: CONNECT for https and http, its credentials, its refusals, and what may be asked of it."""

import asyncio
import socket
import ssl
import threading

import pytest

from contract.client.answers import JSON, sized
from contract.client.certificates import Authority, make_authority
from contract.client.conftest import NO_ROOTS, Run
from contract.client.scripted import Line, Script, ScriptedServer, fin, hold, pause, rst, send, take
from smartoken.errors import FailureClass
from smartoken.providers.client import UpstreamClient
from smartoken.providers.dial import tls_context
from smartoken.providers.proxy import Proxy
from smartoken.providers.upstream import Peer, Timeouts, UpstreamConnectError

HOST = "upstream.example"
OK = sized(JSON)
OPENED = b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("ca"))


def tunnel_to(port: int) -> Script:
    """A CONNECT proxy that ignores the asked name and joins the client to a port of this machine."""

    def join(line: Line) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as far:

            def copy(source: socket.socket, sink: socket.socket) -> None:
                try:
                    while piece := source.recv(65536):
                        sink.sendall(piece)
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

            back = threading.Thread(target=copy, args=(far, line.socket), daemon=True)
            back.start()
            copy(line.socket, far)
            back.join(10)

    return [take, send(OPENED), join]


def proxied(server: ScriptedServer, scheme: str = "http", host: str = HOST, user: str = "") -> Peer:
    proxy = Proxy.parse(f"http://{user}127.0.0.1:{server.port}")
    return Peer.parse(f"{scheme}://{host}/v1", proxy=proxy, timeouts=Timeouts(connect_s=2))


async def call(client: UpstreamClient, peer: Peer) -> bytes:
    response = await client.request(peer, "POST", "/chat", [], JSON)
    return await response.read(1 << 20)


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_calls_travel_and_stay_alive_inside_a_tunnel(scheme: str, authority: Authority, run: Run) -> None:
    tls = authority.server(HOST) if scheme == "https" else None
    trusting = tls_context(str(authority.bundle))
    with (
        ScriptedServer([take, send(OK), take, send(OK), hold], tls=tls) as target,
        ScriptedServer(tunnel_to(target.port)) as proxy,
    ):

        async def main() -> None:
            client = UpstreamClient(tls=trusting)
            peer = proxied(proxy, scheme, user="me:pa%3Ass@")
            assert await call(client, peer) == JSON
            assert await call(client, peer) == JSON
            assert client.stats().created == 1
            await client.close()

        run(main)
        port = b"443" if scheme == "https" else b"80"
        assert proxy.requests == [
            b"CONNECT upstream.example:%b HTTP/1.1\r\nhost: upstream.example:%b\r\n" % (port, port)
            + b"proxy-authorization: Basic bWU6cGE6c3M=\r\n\r\n"
        ]
        assert target.requests[0].startswith(b"POST /v1/chat HTTP/1.1\r\nhost: upstream.example\r\n")
        assert b"proxy-authorization" not in target.requests[0]


def test_the_targets_certificate_is_checked_through_the_tunnel(authority: Authority, run: Run) -> None:
    trusting = tls_context(str(authority.bundle))
    with (
        ScriptedServer([take, hold], tls=authority.server("other.example")) as target,
        ScriptedServer(tunnel_to(target.port)) as proxy,
    ):

        async def main() -> None:
            client = UpstreamClient(tls=trusting)
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, proxied(proxy, "https"))
            assert (caught.value.reason, caught.value.sent) == ("tls", False)
            assert "mismatch" in caught.value.message
            await client.close()

        run(main)
        assert target.requests == []


REFUSALS = {
    "forbidden": ([take, send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"), hold], "proxy", "403"),
    "wants_credentials": ([take, send(b"HTTP/1.1 407 Auth\r\n\r\n"), hold], "proxy_auth", "407"),
    "bad_gateway": ([take, send(b"HTTP/1.0 502 Bad Gateway\r\n\r\n"), hold], "proxy", "502"),
    "not_http": ([take, send(b"\x05\x00hello\r\n\r\n"), hold], "proxy", "HTTP"),
    "no_status": ([take, send(b"HTTP/1.1 OK\r\n\r\n"), hold], "proxy", "HTTP"),
    "endless_head": ([take, send(OPENED[:-2] + b"x: " + b"a" * 20_000), hold], "proxy", "too long"),
    "speaks_first": ([take, send(OPENED + b"hello"), hold], "proxy", "before us"),
    "closes": ([take, fin], "proxy", "closed"),
    "resets": ([take, rst], "proxy", "reset"),
    "closes_in_its_head": ([take, send(OPENED[:20]), pause(0.01), fin], "proxy", "closed"),
    "hangs": ([take, hold], "connect_timeout", "in time"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_refuses_is_a_connect_failure(name: str, scheme: str, run: Run) -> None:
    script, reason, word = REFUSALS[name]
    with ScriptedServer(script) as proxy:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            secret = "pass" + "word-canary"
            peer = Peer.parse(
                f"{scheme}://{HOST}",
                proxy=Proxy.parse(f"http://me:{secret}@127.0.0.1:{proxy.port}"),
                timeouts=Timeouts(connect_s=0.2 if name == "hangs" else 5),
            )
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, peer)
            assert (caught.value.reason, caught.value.sent) == (reason, False)
            assert caught.value.kind is FailureClass.CONNECT
            assert word in caught.value.message
            assert secret not in f"{caught.value!r} {peer!r} {peer.proxy}"
            assert client.stats().open == 0
            await client.close()

        run(main)


def test_a_proxy_that_is_not_there_is_a_proxy_failure(run: Run) -> None:
    with ScriptedServer() as proxy:
        pass

    async def main() -> None:
        client = UpstreamClient(tls=NO_ROOTS)
        with pytest.raises(UpstreamConnectError) as caught:
            await call(client, proxied(proxy))
        assert caught.value.reason == "proxy"
        await client.close()

    run(main)


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "[::1]", "169.254.169.254", "localhost", "db.internal"])
def test_a_private_target_is_not_asked_of_the_proxy(host: str, run: Run) -> None:
    with ScriptedServer([take, send(OPENED), hold]) as proxy:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, proxied(proxy, host=host))
            assert (caught.value.reason, caught.value.sent) == ("address", False)
            await client.close()

        run(main)
        assert proxy.accepted == 0


def test_allow_private_asks_the_proxy_for_a_private_target(run: Run) -> None:
    with ScriptedServer([take, send(OPENED), take, send(OK), hold]) as proxy:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            peer = Peer.parse("http://10.0.0.5:8000", allow_private=True, proxy=Proxy.parse(f"127.0.0.1:{proxy.port}"))
            assert await call(client, peer) == JSON
            await client.close()

        run(main)
        assert proxy.requests[0].startswith(b"CONNECT 10.0.0.5:8000 HTTP/1.1\r\n")


def test_a_proxied_and_a_direct_peer_share_no_connection(run: Run) -> None:
    with (
        ScriptedServer([take, send(sized(b"direct")), hold]) as direct,
        ScriptedServer([take, send(OPENED), take, send(sized(b"proxied")), hold]) as proxy,
    ):

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            url = f"http://127.0.0.1:{direct.port}"
            assert await call(client, Peer.parse(url, allow_private=True)) == b"direct"
            via = Peer.parse(url, allow_private=True, proxy=Proxy.parse(f"127.0.0.1:{proxy.port}"))
            assert await call(client, via) == b"proxied"
            await client.close()

        run(main)


def test_cancelling_in_the_tunnel_leaves_nothing_open(run: Run) -> None:
    with ScriptedServer([take, hold], [take, send(OPENED), hold]) as proxy:

        async def main() -> None:
            client = UpstreamClient(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
            for number in (1, 2):
                task = asyncio.ensure_future(call(client, proxied(proxy, "https")))
                await asyncio.to_thread(proxy.wait_until, lambda s, n=number: len(s.requests) == n)
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await asyncio.to_thread(proxy.wait_until, lambda s: s.hung_up == 2)
            assert client.stats().open == 0
            await client.close()

        run(main)
