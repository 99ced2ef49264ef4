"""What a listener's address is called: by people, by this machine's commands, and in a Host header."""

import pytest

from smartoken.control.resources import allowed_hosts
from smartoken.serving import addresses

LISTENERS = {
    "loopback": ("127.0.0.1", None, "http://127.0.0.1:80", "http://127.0.0.1:80"),
    "IPv6 loopback": ("::1", None, "http://[::1]:80", "http://[::1]:80"),
    "everywhere": ("0.0.0.0", None, "http://0.0.0.0:80", "http://127.0.0.1:80"),  # noqa: S104 - nothing binds to it
    "everywhere on IPv6": ("::", None, "http://[::]:80", "http://[::1]:80"),
    "one address": ("10.1.2.3", None, "http://10.1.2.3:80", "http://10.1.2.3:80"),
    "a public name": ("127.0.0.1", "https://gw.test", "https://gw.test", "http://127.0.0.1:80"),
}


@pytest.mark.parametrize(("host", "public", "told", "local"), LISTENERS.values(), ids=LISTENERS)
def test_an_address_is_a_url_that_leads_there(host, public, told, local):
    assert addresses((host, 80, 0, 0), public) == (told, local)


HOSTS = {
    "loopback": ("127.0.0.1", None, {"127.0.0.1"}),
    "a name": ("Gateway.test", None, {"gateway.test"}),
    "an address of IPv6": ("FD00::1", None, {"[fd00::1]"}),
    "a public name": ("127.0.0.1", "GW.test", {"127.0.0.1", "gw.test"}),
    "a public address of IPv6": ("::", "fd00::1", {"[::]", "[fd00::1]"}),
}


@pytest.mark.parametrize(("host", "public", "named"), HOSTS.values(), ids=HOSTS)
def test_a_listener_answers_to_its_own_names_as_a_header_writes_them(host, public, named):
    assert allowed_hosts(host, public) == {"localhost", "127.0.0.1", "[::1]", *named}


@pytest.mark.parametrize("host", ["", "::", "0.0.0.0", "0:0:0:0:0:0:0:0"])  # noqa: S104 - nothing binds to it
def test_a_listener_on_every_address_without_a_public_name_answers_to_any(host):
    assert allowed_hosts(host, None) is None
