"""The server beneath: keep-alive, pipelining, back-pressure, many streams, what it tells about itself."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest
import uvloop

from smartoken.sandbox import Sandbox
from unit.sandbox.naive import ECHO, HELLO, Answer, Peer, request

PATH = "/v1/chat/completions"


def echo(**fields):
    return request(PATH, {"model": "echo", "messages": HELLO, **fields})


async def one(reader) -> Answer:
    """Read one answer with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(Answer(head).headers["content-length"])
    return Answer(head + await reader.readexactly(length))


async def test_a_connection_serves_many_requests(sandbox: Sandbox):
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    for index in range(20):
        writer.write(echo(user=f"u{index}"))
        assert (await one(reader)).json["choices"][0]["message"]["content"] == ECHO
    writer.write(echo(stream=True))
    assert b"[DONE]" in await reader.readuntil(b"0\r\n\r\n")
    writer.write(echo())
    assert (await one(reader)).status == 200
    writer.close()
    assert (sandbox.accepted, sandbox.requests.total) == (1, 22)


async def test_pipelined_requests_are_answered_in_order(sandbox: Sandbox):
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    texts = [f"number {index}" for index in range(200)]
    bodies = [{"model": "echo?head_ms=1", "messages": [{"role": "user", "content": text}]} for text in texts]
    writer.write(b"".join(request(PATH, body) for body in bodies))
    for text in texts:
        assert (await one(reader)).json["choices"][0]["message"]["content"] == f'You said: "{text}"'
    writer.close()


async def test_a_request_may_come_byte_by_byte_and_chunked(sandbox: Sandbox):
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    for byte in echo():
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert (await one(reader)).status == 200
    body = json.dumps({"model": "echo", "messages": HELLO}).encode()
    writer.write(f"POST {PATH} HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert (await one(reader)).json["choices"][0]["message"]["content"] == ECHO
    writer.close()


@pytest.mark.parametrize("ending", ["HTTP/1.0\r\n", "HTTP/1.1\r\nconnection: close\r\n"])
async def test_a_connection_closes_when_the_client_wants_it(peer: Peer, ending):
    sent = echo().replace(b"HTTP/1.1\r\n", ending.encode())
    assert (await peer.exchange(sent)).json["choices"][0]["message"]["content"] == ECHO


async def test_close_after_closes_without_a_word(peer: Peer):
    answer = await peer.exchange(request(PATH, {"model": "close-after", "messages": HELLO}))
    assert answer.json["choices"][0]["message"]["content"] == ECHO
    assert "connection" not in answer.headers


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"POST / HTTP/9.9.9\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n"]
)
async def test_what_is_not_http_is_answered_and_closed(peer: Peer, sent):
    assert (await peer.exchange(sent)).status == 400


async def test_nonsense_after_a_request_does_not_spoil_its_answer(peer: Peer):
    slow = request(PATH, {"model": "echo?head_ms=100", "messages": HELLO})
    answer = await peer.exchange(slow + b"nonsense\r\n\r\n")
    assert answer.json["choices"][0]["message"]["content"] == ECHO


PATHS = [
    ("GET", "/v1/models", 200),
    ("GET", "/as/qwen/compatible-mode/v1/models", 200),
    ("GET", "/v1/chat/completions", 405),
    ("POST", "/v1/embeddings", 404),
    ("GET", "/", 404),
    ("GET", "/as/gopher/v1/models", 404),
    ("GET", "/as", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
async def test_paths_lead_where_they_should(peer: Peer, method, path, status):
    sent = request(path, b"", method=method, headers="connection: close\r\n")
    assert (await peer.exchange(sent)).status == status


async def test_models_lists_the_public_cards(peer: Peer):
    sent = request("/v1/models", b"", method="GET", headers="connection: close\r\n")
    rows = (await peer.exchange(sent)).json["data"]
    assert [each["id"] for each in rows][:3] == ["echo", "slow", "rate-limited"]
    assert len(rows) == 14


async def test_two_hundred_streams_run_at_once(sandbox: Sandbox, peer: Peer):
    async def stream(index: int) -> str:
        messages = [{"role": "user", "content": f"stream {index}"}]
        model = "echo?first_ms=800&pace_ms=5"
        return (await peer.stream(model, messages=messages, user=f"u{index}", timeout_s=60)).told().text

    running = [asyncio.ensure_future(stream(index)) for index in range(200)]
    most = 0
    while not all(each.done() for each in running):
        most = max(most, len(sandbox.connections))
        await asyncio.sleep(0.005)
    texts = [await each for each in running]
    assert texts == [f'You said: "stream {index}"' for index in range(200)]
    assert all(sandbox.truth[f"u{index}"].text == texts[index] for index in range(200))
    assert most > 100


async def test_a_reader_that_does_not_read_stops_the_stream(sandbox: Sandbox):
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port, limit=1024)
    writer.write(request(PATH, {"model": "echo?tokens=200000", "messages": HELLO, "stream": True, "user": "u"}))
    await reader.readuntil(b"\r\n\r\n")
    sent = -1
    while sent != sandbox.truth["u"].tokens_sent:
        sent = sandbox.truth["u"].tokens_sent
        await asyncio.sleep(0.1)
    assert 0 < sent < 100_000
    while not (await reader.read(1 << 20)).endswith(b"[DONE]\n\n\r\n0\r\n\r\n"):
        pass
    writer.close()
    assert sandbox.truth["u"].tokens_sent == 200_000
    assert sandbox.truth["u"].ended == "complete"


async def test_a_client_that_leaves_is_noticed(sandbox: Sandbox):
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(request(PATH, {"model": "echo?pace_ms=20&tokens=500", "messages": HELLO, "stream": True, "user": "u"}))
    await reader.readuntil(b'"content":"You"')
    writer.close()
    for _ in range(200):
        if sandbox.truth["u"].ended != "playing":
            break
        await asyncio.sleep(0.01)
    assert sandbox.truth["u"].ended == "client_left"
    assert 1 <= sandbox.truth["u"].tokens_sent < 400


async def test_requests_show_what_came(sandbox: Sandbox, peer: Peer):
    await peer.chat(
        "echo", "/as/qwen/v1/chat/completions?x=1", key="sk-secret-abcd", temperature=0.5, headers="X-Thing: yes\r\n"
    )
    seen = sandbox.requests[-1]
    assert (seen.method, seen.path, seen.headers["x-thing"]) == ("POST", "/as/qwen/v1/chat/completions?x=1", "yes")
    assert (seen.headers["authorization"], seen.body["temperature"]) == ("Bearer sk-secret-abcd", 0.5)


async def told(peer: Peer, path: str):
    return (await peer.exchange(request(path, b"", method="GET", headers="connection: close\r\n"))).json["data"]


async def test_other_processes_can_read_requests_and_truth(sandbox: Sandbox, peer: Peer):
    await peer.chat("echo?cut_after=2", stream=True, key="sk-secret-abcd", user="u", headers="x-request-id: call_1\r\n")
    await peer.chat("echo", user="u")
    (row,) = await told(peer, "/_truth?id=call_1")
    assert (row["text"], row["tokens_sent"], row["completion"], row["cut"], row["ended"]) == (
        "You said",
        2,
        8,
        True,
        "cut",
    )
    assert [each["cut"] for each in await told(peer, "/_truth?id=u")] == [True, False]
    assert await told(peer, f"/_truth?id={row['id']}") == [row]
    assert await told(peer, "/_truth?id=nobody") == []
    assert len(await told(peer, "/_truth?limit=1")) == 1
    shown = await told(peer, "/_requests?limit=2")
    assert shown[0]["headers"]["authorization"] == "***abcd"
    assert "sk-secret" not in json.dumps(shown)
    assert sandbox.requests.total == 2  # reading about requests is none


async def test_what_is_kept_is_bounded(clock):
    running = Sandbox(clock=clock, keep=5)
    peer = Peer(await running.start())
    for index in range(12):
        await peer.chat("echo", user="same" if index % 2 else f"u{index}")
    assert (len(running.requests), len(running.truth), running.requests.total) == (5, 5, 12)
    assert len(running.truth.of("same")) == 3
    with pytest.raises(KeyError):
        running.truth["u0"]
    await running.stop()


async def test_nothing_is_kept_when_told_so(clock):
    running = Sandbox(clock=clock, keep=0)
    peer = Peer(await running.start())
    assert (await peer.chat("echo")).status == 200
    assert (len(running.requests), len(running.truth)) == (0, 0)
    await running.stop()


async def test_stopping_ends_every_connection_and_may_be_repeated(clock):
    running = Sandbox(clock=clock)
    port = await running.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(PATH, {"model": "hang", "messages": HELLO}))
    await asyncio.sleep(0.05)
    await running.stop()
    await running.stop()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


def test_it_works_on_uvloop_with_its_hardest_cards(clock):
    async def scene():
        running = Sandbox(clock=clock)
        peer = Peer(await running.start())
        whole = (await peer.stream("echo")).told()
        cut = await peer.chat("cut-mid-stream", stream=True)
        reset = await peer.chat("reset")
        dripped = await peer.chat("drip?text=hi")
        big = await peer.chat("giant-event?size=3000000", stream=True)
        await running.stop()
        return (
            whole.text,
            cut.whole,
            reset.reset,
            dripped.json["choices"][0]["message"]["content"],
            len(big.body) > 3_000_000,
        )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scene()) == (ECHO, False, True, "hi", True)


@pytest.mark.parametrize("loop", [[], ["--asyncio"]])
def test_it_runs_alone_and_stops_on_a_signal(loop):
    command = [sys.executable, "-m", "smartoken.sandbox", "--port", "0", *loop]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        address = running.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{address}/models", timeout=10) as answer:
            assert len(json.load(answer)["data"]) == 14
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0


async def test_a_taken_port_is_a_plain_message(sandbox: Sandbox):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-m", "smartoken.sandbox", "--port", str(sandbox.port)]
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=environment, timeout=30
    )
    assert (ended.returncode, "cannot listen" in ended.stderr, "Traceback" in ended.stderr) == (2, True, False)
