"""What a flush tells the store of leases: a charge leaves a lease only together with the record that pays it."""

from smartoken.billing.admission import RowFacts
from smartoken.billing.leases import LeaseBook

ROW = "wallet:a"


def leased(amount):
    book = LeaseBook()
    book.granted(RowFacts(ROW, amount, 0, amount), amount)
    return book


def charged(book, bound, charge, now_ms=0):
    return book.settle(book.admit(bound, (), book.leases([ROW]), now_ms), charge)


def figures(states):
    return [(each.amount, each.in_calls, each.spent) for each in states]


def test_what_was_charged_stays_in_the_lease_until_its_record_is_stored_with_it():
    book = leased(100)
    charged(book, 50, 40)
    states = book.flush({})
    assert figures(states) == [(100, 0, 0)]
    book.flushed(states)
    charged(book, 20, 15)
    states = book.flush({ROW: 40})
    assert figures(states) == [(60, 0, 40)]
    book.flushed(states)
    assert book.lease(ROW).stored == 60
    assert figures(book.flush({ROW: 15})) == [(45, 0, 15)]


def test_what_is_free_for_others_never_counts_a_charge_that_waits():
    book = leased(100)
    charged(book, 60, 60)
    book.flushed(book.flush({}))
    book.observe(RowFacts(ROW, 100, 0, 100))
    assert (book.lease(ROW).unleased, book.lease(ROW).room) == (0, 40)


def test_a_flush_of_some_rows_leaves_the_others_for_the_next_one():
    book = leased(100)
    book.granted(RowFacts("window:w", 100, 0, 50), 50)
    charged(book, 10, 10)
    book.give_back("window:w")
    assert [each.row for each in book.flush({}, ["window:w"])] == ["window:w"]
    book.flushed(book.flush({}, ["window:w"]))
    assert [each.row for each in book.flush()] == [ROW]


def test_a_book_is_busy_while_a_call_runs_or_its_charge_waits():
    book = leased(100)
    assert not book.busy
    hold = book.admit(50, (), book.leases([ROW]), 0)
    assert book.busy
    book.settle(hold, 20)
    assert book.busy
    book.flushed(book.flush({ROW: 20}))
    assert not book.busy


def test_the_pace_of_a_lease_is_that_of_the_last_second():
    book = leased(1000)
    for now_ms in (1000, 1500, 1900):
        charged(book, 10, 10, now_ms)
    assert book.lease(ROW).per_second == 30
    charged(book, 5, 5, 2100)
    assert book.lease(ROW).per_second == 30, "the second before this one"
    charged(book, 5, 5, 9000)
    assert book.lease(ROW).per_second == 5
    charged(book, 5, 5, 4000)
    assert book.lease(ROW).per_second == 5, "a clock that was set back begins anew"
