"""From chunks and bodies to the very bytes on the connection, faults included. Pure: it yields steps, others play them.

A step is bytes to write (with what they say), a pause, or an end. Steps are made one by one, so an answer of a million
chunks needs no memory for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from smartoken.sandbox.cards import Card, Fault
from smartoken.sandbox.garble import bomb, garbled, garbled_body, odd_event
from smartoken.sandbox.shapes import Event
from smartoken.sandbox.truth import NOTHING, Said

_REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}
_COMMENT = b": keep-alive\n\n"
_COMMENT_EVERY_MS = 200
_BLOCK = 65_536
_MAX_SIZE = 268_435_456
_MARK = "\u2063giant\u2063"
_EVENT_STREAM = "text/event-stream"
_JSON = "application/json"
Headers = tuple[tuple[str, str], ...]


class Ending(StrEnum):
    """What becomes of the connection."""

    KEEP = "keep"
    CLOSE = "close"  # FIN after all was written
    RESET = "reset"  # RST
    HANG = "hang"  # nothing, until the peer goes


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to write."""

    payload: bytes
    said: Said = NOTHING


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause; zero gives the loop a turn, so that what was written leaves."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """The end of an answer; ``ended`` is the word in its truth."""

    how: Ending
    ended: str = "complete"


Step = Send | Wait | End


def head(status: int, headers: Headers) -> bytes:
    """Return the status line and header block."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    return ("".join(lines) + "\r\n").encode("latin-1")


def _chunked(payload: bytes, card: Card) -> bytes:
    if card.chunk_bytes > 0:
        size = card.chunk_bytes
        parts = [payload[place : place + size] for place in range(0, len(payload), size)]
        return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    if card.frame == "trailers":
        return b"%x;ext=1\r\n%b\r\n" % (len(payload), payload)
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _wait(milliseconds: int) -> Iterator[Wait]:
    if milliseconds > 0:
        yield Wait(milliseconds / 1000)


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of an event stream."""

    payload: bytes
    said: Said = NOTHING
    timed: bool = False
    wait_ms: int = 0  # before it


def _sse(body: Any) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _giant(chunk: dict[str, Any], size: int) -> Iterator[Frame]:
    """Yield one event whose text has ``size`` letters, in blocks."""
    start, _, rest = orjson.dumps(_marked(chunk)).partition(orjson.dumps(_MARK)[1:-1])
    yield Frame(b"data: " + start)
    for place in range(0, min(size, _MAX_SIZE), _BLOCK):
        yield Frame(b"x" * min(_BLOCK, size - place))
    yield Frame(rest + b"\n\n")


def _marked(chunk: dict[str, Any]) -> dict[str, Any]:
    choice = {**chunk["choices"][0], "delta": {**chunk["choices"][0]["delta"], "content": _MARK}}
    return {**chunk, "choices": [choice]}


def _unfinished(event: Event) -> Event:
    choices = [
        {name: None if name == "finish_reason" else value for name, value in each.items()}
        for each in event.chunk["choices"]
    ]
    return Event({**event.chunk, "choices": choices}, replace(event.said, finish=None), event.timed)


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream is made of: the events, what surrounds them, and the error event of this vendor."""

    events: Iterator[Event]
    preamble: bytes
    done: bool
    error: bytes  # the whole error event, ready to send


def frames(stream: Stream, card: Card) -> Iterator[Frame]:
    """Yield the pieces of an event stream with the faults that live in its text."""
    fault, how = card.fault, card.how
    if fault is Fault.ERROR_FIRST:
        yield Frame(stream.error)
        return
    if stream.preamble:
        yield Frame(stream.preamble)
    if fault is Fault.COMMENTS:
        for _ in range(0, card.for_ms, _COMMENT_EVERY_MS):
            yield Frame(_COMMENT, wait_ms=_COMMENT_EVERY_MS)
    content, broken = 0, False
    odd = how if fault is Fault.MALFORMED else ""
    if odd == "bom":
        yield Frame(b"\xef\xbb\xbf")
    for each in stream.events:
        event = _unfinished(each) if fault is Fault.NO_FINISH and each.said.finish else each
        if event.timed and content == (1 if fault is Fault.GIANT else card.after) and not broken:
            broken = fault in {Fault.MALFORMED, Fault.ERROR_LATE, Fault.GIANT}
            if fault is Fault.ERROR_LATE:
                yield Frame(stream.error)
                return
            if fault is Fault.MALFORMED and (spoilt := garbled(how)):
                yield Frame(spoilt)
            if fault is Fault.GIANT:
                yield from _giant(event.chunk, card.size)
        payload = odd_event(orjson.dumps(event.chunk), odd) if odd else _sse(event.chunk)
        yield Frame(payload, event.said, event.timed)
        content += event.timed
    if stream.done and fault is not Fault.NO_DONE:
        yield Frame(b"data: [DONE]" if odd == "noblank" else b"data: [DONE]\n\n")


def _stream_head(card: Card, headers: Headers) -> bytes:
    kind = "text/html" if card.fault is Fault.WRONG_TYPE else _EVENT_STREAM
    head_lines: Headers = (("content-type", kind), *headers)
    if card.fault is Fault.WRONG_LENGTH:
        head_lines = (*head_lines, ("content-length", "10" if card.how == "short" else "10000000"))
        if card.how == "twice":
            head_lines = (*head_lines, ("content-length", "77"))
    elif card.frame == "eof":
        head_lines = (*head_lines, ("connection", "close"))
    else:
        head_lines = (*head_lines, ("transfer-encoding", "chunked"))
    return head(200, head_lines)


def _broken_off(payload: bytes, card: Card) -> Iterator[Step]:
    """Yield the end of a stream that breaks where ``payload`` would have come."""
    if card.fault is Fault.STALL:
        yield End(Ending.HANG, "stalled")
    elif card.fault is Fault.BAD_CHUNK_SIZE:
        yield Send(b"zz\r\n" + payload)
        yield End(Ending.CLOSE, "cut")
    elif card.how == "clean":
        yield Send(b"0\r\n\r\n")
        yield End(Ending.KEEP, "cut")
    else:
        if card.how != "between":
            yield Send(payload[: max(1, len(payload) // 2)])
        if card.how == "reset":
            yield Wait(0.01)  # what was written must leave first
        yield End(Ending.RESET if card.how == "reset" else Ending.CLOSE, "cut")


def stream_steps(stream: Stream, card: Card, headers: Headers) -> Iterator[Step]:
    """Yield a whole streamed answer."""
    yield from _wait(card.head_ms)
    yield Send(_stream_head(card, headers))
    raw = card.frame == "eof" or card.fault is Fault.WRONG_LENGTH
    breaks = card.fault in {Fault.CUT, Fault.BAD_CHUNK_SIZE, Fault.STALL}
    content = 0
    if not (card.fault is Fault.EMPTY and card.how == "body"):
        for frame in frames(stream, card):
            yield from _wait(frame.wait_ms)
            payload = frame.payload if raw else _chunked(frame.payload, card)
            if breaks and content >= card.after and (frame.timed or frame.said.finish):
                if card.fault is not Fault.STALL or not card.stall_ms:
                    yield from _broken_off(payload, card)
                    return
                yield from _wait(card.stall_ms)
                breaks = False
            if frame.timed:
                yield from _wait(card.pace_ms if content else card.first_ms)
                content += 1
            yield Send(payload, frame.said)
    if not raw:
        trailer = b"x-checksum: 1\r\n" if card.frame == "trailers" else b""
        yield Send(b"0\r\n" + trailer + b"\r\n")
    closes = raw or card.fault is Fault.CLOSE_AFTER
    yield End(Ending.CLOSE if closes else Ending.KEEP)


def _body_headers(card: Card, headers: Headers, length: int) -> Headers:
    kind = "text/html" if card.fault is Fault.WRONG_TYPE else _JSON
    lines: Headers = (("content-type", kind), *headers)
    if card.fault is Fault.WRONG_LENGTH:
        length += {"short": -10, "twice": 0}.get(card.how, 50)
        return (*lines, ("content-length", str(length)), *((("content-length", "77"),) if card.how == "twice" else ()))
    if card.frame == "eof":
        return (*lines, ("connection", "close"))
    if card.frame or card.chunk_bytes or card.fault in {Fault.BAD_CHUNK_SIZE, Fault.COMMENTS}:
        return (*lines, ("transfer-encoding", "chunked"))
    return (*lines, ("content-length", str(length)))


def body_steps(body: Any, said: Said, card: Card, headers: Headers) -> Iterator[Step]:
    """Yield a whole answer that is not streamed; it takes as long as its stream would."""
    payload = orjson.dumps(body)
    if card.fault is Fault.EMPTY and card.how == "body":
        payload, said = b"", NOTHING
    if card.fault is Fault.MALFORMED:
        payload, said = garbled_body(payload, card.how), NOTHING
    yield from _wait(card.head_ms + card.first_ms + card.pace_ms * max(0, said.tokens - 1))
    lines = _body_headers(card, headers, len(payload))
    chunked = ("transfer-encoding", "chunked") in lines
    start = head(200, lines)
    half = payload[: len(payload) // 2]
    match card.fault:
        case Fault.CUT if card.how == "clean":
            lines = _body_headers(card, headers, len(half))
            yield Send(head(200, lines) + half)
            yield End(Ending.KEEP, "cut")
        case Fault.CUT:
            yield Send(start + half)
            yield Wait(0.01)
            yield End(Ending.RESET if card.how == "reset" else Ending.CLOSE, "cut")
        case Fault.STALL:
            yield Send(start + half)
            if not card.stall_ms:
                yield End(Ending.HANG, "stalled")
            yield from _wait(card.stall_ms)
            yield Send(payload[len(half) :], said)
            yield End(Ending.KEEP)
        case Fault.BAD_CHUNK_SIZE:
            yield Send(start + b"zz\r\n" + payload)
            yield End(Ending.CLOSE, "cut")
        case Fault.WRONG_LENGTH:
            yield Send(start + payload, said)
            yield End(Ending.CLOSE, "cut" if card.how != "short" else "complete")
        case _:
            if card.fault is Fault.COMMENTS:
                yield Send(start)
                start = b""
                for _ in range(0, card.for_ms, _COMMENT_EVERY_MS):
                    yield from _wait(_COMMENT_EVERY_MS)
                    yield Send(_chunked(b"\n", card))
            if chunked:
                trailer = b"x-checksum: 1\r\n" if card.frame == "trailers" else b""
                framed = _chunked(payload, card) if payload else b""
                yield Send(start + framed + b"0\r\n" + trailer + b"\r\n", said)
            else:
                yield Send(start + payload, said)
            closes = card.frame == "eof" or card.fault is Fault.CLOSE_AFTER
            yield End(Ending.CLOSE if closes else Ending.KEEP)


def bomb_steps(card: Card, headers: Headers, *, stream: bool) -> Iterator[Step]:
    """Yield a small compressed body that grows to ``size`` bytes."""
    kind = _EVENT_STREAM if stream else _JSON
    lines = (("content-type", kind), ("content-encoding", "gzip"), *headers, ("transfer-encoding", "chunked"))
    yield Send(head(200, lines))
    for part in bomb(min(card.size, _MAX_SIZE)):
        yield Send(b"%x\r\n%b\r\n" % (len(part), part))
    yield Send(b"0\r\n\r\n")
    yield End(Ending.KEEP)


def plain_steps(status: int, payload: bytes, kind: str, headers: Headers = ()) -> Iterator[Step]:
    """Yield a plain answer: an error, a list, a page."""
    lines = (("content-type", kind), *headers, ("content-length", str(len(payload))))
    yield Send(head(status, lines) + payload)
    yield End(Ending.KEEP)


def sliced(steps: Iterator[Step], card: Card) -> Iterator[Step]:
    """Cut every write into small ones, with a turn of the loop or a pause between."""
    pause = Wait(card.byte_ms / 1000)
    for step in steps:
        if not isinstance(step, Send):
            yield step
            continue
        size = card.write_bytes
        for place in range(0, len(step.payload), size):
            last = place + size >= len(step.payload)
            yield Send(step.payload[place : place + size], step.said if last else NOTHING)
            yield pause
