"""What the head of a request may be, and the answer to one that is none; whoever reads the socket asks here."""

import os
import re
import time

import orjson

from smartoken.errors import InvalidRequestError, RequestTooLargeError, error_body
from smartoken.gateway.reply import Headers
from smartoken.ids import ENTROPY_BYTES, new_id

HEAD_LIMIT = 64 * 1024  # bytes of request line and fields
FIELD_LIMIT = 256
TOO_LARGE, MALFORMED = "431 Request Header Fields Too Large", "400 Bad Request"
UNKNOWN_CODING = "501 Not Implemented"
ONLY_CHUNKS = "Transfer-Encoding may be `chunked` alone: send the body as it is, with its length or in chunks."
ONE_HOST = "HTTP/1.1 demands exactly one Host header, which names a host with or without a port."
_FRAMINGS = frozenset({b"content-length", b"transfer-encoding"})
_HOST = re.compile(rb"(\[[0-9A-Za-z:.]+\]|[\w.~!$&'()*+,;=%-]*)(:[0-9]*)?")  # RFC 9112, section 3.2


def too_large(url: bytes, headers: Headers) -> bool:
    """Whether a head is over its limits; worth asking only when what came with it is larger than it may be."""
    size = len(url) + sum([len(name) + len(value) for name, value in headers])
    return size > HEAD_LIMIT or len(headers) > FIELD_LIMIT


def names_a_host(headers: Headers, version: str) -> bool:
    """Whether a head names one host; HTTP/1.0 may name none. What stands behind may read the other one of two."""
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1:
        return not hosts and version == "1.0"
    return _HOST.fullmatch(hosts[0]) is not None


def coded(headers: Headers) -> bool:
    """Whether a body comes in a coding besides chunks, which would be taken for the body itself."""
    for name, _ in headers:
        if name == b"transfer-encoding":
            break
    else:
        return False
    told = b",".join([value for name, value in headers if name == b"transfer-encoding"]).lower().split(b",")
    return [coding for each in told if (coding := each.strip(b" \t"))] != [b"chunked"]


def framing(headers: Headers) -> bytes:
    """Return the fields that say how long a body is."""
    return b"".join([b"%b: %b\r\n" % each for each in headers if each[0] in _FRAMINGS])


def refusal(status: str, error: InvalidRequestError | RequestTooLargeError) -> bytes:
    """Return the whole answer to what is no request, after which the connection closes."""
    request_id = new_id("req", time.time_ns(), os.urandom(ENTROPY_BYTES))
    body = orjson.dumps(error_body(error, request_id))
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}x-request-id: {request_id}\r\nconnection: close\r\n\r\n".encode() + body
