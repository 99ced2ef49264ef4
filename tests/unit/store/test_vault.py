"""Secrets at rest open only where they belong, whole, and under their key; and nothing prints them."""

import copy
import json
import logging
import pickle
from dataclasses import asdict, dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.store.vault import KEY_ID, NONCE, Place, Secret, Vault, VaultError, key_id

OLD = "old-key-" + "0123456789abcdef" * 3
NEW = "new-key-" + "fedcba9876543210" * 3
HERE = Place("provider_keys", "pkey_1", "wrapped_secret")
VAULT = Vault((OLD,))


def test_what_is_wrapped_opens_in_its_place():
    assert VAULT.unwrap(VAULT.wrap(b"upstream-key", HERE), HERE) == b"upstream-key"


@given(st.binary(max_size=300))
def test_any_secret_comes_back_as_it_was(secret):
    assert VAULT.unwrap(VAULT.wrap(secret, HERE), HERE) == secret


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(HERE, row="pkey_2"),
        replace(HERE, table="facts"),
        replace(HERE, field="name"),
        replace(HERE, row=""),
        Place("provider_keys|pkey_1", "wrapped_secret", ""),
        Place("provider_keys", "pkey_1|wrapped_secret", ""),
        Place("provider_key", "spkey_1", "wrapped_secret"),
    ],
)
def test_a_ciphertext_that_was_moved_does_not_open(elsewhere):
    with pytest.raises(VaultError):
        VAULT.unwrap(VAULT.wrap(b"upstream-key", HERE), elsewhere)


HEAD = 1 + KEY_ID
PARTS = {
    "version": 0,
    "first of the key id": 1,
    "last of the key id": HEAD - 1,
    "outer nonce": HEAD,
    "wrapped data key": HEAD + NONCE,
    "tag of the data key": HEAD + NONCE + 32 + 15,
    "inner nonce": HEAD + NONCE + 48,
    "ciphertext": HEAD + NONCE + 48 + NONCE,
    "last of the tag": -1,
}


@pytest.mark.parametrize("part", PARTS)
def test_one_flipped_bit_anywhere_is_refused(part):
    blob = bytearray(VAULT.wrap(b"upstream-key", HERE))
    blob[PARTS[part]] ^= 1
    with pytest.raises(VaultError):
        VAULT.unwrap(bytes(blob), HERE)


def test_every_single_byte_matters():
    blob = VAULT.wrap(b"k", HERE)
    for index in range(len(blob)):
        broken = blob[:index] + bytes([blob[index] ^ 0x80]) + blob[index + 1 :]
        with pytest.raises(VaultError):
            VAULT.unwrap(broken, HERE)


@pytest.mark.parametrize("length", [0, 1, 8, 9, 20, 60, 68, 69, 80, 96])
def test_a_shortened_ciphertext_is_refused(length):
    with pytest.raises(VaultError):
        VAULT.unwrap(VAULT.wrap(b"upstream-key", HERE)[:length], HERE)


def test_parts_of_two_ciphertexts_do_not_fit_together():
    one, other = VAULT.wrap(b"first", HERE), VAULT.wrap(b"other", HERE)
    border = HEAD + NONCE + 48
    with pytest.raises(VaultError):
        VAULT.unwrap(one[:border] + other[border:], HERE)


def test_the_same_secret_never_looks_the_same_twice():
    assert len({VAULT.wrap(b"upstream-key", HERE) for _ in range(100)}) == 100


def test_another_secret_key_does_not_open_and_the_error_holds_no_secret():
    with pytest.raises(VaultError, match="SMARTOKEN_SECRET_KEY") as caught:
        Vault((NEW,)).unwrap(VAULT.wrap(b"upstream-key", HERE), HERE)
    assert "upstream-key" not in str(caught.value)
    assert NEW not in str(caught.value)


def test_a_new_key_is_put_first_and_the_old_one_retired_after_rewrapping():
    both = Vault((NEW, OLD))
    old_blob = VAULT.wrap(b"upstream-key", HERE)
    assert not both.current(old_blob)
    new_blob = both.rewrap(old_blob, HERE)
    assert both.current(new_blob)
    assert Vault((NEW,)).unwrap(new_blob, HERE) == b"upstream-key"
    assert both.rewrap(new_blob, HERE) is new_blob
    with pytest.raises(VaultError):
        VAULT.unwrap(new_blob, HERE)


def test_a_ciphertext_is_not_rewrapped_for_another_place():
    with pytest.raises(VaultError):
        Vault((NEW, OLD)).rewrap(VAULT.wrap(b"upstream-key", HERE), replace(HERE, row="pkey_2"))


def test_a_key_id_reveals_nothing_of_the_key_and_differs():
    assert key_id(OLD) != key_id(NEW)
    assert key_id(OLD) not in OLD.encode()


def test_a_vault_without_a_key_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Vault(())


@dataclass(frozen=True)
class Carrier:
    name: str
    secret: Secret


VALUE = "planted-upstream-key"
SHOWN = {
    "str": str,
    "repr": repr,
    "f-string": lambda secret: f"{secret}",
    "aligned f-string": lambda secret: f"{secret:>30}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - this way of printing is what is tested
    "in a list": lambda secret: str([secret]),
    "in a record": lambda secret: repr(Carrier("main", secret)),
    "as a dict": lambda secret: str(asdict(Carrier("main", secret))),
    "json": lambda secret: json.dumps({"key": secret}, default=str),
    "log record": lambda secret: logging.makeLogRecord({"msg": "%s", "args": (secret,)}).getMessage(),
    "a deep copy": lambda secret: str(copy.deepcopy([secret])),
    "an error": lambda secret: str(ValueError(secret)),
}


@pytest.mark.parametrize("way", SHOWN)
def test_a_secret_shows_as_stars(way):
    shown = SHOWN[way](Secret(VALUE))
    assert VALUE not in shown
    assert "***" in shown


def test_a_secret_is_not_pickled():
    with pytest.raises(TypeError, match="not written out"):
        pickle.dumps(Secret(VALUE))


def test_secrets_are_equal_by_value_and_reveal_it_when_asked():
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1
    assert Secret(VALUE).reveal() == VALUE
