"""Whose address counts behind proxies: never one that a caller can choose."""

from ipaddress import ip_network

import pytest

from smartoken.gateway.request import Request

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
NONE = None  # an address that no list allows
TABLE = [
    # what is trusted, the peer, the fields X-Forwarded-For, whose address it is
    ([], "10.0.0.1", ["1.2.3.4"], "10.0.0.1"),
    (PROXIES, "8.8.8.8", ["1.2.3.4"], "8.8.8.8"),
    (PROXIES, "10.0.0.1", [], "10.0.0.1"),
    (PROXIES, "10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
    (PROXIES, "::ffff:10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
    (PROXIES, "10.0.0.1", ["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
    (PROXIES, "10.0.0.1", ["6.6.6.6", "1.2.3.4", "10.0.0.2"], "1.2.3.4"),
    (PROXIES, "10.0.0.1", ["10.0.0.3"], "10.0.0.1"),
    (PROXIES, "fd00::1", ["2001:db8::7"], "2001:db8::7"),
    (PROXIES, "10.0.0.1", ["1.2.3.4, unknown"], NONE),
    (PROXIES, "10.0.0.1", ["1.2.3.4,"], NONE),
    (PROXIES, "10.0.0.1", ["1.2.3.4:5678"], NONE),
    (PROXIES, "10.0.0.1", ["x" * 5000], NONE),
    (PROXIES, "10.0.0.1", ["fe80::1%" + "a" * 5000], NONE),
]


@pytest.mark.parametrize(("trusted", "peer", "fields", "address"), TABLE)
def test_the_address_is_the_last_one_that_no_trusted_proxy_added(trusted, peer, fields, address):
    headers = [(b"x-forwarded-for", each.encode()) for each in fields]
    scope = {"method": "GET", "path": "/", "query_string": b"", "client": (peer, 1), "headers": headers}
    assert Request(scope, lambda: None).address(trusted) == address
