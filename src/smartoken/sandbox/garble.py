"""Bytes that are wrong, or right in a way that careless readers do not expect. Pure."""

import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType

# Events that no reader can take as an answer; `json` is what `malformed-stream` sends unless told otherwise.
_BROKEN: Mapping[str, bytes] = MappingProxyType(
    {
        "": b'data: {"id":"broken","choices":[{"index":0,"del\n\n',
        "json": b'data: {"id":"broken","choices":[{"index":0,"del\n\n',
        "utf8": b'data: {"id":"broken","choices":[{"index":0,"delta":{"content":"\xff\xfe\xc3"}}]}\n\n',
        "html": b"<html><body>502 Bad Gateway</body></html>\n\n",
        "array": b"data: []\n\n",
        "text": b"data: hello\n\n",
        "number": b"data: 1e400\n\n",
        "choices": b'data: {"id":"broken","choices":"none"}\n\n',
        "null": b"data: null\n\n",
    }
)
ODD = ("crlf", "cr", "mixed", "comments", "multiline", "nospace", "noblank", "bom", "fields")
_BLOCK = 1_048_576


def garbled(how: str) -> bytes:
    """Return a broken event, or nothing for the kinds that are only odd."""
    return b"" if how in ODD else _BROKEN.get(how, _BROKEN["json"])


def odd_event(payload: bytes, how: str) -> bytes:
    """Write an event in a form that the standard allows and few servers use; other kinds are written as usual."""
    match how:
        case "crlf":
            return b"data: " + payload + b"\r\n\r\n"
        case "cr":
            return b"data: " + payload + b"\r\r"
        case "mixed":
            return b": note\rdata: " + payload + b"\r\n\n"
        case "comments":
            return b": a comment\n:\ndata: " + payload + b"\n: another\n\n"
        case "multiline":
            first, comma, rest = payload.partition(b",")
            return b"data: " + first + comma + b"\ndata: " + rest + b"\n\n"
        case "nospace":
            return b"data:" + payload + b"\n\n"
        case "fields":
            return b"event: message\nid: 7\nretry: 1000\nunknown\ndata: " + payload + b"\n\n"
        case _:
            return b"data: " + payload + b"\n\n"


def garbled_body(payload: bytes, how: str) -> bytes:
    """Spoil a body that is not streamed."""
    match how:
        case "utf8":
            return payload.replace(b'"content":"', b'"content":"\xff\xfe', 1)
        case "html":
            return b"<html><body>502 Bad Gateway</body></html>"
        case "array":
            return b"[]"
        case "text":
            return b"hello"
        case "null":
            return b"null"
        case "choices":
            return b'{"id":"broken","object":"chat.completion","choices":"none"}'
        case _:
            return payload[: len(payload) // 2]


def bomb(size: int) -> Iterator[bytes]:
    """Yield gzip pieces that grow to ``size`` spaces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for place in range(0, size, _BLOCK):
        part = packer.compress(b" " * min(_BLOCK, size - place))
        if part:
            yield part
    yield packer.flush()
