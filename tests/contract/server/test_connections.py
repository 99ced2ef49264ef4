"""How connections live and end: keeping them, waiting in line, patience, back-pressure, leaving."""

import asyncio

import pytest

from contract.server.conftest import Run
from contract.server.floor import HEAD, dialled, echo, post, serving
from smartoken.gateway.server import (
    BODY_AHEAD,
    BODY_S,
    HEAD_S,
    LINE_LIMIT,
    LINGER_S,
    REQUEST_S,
    UNWANTED_BODY,
    sweep,
)

BLOCKS = 240
START = {"type": "http.response.start", "status": 200, "headers": []}


def piece(body, *, more=True):
    return {"type": "http.response.body", "body": body, "more_body": more}


async def streaming(scope, receive, send):
    """Answer in two pieces, whatever was asked."""
    await receive()
    await send(START)
    await send(piece(b"one,"))
    await send(piece(b"two", more=False))


class Held:
    """An application that answers when told to."""

    def __init__(self):
        self.go = asyncio.Event()
        self.left = 0
        self.began = 0

    async def __call__(self, scope, receive, send):
        def note():
            self.left += 1
            self.go.set()

        scope["smartoken.left"] = note
        self.began += 1
        await self.go.wait()
        await echo(scope, receive, send)


async def until(truth):
    async with asyncio.timeout(10):
        while not truth():  # noqa: ASYNC110 - a count read from outside has no event
            await asyncio.sleep(0.001)


CLOSINGS = [  # version, the request's connection field, whether it is kept, the answer's connection field
    (b"1.1", b"", True, None),
    (b"1.1", b"connection: close\r\n", False, "close"),
    (b"1.0", b"", False, "close"),
    (b"1.0", b"connection: keep-alive\r\n", True, "keep-alive"),
]


@pytest.mark.parametrize("row", CLOSINGS)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_connection_is_kept_as_the_client_asks(run: Run, row, method) -> None:
    version, field, kept, said = row

    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            raw = method + b" /a HTTP/" + version + b"\r\nhost: h\r\n" + field + b"\r\n"
            await client.send(raw)
            status, headers, body = await client.answer(head_only=method == b"HEAD")
            assert (status, headers.get("connection"), headers["content-length"]) == (200, said, str(len(method) + 4))
            assert body == (b"" if method == b"HEAD" else b"GET /a ")
            if kept:
                await client.send(raw)
                assert (await client.answer(head_only=method == b"HEAD"))[0] == 200
            else:
                assert await client.rest() == b""

    run(main)


def test_a_streamed_answer_is_chunked_and_to_http_10_ends_with_the_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(streaming) as floor:
            async with dialled(floor) as client:
                await client.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
                status, headers, body = await client.answer()
                assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"one,two")
            async with dialled(floor) as client:
                await client.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
                status, headers, body = await client.answer()
                assert (status, headers["connection"], body) == (200, "close", b"one,two")
                assert "transfer-encoding" not in headers

    run(main)


def test_an_expected_continue_is_said_when_the_body_is_asked_for_and_not_before(run: Run) -> None:
    async def refusing(scope, receive, send) -> None:
        await send({**START, "status": 401, "headers": [(b"content-length", b"2")]})
        await send(piece(b"no", more=False))

    async def main() -> None:
        request = HEAD + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n"
        async with serving() as floor, dialled(floor) as client:
            await client.send(request)
            assert (await client.answer())[0] == 100
            await client.send(b"hello")
            assert (await client.answer())[2] == b"POST /v1/x hello"
        async with serving(refusing) as floor, dialled(floor) as client:
            await client.send(request)
            assert (await client.answer())[0] == 401

    run(main)


def test_requests_sent_ahead_wait_for_the_answers_before_them(run: Run) -> None:
    async def main() -> None:
        held = Held()
        async with serving(held) as floor, dialled(floor) as client:
            await client.send(post(b"one") + post(b"two") + post(b"three"))
            await until(lambda: held.began)
            await asyncio.sleep(0.05)
            assert held.began == 1
            held.go.set()
            assert [(await client.answer())[2][-5:].strip() for _ in range(3)] == [b"x one", b"x two", b"three"]

    run(main)


def test_no_more_requests_than_the_limit_wait_and_the_last_one_says_so(run: Run) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(post(b"x") * (LINE_LIMIT * 3))
            answers = [await client.answer() for _ in range(LINE_LIMIT + 1)]
            assert {each[0] for each in answers} == {200}
            assert [each[1].get("connection") for each in answers] == [None] * LINE_LIMIT + ["close"]
            assert await client.rest() == b""

    run(main)


def test_rubbish_behind_a_request_is_refused_after_its_answer(run: Run) -> None:
    async def main() -> None:
        held = Held()
        async with serving(held) as floor, dialled(floor) as client:
            await client.send(post(b"one") + post(b"two") + b"rubbish\r\n\r\n" + post(b"three"))
            await until(lambda: held.began)
            held.go.set()
            assert [(await client.answer())[0] for _ in range(3)] == [200, 200, 400]
            assert await client.rest() == b""

    run(main)


def test_bytes_after_the_last_request_are_not_read_as_one(run: Run) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(post(b"one", b"connection: close\r\n") + post(b"two"))
            assert (await client.answer())[2] == b"POST /v1/x one"
            assert await client.rest() == b""

    run(main)


@pytest.mark.parametrize("half", [True, False])
def test_whoever_answers_is_told_once_that_the_client_left(run: Run, half) -> None:
    async def main() -> None:
        held = Held()
        async with serving(held) as floor:
            async with dialled(floor) as client:
                await client.send(post())
                await until(lambda: held.began)
                if half:
                    client.writer.write_eof()
                    await until(lambda: held.left)
            await until(lambda: held.left)
            await until(lambda: not floor.state.tasks)
            assert (held.left, floor.connections) == (1, [])

    run(main)


def test_a_client_that_leaves_inside_its_body_is_no_request(run: Run) -> None:
    seen = []

    async def reading(scope, receive, send) -> None:
        seen.extend([(await receive())["type"] for _ in range(2)])

    async def main() -> None:
        async with serving(reading) as floor:
            async with dialled(floor) as client:
                await client.send(HEAD + b"content-length: 100\r\n\r\nhello")
                await asyncio.sleep(0.05)
            await until(lambda: len(seen) == 2)
        assert seen == ["http.request", "http.disconnect"]

    run(main)


def test_an_answer_is_sent_no_faster_than_the_client_takes_it(run: Run) -> None:
    sent = []
    block = b"x" * 65_536

    async def flooding(scope, receive, send) -> None:
        await send(START)
        for _ in range(BLOCKS):
            await send(piece(block))
            sent.append(len(block))
        await send(piece(b"", more=False))

    async def main() -> None:
        async with serving(flooding) as floor, dialled(floor) as client:
            await client.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            waiting = -1
            while waiting != len(sent):
                waiting = len(sent)
                await asyncio.sleep(0.3)
            assert 0 < waiting < BLOCKS - 40
            assert len((await client.answer())[2]) == BLOCKS * len(block)

    run(main)


def test_a_body_is_read_no_faster_than_it_is_asked_for(run: Run) -> None:
    async def main() -> None:
        held = Held()
        async with serving(held) as floor, dialled(floor) as client:
            body = b"x" * 30_000_000
            sending = asyncio.create_task(client.send(post(body)))
            await until(lambda: held.began)
            await asyncio.sleep(0.2)
            (connection,) = floor.connections
            assert connection.exchange.buffered <= BODY_AHEAD + 262_144
            assert not sending.done()
            held.go.set()
            await sending
            assert len((await client.answer())[2]) == len(body) + 11

    run(main)


@pytest.mark.parametrize("keep", [b"", b"connection: close\r\n"])
def test_an_answer_that_did_not_wait_for_the_body_reaches_the_client(run: Run, keep) -> None:
    async def refusing(scope, receive, send) -> None:
        await send({**START, "status": 413, "headers": [(b"content-length", b"9")]})
        await send(piece(b"too large", more=False))

    async def main() -> None:
        async with serving(refusing) as floor, dialled(floor) as client:
            sending = asyncio.create_task(client.send(post(b"x" * 5_000_000, keep)))
            assert (await client.answer())[2] == b"too large"
            await sending
            if keep:
                assert await client.rest() == b""
            else:
                await client.send(post(b""))
                assert (await client.answer())[0] == 413

    run(main)


def test_a_body_without_end_that_nobody_wants_is_cut_off(run: Run) -> None:
    async def refusing(scope, receive, send) -> None:
        await send({**START, "headers": [(b"content-length", b"2")]})
        await send(piece(b"no", more=False))

    async def main() -> None:
        async with serving(refusing) as floor, dialled(floor) as client:
            with pytest.raises(ConnectionError):
                await client.send(post(b"x" * (UNWANTED_BODY + 20_000_000)))

    run(main)


KEEP_S = 75.0
PATIENCE = {  # what the client has sent -> how long the server waits for more
    "nothing": (b"", HEAD_S),
    "half a head": (b"GET / HT", HEAD_S),
    "half a body": (HEAD + b"content-length: 9\r\n\r\nhello", BODY_S),
    "a whole request": (post(), KEEP_S),
}


@pytest.mark.parametrize("name", PATIENCE)
def test_a_client_that_sends_no_more_is_waited_for_so_long(run: Run, name) -> None:
    raw, patience_s = PATIENCE[name]

    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(raw)
            await until(lambda: floor.connections)
            if raw == post():
                await client.answer()
            await asyncio.sleep(0.05)
            now = asyncio.get_running_loop().time()
            assert sweep(floor.connections, now + patience_s - 1) == 0
            assert sweep(floor.connections, now + patience_s + 1) == 1
            assert await client.rest() == b""

    run(main)


def test_a_body_that_drips_is_given_up_after_the_time_of_a_whole_request(run: Run) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(HEAD + b"content-length: 9\r\n\r\n")
            await until(lambda: floor.connections and floor.connections[0].exchange)
            (connection,) = floor.connections
            now = asyncio.get_running_loop().time()
            connection.since = now + REQUEST_S - 1
            assert not connection.impatient(now + REQUEST_S - 1)
            connection.since = now + REQUEST_S
            assert connection.impatient(now + REQUEST_S + 1)

    run(main)


def test_whoever_waits_for_an_answer_is_never_impatient(run: Run) -> None:
    async def main() -> None:
        held = Held()
        async with serving(held) as floor, dialled(floor) as client:
            await client.send(post())
            await until(lambda: held.began)
            assert sweep(floor.connections, asyncio.get_running_loop().time() + 100_000) == 0
            held.go.set()
            assert (await client.answer())[0] == 200

    run(main)


def test_a_refused_client_that_goes_on_sending_is_closed_soon(run: Run) -> None:
    async def main() -> None:
        async with serving() as floor, dialled(floor) as client:
            await client.send(b"rubbish\r\n\r\n")
            assert (await client.answer())[0] == 400
            await client.send(b"more")
            now = asyncio.get_running_loop().time()
            assert sweep(floor.connections, now) == 0
            assert sweep(floor.connections, now + LINGER_S + 0.1) == 1

    run(main)


async def _raises(scope, receive, send):
    raise LookupError("on purpose")


async def _says_nothing(scope, receive, send):
    return


async def _breaks_a_line(scope, receive, send):
    await send({**START, "headers": [(b"x-a", b"1\r\nx-b: 2")]})
    await send(piece(b"x", more=False))


async def _raises_late(scope, receive, send):
    await streaming_start(send)
    raise LookupError("on purpose")


async def _says_half(scope, receive, send):
    await streaming_start(send)


async def _is_shorter_than_said(scope, receive, send):
    await send({**START, "headers": [(b"content-length", b"10")]})
    await send(piece(b"hello", more=False))


async def _is_longer_than_said(scope, receive, send):
    await send({**START, "headers": [(b"content-length", b"2")]})
    await send(piece(b"h"))
    await send(piece(b"ello", more=False))


async def streaming_start(send):
    await send(START)
    await send(piece(b"one,"))


@pytest.mark.parametrize("app", [_raises, _says_nothing, _breaks_a_line])
def test_an_application_that_fails_before_its_answer_is_answered_for(run: Run, app) -> None:
    async def main() -> None:
        async with serving(app) as floor, dialled(floor) as client:
            await client.send(post())
            status, headers, body = await client.answer()
            assert (status, headers["connection"], body) == (500, "close", b"Internal Server Error")
            assert await client.rest() == b""

    run(main)


@pytest.mark.parametrize("app", [_raises_late, _says_half, _is_shorter_than_said, _is_longer_than_said])
def test_an_answer_that_breaks_off_never_looks_whole(run: Run, app) -> None:
    async def main() -> None:
        async with serving(app) as floor, dialled(floor) as client:
            await client.send(post())
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.answer()

    run(main)


def test_shutting_down_ends_idle_connections_and_lets_answers_finish(run: Run) -> None:
    async def main() -> None:
        held = Held()
        async with serving(held) as floor, dialled(floor) as busy, dialled(floor) as idle:
            await busy.send(post())
            await until(lambda: held.began and len(floor.connections) == 2)
            for each in floor.connections:
                each.shutdown()
            assert await idle.rest() == b""
            held.go.set()
            status, headers, _ = await busy.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await busy.rest() == b""

    run(main)
