"""TLS to the upstream: verified always, by the peer's own name, and a missing close_notify is a cut."""

import asyncio
import ssl

import pytest

from contract.client.answers import CHUNKED, JSON, LINE, sized
from contract.client.certificates import Authority, make_authority
from contract.client.conftest import Run
from contract.client.scripted import Line, ScriptedServer, Step, fin, hold, pause, ragged, rst, send, take
from smartoken.errors import FailureClass
from smartoken.providers.client import UpstreamClient
from smartoken.providers.dial import tls_context
from smartoken.providers.upstream import Peer, Timeouts, UpstreamConnectError, UpstreamCut, UpstreamTimeout

HOST = "upstream.test"
OK = sized(JSON)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    return tls_context(str(authority.bundle))


@pytest.fixture(scope="module")
def authority_and_trust(authority: Authority, trusting: ssl.SSLContext) -> tuple[Authority, ssl.SSLContext]:
    return authority, trusting


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def call(client: UpstreamClient, port: int, host: str = HOST, timeouts: Timeouts | None = None) -> bytes:
    peer = Peer.parse(f"https://{host}:{port}/v1", allow_private=True, timeouts=timeouts or Timeouts())
    response = await client.request(peer, "POST", "/chat", [], JSON)
    return await response.read(1 << 20)


def test_calls_share_a_verified_connection(authority: Authority, trusting: ssl.SSLContext, run: Run) -> None:
    chosen: list[str | None] = []
    note: Step = lambda line: chosen.append(line.socket.selected_alpn_protocol())  # type: ignore[attr-defined]  # noqa: E731 - a step of a script, on a TLS socket
    with ScriptedServer([note, take, send(OK), take, send(OK), hold], tls=authority.server(HOST)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            assert await call(client, server.port) == JSON
            assert await call(client, server.port) == JSON
            assert client.stats().created == 1
            await client.close()

        run(main)
        assert chosen == ["http/1.1"]
        assert b"host: upstream.test:%d\r\n" % server.port in server.requests[0]


def test_a_literal_address_is_verified_as_an_address(authority: Authority, trusting: ssl.SSLContext, run: Run) -> None:
    with ScriptedServer([take, send(OK), hold], tls=authority.server("127.0.0.1")) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting)
            assert await call(client, server.port, "127.0.0.1") == JSON
            await client.close()

        run(main)


@pytest.mark.parametrize(
    ("host", "validity", "word"),
    [
        ("other.test", (1, True), "mismatch"),
        (HOST, (-1, True), "expired"),
        (HOST, (1, False), "self-signed"),
    ],
    ids=["wrong_host", "expired", "self_signed"],
)
def test_a_bad_certificate_is_refused_before_anything_is_sent(
    host: str, validity: tuple[int, bool], word: str, authority_and_trust: tuple[Authority, ssl.SSLContext], run: Run
) -> None:
    authority, trusting = authority_and_trust
    days, trusted = validity
    with ScriptedServer([take, hold], tls=authority.server(host, days=days, trusted=trusted)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, server.port)
            assert (caught.value.reason, caught.value.sent) == ("tls", False)
            assert caught.value.kind is FailureClass.CONNECT
            assert word in caught.value.message
            assert client.stats().open == 0
            await client.close()

        run(main)
        assert server.requests == []


def test_an_authority_outside_the_bundle_is_refused(authority: Authority, run: Run) -> None:
    with ScriptedServer([take, hold], tls=authority.server(HOST)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=tls_context(), resolve=here)
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, server.port)
            assert caught.value.reason == "tls"
            await client.close()

        run(main)


def test_verification_and_host_check_are_on_in_the_context() -> None:
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_bundle_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_context("/nonexistent/bundle.pem")


def test_a_plain_server_on_a_tls_port_is_refused(trusting: ssl.SSLContext, run: Run) -> None:
    with ScriptedServer([send(b"HTTP/1.1 400 Bad\r\n\r\n"), pause(0.1)]) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, server.port)
            assert (caught.value.reason, caught.value.sent) == ("tls", False)
            await client.close()

        run(main)


@pytest.mark.parametrize("end", [fin, rst], ids=["fin", "rst"])
def test_a_server_that_closes_in_the_handshake_is_refused(end: Step, trusting: ssl.SSLContext, run: Run) -> None:
    with ScriptedServer([end]) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, server.port)
            assert caught.value.reason in {"tls", "connect"}
            assert caught.value.sent is False
            await client.close()

        run(main)


def test_a_handshake_that_hangs_is_a_connect_timeout(trusting: ssl.SSLContext, run: Run) -> None:
    with ScriptedServer([hold]) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            with pytest.raises(UpstreamConnectError) as caught:
                await call(client, server.port, timeouts=Timeouts(connect_s=0.1))
            assert (caught.value.reason, caught.value.sent) == ("connect_timeout", False)
            await asyncio.to_thread(server.wait_until, lambda s: s.hung_up == 1)
            await client.close()

        run(main)


@pytest.mark.parametrize(
    "answer",
    [CHUNKED + b"2\r\nhi\r\n", LINE + b"content-length: 9\r\n\r\nhi", LINE + b"\r\nhi"],
    ids=["chunked", "declared", "until_eof"],
)
@pytest.mark.parametrize("end", [ragged, rst], ids=["no_close_notify", "rst"])
def test_an_end_without_close_notify_is_a_cut(
    answer: bytes, end: Step, authority: Authority, trusting: ssl.SSLContext, run: Run
) -> None:
    with ScriptedServer([take, send(answer), pause(0.02), end], tls=authority.server(HOST)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            with pytest.raises(UpstreamCut) as caught:
                await call(client, server.port)
            assert caught.value.reason == "body"
            await client.close()

        run(main)


def test_close_notify_ends_a_body_that_ends_with_its_connection(
    authority: Authority, trusting: ssl.SSLContext, run: Run
) -> None:
    with ScriptedServer([take, send(LINE + b"\r\nhi"), fin, hold], tls=authority.server(HOST)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            assert await call(client, server.port) == b"hi"
            await client.close()

        run(main)


@pytest.mark.parametrize("end", [fin, ragged, rst], ids=["fin", "no_close_notify", "rst"])
def test_a_stale_tls_connection_is_retried_once(
    end: Step, authority: Authority, trusting: ssl.SSLContext, run: Run
) -> None:
    scripts = [[take, send(OK), take, end], [take, send(sized(b"fresh")), hold]]
    with ScriptedServer(*scripts, tls=authority.server(HOST)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            assert await call(client, server.port) == JSON
            assert await call(client, server.port) == b"fresh"
            await client.close()

        run(main)


def test_an_unread_body_stops_the_sender_and_arrives_whole(
    authority: Authority, trusting: ssl.SSLContext, run: Run
) -> None:
    total = 24 << 20
    progress = [0]

    def flood(line: Line) -> None:
        line.socket.sendall(LINE + b"content-length: %d\r\n\r\n" % total)
        for _ in range(total // 65536):
            line.socket.sendall(b"x" * 65536)
            progress[0] += 65536

    with ScriptedServer([take, flood, hold], tls=authority.server(HOST)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here)
            peer = Peer.parse(f"https://{HOST}:{server.port}", allow_private=True)
            response = await client.request(peer, "POST", "/chat", [], b"y" * (2 << 20))
            await asyncio.sleep(0.3)
            assert progress[0] < total
            size = 0
            while chunk := await response.chunk():
                size += len(chunk)
            assert size == total
            await client.close()

        run(main)


def test_abort_and_first_byte_timeout_close_a_tls_connection(
    authority: Authority, trusting: ssl.SSLContext, run: Run
) -> None:
    scripts = [[take, send(CHUNKED), hold], [take, hold]]
    with ScriptedServer(*scripts, tls=authority.server(HOST)) as server:

        async def main() -> None:
            client = UpstreamClient(tls=trusting, resolve=here, sweep_s=0.02)
            peer = Peer.parse(f"https://{HOST}:{server.port}", allow_private=True)
            response = await client.request(peer, "POST", "/chat", [], JSON)
            response.abort()
            with pytest.raises(UpstreamTimeout):
                await call(client, server.port, timeouts=Timeouts(first_byte_s=0.1))
            await asyncio.to_thread(server.wait_until, lambda s: s.hung_up == 2)
            await client.close()
            assert client.stats().open == 0

        run(main)
