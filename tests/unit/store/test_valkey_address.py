"""How a Valkey URL is read."""

import pytest

from smartoken.store.valkey import ValkeyAddress

READ = [
    ("valkey://127.0.0.1", ("127.0.0.1", 6379, False, 0, "default", None)),
    ("valkey://cache.test:6380/3", ("cache.test", 6380, False, 3, "default", None)),
    ("redis://cache.test/", ("cache.test", 6379, False, 0, "default", None)),
    ("valkeys://cache.test", ("cache.test", 6379, True, 0, "default", None)),
    ("rediss://:p%40ss@cache.test:1", ("cache.test", 1, True, 0, "default", "p@ss")),
    ("valkey://ops:pass@[::1]:7/1", ("::1", 7, False, 1, "ops", "pass")),
]


@pytest.mark.parametrize(("url", "parts"), READ)
def test_an_address_is_read_from_its_url(url, parts):
    found = ValkeyAddress.parse(url)
    password = found.password.reveal() if found.password is not None else None
    assert (found.host, found.port, found.tls, found.database, found.username, password) == parts


@pytest.mark.parametrize(
    "url",
    ["", "cache.test:6379", "http://cache.test", "valkey://", "valkey://u:planted@cache.test/x", "valkey://h:port",
     "valkey://h:70000", "unix:///run/valkey.sock"],
)  # fmt: skip
def test_another_form_is_refused_with_the_setting_and_without_the_password(url):
    with pytest.raises(ValueError, match="SMARTOKEN_VALKEY_URL") as caught:
        ValkeyAddress.parse(url)
    assert "planted" not in str(caught.value)


def test_an_address_shows_no_password():
    found = ValkeyAddress.parse("valkey://ops:planted@cache.test/2")
    assert str(found) == "cache.test:6379/2"
    assert "planted" not in repr(found)
