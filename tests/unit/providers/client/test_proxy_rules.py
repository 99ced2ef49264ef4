"""Which proxy serves a target, and what is said to it."""

import pytest

from smartoken.providers.proxy import Proxy, ProxyError, ProxyRules, connect_request, connect_status


@pytest.mark.parametrize(
    ("url", "host", "port", "authorization"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128, ""),
        ("proxy.example:3128", "proxy.example", 3128, ""),
        ("http://proxy.example/", "proxy.example", 80, ""),
        ("http://10.0.0.1:8080", "10.0.0.1", 8080, ""),
        ("http://[::1]:8080", "::1", 8080, ""),
        ("http://me:word@p:1", "p", 1, "Basic bWU6d29yZA=="),
        ("http://me:a%40b%3Ac@p:1", "p", 1, "Basic bWU6YUBiOmM="),
        ("me@p:1", "p", 1, "Basic bWU6"),
    ],
)
def test_a_proxy_url_is_read(url: str, host: str, port: int, authorization: str) -> None:
    assert Proxy.parse(url) == Proxy(host, port, authorization)


@pytest.mark.parametrize(
    "url",
    ["", "https://p:1", "socks5://p:1", "http://p:x", "http://p:1/path", "http://p:1?q", "http://", "http://a b:1"],
)
def test_a_proxy_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ProxyError):
        Proxy.parse(url)


def test_a_proxy_never_shows_its_credentials() -> None:
    proxy = Proxy.parse("http://me:canary-word@p:1")
    assert str(proxy) == "http://p:1"
    for text in (repr(proxy), str(proxy)):
        assert "canary" not in text
        assert "Basic" not in text
    with pytest.raises(ProxyError) as caught:
        Proxy.parse("https://me:canary-word@p:1")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("", "api.example.com", 443, False),
        ("*", "api.example.com", 443, True),
        ("other.com,*", "api.example.com", 443, True),
        ("example.com", "api.example.com", 443, True),
        ("example.com", "example.com", 443, True),
        (".example.com", "api.example.com", 443, True),
        (".example.com", "example.com", 443, True),
        ("*.example.com", "api.example.com", 443, True),
        ("EXAMPLE.COM", "Api.Example.Com.", 443, True),
        ("ample.com", "example.com", 443, False),
        ("example.com.evil", "example.com", 443, False),
        ("example.com:443", "example.com", 443, True),
        ("example.com:8443", "example.com", 443, False),
        (" a.com , example.com  b.com ", "example.com", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3/8", "10.200.0.1", 443, True),
        ("10.1.2.3:443", "10.1.2.3", 443, True),
        ("fd00::/8", "fd12::1", 443, True),
        ("[fd12::1]", "fd12::1", 443, True),
        ("10.0.0.0/8", "ten.example.com", 443, False),
        ("", "localhost", 443, True),
        ("", "127.0.0.1", 443, True),
        ("", "127.8.0.1", 443, True),
        ("", "::1", 443, True),
        ("", "a.localhost", 443, True),
        ("", "10.0.0.1", 443, False),
        (",, ,", "api.example.com", 443, False),
    ],
)
def test_no_proxy_decides_who_is_reached_directly(no_proxy: str, host: str, port: int, direct: bool) -> None:
    rules = ProxyRules.parse(https_proxy="http://p:3128", no_proxy=no_proxy)
    assert (rules.proxy_for("https", host, port) is None) is direct


def test_each_scheme_has_its_own_proxy() -> None:
    rules = ProxyRules.parse(https_proxy="a:1", http_proxy="b:2")
    assert rules.proxy_for("https", "h.example", 443) == Proxy("a", 1)
    assert rules.proxy_for("http", "h.example", 80) == Proxy("b", 2)
    assert ProxyRules.parse(https_proxy="a:1").proxy_for("http", "h.example", 80) is None
    assert ProxyRules().proxy_for("https", "h.example", 443) is None


def test_the_tunnel_is_asked_for_by_name_and_port() -> None:
    assert connect_request(Proxy("p", 1), "h.example", 443) == (
        b"CONNECT h.example:443 HTTP/1.1\r\nhost: h.example:443\r\n\r\n"
    )
    assert connect_request(Proxy("p", 1, "Basic eA=="), "fd00::1", 8000) == (
        b"CONNECT [fd00::1]:8000 HTTP/1.1\r\nhost: [fd00::1]:8000\r\nproxy-authorization: Basic eA==\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 200 Connection established", 200),
        (b"HTTP/1.0 200\r\nvia: x", 200),
        (b"HTTP/1.1 407 Auth\r\nx: y", 407),
        (b"HTTP/2 200", None),
        (b"HTTP/1.1 OK", None),
        (b"HTTP/1.1 2000 OK", None),
        (b"", None),
        (b"\x05\x00", None),
    ],
)
def test_the_proxys_status_is_read(head: bytes, status: int | None) -> None:
    assert connect_status(head) == status
