"""Activation codes: minted exactly, read forgivingly, wrong ones noticed before anything is asked."""

import contextlib
import hmac

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from smartoken.billing.codes import ALPHABET, InvalidCodeError, digest, mint, read, shown

entropy = st.binary(min_size=10, max_size=10)
# Worked out by hand: the last character weighs x, which is 2, so a 1 there has the check 2; a 1 before it x squared.
KNOWN = {
    bytes(10): "00000000000000000",
    bytes(9) + b"\x01": "00000000000000012",
    bytes(9) + b"\x20": "00000000000000104",
}


@pytest.mark.parametrize("raw", KNOWN)
def test_a_code_is_its_bits_in_base32_and_a_check(raw):
    assert mint(raw) == KNOWN[raw]


CODE = mint(bytes.fromhex("00443214c74254b635cf"))  # 0123456789ABCDEF in the alphabet


def test_the_bits_stand_in_order():
    assert CODE[:16] == "0123456789ABCDEF"
    assert shown(CODE) == f"0123-4567-89AB-CDEF-{CODE[16]}"


FORGIVEN = {
    "as shown": "0123-4567-89AB-CDEF-{}",
    "without dashes": "0123456789ABCDEF{}",
    "in lower case": "0123-4567-89ab-cdef-{}",
    "look-alikes": "OI23-4567-89AB-CDEF-{}",
    "lower look-alikes": "ol23-4567-89ab-cdef-{}",
    "spaces all over": "  01 23 4567\t89AB\nCDEF {} ",
    "a dash of print": "0123–4567—89AB−CDEF‐{}",
    "underscores": "0123_4567_89AB_CDEF_{}",
    "full width": "0123-4567-89AB-CDEF-{}".translate({48: 0xFF10, 65: 0xFF21}),
    "invisible marks": "\u200b0123-4567\u2060-89AB-CDEF-{}\ufeff",
    "no-break spaces": "0123\u00a04567\u202f89AB\u00a0CDEF\u00a0{}",
}


@pytest.mark.parametrize("way", FORGIVEN)
def test_a_code_is_read_however_it_was_typed(way):
    assert read(FORGIVEN[way].format(CODE[16])) == CODE


WRONG = {
    "empty": "",
    "too short": CODE[:16],
    "too long": CODE + "0",
    "a letter that is none": "U" + CODE[1:],
    "a sign": CODE[:16] + "*",
    "very long": CODE * 1000,
    "other script": "О123-4567-89AB-CDEF-" + CODE[16],
}


@pytest.mark.parametrize("way", WRONG)
def test_what_is_no_code_is_refused_and_never_repeated(way):
    with pytest.raises(InvalidCodeError) as caught:
        read(WRONG[way])
    assert str(caught.value) == "not an activation code"


@given(entropy)
def test_what_was_minted_is_read_back_as_shown(raw):
    code = mint(raw)
    assert read(shown(code)) == read(code) == code
    assert len(code) == 17
    assert set(code) <= set(ALPHABET)


@given(entropy, st.integers(0, 16), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(raw, place, other):
    code = mint(raw)
    assume(code[place] != other)
    with pytest.raises(InvalidCodeError):
        read(code[:place] + other + code[place + 1 :])


@given(entropy, st.integers(0, 16), st.integers(0, 16))
def test_two_swapped_characters_are_always_noticed(raw, one, two):
    code = list(mint(raw))
    assume(code[one] != code[two])
    code[one], code[two] = code[two], code[one]
    with pytest.raises(InvalidCodeError):
        read("".join(code))


@given(st.text(max_size=60))
def test_reading_any_text_gives_a_code_or_one_refusal(text):
    with contextlib.suppress(InvalidCodeError):
        assert len(read(text)) == 17


def test_a_code_takes_ten_random_bytes():
    for wrong in (b"", bytes(9), bytes(11)):
        with pytest.raises(ValueError, match="10 random bytes"):
            mint(wrong)


def test_only_a_keyed_digest_is_stored_and_it_serves_no_other_purpose():
    pepper = b"p" * 32
    found = digest(pepper, CODE)
    assert len(found) == 32
    assert found != digest(b"q" * 32, CODE)
    assert found != hmac.digest(pepper, CODE.encode(), "sha256"), "the same pepper digests keys elsewhere"
    with pytest.raises(ValueError, match="empty"):
        digest(b"", CODE)
