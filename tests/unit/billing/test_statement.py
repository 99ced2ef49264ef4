"""History and statement: both explain the balance line by line, and a statement clears or is refused."""

import csv
import io

import pytest

from smartoken.billing import ledger as books
from smartoken.billing.ledger import Kind, Posting, Stamp, grant_book, wallet
from smartoken.billing.statement import ChargeLine, StatementError, as_csv, history, rows, statement
from smartoken.money import parse_amount

W, G = wallet("acme"), grant_book("acme", "g1")


def stamp(name, at, **more):
    return Stamp(name, at, **more)


CHARGE = books.spend(stamp("s1", 3), [Posting(G, 50), Posting(W, 30)], overrun=4)
TRANSFERS = (
    books.deposit(stamp("t1", 1, ref="bank-77", actor="olga"), "acme", 100),
    books.grant(stamp("t2", 2, ref="camp_1", reason="welcome"), "acme", "g1", 60),
    books.deposit(stamp("t9", 2), "zeta", 500),
    CHARGE,
    books.refund(stamp("t3", 4, actor="olga", reason="outage"), CHARGE, 0, 35),
    books.expiry(stamp("t4", 5), "acme", "g1", 15),
    books.cost(stamp("t5", 6), "up1", 70, "CNY"),
    books.deposit(stamp("t6", 7, ref="bank-78"), "acme", 5),
)
HISTORY = """
at | kind    transfer book  nano | balance  from 7 at the beginning
 1 | deposit t1       W      100 |     107
 2 | grant   t2       G       60 |     167
 3 | spend   s1       G      -50 |     117
 3 | spend   s1       W      -30 |      87
 4 | refund  t3       W       30 |     117
 4 | refund  t3       G        5 |     122
 5 | expiry  t4       G      -15 |     107
 7 | deposit t6       W        5 |     112
"""


def test_the_history_explains_the_balance_line_by_line():
    told = []
    for line in HISTORY.strip().splitlines()[1:]:
        at, (kind, transfer, book, nano), balance = (part.split() for part in line.split("|"))
        told.append((int(at[0]), Kind(kind), transfer, {"W": W, "G": G}[book], int(nano), int(balance[0])))
    found = history("acme", 7, TRANSFERS)
    assert [(each.at_ms, each.kind, each.transfer, each.book, each.nano, each.balance) for each in found] == told
    assert (found[0].ref, found[0].actor, found[0].reason) == ("bank-77", "olga", None)
    assert (found[4].actor, found[4].reason) == ("olga", "outage")


CHARGES = [
    ChargeLine("test/beta", "staging", 2, 20),
    ChargeLine("test/alpha", "=HYPERLINK(1)", 3, 49),
    ChargeLine("test/alpha", "-1+1", 1, 11),
]


def test_a_statement_leads_from_opening_to_closing():
    found = statement("acme", 7, TRANSFERS, CHARGES, 112)
    assert found.moved == {Kind.DEPOSIT: 105, Kind.GRANT: 60, Kind.REFUND: 35, Kind.EXPIRY: -15}
    assert list(found.moved) == [Kind.DEPOSIT, Kind.GRANT, Kind.REFUND, Kind.EXPIRY], "always in the same order"
    assert found.charged == 80, "an overrun is the house's"
    assert found.opening + sum(found.moved.values()) - found.charged == found.closing


def test_the_printed_lines_of_a_statement_add_up_to_its_closing():
    found = statement("acme", 7, TRANSFERS, CHARGES, 112)
    printed = rows(found)
    assert printed[0] == ("opening", "", "", "", "0.000000007")
    assert printed[1] == ("deposit", "", "", "", "0.000000105")
    assert printed[-1] == ("closing", "", "", "", "0.000000112")
    assert [line[:4] for line in printed if line[0] == "charge"] == [
        ("charge", "test/alpha", "-1+1", "1"),
        ("charge", "test/alpha", "=HYPERLINK(1)", "3"),
        ("charge", "test/beta", "staging", "2"),
    ]
    amounts = [parse_amount(line[4]) for line in printed]
    assert sum(amounts[:-1]) == amounts[-1]


def test_a_name_never_becomes_a_formula_in_the_csv():
    lines = list(csv.reader(io.StringIO(as_csv(statement("acme", 7, TRANSFERS, CHARGES, 112)))))
    assert lines[0] == ["line", "model", "key", "calls", "amount_usd"]
    assert [line[2] for line in lines if line[0] == "charge"] == ["'-1+1", "'=HYPERLINK(1)", "staging"]
    assert lines[-1][4] == "0.000000112"
    assert lines[-2][4] == "-0.00000002"


@pytest.mark.parametrize("closing", [111, 113])
def test_a_statement_that_does_not_reach_the_ledgers_closing_is_refused(closing):
    with pytest.raises(StatementError, match="1 apart"):
        statement("acme", 7, TRANSFERS, CHARGES, closing)


@pytest.mark.parametrize("charges", [[], CHARGES[:2], [*CHARGES, ChargeLine("test/beta", "x", 1, 4)]])
def test_a_statement_whose_calls_are_not_what_the_funds_paid_is_refused(charges):
    with pytest.raises(StatementError, match="the calls were charged"):
        statement("acme", 7, TRANSFERS, charges, 112)


def test_an_empty_period_opens_and_closes_alike():
    found = statement("acme", 5, (), [], 5)
    assert [line[0] for line in rows(found)] == ["opening", "closing"]
