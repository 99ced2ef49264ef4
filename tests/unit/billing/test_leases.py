"""Leases of workers: as tables of events, then what a book of them does at its edges."""

import pytest

from smartoken.billing.admission import (
    RowFacts,
    Short,
)
from smartoken.billing.leases import Hold, LeaseBook
from unit.billing.lease_table import played
from unit.billing.money_store import MoneyStore, Row, grow_book

# One line an event. A row's figures: limit/used and the store's held; then of each worker amount/in calls/spent.
ONE_WORKER = """
event               | day:  store     a       | fund: store     a        | outcome
budget day 100      |       100/0/0   0/0/0   |       0/0/0     0/0/0    |
deposit fund 500    |       100/0/0   0/0/0   |       500/0/0   0/0/0    |
a c1 admit 30       |       100/0/100 100/30/0|       500/0/500 500/30/0 | day+100 fund+500  # all that is free
a c2 admit 50       |       100/0/100 100/80/0|       500/0/500 500/80/0 |                   # from memory
a c3 admit 21       |       100/0/100 100/80/0|       500/0/500 500/80/0 | held day 100/0/80
a c1 settle 12      |       100/0/100 88/50/12|       500/0/500 488/50/12| paid fund:12
a c3 admit 38       |       100/0/100 88/88/12|       500/0/500 488/88/12|                   # what c1 left
a c3 extend 1       |       100/0/100 88/88/12|       500/0/500 488/88/12| held day 100/12/88
a flush             |       100/12/88 88/88/0 |       500/12/488 488/88/0|
a flush             |       100/12/88 88/88/0 |       500/12/488 488/88/0|
a c2 settle 60      |       100/12/88 38/38/50|       500/12/488 438/38/50| paid fund:50 overrun 10
a c3 release        |       100/12/88 38/0/50 |       500/12/488 438/0/50| paid
a c3 release        |       100/12/88 38/0/50 |       500/12/488 438/0/50|
a c3 settle 1       |       100/12/88 38/0/50 |       500/12/488 438/0/50| closed
a c3 extend 1       |       100/12/88 38/0/50 |       500/12/488 438/0/50| closed
a c4 admit 39       |       100/62/38 38/0/0  |       500/62/438 438/0/0 | too_large day 100/62/0
budget day 62       |       62/62/38  38/0/0  |       500/62/438 438/0/0 |                  # the limit is lowered
a look              |       62/62/38  0/0/0   |       500/62/438 438/0/0 |                  # what is free returns
a look              |       62/62/38  0/0/0   |       500/62/438 438/0/0 |                  # once
a flush             |       62/62/0   0/0/0   |       500/62/438 438/0/0 |
a c4 admit 1        |       62/62/0   0/0/0   |       500/62/438 438/0/0 | spent day 62/62/0
a c4 admit 0        |       62/62/0   0/0/0   |       500/62/438 438/0/0 |                  # a free call
budget day 0        |       0/62/0    0/0/0   |       500/62/438 438/0/0 |
a look              |       0/62/0    0/0/0   |       500/62/438 438/0/0 |
a c5 admit 0        |       0/62/0    0/0/0   |       500/62/438 438/0/0 | spent day 0/62/0 # blocked
budget day 900      |       900/62/0  0/0/0   |       500/62/438 438/0/0 |
a look              |       900/62/0  0/0/0   |       500/62/438 438/0/0 |
a c5 admit 439      |       900/62/0  0/0/0   |       500/62/438 438/0/0 | balance - 500/62/0
a c5 admit 438      |       900/62/838 838/438/0|     500/62/438 438/438/0| day+838
a c6 admit 1        |       900/62/838 838/438/0|     500/62/438 438/438/0| held - 500/62/438
"""
TWO_WORKERS = """
event               | fund: store     a          b        | outcome
deposit fund 100    |       100/0/0   0/0/0      0/0/0    |
a c1 admit 10       |       100/0/10  10/10/0    0/0/0    | fund+10    # one of two takes what it needs
b d1 admit 60       |       100/0/70  10/10/0    60/60/0  | fund+60
a c2 admit 31       |       100/0/70  10/10/0    60/60/0  | held - 100/0/70
a c2 admit 30       |       100/0/100 40/40/0    60/60/0  | fund+30
b d1 settle 5       |       100/0/100 40/40/0    55/0/5   | paid fund:5
a c3 admit 1        |       100/0/100 40/40/0    55/0/5   | held - 100/0/100  # b's lease has not returned
b idle              |       100/0/100 40/40/0    0/0/5    |
b flush             |       100/5/40  40/40/0    0/0/0    |
a c3 admit 56       |       100/5/40  40/40/0    0/0/0    | held - 100/5/40
a c3 admit 96       |       100/5/40  40/40/0    0/0/0    | balance - 100/5/40
a c3 admit 55       |       100/5/95  95/95/0    0/0/0    | fund+55
a dies              |       100/5/95  95/95/0    0/0/0    |
b d2 admit 1        |       100/5/95  95/95/0    0/0/0    | held - 100/5/95
a epoch ends        |       100/5/0   0/0/0      0/0/0    |
b d2 admit 95       |       100/5/95  0/0/0      95/95/0  | fund+95
"""
GRANTS = """
event               | g1: store     a      | g2: store     a      | fund: store     a      | outcome
deposit g1 20       |     20/0/0    0/0/0  |     0/0/0     0/0/0  |       0/0/0     0/0/0  |
deposit g2 30       |     20/0/0    0/0/0  |     30/0/0    0/0/0  |       0/0/0     0/0/0  |
deposit fund 100    |     20/0/0    0/0/0  |     30/0/0    0/0/0  |       100/0/0   0/0/0  |
a c1 admit 15       |     20/0/20   20/15/0|     30/0/0    0/0/0  |       100/0/0   0/0/0  | g1+20  # the first
a c2 admit 40       |     20/0/20   20/20/0|     30/0/30   30/30/0|       100/0/100 100/5/0| g2+30 fund+100
a c1 extend 3       |     20/0/20   20/20/0|     30/0/30   30/30/0|       100/0/100 100/8/0|
a c1 settle 16      |     20/0/20   5/5/15 |     30/0/30   30/30/0|       100/0/100 99/5/1 | paid g1:15 fund:1
a c2 settle 38      |     20/0/20   0/0/20 |     30/0/30   0/0/30 |       100/0/100 96/0/4 | paid g1:5 g2:30 fund:3
a flush             |     20/20/0   0/0/0  |     30/30/0   0/0/0  |       100/4/96  96/0/0 |
a c3 admit 97       |     20/20/0   0/0/0  |     30/30/0   0/0/0  |       100/4/96  96/0/0 | balance - 150/54/0
deposit g2 10       |     20/20/0   0/0/0  |     40/30/0   0/0/0  |       100/4/96  96/0/0 |
a look              |     20/20/0   0/0/0  |     40/30/0   0/0/0  |       100/4/96  96/0/0 |
a c3 admit 97       |     20/20/0   0/0/0  |     40/30/10  10/10/0|       100/4/96  96/87/0| g2+10
"""


@pytest.mark.parametrize("table", [ONE_WORKER, TWO_WORKERS, GRANTS], ids=["one worker", "two workers", "grants"])
def test_leases_read_as_their_table_says(table):
    told, happened = played(table)
    assert happened == told


def leased(*amounts, in_store=0):
    """Return a store, a book and the leases of rows, each with such an amount, while so much is left in the store."""
    store, book = MoneyStore({f"r{place}": Row(each + in_store) for place, each in enumerate(amounts)}), LeaseBook()
    for place, amount in enumerate(amounts):
        store.leases["e", f"r{place}"] = (amount, 0)
        book.granted(store.facts(f"r{place}"), amount)
    return store, book, book.leases(f"r{place}" for place in range(len(amounts)))


def test_a_refused_call_changes_nothing_at_all():
    _, book, (window, fund) = leased(100, 10)
    assert book.admit(11, (window,), (fund,), 1) == Short((), 1)
    assert (window.in_calls, fund.in_calls, window.touched_ms) == (0, 0, 0)


def test_a_refused_extension_leaves_the_hold_as_it_was():
    _, book, (window, fund) = leased(20, 100)
    hold = book.admit(15, (window,), (fund,), 1)
    assert book.extend(hold, 6, 2) == Short((("r0", 1),), 0)
    assert (hold.nano, hold.lines(), window.in_calls, fund.in_calls) == (15, (("r1", 15),), 15, 15)
    assert book.extend(hold, 5, 2) is None
    assert (hold.nano, hold.lines()) == (20, (("r1", 20),))


def test_an_extension_takes_from_funds_in_burn_order_wherever_the_hold_lies():
    _, book, (one, two) = leased(10, 50)
    other = book.admit(10, (), (one, two), 1)
    hold = book.admit(5, (), (one, two), 1)
    book.release(other)
    assert book.extend(hold, 12, 2) is None
    assert hold.lines() == (("r0", 10), ("r1", 7))
    assert book.settle(hold, 11).lines == (("r0", 10), ("r1", 1))


def test_a_later_fund_is_not_touched_while_an_earlier_one_has_money_in_the_store():
    store, book, funds = leased(3, 50, 50)
    store.rows["r0"].limit = 10
    book.observe(store.facts("r0"))
    short = book.admit(20, (), funds, 1)
    assert short == Short((), 7)
    assert book.asks(short, funds) == (("r0", 7),)
    hold = book.admit(20, (), funds, 1, in_order=False)  # the store had nothing after all
    assert hold.lines() == (("r0", 3), ("r1", 17))
    assert book.extend(hold, 5, 1) == Short((), 5), "also when a hold grows"
    grow_book(store, book, "e", [("r0", 7)])
    assert book.admit(20, (), funds, 1).lines() == (("r0", 7), ("r1", 13))


def test_money_given_back_is_asked_for_only_once_the_store_has_it():
    store, book, funds = leased(10, 50)
    book.give_back("r0")
    assert book.admit(20, (), funds, 1).lines() == (("r1", 20),), "the store does not have it yet"
    states = book.flush()
    for each in states:
        store.leases["e", each.row] = (each.amount, each.in_calls)
    book.flushed(states)
    assert book.admit(20, (), funds, 1) == Short((), 10)


def test_a_call_short_of_a_window_asks_for_its_funds_in_order_at_once():
    store, book, (window, first, second) = leased(5, 0, 50)
    store.rows["r0"].limit, store.rows["r1"].limit = 90, 30
    for row in store.rows:
        book.observe(store.facts(row))
    short = book.admit(40, (window,), (first, second), 1)
    assert short == Short((("r0", 35),), 30)
    assert book.asks(short, (first, second)) == (("r0", 35), ("r1", 30))


def test_a_lowered_limit_takes_what_calls_held_as_they_end():
    store, book, (window,) = leased(100)
    (fund,) = book.leases(["fund"])
    store.rows["fund"] = Row(1000)
    grow_book(store, book, "e", [("fund", 1)])
    holds = [book.admit(50, (window,), (fund,), 1) for _ in range(2)]
    store.rows["r0"].limit = 60
    book.observe(store.facts("r0"))
    assert (window.amount, window.free) == (100, 0)
    book.settle(holds[0], 5)
    assert (window.amount, window.in_calls, window.free) == (55, 50, 5), "5 spent, 50 held: 5 of 60 are left"
    book.settle(holds[1], 0)
    assert (window.amount, window.free) == (55, 55)


def test_a_row_whose_figures_were_never_seen_admits_nothing_not_even_for_free():
    _, book, (fund,) = leased(100)
    unseen = book.lease("r9")
    assert book.admit(0, (unseen,), (fund,), 1) == Short((("r9", 0),), 0)
    book.observe(RowFacts("r9", 10, 10, 0))
    assert isinstance(book.admit(0, (unseen,), (fund,), 1), Hold)


def test_a_settled_call_names_its_windows_and_payers():
    _, book, (window, fund) = leased(100, 100)
    found = book.settle(book.admit(10, (window,), (fund,), 1), 0)
    assert (found.lines, found.windows, found.paid, found.overrun) == ((), ("r0",), 0, 0)
    with pytest.raises(ValueError, match="negative"):
        book.settle(book.admit(10, (window,), (fund,), 1), -1)


def test_what_is_asked_for_lies_with_funds_that_have_it_in_burn_order():
    store = MoneyStore({"r0": Row(100), "r1": Row(7, used=7), "r2": Row(20), "r3": Row(50)})
    store.leases["other", "r2"] = (15, 15)
    book = LeaseBook()
    for row in store.rows:
        book.observe(store.facts(row))
    leases = book.leases(store.rows)
    short = book.admit(30, leases[:1], leases[1:], 1)
    assert short == Short((("r0", 30),), 30)
    assert book.asks(short, leases[1:]) == (("r0", 30), ("r2", 5), ("r3", 25))
    grow_book(store, book, "e", [("r2", 5)])
    short = book.admit(30, leases[:1], leases[1:], 1)
    assert book.asks(short, leases[1:]) == (("r0", 30), ("r3", 25))
    assert book.asks(Short((("r0", 0), ("r9", -4)), 0), leases[1:]) == ()


def test_what_a_call_could_hold_is_the_least_of_its_windows_and_its_funds_together():
    store = MoneyStore({"w": Row(90, used=20), "v": Row(300), "f": Row(40), "g": Row(60)})
    store.leases["other", "g"] = (15, 15)
    book = LeaseBook()
    for row in store.rows:
        book.observe(store.facts(row))
    w, v, f, g = book.leases(store.rows)
    assert book.available((w, v), (f, g)) == 70
    assert book.available((v,), (f, g)) == 85
    assert book.available((), (f,)) == 40
    assert book.available((v,), ()) == 0
    grow_book(store, book, "e", [("f", 40)])
    assert book.available((), (f,)) == 40, "a lease of its own does not make it less"
    book.admit(25, (), (f,), 1)
    assert book.available((), (f,)) == 15


def test_an_idle_lease_is_found_after_five_seconds_and_given_back():
    _, book, (one, two) = leased(100, 100)
    hold = book.admit(100, (), (one,), 1_000)
    book.admit(30, (), (two,), 2_000)
    assert book.idle(6_999) == ()
    assert book.idle(7_000) == ("r1",), "r0 is all held"
    assert book.give_back("r1", keep=20) == 50
    assert (two.amount, two.in_calls) == (50, 30)
    assert book.give_back("r1") == 20
    assert book.give_back("r1") == book.give_back("r0") == 0
    book.release(hold)
    assert book.idle(9_999, after_ms=100) == ("r0",)


def test_a_flush_says_absolutely_what_changed_and_keeps_what_changes_meanwhile():
    _, book, (one, two) = leased(100, 100)
    hold = book.admit(10, (), (one,), 1)
    states = book.flush()
    assert [(each.row, each.amount, each.in_calls, each.spent) for each in states] == [("r0", 100, 10, 0)]
    assert book.flush() == states, "until it is stored"
    book.settle(hold, 4)
    book.flushed(states)
    again = book.flush()
    assert [(each.row, each.amount, each.in_calls, each.spent) for each in again] == [("r0", 96, 0, 4)]
    book.flushed(again)
    assert book.flush() == ()
    assert (one.used, one.spent, two.used) == (4, 0, 0)


def test_a_lease_that_a_call_may_still_take_from_is_not_forgotten():
    store, book, (window, fund) = leased(5, 0)
    hold = book.admit(0, (window,), (fund,), 1)
    book.give_back("r0")
    book.flushed(book.flush())
    assert book.forget() == 0
    store.rows["r1"].limit = store.rows["r0"].limit = 9
    grow_book(store, book, "e", [("r0", 4), ("r1", 9)])
    assert book.extend(hold, 3, 2) is None
    book.release(hold)
    for row in ("r0", "r1"):
        book.give_back(row)
    book.flushed(book.flush())
    assert book.forget() == 2


def test_only_empty_and_stored_leases_are_forgotten():
    _, book, (one, _) = leased(10, 0)
    assert book.forget() == 1
    hold = book.admit(10, (), (one,), 1)
    book.settle(hold, 10)
    assert book.forget() == 0, "its charge waits for a flush"
    book.flushed(book.flush())
    assert book.forget() == 1
    assert book.lease("r0").amount == 0
