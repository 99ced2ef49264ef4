"""The rules of the ledger as ledgers: each table is read from top to bottom, in whole nano-USD."""

import pytest

from smartoken.billing import ledger as books
from smartoken.billing.ledger import Kind, LedgerError, Posting, Stamp, Transfer
from unit.billing.ledger_table import played

TABLES = {
    "deposits, adjustments and charges": """
event                          | wallet | cash_in adjust revenue | outcome
t1 deposit 100                 |    100 |    -100      0       0 |
t1 deposit 100                 |    100 |    -100      0       0 | same     # a retried request moves nothing
t1 again                       |    100 |    -100      0       0 | same
t1 deposit 70                  |    100 |    -100      0       0 | refused: t1 was used for another transfer
c1 spend 30 from wallet        |     70 |    -100      0      30 |
t2 adjust 5                    |     75 |    -100     -5      30 |
t3 adjust -15                  |     60 |    -100     10      30 |
t4 adjust 0                    |     60 |    -100     10      30 | refused: an adjustment changes something
t5 adjust 5 unexplained        |     60 |    -100     10      30 | refused: has a reason
t6 adjust -5 unexplained       |     60 |    -100     10      30 | refused: has a reason
t7 deposit 0                   |     60 |    -100     10      30 | refused: a deposit must be above zero
t8 deposit -1                  |     60 |    -100     10      30 | refused: a deposit must be above zero
c2 spend 0 from wallet         |     60 |    -100     10      30 | nothing  # a call that cost nothing
c3 spend 60 from wallet        |      0 |    -100     10      90 |
c4 spend 1 all from wallet     |      0 |    -100     10      90 | refused: wallet:acme would fall to -1
""",
    "an adjustment down takes what no call holds and leaves the rest owed": """
event                          | wallet | cash_in adjust revenue | outcome
t1 deposit 100                 |    100 |    -100      0       0 |
t2 adjust -50 held 70          |     70 |    -100     30       0 | owed 20
t3 adjust -20 held 70          |     70 |    -100     30       0 | owed 20  # nothing yet
c1 spend 60 from wallet        |     10 |    -100     30      60 |          # the call ends
t4 adjust -20                  |      0 |    -100     40      60 | owed 10  # never below zero for what was owed
""",
    "grants burn in their order and the wallet last": """
event                          | g1 g2 wallet | promo cash_in revenue overrun | outcome
t1 deposit 100                 |  0  0    100 |     0    -100       0       0 |
t2 grant g1 50                 | 50  0    100 |   -50    -100       0       0 |
t3 grant g2 20                 | 50 20    100 |   -70    -100       0       0 |
t4 grant g3 0                  | 50 20    100 |   -70    -100       0       0 | refused: a grant must be above zero
c1 spend 10 from g1 g2 wallet  | 40 20    100 |   -70    -100      10       0 |
c2 spend 55 from g1 g2 wallet  |  0  5    100 |   -70    -100      65       0 |
c3 spend 7 from wallet         |  0  5     93 |   -70    -100      72       0 |  # a model that no grant is for
c4 spend 90 from g1 g2 wallet  |  0  0      8 |   -70    -100     162       0 |
c5 spend 11 from g1 g2 wallet  |  0  0      0 |   -70    -100     173      -3 |  # past its hold: the house's overrun
c6 spend 4 from g1             |  0  0      0 |   -70    -100     177      -7 |
c7 spend 1 all from g1         |  0  0      0 |   -70    -100     177      -7 | refused: grant:acme:g1 would fall to -1
""",
    "a refund goes to whoever paid last, and never beyond what was paid": """
event                          | g1 g2 wallet | promo cash_in revenue overrun refund | outcome
t1 deposit 100                 |  0  0    100 |     0    -100       0       0      0 |
t2 grant g1 30                 | 30  0    100 |   -30    -100       0       0      0 |
t3 grant g2 20                 | 30 20    100 |   -50    -100       0       0      0 |
c1 spend 60 from g1 g2 wallet  |  0  0     90 |   -50    -100      60       0      0 |
r1 refund c1 4                 |  0  0     94 |   -50    -100      60       0     -4 |
r2 refund c1 10                |  0  4    100 |   -50    -100      60       0    -14 |
r2 again                       |  0  4    100 |   -50    -100      60       0    -14 | same
r3 refund c1 47                |  0  4    100 |   -50    -100      60       0    -14 | refused: would exceed the 60 paid
r4 refund c1 46                | 30 20    100 |   -50    -100      60       0    -60 |
r5 refund c1 1                 | 30 20    100 |   -50    -100      60       0    -60 | refused: would exceed the 60 paid
r6 refund c1 0                 | 30 20    100 |   -50    -100      60       0    -60 | refused: must be above zero
c2 spend 65 from g1 g2         |  0  0    100 |   -50    -100     125     -15    -60 |
r7 refund c2 51                |  0  0    100 |   -50    -100     125     -15    -60 | refused: would exceed the 50 paid
r8 refund c2 50                | 30 20    100 |   -50    -100     125     -15   -110 |  # an overrun was the house's
r9 refund t1 5                 | 30 20    100 |   -50    -100     125     -15   -110 | refused: only a charge
r10 refund r8 5                | 30 20    100 |   -50    -100     125     -15   -110 | refused: only a charge
""",
    "an expired grant goes to breakage once its calls have ended": """
event                          | g1 wallet | promo revenue breakage refund | outcome
t1 grant g1 50                 | 50      0 |   -50       0        0      0 |
x1 expire g1 held 20           | 20      0 |   -50       0       30      0 |
x2 expire g1 held 20           | 20      0 |   -50       0       30      0 | nothing
c1 spend 15 from g1            |  5      0 |   -50      15       30      0 |
x3 expire g1                   |  0      0 |   -50      15       35      0 |
x4 expire g1                   |  0      0 |   -50      15       35      0 | nothing
r1 refund c1 15                | 15      0 |   -50      15       35    -15 |  # it returns to its grant
x5 expire g1                   |  0      0 |   -50      15       50    -15 |
""",
    "a claw-back takes a grant back as far as it is there": """
event                          | g1 | promo revenue | outcome
t1 grant g1 50                 | 50 |   -50       0 |
k1 claw-back g1 20             | 30 |   -30       0 |
k2 claw-back g1 20 held 25     | 25 |   -25       0 | owed 15
k3 claw-back g1 15 held 25     | 25 |   -25       0 | owed 15
k4 claw-back g1 0              | 25 |   -25       0 | refused: a claw-back must be above zero
k5 claw-back g1 5 unexplained  | 25 |   -25       0 | refused: a claw-back has a reason
c1 spend 25 from g1            |  0 |   -25      25 |
k6 claw-back g1 15             |  0 |   -25      25 | owed 15
""",
    "a withdrawal takes paid money that is neither spent nor held, never a grant": """
event                          | g1 wallet | promo cash_in adjust revenue | outcome
t1 deposit 100                 |  0    100 |     0    -100      0       0 |
t2 grant g1 40                 | 40    100 |   -40    -100      0       0 |
t3 adjust 25                   | 40    125 |   -40    -100    -25       0 |
w1 withdraw 101                | 40    125 |   -40    -100    -25       0 | refused: only 100 is withdrawable, not 101
w2 withdraw 30                 | 40     95 |   -40     -70    -25       0 |
w2 again                       | 40     95 |   -40     -70    -25       0 | same
w3 withdraw 71                 | 40     95 |   -40     -70    -25       0 | refused: only 70 is withdrawable, not 71
c1 spend 40 from wallet        | 40     55 |   -40     -70    -25      40 |
w4 withdraw 56                 | 40     55 |   -40     -70    -25      40 | refused: only 55 is withdrawable, not 56
w5 withdraw 46 held 10         | 40     55 |   -40     -70    -25      40 | refused: only 45 is withdrawable, not 46
w6 withdraw 45 held 10         | 40     10 |   -40     -25    -25      40 |
w7 withdraw 0                  | 40     10 |   -40     -25    -25      40 | refused: a withdrawal must be above zero
w8 withdraw 5 unreferenced     | 40     10 |   -40     -25    -25      40 | refused: has the reference
v1 reverse w2 30               | 40     40 |   -40     -55    -25      40 |        # the bank sent it back
w9 withdraw 40                 | 40      0 |   -40     -15    -25      40 |
w10 withdraw 1                 | 40      0 |   -40     -15    -25      40 | refused: only 0 is withdrawable, not 1
""",
    "a reversal names its original and never exceeds it": """
event                          | g1 wallet | promo cash_in adjust revenue refund | outcome
t1 deposit 100                 |  0    100 |     0    -100      0       0      0 |
v1 reverse t1 30               |  0     70 |     0     -70      0       0      0 |
v2 reverse t1 71               |  0     70 |     0     -70      0       0      0 | refused: would exceed its 100
v3 reverse t1 20 held 60       |  0     60 |     0     -60      0       0      0 | owed 10
v4 reverse t1 5 held 60        |  0     60 |     0     -60      0       0      0 | owed 5
v5 reverse t1 5 unexplained    |  0     60 |     0     -60      0       0      0 | refused: a reversal has a reason
v6 reverse t1 0                |  0     60 |     0     -60      0       0      0 | refused: must be above zero
t2 grant g1 40                 | 40     60 |   -40     -60      0       0      0 |
v7 reverse t2 40               |  0     60 |     0     -60      0       0      0 |
t3 adjust -10                  |  0     50 |     0     -60     10       0      0 |
v8 reverse t3 10               |  0     60 |     0     -60      0       0      0 |
v9 reverse v8 10               |  0     60 |     0     -60      0       0      0 | refused: a reversal is not reversed
c1 spend 20 from wallet        |  0     40 |     0     -60      0      20      0 |
v10 reverse c1 20              |  0     40 |     0     -60      0      20      0 | refused: a spend is not reversed
v11 reverse t1 60              |  0      0 |     0     -20      0      20      0 | owed 20  # a spent chargeback
""",
    "one account's money is no other's": """
event                          | wallet zeta | cash_in revenue | outcome
t1 deposit 100                 |    100    0 |    -100       0 |
t2 deposit zeta 50             |    100   50 |    -150       0 |
c1 spend 100 from wallet       |      0   50 |    -150     100 |
c2 spend 1 all from wallet     |      0   50 |    -150     100 | refused: wallet:acme would fall to -1
""",
    "what calls cost us is kept by provider in its currency": """
event                          | owed:deepseek cost:deepseek owed:zhipu cost:zhipu | outcome
e1 cost deepseek 30            |           -30            30          0          0 |
e2 cost zhipu 5                |           -30            30         -5          5 |
e3 cost deepseek 12            |           -42            42         -5          5 |
e4 cost deepseek 0             |           -42            42         -5          5 | refused: a cost must be above zero
""",
}
OPEN = """
event                          | wallet | cash_in revenue overrun absorbed | outcome
c1 spend 30 from wallet        |    -30 |       0      30       0        0 |          # billed later
c2 spend 25 from wallet        |    -50 |       0      55      -5        0 |          # to its limit of 50, no further
c3 spend 1 all from wallet     |    -50 |       0      55      -5        0 | refused: wallet:acme would fall to -51
t1 deposit 20                  |    -30 |     -20      55      -5        0 |
o1 write-off 31                |    -30 |     -20      55      -5        0 | refused: never above the debt
o2 write-off 10 unexplained    |    -30 |     -20      55      -5        0 | refused: a write-off has a reason
o3 write-off 0                 |    -30 |     -20      55      -5        0 | refused: a write-off must be above zero
o4 write-off 30                |      0 |     -20      55      -5      -30 |
w1 withdraw 1                  |      0 |     -20      55      -5      -30 | refused: only 0 is withdrawable, not 1
o5 write-off 1                 |      0 |     -20      55      -5      -30 | refused: never above the debt
"""


@pytest.mark.parametrize("rule", TABLES)
def test_the_ledger_reads_as_its_table_says(rule):
    told, happened = played(TABLES[rule])
    assert happened == told


def test_an_open_account_goes_below_zero_to_its_limit_and_no_further():
    told, happened = played(OPEN, floor=-50)
    assert happened == told


STAMP = Stamp("t1", 1)
UNSOUND = {
    "nothing": (),
    "a posting of nothing": (Posting("wallet:a", 0), Posting("house:promo", 0)),
    "a book twice": (Posting("wallet:a", 5), Posting("wallet:a", -5)),
    "unbalanced": (Posting("wallet:a", 5), Posting("house:cash_in", -4)),
}


@pytest.mark.parametrize("fault", UNSOUND)
def test_what_is_no_double_entry_is_no_transfer(fault):
    with pytest.raises(LedgerError):
        Transfer(Kind.DEPOSIT, STAMP, UNSOUND[fault])


def test_only_funds_pay_for_calls_and_never_a_negative_amount():
    for paid in ([Posting("house:promo", 5)], [Posting("wallet:a", -5)]):
        with pytest.raises(LedgerError, match="paid by funds"):
            books.spend(STAMP, paid)
    with pytest.raises(LedgerError, match="paid by funds"):
        books.spend(STAMP, [Posting("wallet:a", 5)], overrun=-1)


def test_a_taker_back_of_an_unknown_transfer_or_of_too_much_is_not_posted():
    ledger = books.post(books.Ledger(), books.deposit(STAMP, "acme", 100))
    stray = Transfer(Kind.REVERSAL, Stamp("v1", 2), (Posting("wallet:acme", -1), Posting(books.CASH_IN, 1)), "t9")
    with pytest.raises(LedgerError, match="unknown"):
        books.post(ledger, stray)
    greedy = Transfer(Kind.REVERSAL, Stamp("v2", 2), (Posting("wallet:acme", -60), Posting(books.CASH_IN, 60)), "t1")
    ledger = books.post(ledger, greedy)
    with pytest.raises(LedgerError, match="more than t1 moved"):
        books.post(ledger, Transfer(Kind.REVERSAL, Stamp("v3", 3), greedy.postings, "t1"))


def test_a_fund_below_its_floor_can_still_receive():
    floor = {"wallet:acme": -50}
    charge = books.spend(STAMP, [Posting("wallet:acme", 50)])
    ledger = books.post(books.Ledger(), charge, floor)
    ledger = books.post(ledger, books.deposit(Stamp("t2", 2), "acme", 10))  # the credit was taken away meanwhile
    assert ledger.balance("wallet:acme") == -40


def test_a_transfer_says_who_did_what_for_which_reason():
    taken = books.adjustment(Stamp("t1", 7, ref="case-12", actor="olga", reason="double charge"), "acme", -5, 100)
    assert taken.transfer is not None
    assert (taken.transfer.id, taken.transfer.kind, taken.transfer.moved) == ("t1", Kind.ADJUSTMENT, 5)
    assert taken.transfer.stamp == Stamp("t1", 7, "case-12", "olga", "double charge")


def test_books_know_whose_they_are():
    assert books.owner("wallet:acme") == books.owner(books.grant_book("acme", "g1")) == "acme"
    assert [books.owner(each) for each in books.HOUSE] == [None] * 8
    assert not any(books.is_fund(each) for each in (*books.HOUSE, "cost:x", "owed:x"))
