"""Peers from base URLs, and the head of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.http_head import OWN_HEADERS, request_head
from smartoken.providers.proxy import Proxy
from smartoken.providers.upstream import Peer, PeerError, Timeouts

PEER = Peer.parse("https://api.example.com/v1")


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://api.example.com", ("https", "api.example.com", 443, "", "api.example.com")),
        ("https://API.Example.com/v1/", ("https", "api.example.com", 443, "/v1", "api.example.com")),
        ("https://api.example.com.:8443/a/b", ("https", "api.example.com", 8443, "/a/b", "api.example.com:8443")),
        ("http://127.0.0.1:9101/v1", ("http", "127.0.0.1", 9101, "/v1", "127.0.0.1:9101")),
        ("http://h:80", ("http", "h", 80, "", "h")),
        ("http://[2001:DB8::1]:81/x", ("http", "2001:db8::1", 81, "/x", "[2001:db8::1]:81")),
        ("https://[::1]", ("https", "::1", 443, "", "[::1]")),
        ("HTTPS://h/api%20v3", ("https", "h", 443, "/api%20v3", "h")),
    ],
)
def test_a_base_url_is_read(url: str, seen: tuple[str, str, int, str, str]) -> None:
    peer = Peer.parse(url)
    assert (peer.scheme, peer.host, peer.port, peer.base_path, peer.authority) == seen


@pytest.mark.parametrize(
    "url",
    [
        "", "api.example.com", "//h/v1", "ftp://h", "file:///etc/passwd", "gopher://h", "unix:///x", "https://",
        "https:///v1", "https://h:0", "https://h:65536", "https://h:x", "https://h?x=1", "https://h#f", "https://h?",
        "https://h#", "https://u@h", "https://u:word@h", "https://h/ a", "https://h/\r\nx", "https://h\\@evil",
        "https://ex\u00e4mple.com", "https://a b", "https://[::1", "https://[fe80::1%25eth0]", "https://h/\u4f60",
    ],
)  # fmt: skip
def test_a_base_url_that_no_peer_can_have_is_refused(url: str) -> None:
    with pytest.raises(PeerError):
        Peer.parse(url)


def test_a_refusal_never_repeats_credentials() -> None:
    for url in ("https://u:canary-word@h", "https://u:canary-word@h:x", "https://u:canary-word@[::1"):
        with pytest.raises(PeerError) as caught:
            Peer.parse(url)
        assert "canary-word" not in str(caught.value)


@pytest.mark.parametrize("name", ["connect_s", "first_byte_s", "idle_s", "total_s"])
@pytest.mark.parametrize("value", [0, -1, 86_401, float("nan"), float("inf")])
def test_a_timeout_is_above_zero_and_at_most_a_day(name: str, value: float) -> None:
    with pytest.raises(PeerError, match=name):
        Timeouts(**{name: value})


def test_connections_are_shared_only_between_equal_targets() -> None:
    url = "https://h/v1"
    proxy = Proxy.parse("p:3128")
    same = Peer.parse("https://h:443/v2", timeouts=Timeouts(total_s=1))
    assert Peer.parse(url).pool_key == same.pool_key
    others = [
        Peer.parse("http://h:443"),
        Peer.parse("https://h:444"),
        Peer.parse("https://g"),
        Peer.parse(url, allow_private=True),
        Peer.parse(url, proxy=proxy),
        Peer.parse(url, proxy=Proxy.parse("u:word@p:3128")),
    ]
    assert len({other.pool_key for other in [*others, same]}) == 7


def test_the_head_is_exactly_this() -> None:
    assert request_head(PEER, "POST", "/chat/completions", [("authorization", "Bearer x"), ("x-a", "caf\xe9")], 12) == (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.example.com\r\naccept-encoding: identity\r\n"
        b"authorization: Bearer x\r\nx-a: caf\xe9\r\ncontent-length: 12\r\n\r\n"
    )


@pytest.mark.parametrize(
    "header",
    [
        ("x-a", "1\r\nx-b: 2"), ("x-a", "1\n"), ("x-a", "1\r"), ("x-a", "a\0b"), ("x-a: 1\r\nx-b", "2"), ("x a", "1"),
        ("", "1"), ("x:a", "1"), ("x-a", "\u4f60"), ("x-\u00e4", "1"), ("x\t", "1"),
    ],
)  # fmt: skip
def test_a_header_that_could_write_another_is_refused_without_its_value(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        request_head(PEER, "POST", "/x", [("x-ok", "fine"), header], 0)
    assert "x-b" not in str(caught.value) or header[0].startswith("x-a: 1")


@pytest.mark.parametrize("name", sorted(OWN_HEADERS))
def test_a_header_that_the_client_owns_is_refused_in_any_case(name: str) -> None:
    with pytest.raises(ValueError, match="written by the client"):
        request_head(PEER, "POST", "/x", [(name.title(), "1")], 0)


@pytest.mark.parametrize("path", ["x", "/a b", "/a\r\nb", "/a#b", "/\u4f60", "/a\tb", "/a\x7f"])
def test_a_path_that_breaks_the_request_line_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        request_head(PEER, "GET", path, [], 0)


@pytest.mark.parametrize("method", ["", "GET ", "G\r\nT", "HEAD", "CONNECT", "P\xd6ST"])
def test_a_method_is_a_word_and_not_head_or_connect(method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        request_head(PEER, method, "/x", [], 0)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6))
def test_whatever_the_headers_the_head_has_one_line_for_each(headers: list[tuple[str, str]]) -> None:
    try:
        head = request_head(PEER, "POST", "/x", headers, 3)
    except ValueError:
        return
    lines = head.split(b"\r\n")
    assert len(lines) == len(headers) + 6
    assert lines[-2:] == [b"", b""]
    assert head.count(b"\n") == head.count(b"\r") == len(lines) - 1
    assert [line.partition(b":")[0].decode("latin-1") for line in lines[3:-3]] == [name for name, _ in headers]
