"""The format of API keys: what is a key, what is not, and what is kept of one."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.identity.keys import LENGTH, PATTERN, PREFIX, digest, mint, shown, well_formed

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY = mint(bytes(range(32)))
PEPPER = b"p" * 32
ENTROPY = st.binary(min_size=32, max_size=32)


def swapped(text, first, second):
    letters = list(text)
    letters[first], letters[second] = letters[second], letters[first]
    return "".join(letters)


MINTED = [  # worked out with perl's big integers and the CRC-32 that gzip writes
    (bytes(32), "sk-st-0000000000000000000000000000000000000000000", "2CZclj"),
    (bytes(31) + b"\x01", "sk-st-0000000000000000000000000000000000000000001", "0HNUPx"),
    (b"\xff" * 32, "sk-st-yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1", "3sRzl1"),
]
FAULTS = {
    "nothing": "",
    "only the prefix": PREFIX,
    "another vendor's key": "sk-proj-" + "a" * 47,
    "another vendor's key of our length": "sk-" + "a" * 52,
    "the prefix in capitals": "SK-ST-" + KEY[6:],
    "a prefix of another letter": "sk-sr-" + KEY[6:],
    "underscores in the prefix": "sk_st_" + KEY[6:],
    "no hyphen": "skst" + KEY[6:] + "aa",
    "one character short": KEY[:-1],
    "one character long": KEY + "0",
    "half of it": KEY[:30],
    "twice": KEY + KEY,
    "a space in front": " " + KEY,
    "a space behind": KEY + " ",
    "a space in front, cut to length": (" " + KEY)[:LENGTH],
    "a line end behind": KEY + "\n",
    "a line end in place of the last": KEY[:-1] + "\n",
    "a null byte inside": KEY[:20] + "\0" + KEY[21:],
    "a hyphen inside": KEY[:20] + "-" + KEY[21:],
    "an underscore inside": KEY[:20] + "_" + KEY[21:],
    "a plus inside": KEY[:20] + "+" + KEY[21:],
    "a quote inside": KEY[:20] + "'" + KEY[21:],
    "a full-width digit inside": KEY[:20] + "\uff11" + KEY[21:],
    "an arabic digit inside": KEY[:20] + "\u0661" + KEY[21:],
    "a cyrillic letter inside": KEY[:20] + "\u0430" + KEY[21:],
    "an emoji inside": KEY[:20] + "\U0001f511" + KEY[21:],
    "two neighbours swapped": swapped(KEY, 10, 11),
    "far ones swapped": swapped(KEY, 8, 40),
    "checksum of zeros": KEY[:-6] + "000000",
    "checksum of another key": KEY[:-6] + mint(bytes(reversed(range(32))))[-6:],
    "secret of another key": mint(bytes(reversed(range(32))))[:-6] + KEY[-6:],
    "in the wrong case": KEY.swapcase(),
    "all capitals": PREFIX + KEY[6:].upper(),
    "all small": KEY.lower(),
    "reversed": KEY[::-1],
    "quoted": f'"{KEY}"',
    "as a header": f"Bearer {KEY}",
    "sql": "' OR 1=1 --".ljust(LENGTH, "x"),
    "very long": "sk-st-" + "a" * 1_000_000,
}


def test_a_key_has_the_form_that_is_published():
    assert len(KEY) == LENGTH == 55
    assert re.fullmatch(PATTERN, KEY)
    assert set(KEY[6:]) <= set(BASE62)
    assert well_formed(KEY)


@pytest.mark.parametrize(("entropy", "secret", "check"), MINTED, ids=["zero", "one", "the largest"])
def test_a_key_is_its_entropy_in_base_62_and_its_crc(entropy, secret, check):
    assert mint(entropy) == secret + check


@pytest.mark.parametrize("fault", FAULTS)
def test_a_text_that_is_no_key_is_told_apart(fault):
    assert not well_formed(FAULTS[fault])


def test_one_changed_character_is_never_well_formed():
    for place in range(LENGTH):
        for letter in BASE62 + "-":
            if letter != KEY[place]:
                assert not well_formed(KEY[:place] + letter + KEY[place + 1 :]), (place, letter)


@given(ENTROPY, st.integers(0, LENGTH - 1), st.sampled_from(BASE62))
def test_any_minted_key_is_well_formed_and_no_longer_with_a_character_changed(entropy, place, letter):
    key = mint(entropy)
    assert well_formed(key)
    changed = key[:place] + letter + key[place + 1 :]
    assert well_formed(changed) == (changed == key)


@given(st.text(max_size=80))
def test_any_text_is_told_apart_without_an_error(text):
    assert not well_formed(text)


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_too_little_entropy_is_refused(length):
    with pytest.raises(ValueError, match="32 random bytes"):
        mint(bytes(length))


@given(ENTROPY, ENTROPY)
def test_different_entropy_makes_different_keys(one, other):
    assert (mint(one) == mint(other)) == (one == other)


def test_a_digest_is_32_bytes_and_depends_on_key_and_pepper():
    found = digest(PEPPER, KEY)
    assert len(found) == 32
    assert found == digest(PEPPER, KEY)
    assert found != digest(b"q" * 32, KEY)
    assert found != digest(PEPPER, mint(bytes(32)))


@given(ENTROPY)
def test_a_digest_holds_nothing_of_the_key(entropy):
    key = mint(entropy)
    assert key[6:20].encode() not in digest(PEPPER, key)


def test_a_digest_of_strange_text_is_no_error():
    assert len(digest(PEPPER, "\u20ac\udcff")) == 32


def test_what_may_be_shown_of_a_key_is_ten_characters_and_the_last_four():
    assert shown(KEY) == (KEY[:10], KEY[-4:])
