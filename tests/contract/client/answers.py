"""The table of answers that an upstream may give: the bytes, how they end, and what the caller must get.

One row an answer. ``end`` says what the server does after the bytes: ``keep`` the connection open, ``fin`` it or
``rst`` it. ``body`` is the body that ``read`` returns; ``fault`` names instead the error's class and reason. ``kept``
says whether the connection may carry the next call.
"""

import gzip
import zlib
from dataclasses import dataclass

from smartoken.providers.upstream import UpstreamBadAnswer, UpstreamCut, UpstreamError

LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = LINE + b"transfer-encoding: chunked\r\n\r\n"
JSON = b'{"ok":true}'


def sized(body: bytes, *fields: bytes, line: bytes = LINE) -> bytes:
    """An answer with Content-Length and further header lines."""
    return line + b"".join(field + b"\r\n" for field in fields) + b"content-length: %d\r\n\r\n" % len(body) + body


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    answer: bytes
    body: bytes | None = None
    status: int = 200
    end: str = "keep"
    fault: type[UpstreamError] | None = None
    reason: str = ""
    kept: bool = False


def bad(name: str, answer: bytes, reason: str = "protocol", status: int = 200) -> Row:
    return Row(name, answer, status=status, fault=UpstreamBadAnswer, reason=reason)


def cut(name: str, answer: bytes, reason: str = "body", end: str = "fin") -> Row:
    return Row(name, answer, end=end, fault=UpstreamCut, reason=reason)


PLAIN = (
    Row("content_length", sized(JSON), JSON, kept=True),
    Row("empty_body", sized(b""), b"", kept=True),
    Row("no_reason_phrase", sized(JSON, line=b"HTTP/1.1 200\r\n"), JSON, kept=True),
    Row("header_names_in_capitals", b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 11\r\n\r\n" + JSON, JSON, kept=True),
    Row("spaces_around_length", LINE + b"content-length:   11  \r\n\r\n" + JSON, JSON, kept=True),
    Row("latin_1_header", sized(JSON, b"x-note: caf\xe9"), JSON, kept=True),
    Row("repeated_header", sized(JSON, b"x-a: 1", b"X-A: 2"), JSON, kept=True),
    Row("status_429", sized(JSON, line=b"HTTP/1.1 429 Too Many\r\n"), JSON, status=429, kept=True),
    Row("status_500", sized(JSON, line=b"HTTP/1.1 500 Oops\r\n"), JSON, status=500, kept=True),
    Row("status_529", sized(JSON, line=b"HTTP/1.1 529 Overloaded\r\n"), JSON, status=529, kept=True),
    Row("redirect_is_an_answer", sized(b"", b"location: /x", line=b"HTTP/1.1 302 F\r\n"), b"", status=302, kept=True),
    Row("status_204", b"HTTP/1.1 204 No Content\r\n\r\n", b"", status=204, kept=True),
    Row("status_304_with_length", b"HTTP/1.1 304 N\r\ncontent-length: 5\r\n\r\n", b"", status=304, kept=True),
    Row("status_204_with_a_body", b"HTTP/1.1 204 N\r\ncontent-length: 2\r\n\r\nhi", b"", status=204),
    Row("blank_lines_first", b"\r\n\r\n" + sized(JSON), JSON, kept=True),
    Row("connection_close", sized(JSON, b"connection: close"), JSON, end="fin"),
    Row("connection_close_but_left_open", sized(JSON, b"connection: close"), JSON),
    Row("http_1_0", sized(JSON, line=b"HTTP/1.0 200 OK\r\n"), JSON),
    Row("http_1_0_keep_alive", sized(JSON, b"connection: keep-alive", line=b"HTTP/1.0 200 OK\r\n"), JSON, kept=True),
    Row("until_eof", LINE + b"\r\n" + JSON, JSON, end="fin"),
    Row("until_eof_http_1_0", b"HTTP/1.0 200 OK\r\n\r\n" + JSON, JSON, end="fin"),
    Row("until_eof_and_empty", LINE + b"\r\n", b"", end="fin"),
    Row("whole_answer_then_fin", sized(JSON), JSON, end="fin"),
)

INTERIM = (
    Row("continue_first", b"HTTP/1.1 100 Continue\r\n\r\n" + sized(JSON), JSON, kept=True),
    Row("early_hints_first", b"HTTP/1.1 103 E\r\nlink: </a>\r\n\r\n" + sized(JSON), JSON, kept=True),
    Row("three_interim_answers", b"HTTP/1.1 102 P\r\n\r\n" * 3 + sized(JSON), JSON, kept=True),
    bad("interim_answers_without_end", b"HTTP/1.1 102 P\r\n\r\n" * 300),
    bad("switching_protocols", b"HTTP/1.1 101 S\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
    cut("interim_only", b"HTTP/1.1 100 Continue\r\n\r\n", "head"),
)

CHUNKS = (
    Row("one_chunk", CHUNKED + b"b\r\n" + JSON + b"\r\n0\r\n\r\n", JSON, kept=True),
    Row("many_chunks", CHUNKED + b"".join(b"1\r\n%c\r\n" % c for c in JSON) + b"0\r\n\r\n", JSON, kept=True),
    Row("no_chunks", CHUNKED + b"0\r\n\r\n", b"", kept=True),
    Row("chunk_extension", CHUNKED + b'2;a=b;c="d"\r\nhi\r\n0;e\r\n\r\n', b"hi", kept=True),
    Row("size_in_capitals_with_zeros", CHUNKED + b"00A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", kept=True),
    Row("trailers", CHUNKED + b"2\r\nhi\r\n0\r\nx-sum: 1\r\nx-b: 2\r\n\r\n", b"hi", kept=True),
    bad("length_in_the_trailers", CHUNKED + b"2\r\nhi\r\n0\r\ncontent-length: 9\r\n\r\n"),
    Row("chunked_in_capitals", LINE + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi", kept=True),
    Row(
        "chunked_and_close", LINE + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"", end="fin"
    ),
    bad("size_not_hexadecimal", CHUNKED + b"2\r\nhi\r\nzz\r\n"),
    bad("size_negative", CHUNKED + b"-2\r\nhi\r\n"),
    bad("size_with_sign", CHUNKED + b"+2\r\nhi\r\n"),
    bad("size_with_space", CHUNKED + b" 2\r\nhi\r\n"),
    bad("size_0x", CHUNKED + b"0x2\r\nhi\r\n"),
    bad("size_overflows", CHUNKED + b"fffffffffffffffff\r\nhi\r\n"),
    bad("size_missing", CHUNKED + b"\r\nhi\r\n"),
    bad("bare_line_feeds_in_chunks", CHUNKED + b"2\nhi\n0\n\n"),
    bad("chunk_longer_than_its_size", CHUNKED + b"2\r\nhixx\r\n0\r\n\r\n"),
    cut("no_last_chunk", CHUNKED + b"2\r\nhi\r\n"),
    cut("cut_inside_a_chunk", CHUNKED + b"5\r\nhi"),
    cut("cut_inside_a_size", CHUNKED + b"2\r\nhi\r\n1"),
    cut("cut_inside_the_trailers", CHUNKED + b"2\r\nhi\r\n0\r\nx-sum: 1\r\n"),
    cut("cut_before_the_last_line_break", CHUNKED + b"2\r\nhi\r\n0\r\n"),
    cut("reset_inside_a_chunk", CHUNKED + b"5\r\nhi", end="rst"),
)

FRAMING = (
    bad("two_equal_lengths", LINE + b"content-length: 2\r\ncontent-length: 2\r\n\r\nhi"),
    bad("two_contradicting_lengths", LINE + b"content-length: 2\r\ncontent-length: 3\r\n\r\nhi!"),
    bad("length_list", LINE + b"content-length: 2, 2\r\n\r\nhi"),
    bad("length_negative", LINE + b"content-length: -2\r\n\r\nhi"),
    bad("length_with_sign", LINE + b"content-length: +2\r\n\r\nhi"),
    bad("length_empty", LINE + b"content-length: \r\n\r\nhi"),
    bad("length_hexadecimal", LINE + b"content-length: 0x2\r\n\r\nhi"),
    bad("length_overflows", LINE + b"content-length: 99999999999999999999\r\n\r\nhi"),
    bad("length_then_chunked", LINE + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    bad("chunked_then_length", LINE + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n"),
    bad("chunked_twice", LINE + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    bad("transfer_coding_gzip", LINE + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    bad("transfer_coding_unknown", LINE + b"transfer-encoding: smoke\r\n\r\nhi"),
    Row("extra_bytes", sized(JSON) + b"garbage", JSON),
    Row("extra_answer", sized(JSON) + sized(b"second"), JSON),
    Row("extra_bytes_after_chunks", CHUNKED + b"2\r\nhi\r\n0\r\n\r\nmore", b"hi"),
    Row("extra_bytes_after_close", sized(JSON, b"connection: close") + b"x", JSON),
    cut("half_a_body", LINE + b"content-length: 11\r\n\r\n" + JSON[:5]),
    cut("half_a_body_then_reset", LINE + b"content-length: 11\r\n\r\n" + JSON[:5], end="rst"),
    cut("no_body", LINE + b"content-length: 11\r\n\r\n"),
    cut("reset_of_a_body_until_eof", LINE + b"\r\n" + JSON, end="rst"),
)

HEADS = (
    cut("nothing_at_all", b"", "no_answer"),
    cut("nothing_but_a_reset", b"", "no_answer", end="rst"),
    cut("half_a_status_line", b"HTTP/1.1 20", "head"),
    cut("half_a_head", LINE + b"content-le", "head"),
    bad("not_http", b"SSH-2.0-OpenSSH_9.9\r\n"),
    bad("http_0_9_text", b"<html>hello</html>"),
    bad("http_2", b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
    bad("status_of_two_digits", b"HTTP/1.1 99 A\r\n\r\n"),
    bad("status_of_four_digits", b"HTTP/1.1 2000 A\r\n\r\n"),
    bad("tls_alert_in_plain", b"\x15\x03\x01\x00\x02\x02\x16"),
    bad("folded_header", LINE + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n"),
    bad("space_before_colon", LINE + b"a : b\r\ncontent-length: 0\r\n\r\n"),
    bad("header_without_colon", LINE + b"nonsense\r\ncontent-length: 0\r\n\r\n"),
    bad("nul_in_a_name", LINE + b"a\0: b\r\ncontent-length: 0\r\n\r\n"),
    bad("nul_in_a_value", LINE + b"a: b\0c\r\ncontent-length: 0\r\n\r\n"),
    bad("bare_line_feeds", b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi"),
    Row("head_of_60_kib", sized(JSON, b"x-long: " + b"a" * 60_000), JSON, kept=True),
    bad("head_of_70_kib", sized(JSON, b"x-long: " + b"a" * 70_000), "head_limit"),
    bad("head_without_end", LINE + b"x-long: " + b"a" * 70_000, "head_limit"),
    Row("199_fields", sized(JSON, *[b"x-%d: y" % n for n in range(199)]), JSON, kept=True),
    bad("201_fields", sized(JSON, *[b"x-%d: y" % n for n in range(200)]), "head_limit"),
    bad("201_trailers", CHUNKED + b"0\r\n" + b"x: y\r\n" * 200 + b"\r\n", "head_limit"),
    bad("trailer_without_end", CHUNKED + b"0\r\nx: " + b"a" * 600_000, "framing_limit"),
    bad("extension_without_end", CHUNKED + b"2;" + b"a" * 600_000, "framing_limit"),
)

_PACKED = gzip.compress(JSON, mtime=0)
_RAW = zlib.compressobj(wbits=-15)
_DEFLATED = _RAW.compress(JSON) + _RAW.flush()
_BOMB = gzip.compress(b"\0" * (8 << 20), mtime=0)

CODINGS = (
    Row("identity", sized(JSON, b"content-encoding: identity"), JSON, kept=True),
    Row("gzip", sized(_PACKED, b"content-encoding: gzip"), JSON, kept=True),
    Row("x_gzip_in_capitals", sized(_PACKED, b"Content-Encoding: X-GZIP"), JSON, kept=True),
    Row("gzip_members", sized(_PACKED * 2, b"content-encoding: gzip"), JSON * 2, kept=True),
    Row("gzip_and_empty", sized(b"", b"content-encoding: gzip"), b"", kept=True),
    Row("deflate_with_zlib_head", sized(zlib.compress(JSON), b"content-encoding: deflate"), JSON, kept=True),
    Row("deflate_raw", sized(_DEFLATED, b"content-encoding: deflate"), JSON, kept=True),
    Row("gzip_until_eof", LINE + b"content-encoding: gzip\r\n\r\n" + _PACKED, JSON, end="fin"),
    Row(
        "gzip_cut_in_a_whole_answer",
        sized(_PACKED[:-9], b"content-encoding: gzip"),
        fault=UpstreamCut,
        reason="encoding",
    ),
    cut("gzip_cut_with_its_answer", sized(_PACKED, b"content-encoding: gzip")[:-9]),
    bad("gzip_broken", sized(b"nope, not gzip", b"content-encoding: gzip"), "encoding"),
    bad("gzip_then_garbage", sized(_PACKED + b"garbage", b"content-encoding: gzip"), "encoding"),
    bad("deflate_then_garbage", sized(zlib.compress(JSON) + b"garbage", b"content-encoding: deflate"), "encoding"),
    bad("gzip_bomb", sized(_BOMB, b"content-encoding: gzip"), "encoding"),
    bad("brotli", sized(JSON, b"content-encoding: br"), "encoding"),
    bad("two_codings", sized(_PACKED, b"content-encoding: gzip, gzip"), "encoding"),
    bad("two_coding_fields", sized(_PACKED, b"content-encoding: gzip", b"content-encoding: gzip"), "encoding"),
)

ROWS = PLAIN + INTERIM + CHUNKS + FRAMING + HEADS + CODINGS
