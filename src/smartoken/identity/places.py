"""Addresses: where a call may come from, and what a listener answers to. Pure.

Fails closed: what cannot be read is not allowed.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def is_address(text: str) -> bool:
    """Whether a text is an address of IPv4 or IPv6."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_everywhere(host: str) -> bool:
    """Whether a host that is listened on stands for every address of the machine."""
    return not host or (is_address(host) and ip_address(host).is_unspecified)


def address_allowed(networks: Iterable[Network], address: str | None) -> bool:
    """Whether an address lies in one of the networks; an IPv4 address mapped into IPv6 counts as IPv4."""
    if not address or not is_address(address):
        return False
    found = ip_address(address)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in each for each in networks)
