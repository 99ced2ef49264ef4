"""Faults are really on the wire: read back byte by byte from raw sockets."""

import asyncio
import gzip
import json

import pytest

from smartoken.sandbox import Sandbox
from unit.sandbox.naive import ECHO, Peer, request

# model of a stream -> does the chunked body end, is the connection reset, what the truth says
CUTS = [
    ("cut-mid-stream", False, False, "cut"),
    ("cut-mid-stream?how=between", False, False, "cut"),
    ("cut-mid-stream?how=reset", False, True, "cut"),
    ("cut-mid-stream?how=clean", True, False, "cut"),
    ("bad-chunk-size", False, False, "cut"),
    ("echo?cut_after=0", False, False, "cut"),
    ("echo", True, False, "complete"),
]


@pytest.mark.parametrize("cut", CUTS, ids=str)
async def test_a_stream_breaks_off_as_its_card_says(sandbox: Sandbox, peer: Peer, cut):
    model, ends, reset, ended = cut
    answer = await peer.chat(model, stream=True, user="u")
    truth = sandbox.truth["u"]
    assert (answer.whole, answer.reset, truth.ended) == (ends, reset, ended)
    if ended == "cut":
        assert b'finish_reason":"stop' not in answer.raw
        assert b"[DONE]" not in answer.raw
        assert truth.tokens_sent == (0 if "after=0" in model else 3)
        assert truth.finish is None


async def test_a_cut_is_inside_a_chunk(peer: Peer):
    rest = (await peer.chat("cut-mid-stream", stream=True)).raw.partition(b"\r\n\r\n")[2]
    for _ in range(4):  # the role and three tokens are whole
        size, _, rest = rest.partition(b"\r\n")
        rest = rest[int(size, 16) + 2 :]
    size, _, rest = rest.partition(b"\r\n")
    assert int(size, 16) > len(rest) > 0


async def test_a_bad_chunk_size_is_not_a_number(peer: Peer):
    assert b"\r\nzz\r\n" in (await peer.chat("bad-chunk-size", stream=True)).raw
    assert b"\r\n\r\nzz\r\n" in (await peer.chat("bad-chunk-size")).raw


@pytest.mark.parametrize("after", [0, 1, 2, 5, 7])
async def test_a_cut_comes_after_so_many_tokens(sandbox: Sandbox, peer: Peer, after):
    await peer.chat(f"echo?cut_after={after}", stream=True, user="u")
    assert sandbox.truth["u"].tokens_sent == after
    assert ECHO.startswith(sandbox.truth["u"].text)


async def test_a_cut_beyond_the_text_still_loses_the_finish_reason(sandbox: Sandbox, peer: Peer):
    answer = await peer.chat("echo?cut_after=8", stream=True, user="u")
    assert (answer.whole, sandbox.truth["u"].text, sandbox.truth["u"].ended) == (False, ECHO, "cut")


@pytest.mark.parametrize("dialect", ["deepseek", "minimax", "zhipu"])
async def test_vendors_streams_are_cut_too(sandbox: Sandbox, peer: Peer, dialect):
    answer = await peer.pose(dialect, "model?cut_after=4", stream=True, user="u")
    assert (answer.whole, sandbox.truth["u"].tokens_sent) == (False, 4)


async def test_a_stall_is_silent_until_the_peer_goes(sandbox: Sandbox, peer: Peer):
    answer = await peer.chat("stalls", stream=True, user="u", timeout_s=0.3)
    assert answer.timed_out
    assert answer.raw.count(b"data: ") == 4  # the role and three tokens
    assert sandbox.truth["u"].ended == "stalled"
    for _ in range(100):
        if not sandbox.connections:
            break
        await asyncio.sleep(0.01)
    assert not sandbox.connections


async def test_a_stall_may_pass(peer: Peer):
    began = asyncio.get_running_loop().time()
    told = (await peer.stream("stalls?stall_ms=200&tokens=0")).told()
    assert (told.text, told.done) == (ECHO, True)
    assert asyncio.get_running_loop().time() - began >= 0.2


SILENT = [("hang", False, True, "hung"), ("reset", True, False, "reset"), ("closed", False, False, "reset")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("silent", SILENT, ids=str)
async def test_some_cards_send_no_byte(sandbox, peer: Peer, silent, stream):
    model, reset, timed_out, ended = silent
    answer = await peer.chat(model, stream=stream, user="u", timeout_s=0.3)
    assert (answer.raw, answer.reset, answer.timed_out) == (b"", reset, timed_out)
    assert sandbox.truth["u"].ended == ended


WHOLE = [  # model -> does the body fall short of the promised length, reset, ended
    ("cut-mid-stream", True, False, "cut"),
    ("cut-mid-stream?how=reset", True, True, "cut"),
    ("cut-mid-stream?how=clean", False, False, "cut"),
    ("wrong-content-length", True, False, "cut"),
]


@pytest.mark.parametrize("case", WHOLE, ids=str)
async def test_a_whole_answer_breaks_off_too(sandbox, peer: Peer, case):
    model, short, reset, ended = case
    answer = await peer.chat(model, user="u")
    assert (len(answer.body) < int(answer.headers["content-length"])) == short
    assert (answer.reset, sandbox.truth["u"].ended) == (reset, ended)
    if "length" not in model:
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.body)


async def test_a_length_may_be_short_or_said_twice(peer: Peer):
    short = await peer.chat("wrong-content-length?how=short")
    assert len(short.body) == int(short.headers["content-length"]) + 10
    assert (await peer.chat("wrong-content-length?how=twice")).raw.count(b"\r\ncontent-length: ") == 2
    assert (await peer.chat("wrong-content-length", stream=True)).headers["content-length"] == "10000000"


BROKEN = ["", "json", "html", "array", "text", "number", "choices", "null"]


@pytest.mark.parametrize("how", BROKEN)
async def test_a_malformed_event_stands_among_good_ones(peer: Peer, how):
    right = await peer.chat("echo?tokens=40", stream=True)
    spoilt = await peer.chat(f"malformed-stream?how={how}", stream=True)
    blocks = [each for each in spoilt.body.split(b"\n\n") if each]
    assert len(blocks) == right.body.count(b"data: ") + 1
    payload = blocks[4].removeprefix(b"data: ")
    try:
        body = json.loads(payload)
    except ValueError:
        return
    assert not (isinstance(body, dict) and isinstance(body["choices"], list))


async def test_bytes_that_are_not_utf8_are_sent(peer: Peer):
    for stream in (False, True):
        body = (await peer.chat("malformed-stream?how=utf8", stream=stream)).body
        with pytest.raises(UnicodeDecodeError):
            body.decode()


ODD = ["crlf", "cr", "mixed", "comments", "multiline", "nospace", "noblank", "bom", "fields"]


def standard_events(body: bytes) -> list[str]:
    """Read a body by the letter of the event stream standard; a last event without its blank line counts here."""
    text = body.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events, lines = [], []
    for line in text.split("\n"):
        if line == "":
            if lines:
                events.append("\n".join(lines))
            lines = []
        elif line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
    return events + (["\n".join(lines)] if lines else [])


@pytest.mark.parametrize("how", ODD)
async def test_odd_streams_are_right_by_the_standard(peer: Peer, how):
    usual = await peer.chat("echo?tokens=40", stream=True)
    odd = await peer.chat(f"malformed-stream?how={how}", stream=True)
    assert odd.body != usual.body

    def deltas(body):
        return [json.loads(each)["choices"][0]["delta"] for each in standard_events(body) if each != "[DONE]"]

    assert deltas(odd.body) == deltas(usual.body)
    assert standard_events(odd.body)[-1] == "[DONE]"


@pytest.mark.parametrize("how", ["", "html", "array", "text", "null", "choices"])
async def test_a_malformed_body_is_no_answer(peer: Peer, how):
    answer = await peer.chat(f"malformed-stream?how={how}")
    assert answer.status == 200
    try:
        body = json.loads(answer.body)
    except ValueError:
        return
    assert not (isinstance(body, dict) and isinstance(body["choices"], list))


ENDS = [("finish-without-done", ["stop"], False), ("done-without-finish", [], True)]


@pytest.mark.parametrize(("model", "finishes", "done"), ENDS)
async def test_a_stream_may_lack_one_of_its_ends(peer: Peer, model, finishes, done):
    answer = await peer.stream(model)
    told = answer.told()
    assert (told.text, told.finishes, told.done, answer.whole) == (ECHO, finishes, done, True)


async def test_error_events_come_first_or_late(sandbox, peer: Peer):
    first = await peer.chat("error-event-first", stream=True, user="first")
    assert (first.status, [list(each) for each in first.events]) == (200, [["error"]])
    late = await peer.chat("error-event-late?after=5", stream=True, user="late")
    assert "error" in late.events[-1]
    assert (sandbox.truth["late"].tokens_sent, sandbox.truth["late"].failed) == (5, "overload")
    whole = await peer.chat("error-event-first")
    assert (whole.status, list(whole.json)) == (200, ["error"])


async def test_an_empty_answer_may_have_no_body_at_all(peer: Peer):
    for stream in (False, True):
        answer = await peer.chat("empty?how=body", stream=stream)
        assert (answer.status, answer.body) == (200, b"")
    assert (await peer.stream("empty")).told().finishes == ["stop"]


async def test_a_giant_event_has_the_size_asked_for(peer: Peer):
    events = (await peer.chat("giant-event?size=5000000", stream=True)).events
    texts = [each["choices"][0]["delta"].get("content") or "" for each in events[:-1]]
    assert max(map(len, texts)) == 5_000_000
    assert "".join(text for text in texts if len(text) < 100) == ECHO


async def test_a_giant_body_has_the_size_asked_for(peer: Peer):
    body = (await peer.chat("giant-event?size=5000000")).json
    assert len(body["choices"][0]["message"]["content"]) == 5_000_000


@pytest.mark.parametrize("stream", [False, True])
async def test_a_drip_is_many_small_writes_of_a_right_answer(peer: Peer, stream):
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
    body = {"model": "drip?byte_ms=1&text=hi", "messages": [{}], "stream": stream}
    writer.write(request("/v1/chat/completions", body))
    reads: list[bytes] = []
    while not b"".join(reads).endswith(b"0\r\n\r\n" if stream else b"}"):
        reads.append(await reader.read(65536))
    writer.close()
    assert len(reads) > len(b"".join(reads)) / 4


@pytest.mark.parametrize("stream", [False, True])
async def test_tiny_chunks_hold_one_byte_each(peer: Peer, stream):
    answer = await peer.chat("tiny-chunks", stream=stream)
    rest = answer.raw.partition(b"\r\n\r\n")[2]
    assert rest.count(b"1\r\n") >= len(answer.body)
    assert len(rest) == len(answer.body) * len(b"1\r\nx\r\n") + len(b"0\r\n\r\n")
    assert (answer.told().text if stream else answer.json["choices"][0]["message"]["content"]) == ECHO


@pytest.mark.parametrize("stream", [False, True])
async def test_comments_come_first_and_are_no_progress(peer: Peer, stream):
    began = asyncio.get_running_loop().time()
    answer = await peer.chat("comments-first?for_ms=600", stream=stream)
    assert asyncio.get_running_loop().time() - began >= 0.6
    if stream:
        assert answer.body.startswith(b": keep-alive\n\n" * 3 + b"data: ")
        assert answer.told().text == ECHO
    else:
        assert answer.body.startswith(b"\n\n\n{")
        assert answer.json["choices"][0]["message"]["content"] == ECHO


async def test_the_wrong_content_type_is_on_a_right_answer(peer: Peer):
    answer = await peer.chat("wrong-content-type", stream=True)
    assert (answer.headers["content-type"], answer.told().text) == ("text/html", ECHO)


async def test_a_gzip_bomb_is_small_and_grows(peer: Peer):
    answer = await peer.chat("gzip-bomb?size=20000000")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 100_000
    assert len(gzip.decompress(answer.body)) == 20_000_000


FRAMES = [
    ("eof", "connection", "close"),
    ("trailers", "transfer-encoding", "chunked"),
    ("chunked", "transfer-encoding", "chunked"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("frame", "header", "value"), FRAMES)
async def test_a_body_may_be_framed_in_other_ways(peer: Peer, frame, header, value, stream):
    answer = await peer.chat(f"echo?frame={frame}", stream=stream)
    assert answer.headers[header] == value
    assert (b";ext=1\r\n" in answer.raw) == (frame == "trailers")
    assert answer.raw.endswith(b"x-checksum: 1\r\n\r\n") == (frame == "trailers")
    assert (answer.told().text if stream else answer.json["choices"][0]["message"]["content"]) == ECHO


async def test_slow_answers_wait_before_their_first_token_only(peer: Peer):
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
    clock = asyncio.get_running_loop().time
    began = clock()
    body = {"model": "echo?first_ms=300&tokens=3", "messages": [{}], "stream": True}
    writer.write(request("/v1/chat/completions", body))
    await reader.readuntil(b'"role":"assistant"')
    role = clock() - began
    await reader.readuntil(b'"content":"You"')
    first = clock() - began
    await reader.readuntil(b"[DONE]")
    writer.close()
    assert first >= 0.3
    assert first - role > 0.1


TIMES = [("echo?head_ms=200", True), ("echo?first_ms=100&pace_ms=20", False), ("echo?pace_ms=30", True)]


@pytest.mark.parametrize(("model", "stream"), TIMES)
async def test_answers_take_the_time_that_they_are_told(peer: Peer, model, stream):
    began = asyncio.get_running_loop().time()
    await peer.chat(model, stream=stream)
    assert asyncio.get_running_loop().time() - began >= 0.2
