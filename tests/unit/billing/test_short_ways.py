"""What most calls take is a short way; it comes to what the long one comes to."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.admission import RowFacts, Short, carve
from smartoken.billing.bound import Reach, bound
from smartoken.billing.leases import LeaseBook
from smartoken.billing.prices import tariff
from unit.billing.price_lists import PRICES, flat, is_holiday

NOON = datetime(2026, 11, 3, 4, tzinfo=UTC)
TARIFFS = {name: tariff(price, NOON, is_holiday) for name, price in PRICES.items()}
SMALL = st.integers(0, 300)


def corner_by_corner(found, reach, output):
    """Return the bound over twice the same price, which takes the long way."""
    return bound([found, found], reach, output)


@given(st.sampled_from(sorted(TARIFFS)), SMALL, st.none() | SMALL, SMALL, st.integers(1, 4))
def test_a_bound_is_the_same_on_both_ways(name, prompt, context, output, choices):
    reach = Reach(prompt, context, choices)
    assert bound([TARIFFS[name]], reach, output) == corner_by_corner(TARIFFS[name], reach, output)


@given(st.integers(0, 10**7), st.integers(0, 10**7), SMALL, st.none() | SMALL, SMALL, st.integers(1, 4))
def test_a_bound_of_a_plain_price_is_the_same_on_both_ways(dear, cheap, prompt, context, output, choices):
    found, reach = tariff(flat(dear, cheap), NOON, is_holiday), Reach(prompt, context, choices)
    assert bound([found], reach, output) == corner_by_corner(found, reach, output)


def leased(amounts, used_of):
    """Return a book with a lease of every amount, of which a call holds a part already."""
    book = LeaseBook()
    for place, amount in enumerate(amounts):
        book.granted(RowFacts(f"row{place}", amount, 0, amount) if amount else RowFacts(f"row{place}", 0, 0, 0), amount)
    leases = book.leases(f"row{place}" for place in range(len(amounts)))
    for lease, used in zip(leases, used_of, strict=False):
        lease.take(min(used, lease.free), 0)
    return book, leases


@given(
    st.integers(0, 100),
    st.lists(st.integers(0, 200), min_size=1, max_size=5),
    st.lists(st.integers(0, 100), max_size=5),
    st.integers(0, 3),
)
def test_what_is_held_is_what_carving_says(bound_nano, amounts, used_of, windows):
    book, leases = leased(amounts, used_of)
    windows, funds = leases[:windows], leases[windows:]
    expected = carve(bound_nano, windows, funds)
    before = [each.in_calls for each in leases]
    hold = book.admit(bound_nano, windows, funds, 1, in_order=False)
    if isinstance(expected, Short):
        assert isinstance(hold, Short)
        assert [each.in_calls for each in leases] == before
        return
    assert [tuple(share) for share in hold.shares] == list(expected.shares)
    held = dict.fromkeys(leases, 0)
    held |= dict.fromkeys(windows, bound_nano) | {funds[place]: amount for place, amount in expected.shares}
    assert [each.in_calls for each in leases] == [had + held[each] for had, each in zip(before, leases, strict=True)]
    assert all(each.calls == 1 for each in leases)
