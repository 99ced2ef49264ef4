"""Every row of the table of answers, in one piece and in random pieces, over real sockets."""

import pytest

from contract.client.answers import JSON, ROWS, Row, sized
from contract.client.conftest import NO_ROOTS, Run, until
from contract.client.scripted import ScriptedServer, Step, drip, fin, hold, rst, send, take
from smartoken.providers.client import UpstreamClient
from smartoken.providers.upstream import Peer, UpstreamError

ENDS: dict[str, list[Step]] = {"keep": [hold], "fin": [fin, hold], "rst": [rst]}


@pytest.mark.parametrize("pieces", ["whole", "random"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_answer_gives_what_its_row_says(row: Row, pieces: str, run: Run) -> None:
    say = [send(row.answer) if pieces == "whole" else drip(row.answer, seed=len(row.answer))] if row.answer else []
    again = [take, send(sized(b"again")), hold]
    either = row.reason == "encoding"  # such an answer may be whole before its coding is found out
    first = [take, *say, *(again if row.kept or (either and row.end == "keep") else ENDS[row.end])]
    with ScriptedServer(first, again) as server:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            peer = Peer.parse(f"http://127.0.0.1:{server.port}/v1", allow_private=True)
            if row.fault is None:
                response = await client.request(peer, "POST", "/chat", [], JSON)
                assert response.status == row.status
                assert await response.read(1 << 20) == row.body
                assert await response.chunk() == b""
            else:

                async def whole() -> None:
                    response = await client.request(peer, "POST", "/chat", [], JSON)
                    assert response.status == row.status
                    await response.read(1 << 20)

                with pytest.raises(row.fault) as caught:
                    await whole()
                assert (caught.value.reason, caught.value.sent) == (row.reason, True)
                assert caught.value.kind is row.fault.kind
            if not row.kept and not either:
                await until(lambda: client.stats().open == 0)  # bytes too many may come a little after the answer
            second = await client.request(peer, "POST", "/chat", [], JSON)
            assert await second.read(100) == b"again"
            assert server.accepted == (1 if row.kept else 2) or either
            assert len(server.requests) == 2
            await client.close()
            assert client.stats().open == 0

        run(main)


@pytest.mark.parametrize("row", [row for row in ROWS if row.fault is not None], ids=lambda row: row.name)
def test_a_fault_never_looks_like_an_end_to_who_reads_chunks(row: Row, run: Run) -> None:
    say = [send(row.answer)] if row.answer else []
    with ScriptedServer([take, *say, *ENDS[row.end]]) as server:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            peer = Peer.parse(f"http://127.0.0.1:{server.port}", allow_private=True)

            async def drain() -> None:
                response = await client.request(peer, "POST", "/chat", [], JSON)
                while await response.chunk():
                    pass

            with pytest.raises(UpstreamError) as caught:
                await drain()
            assert caught.value.reason == row.reason
            await client.close()

        run(main)


def test_repeated_fields_are_joined_and_names_are_lower_case(run: Run) -> None:
    with ScriptedServer([take, send(sized(JSON, b"X-A: 1", b"x-a: 2", b"Retry-After: 7")), hold]) as server:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            response = await client.request(
                Peer.parse(f"http://127.0.0.1:{server.port}", allow_private=True), "GET", "/models", [], b""
            )
            assert response.headers == {"x-a": "1, 2", "retry-after": "7", "content-length": "11"}
            await client.close()

        run(main)


def test_the_request_on_the_wire_is_exactly_this(run: Run) -> None:
    with ScriptedServer([take, send(sized(JSON)), hold]) as server:

        async def main() -> None:
            client = UpstreamClient(tls=NO_ROOTS)
            peer = Peer.parse(f"http://127.0.0.1:{server.port}/v1/", allow_private=True)
            headers = [("authorization", "Bearer made-up"), ("content-type", "application/json")]
            response = await client.request(peer, "POST", "/chat/completions", headers, b'{"a":1}')
            assert await response.read(100) == JSON
            await client.close()

        run(main)
        assert server.requests == [
            b"POST /v1/chat/completions HTTP/1.1\r\n"
            b"host: 127.0.0.1:%d\r\n"
            b"accept-encoding: identity\r\n"
            b"authorization: Bearer made-up\r\n"
            b"content-type: application/json\r\n"
            b'content-length: 7\r\n\r\n{"a":1}' % server.port
        ]
