"""A link says which campaign it is of, and nobody but us can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.campaigns.links import Link, read, sign

PEPPER = b"pepper-of-tests"
LINK = Link("camp_" + "0a" * 16, 3, 1_793_000_000_000)
TOKEN = sign(PEPPER, LINK)


def test_a_signed_link_is_read_back():
    assert read(PEPPER, TOKEN) == LINK
    assert read(PEPPER, f"  {TOKEN}\n") == LINK


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_no_changed_link_is_good(place, letter):
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    assert (read(PEPPER, changed) is not None) == (changed.strip() == TOKEN)


@pytest.mark.parametrize(
    "text", ["", "nonsense", TOKEN + "0", TOKEN.upper(), TOKEN.replace(".3.", ".03."), TOKEN.replace(".3.", ".٣.")]
)
def test_what_we_did_not_sign_is_no_link(text):
    assert read(PEPPER, text) is None


def test_another_pepper_reads_nothing_and_an_empty_one_signs_nothing():
    assert read(b"another", TOKEN) is None
    assert read(b"", TOKEN) is None
    with pytest.raises(ValueError, match="empty"):
        sign(b"", LINK)
