"""Which addresses an upstream may have (server-side request forgery). Pure; fails closed.

Only globally routed unicast addresses pass. Everything else is named in the two tables with its reason, and every
IPv6 address outside 2000::/3 is refused. Addresses that carry an IPv4 address inside (mapped, NAT64, 6to4, Teredo)
are refused whatever they carry: no real provider has one. An operator who means a private server (local vLLM, Ollama,
a network with DNS64) says ``allow_private = true`` for that provider.
Source of the ranges: IANA IPv4 and IPv6 special-purpose address registries, and two cloud metadata addresses that
lie in global space.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_REFUSED_V4 = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking, also used by fake-IP proxies"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
    )
)
_REFUSED_V6 = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("100::/64", "discard-only"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*", re.ASCII)
_BYTE, _HEX = 256, 16
_MOST_DIGITS = 40  # no address is that long
_HOST_LIMIT = 253
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "home.arpa")
_V4_PARTS = 4


def in_url(host: str) -> str:
    """Return a host as it stands in a URL and in a Host header: an address of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def literal(host: str) -> Address | None:
    """Return the address that ``host`` spells, None for a name.

    Reads what a resolver reads: dotted IPv4, the old ``inet_aton`` forms (``127.1``, ``0x7f.1``, ``2130706433``,
    octal), and IPv6 with or without brackets and zone.
    """
    text = host.strip("[]").rstrip(".")
    if ":" in text:
        try:
            return IPv6Address(text.partition("%")[0])
        except AddressValueError:
            return None
    parts = text.split(".")
    if not text or len(parts) > _V4_PARTS:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    return _joined([number for number in numbers if number is not None])


def _number(text: str) -> int | None:
    """Read one part of an ``inet_aton`` address: decimal, octal with a leading 0, or hexadecimal with 0x."""
    lower = text.lower()
    digits, base = (lower[2:], _HEX) if lower.startswith("0x") else (lower, 8 if lower.startswith("0") else 10)
    if not digits:
        return 0 if base == _HEX else None  # glibc reads a bare "0x" as 0
    if len(digits) > _MOST_DIGITS or not digits.isascii() or not digits.isalnum():
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


def _joined(numbers: list[int]) -> IPv4Address | None:
    """Join one to four numbers: all but the last are bytes, the last fills the rest."""
    room = _BYTE ** (_V4_PARTS + 1 - len(numbers))
    if numbers[-1] >= room or any(number >= _BYTE for number in numbers[:-1]):
        return None
    value = numbers[-1]
    for place, number in enumerate(numbers[:-1]):
        value += number << (24 - 8 * place)
    return IPv4Address(value)


def refusal(address: Address) -> str | None:
    """Return why a public upstream cannot have this address, None when it is globally routed unicast."""
    if isinstance(address, IPv4Address):
        return next((reason for network, reason in _REFUSED_V4 if address in network), None)
    for network, reason in _REFUSED_V6:
        if address in network:
            return reason
    return None if address in _GLOBAL_V6 else "not globally routed"


def name_refusal(host: str) -> str | None:
    """Return why a name may not be asked of a proxy (which would resolve it on its own side), None when it may.

    Literal addresses are checked like resolved ones; names of local networks are refused.
    """
    address = literal(host)
    if address is not None:
        return refusal(address)
    lower = host.lower().rstrip(".")
    if any(lower == name or lower.endswith(f".{name}") for name in _LOCAL_NAMES):
        return "local name"
    return None


def host_fault(host: str) -> str | None:
    """Return what is wrong with a host as text, None when it is a name or an address that can be asked for."""
    if not host:
        return "host is missing"
    if ":" in host:
        return None if literal(host) is not None and "%" not in host else "IPv6 address cannot be read (no zones)"
    if len(host) > _HOST_LIMIT or _HOST.fullmatch(host) is None:
        return "host must be a DNS name of ASCII letters, digits, hyphens and dots, or an IP address"
    return None
