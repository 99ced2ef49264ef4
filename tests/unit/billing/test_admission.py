"""Whether a call may start: the decision by tables, then the leases of workers as tables of events."""

import pytest

from smartoken.billing.admission import (
    Carved,
    Refusal,
    RowFacts,
    Short,
    carve,
    extension,
    settle_late,
    verdict,
)
from smartoken.billing.leases import Hold, LeaseBook
from unit.billing.lease_table import played
from unit.billing.money_store import MoneyStore, Row, grow_book


class Free:
    """A lease as far as the decision looks at it; ``!`` behind a figure blocks it."""

    def __init__(self, place, text):
        self.row = place
        self.free = int(text.rstrip("!"))
        self.blocked = text.endswith("!")


CARVES = """
bound | windows | funds  | taken or short
   10 | 10 20   | 10     | 0:10
    1 | 90000   | 90000  | 0:1
    1 | 0       | 90000  | short w0:1 +0
   10 | 10      | 30     | 0:10
   10 |         | 4 6    | 0:4 1:6
   10 |         | 4 30   | 0:4 1:6
   10 |         | 10 30  | 0:10
   10 |         | 0 10   | 1:10
   10 |         | -5 10  | 1:10
   10 |         | 4 0 6  | 0:4 2:6
   10 | 9 20    | 10     | short w0:1 +0
   10 | 20 7    | 10     | short w1:3 +0
   10 | 1 2     | 3      | short w0:9 w1:8 +7
   10 | 20      | 4 5    | short +1
   10 | 20      | 0      | short +10
   10 | 20      |        | short +10
   10 | -5      | 10     | short w0:15 +0
    0 | 0       | 0      | 0:0
    0 |         |        | short +0
    0 | 0!      | 5      | short w0:0 +0
    5 | 90!     | 5      | short w0:-85 +0
    5 | 9 90!   | 5      | short w1:-85 +0
"""


@pytest.mark.parametrize("row", CARVES.strip().splitlines()[1:])
def test_a_bound_is_taken_whole_from_every_window_and_once_from_the_funds(row):
    bound, windows, funds, expected = (part.split() for part in row.split("|"))
    found = carve(
        int(bound[0]),
        [Free(f"w{place}", text) for place, text in enumerate(windows)],
        [Free(f"f{place}", text) for place, text in enumerate(funds)],
    )
    if expected[0] == "short":
        lacking = tuple((name, int(lack)) for name, _, lack in (each.partition(":") for each in expected[1:-1]))
        assert found == Short(lacking, int(expected[-1]))
    else:
        assert found == Carved(tuple(tuple(map(int, each.split(":"))) for each in expected))


# Rows as limit/used/held; the row behind the refusal by its place, - for the funds together.
VERDICTS = """
bound | windows            | funds             | verdict
   10 | 100/0/0            | 100/0/0           | fits
   10 | 100/90/0           | 100/90/0          | fits
   10 | 100/100/0          | 100/0/0           | spent w0
   10 | 100/130/0          | 100/0/0           | spent w0
   10 | 100/91/0           | 100/0/0           | too_large w0
   10 | 5/0/0              | 100/0/0           | too_large w0
   10 | 0/0/0              | 100/0/0           | spent w0
    0 | 0/0/0              | 100/0/0           | spent w0
    0 | 100/100/0          | 100/100/0         | fits
    0 | 100/101/0          | 100/0/0           | fits
    1 | 100/101/0          | 100/0/0           | spent w0
    0 | 100/0/130          | 100/0/130         | fits
   10 | 100/0/91           | 100/0/0           | held w0
   10 | 100/0/90           | 100/0/90          | fits
   10 | 100/90/1           | 100/0/0           | held w0
   10 | 100/0/0 100/95/0   | 100/0/0           | too_large w1
   10 | 100/0/95 100/95/0  | 100/0/0           | too_large w1
   10 | 100/0/95           | 100/95/0          | balance -
   10 |                    | 100/95/0          | balance -
   10 |                    | 100/0/95          | held -
   10 |                    | 100/95/0 100/95/0 | fits
   10 |                    | 100/96/0 100/95/0 | balance -
   10 |                    | 50/60/0 10/0/0    | fits
   10 |                    | 50/60/0 10/1/0    | balance -
   10 |                    | 50/0/45 50/0/46   | held -
   10 |                    | 50/0/60 10/0/0    | fits
   10 |                    |                   | balance -
    0 |                    |                   | balance -
   10 | 100/0/95           | 100/0/95          | held w0
"""


@pytest.mark.parametrize("row", VERDICTS.strip().splitlines()[1:])
def test_what_is_spent_is_told_from_what_is_held(row):
    bound, windows, funds, expected = (part.split() for part in row.split("|"))
    facts = [
        [RowFacts(f"{kind}{place}", *map(int, each.split("/"))) for place, each in enumerate(cells)]
        for kind, cells in (("w", windows), ("f", funds))
    ]
    found = verdict(int(bound[0]), *facts)
    if expected == ["fits"]:
        assert found is None
        return
    assert found is not None
    assert (found.refusal, found.row or "-") == (Refusal(expected[0]), expected[1])
    assert found.permanent is (expected[0] != "held")


def test_the_figures_behind_a_verdict_are_those_of_its_row_or_of_all_funds():
    window, funds = RowFacts("w", 100, 20, 75), [RowFacts("a", 50, 30, 10), RowFacts("b", 70, 20, 5)]
    found = verdict(10, [window], funds)
    assert (found.limit, found.used, found.held) == (100, 20, 75)
    found = verdict(80, [], funds)
    assert (found.refusal, found.limit, found.used, found.held) == (Refusal.BALANCE, 120, 50, 15)
    found = verdict(60, [], funds)
    assert (found.refusal, found.limit, found.used, found.held) == (Refusal.HELD, 120, 50, 15)


EXTENSIONS = """
free need per_second workers | amount
 100   10          0       1 |    100   a single worker takes all
 100  100          0       1 |    100
 100  101          0       1 |      0
   0    0          0       1 |      0
  -5    0          0       1 |      0
1000   10          0       4 |     10   of four, the need at least
1000   10         50       4 |     50   a second of its spend
1000   10        500       4 |    125   at most half of its even share
  79   10         50       4 |     10   exactly the need once money is scarce
  80   10         50       4 |     10
 160   10         50       4 |     20
  10   10         50       4 |     10
   9   10         50       4 |      0
 100    0         50       4 |     12
"""


@pytest.mark.parametrize("row", EXTENSIONS.strip().splitlines()[1:])
def test_a_lease_grows_by_what_sharing_allows(row):
    given, expected = (part.split() for part in row.split("|"))
    assert extension(*map(int, given)) == int(expected[0])


LATE = """
charge | windows      | funds         | lines     overrun
    30 | 100/0/0      | 100/0/0       | 0:30            0
    30 | 100/80/0     | 100/0/0       | 0:20           10
    30 | 100/80/0 9/0/0 | 100/0/0     | 0:9            21
    30 | 100/80/20    | 100/0/0       | -              30
    30 | 100/0/0      | 20/5/0 90/0/0 | 0:15 1:15       0
    30 | 100/0/0      | 20/5/15 90/70/5 | 1:15         15
    30 |              | 20/50/0       | -              30
     0 | 100/0/0      | 100/0/0       | -               0
"""


@pytest.mark.parametrize("row", LATE.strip().splitlines()[1:])
def test_a_late_charge_takes_what_is_free_and_passes_no_limit(row):
    charge, windows, funds, expected = (part.split() for part in row.split("|"))
    facts = [
        [RowFacts(str(place), *map(int, each.split("/"))) for place, each in enumerate(cells)]
        for cells in (windows, funds)
    ]
    found = settle_late(int(charge[0]), *facts)
    lines = tuple((name, int(nano)) for name, _, nano in (each.partition(":") for each in expected[:-1] if each != "-"))
    assert (found.lines, found.overrun) == (lines, int(expected[-1]))
    assert found.paid == sum(nano for _, nano in lines) == int(charge[0]) - found.overrun
    assert found.windows == tuple(map(str, range(len(windows))))


def test_a_late_charge_is_never_negative():
    with pytest.raises(ValueError, match="negative"):
        settle_late(-1, [], [])


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
