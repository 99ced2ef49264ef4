"""Any split of an answer into reads gives the same response. No socket: a transport that only notes what it is told."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.client.answers import ROWS, Row
from smartoken.providers.connection import Connection
from smartoken.providers.upstream import Timeouts, UpstreamError

# These rows count what came so far against a limit, so how far they get before their refusal depends on the reads.
STEADY = [row for row in ROWS if row.reason != "framing_limit" and row.name != "gzip_bomb"]


class NotedTransport:
    """What a connection calls on a transport."""

    def __init__(self) -> None:
        self.written = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.aborted

    def get_extra_info(self, _name: str) -> None:
        return None


class NotedOwner:
    """What a connection tells its pool."""

    def __init__(self) -> None:
        self.freed_times = 0

    def opened(self, _connection: Connection) -> None:
        """A socket."""

    def freed(self, _connection: Connection, _now: float) -> None:
        self.freed_times += 1

    def dropped(self, _connection: Connection) -> None:
        """No more offered."""

    def closed(self, _connection: Connection) -> None:
        """A socket less."""


@dataclass(frozen=True, slots=True)
class Seen:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    reason: str
    reusable: bool


async def outcome(row: Row, pieces: list[bytes]) -> Seen:
    """Play the pieces to a connection and return all that a caller can see."""
    owner, transport = NotedOwner(), NotedTransport()
    connection = Connection(asyncio.get_running_loop(), owner, ())
    connection.connection_made(cast("asyncio.Transport", transport))
    seen: dict[str, object] = {"status": 0, "headers": (), "body": b"", "reason": ""}

    async def caller() -> None:
        try:
            response = await connection.exchange(Timeouts(), 0.0, b"head", b"body")
            seen["status"] = response.status
            seen["headers"] = tuple(response.headers.items())
            while chunk := await response.chunk():
                seen["body"] = cast("bytes", seen["body"]) + chunk
        except UpstreamError as error:
            seen["reason"] = error.reason

    task = asyncio.ensure_future(caller())
    await asyncio.sleep(0)
    for piece in pieces:
        if transport.aborted:
            break
        connection.data_received(piece)
        await asyncio.sleep(0)
    if row.end == "fin" and not transport.aborted:
        connection.eof_received()
    # A body is decoded while it comes, so a coding's fault may close a connection whose answer would have been whole.
    reusable = owner.freed_times == 1 and not transport.aborted and row.reason != "encoding"
    connection.connection_lost(ConnectionResetError() if row.end == "rst" else None)
    await task
    assert owner.freed_times <= 1
    return Seen(**seen, reusable=reusable)  # type: ignore[arg-type]  # collected by name above


def cut_at(answer: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(answer), *(place % (len(answer) + 1) for place in places)})
    return [answer[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("row", STEADY, ids=lambda row: row.name)
def test_one_byte_at_a_time_gives_the_same_response(row: Row) -> None:
    async def main() -> None:
        answer = row.answer
        pieces = [answer[n : n + 1] for n in range(len(answer))] if len(answer) < 3000 else cut_at(answer, [1, 63, 999])
        assert await outcome(row, pieces) == await outcome(row, [answer] if answer else [])

    asyncio.run(main())


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(STEADY), st.lists(st.integers(0, 1 << 17), max_size=12))
def test_any_split_gives_the_same_response(row: Row, places: list[int]) -> None:
    async def main() -> None:
        whole = await outcome(row, [row.answer] if row.answer else [])
        assert await outcome(row, cut_at(row.answer, places)) == whole
        assert whole.reason == row.reason
        if row.body is not None:
            assert (whole.status, whole.body) == (row.status, row.body)

    asyncio.run(main())


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_no_bytes_do_anything_but_answer_or_be_refused(junk: list[bytes], as_body: bool) -> None:
    pieces = [piece for piece in junk if piece]
    if as_body:
        pieces.insert(0, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    row = Row("junk", b"".join(pieces), end="fin")

    async def main() -> None:
        whole = await outcome(row, [row.answer] if row.answer else [])
        assert await outcome(row, pieces) == whole
        assert whole.reason or whole.status

    asyncio.run(main())
