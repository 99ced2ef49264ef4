"""Activation codes: what is printed, what is forgiven, what is noticed."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.codes import ALPHABET, LENGTH, InvalidCodeError, digest, mint, read, shown

ENTROPY = bytes.fromhex("0123456789abcdef0123")


def test_sixteen_characters_are_the_bits_in_crockfords_base32():
    # 0x0123456789abcdef0123 by fives: 0 4 17 20 10 25 28 9 21 15 6 30 30 0 9 3, checked against Crockford's table
    number = int.from_bytes(ENTROPY, "big")
    by_fives = [number // 32**place % 32 for place in reversed(range(16))]
    assert mint(ENTROPY)[:16] == "".join(ALPHABET[each] for each in by_fives)
    assert mint(bytes(10)) == "0" * 17
    assert mint(bytes(9) + b"\x01") == "0" * 15 + "12"  # the last place weighs x, so its one is checked by a two
    assert mint(bytes(9) + b"\x10") == "0" * 15 + "G5"  # sixteen times x is x^5 = x^2 + 1


def test_a_code_is_shown_in_groups():
    assert shown("0123456789ABCDEFG") == "0123-4567-89AB-CDEF-G"


@pytest.mark.parametrize("size", [0, 9, 11])
def test_a_code_takes_exactly_eighty_bits(size):
    with pytest.raises(ValueError, match="10 random bytes"):
        mint(bytes(size))


MINTED = mint(bytes([8, 66, 1, 0, 200, 5, 17, 1, 0, 33]))
FORGIVEN = {
    "as it is": lambda code: code,
    "as shown": shown,
    "lower case": str.lower,
    "spaces": " ".join,
    "surrounded": lambda code: f"\n\t {shown(code)} \u3000",
    "underscores": lambda code: shown(code).replace("-", "_"),
    "en dashes": lambda code: shown(code).replace("-", "\u2013"),
    "em dashes": lambda code: shown(code).replace("-", "\u2014"),
    "non-breaking hyphens": lambda code: shown(code).replace("-", "\u2011"),
    "minus signs": lambda code: shown(code).replace("-", "\u2212"),
    "zero-width spaces": "\u200b".join,
    "full width": lambda code: "".join(chr(ord(each) + 0xFEE0) for each in code),
    "O for 0": lambda code: code.replace("0", "O"),
    "o for 0": lambda code: code.replace("0", "o"),
    "I for 1": lambda code: code.replace("1", "I"),
    "l for 1": lambda code: code.replace("1", "l"),
    "L for 1": lambda code: code.replace("1", "L"),
}


@pytest.mark.parametrize("name", FORGIVEN)
def test_what_people_type_is_read_as_the_code(name):
    assert {"0", "1"} <= set(MINTED)
    assert read(FORGIVEN[name](MINTED)) == MINTED


@pytest.mark.parametrize(
    "text", ["", " ", "-", MINTED[:-1], MINTED + "0", MINTED.replace(MINTED[3], "U", 1), MINTED[:-1] + "*", "码" * 17]
)
def test_what_is_no_code_is_refused_without_repeating_it(text):
    with pytest.raises(InvalidCodeError) as refused:
        read(text)
    assert str(refused.value) == "not an activation code"


def test_a_long_text_costs_no_time():
    with pytest.raises(InvalidCodeError):
        read("-" * 10_000_000)


entropies = st.binary(min_size=10, max_size=10)


@given(entropies)
def test_what_is_minted_is_read(entropy):
    code = mint(entropy)
    assert len(code) == LENGTH
    assert read(shown(code).lower()) == code


@given(entropies, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_noticed(entropy, place, other):
    code = mint(entropy)
    if code[place] == other:
        return
    with pytest.raises(InvalidCodeError):
        read(code[:place] + other + code[place + 1 :])


@given(entropies, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_every_swap_of_two_characters_is_noticed(entropy, one, two):
    code = list(mint(entropy))
    if code[one] == code[two]:
        return
    code[one], code[two] = code[two], code[one]
    with pytest.raises(InvalidCodeError):
        read("".join(code))


def test_only_a_keyed_digest_is_stored():
    pepper = b"p" * 32
    stored = digest(pepper, MINTED)
    assert stored == hmac.new(pepper, b"smartoken activation code v1\0" + MINTED.encode(), hashlib.sha256).digest()
    assert digest(b"q" * 32, MINTED) != stored
    assert digest(pepper, mint(bytes(10))) != stored
    with pytest.raises(ValueError, match="empty"):
        digest(b"", MINTED)
