"""The installation's secret key: made once, private, strong, and never shown."""

import os
import stat
import threading

import pytest

from smartoken.store.keyfile import SecretKeyError, secret_keys

STRONG = "4f1c9a7be02d583f6071a2b4c8d9e6f5" * 2
ANOTHER = STRONG[::-1]


def test_a_key_is_made_once_and_kept(tmp_path):
    first = secret_keys(None, tmp_path)
    assert secret_keys(None, tmp_path) == first
    assert len(first[0]) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_the_file_is_private_to_its_owner(tmp_path):
    before = os.umask(0)
    try:
        secret_keys(None, tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_two_installations_have_different_keys(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert secret_keys(None, tmp_path / "a") != secret_keys(None, tmp_path / "b")


def test_of_many_starting_at_once_all_get_the_same_key(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(secret_keys(None, tmp_path))) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_the_environment_comes_before_the_file(tmp_path):
    assert secret_keys(STRONG, tmp_path) == (STRONG,)
    assert list(tmp_path.iterdir()) == []


def test_a_keyring_is_read_newest_first(tmp_path):
    assert secret_keys(f" {ANOTHER} ,{STRONG}\n", tmp_path) == (ANOTHER, STRONG)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o620, 0o777])
def test_a_file_that_others_may_open_is_refused_with_the_fix(tmp_path, mode):
    secret_keys(None, tmp_path)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(SecretKeyError, match=f"chmod 600 {tmp_path}/secret"):
        secret_keys(None, tmp_path)


WEAK = {
    "short": "4f1c9a7be02d583f6071a2b4c8d9e6f",
    "one letter": "a" * 64,
    "two letters": "ab" * 32,
    "a default": "changeme" + STRONG,
    "a default in capitals": "CHANGE-ME" + STRONG,
    "an example": "this-is-an-example-4f1c9a7be02d583f",
    "a word": "mypassword-4f1c9a7be02d583f6071a2b4",
    "blank": "   ",
    "commas": ",,",
    "strong and weak": f"{STRONG},short",
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_key_is_refused_without_being_shown(tmp_path, kind):
    with pytest.raises(SecretKeyError, match="SMARTOKEN_SECRET_KEY") as caught:
        secret_keys(WEAK[kind], tmp_path)
    assert "openssl rand -hex 32" in str(caught.value)
    assert "4f1c9a" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"short\n", "too short"), (b"\xff\xfe" * 40, "it is not text")]
)
def test_a_damaged_file_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretKeyError, match=reason) as caught:
        secret_keys(None, tmp_path)
    assert str(path) in str(caught.value)


def test_an_empty_file_asks_for_the_key_back_not_for_a_new_one(tmp_path):
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    with pytest.raises(SecretKeyError, match=r"is empty; put back the key"):
        secret_keys(None, tmp_path)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(SecretKeyError, match="none/secret cannot be used: No such file"):
        secret_keys(None, tmp_path / "none")
