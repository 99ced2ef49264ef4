"""The address check against server-side request forgery, as a corpus."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.address import host_fault, literal, name_refusal, refusal

REFUSED = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104 - an address to refuse, nothing binds to it
    "private": [
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "fc00::1",
        "fd00:ec2::254",
    ],
    "carrier-grade NAT": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "cloud metadata": ["168.63.129.16"],
    "link-local": ["169.254.169.254", "169.254.0.1", "fe80::1", "febf::1"],
    "protocol assignments": ["192.0.0.192", "192.0.0.1", "2001:2::1", "2001:10::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "6to4 relay": ["192.88.99.1"],
    "benchmarking, also used by fake-IP proxies": ["198.18.0.1", "198.19.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved or broadcast": ["240.0.0.1", "255.255.255.255"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::", "2002:808:808::1"],
    "Teredo": ["2001::1", "2001:0:7f00:1::"],
    "discard-only": ["100::1"],
    "site-local": ["fec0::1"],
    "segment routing": ["5f00::1"],
    "not globally routed": ["4000::1", "::1:0:0:1", "1000::1"],
}
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.1", "126.255.255.255",
    "128.0.0.1", "169.253.255.255", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.167.255.255", "192.169.0.1",
    "198.17.255.255", "198.20.0.1", "223.255.255.255", "47.88.1.1", "2400:3200::1", "2606:4700::1111", "2a00:1450::1",
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), [(text, reason) for reason, texts in REFUSED.items() for text in texts])
def test_an_address_that_is_not_public_is_refused_with_its_reason(text: str, reason: str) -> None:
    assert refusal(ip_address(text)) == reason


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_passes(text: str) -> None:
    assert refusal(ip_address(text)) is None


@given(st.ip_addresses())
def test_nothing_passes_that_the_standard_library_calls_not_global(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert refusal(address) is not None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F.0.0.0x1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("0", "0.0.0.0"),  # noqa: S104 - an address to read, nothing binds to it
        ("0x", "0.0.0.0"),  # noqa: S104 - the same, as glibc reads it
        ("0xa9fea9fe", "169.254.169.254"),
        ("169.16689662", "169.254.169.254"),
        ("[::1]", "::1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_every_spelling_that_a_resolver_reads_is_read(text: str, meaning: str) -> None:
    assert literal(text) == ip_address(meaning)


@pytest.mark.parametrize(
    "text", ["", "example.com", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "08", "a.1", "1..2", "4294967296", "::g"]
)
def test_what_is_no_address_is_a_name(text: str) -> None:
    assert literal(text) is None


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("api.deepseek.com", None),
        ("8.8.8.8", None),
        ("localhost", "local name"),
        ("LOCALHOST.", "local name"),
        ("a.localhost", "local name"),
        ("metadata.google.internal", "local name"),
        ("printer.local", "local name"),
        ("0x7f.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("notlocalhost", None),
    ],
)
def test_a_proxy_is_asked_only_for_public_spellings(host: str, refused: str | None) -> None:
    assert name_refusal(host) == refused


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "a@b", "a\r\nb", "-", "a..b", ".a", "ex\u00e4mple.com", "a" * 64, "a." * 130, "fe80::1%1"],
)
def test_a_host_that_cannot_be_asked_for_is_named(host: str) -> None:
    assert host_fault(host)


@pytest.mark.parametrize("host", ["a", "api.deepseek.com", "xn--fiqs8s.cn", "my_service", "10.0.0.1", "::1", "a-b.c"])
def test_a_host_that_can_be_asked_for_passes(host: str) -> None:
    assert host_fault(host) is None
