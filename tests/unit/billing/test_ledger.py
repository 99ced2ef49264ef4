"""The rules of the ledger, as ledgers: an event a line, and every book after it. A dot is zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing import ledger as led
from unit.billing.ledger_script import check

SPENDING = """
event                                 | says      | cash_in promo revenue overrun refund | wallet spring
d1: deposit 100                       | ok        |    -100     .       .       .      . |    100      .
g1: grant spring 30 until 90          | ok        |    -100   -30       .       .      . |    100     30
s1: charge 20 qwen/max                | ok        |    -100   -30      20       .      . |    100     10
s2: charge 25 qwen/max                | ok        |    -100   -30      45       .      . |     85      .
s3: charge 9 qwen/max held 6          | ok        |    -100   -30      54      -3      . |     79      .
s4: charge 0 qwen/max                 | ok        |    -100   -30      54      -3      . |     79      .
s5: charge 80 qwen/max                | no 1 short|    -100   -30      54      -3      . |     79      .
s6: charge 79 qwen/max                | ok        |    -100   -30     133      -3      . |      .      .
again s6                              | ok        |    -100   -30     133      -3      . |      .      .
s6: deposit 5                         | no used   |    -100   -30     133      -3      . |      .      .
d2: deposit 0                         | no above  |    -100   -30     133      -3      . |      .      .
d2: deposit -5                        | no above  |    -100   -30     133      -3      . |      .      .
g2: grant spring 0                    | no above  |    -100   -30     133      -3      . |      .      .
"""
BURN_ORDER = """
# Priority, then what expires, sooner first, then promotional, then the id; the wallet is paid and never expires.
event                                 | says      | promo revenue | wallet first soon late never a b
d1: deposit 50                        | ok        |     .       . |     50     .    .    .     . . .
g1: grant never 5                     | ok        |    -5       . |     50     .    .    .     5 . .
g2: grant late 5 until 90             | ok        |   -10       . |     50     .    .    5     5 . .
g3: grant soon 5 until 80             | ok        |   -15       . |     50     .    5    5     5 . .
g4: grant first 5 priority -1         | ok        |   -20       . |     50     5    5    5     5 . .
g5: grant b 5 priority -2 paid        | ok        |   -25       . |     50     5    5    5     5 . 5
g6: grant a 5 priority -2 paid        | ok        |   -30       . |     50     5    5    5     5 5 5
s1: charge 7 qwen/max                 | ok        |   -30       7 |     50     5    5    5     5 . 3
s2: charge 5 qwen/max                 | ok        |   -30      12 |     50     3    5    5     5 . .
s3: charge 5 qwen/max                 | ok        |   -30      17 |     50     .    3    5     5 . .
s4: charge 5 qwen/max                 | ok        |   -30      22 |     50     .    .    3     5 . .
s5: charge 5 qwen/max                 | ok        |   -30      27 |     50     .    .    .     3 . .
s6: charge 5 qwen/max                 | ok        |   -30      32 |     48     .    .    .     . . .
"""
PROMOTIONAL_FIRST = """
event                                 | says      | revenue | wallet atlas zeal
g1: grant atlas 5 until 50 paid       | ok        |       . |      .     5    .
g2: grant zeal 5 until 50             | ok        |       . |      .     5    5
s1: charge 4 qwen/max                 | ok        |       4 |      .     5    1
"""
ELIGIBILITY = """
event                                 | says      | breakage revenue | wallet deep wide
d1: deposit 10                        | ok        |        .       . |     10    .    .
g1: grant deep 10 for deepseek/*      | ok        |        .       . |     10   10    .
g2: grant wide 10 for */glm-5.2 until 50 | ok     |        .       . |     10   10   10
s1: charge 4 deepseek/v4              | ok        |        .       4 |     10    6   10
s2: charge 4 z-ai/glm-5.2             | ok        |        .       8 |     10    6    6
s3: charge 4 DeepSeek/V4              | ok        |        .      12 |     10    2    6
s4: charge 4 moonshot/kimi            | ok        |        .      16 |      6    2    6
s5: charge 9 moonshot/kimi            | no 3 short|        .      16 |      6    2    6
s6: charge 1 z-ai/glm-5.20            | ok        |        .      17 |      5    2    6
clock 49                              | ok        |        .      17 |      5    2    6
e1: expire wide                       | no not yet|        .      17 |      5    2    6
s7: charge 1 z-ai/glm-5.2             | ok        |        .      18 |      5    2    5
clock 50                              | ok        |        .      18 |      5    2    5
s8: charge 1 z-ai/glm-5.2             | ok        |        .      19 |      4    2    5
hold wide 2                           | ok        |        .      19 |      4    2    5
e1: expire wide                       | ok        |        3      19 |      4    2    2
hold wide 0                           | ok        |        3      19 |      4    2    2
e2: expire wide                       | ok        |        5      19 |      4    2    .
e3: expire wide                       | ok        |        5      19 |      4    2    .
"""
REFUNDS = """
event                                 | says      | revenue overrun refund | wallet spring
d1: deposit 10                        | ok        |       .       .      . |     10      .
g1: grant spring 6 until 90           | ok        |       .       .      . |     10      6
s1: charge 12 qwen/max held 10        | ok        |      12      -2      . |      6      .
r1: refund s1 3                       | ok        |      12      -2     -3 |      9      .
r2: refund s1 3                       | ok        |      12      -2     -6 |     10      2
again r2                              | ok        |      12      -2     -6 |     10      2
r3: refund s1 5                       | no exceed |      12      -2     -6 |     10      2
r4: refund s1 4                       | ok        |      12      -2    -10 |     10      6
r5: refund s1 1                       | no exceed |      12      -2    -10 |     10      6
r6: refund d1 1                       | no only a charge |  12 -2  -10 |     10      6
r7: refund s1 0                       | no above  |      12      -2    -10 |     10      6
v1: reverse s1 1                      | no not reversed | 12   -2  -10 |     10      6
"""
REVERSALS = """
event                                 | says      | cash_in promo adjust | wallet spring
d1: deposit 10                        | ok        |     -10     .      . |     10      .
v1: reverse d1 4                      | ok        |      -6     .      . |      6      .
v2: reverse d1 7                      | no exceed |      -6     .      . |      6      .
hold wallet 5                         | ok        |      -6     .      . |      6      .
v3: reverse d1 6                      | owed 5    |      -5     .      . |      5      .
v4: reverse d1 5                      | owed 5    |      -5     .      . |      5      .
hold wallet 0                         | ok        |      -5     .      . |      5      .
v5: reverse d1 5                      | ok        |       .     .      . |      .      .
v6: reverse d1 1                      | no exceed |       .     .      . |      .      .
g1: grant spring 8                    | ok        |       .    -8      . |      .      8
v7: reverse g1 8                      | ok        |       .     .      . |      .      .
a1: adjust +5                         | ok        |       .     .     -5 |      5      .
v8: reverse a1 2                      | ok        |       .     .     -3 |      3      .
a2: adjust -2                         | ok        |       .     .     -1 |      1      .
v9: reverse a2 2                      | ok        |       .     .     -3 |      3      .
"""
ADJUSTMENTS = """
event                                 | says      | cash_in adjust absorbed revenue | wallet
a1: adjust +5                         | ok        |       .     -5        .       . |      5
hold wallet 4                         | ok        |       .     -5        .       . |      5
a2: adjust -3                         | owed 2    |       .     -4        .       . |      4
a3: adjust -3                         | owed 3    |       .     -4        .       . |      4
hold wallet 0                         | ok        |       .     -4        .       . |      4
a4: adjust -4                         | ok        |       .      .        .       . |      .
a5: adjust 0                          | no changes|       .      .        .       . |      .
credit_line 10                        | ok        |       .      .        .       . |      .
s1: charge 11 qwen/max                | no 1 short|       .      .        .       . |      .
s2: charge 10 qwen/max                | ok        |       .      .        .      10 |    -10
w1: write-off 11                      | no debt   |       .      .        .      10 |    -10
w2: write-off 4                       | ok        |       .      .       -4      10 |     -6
d1: deposit 7                         | ok        |      -7      .       -4      10 |      1
w3: write-off 1                       | no debt   |      -7      .       -4      10 |      1
"""
PAYING_OUT = """
event                                 | says      | cash_in promo adjust revenue | wallet spring
d1: deposit 10                        | ok        |     -10     .      .       . |     10      .
g1: grant spring 9                    | ok        |     -10    -9      .       . |     10      9
a1: adjust +5                         | ok        |     -10    -9     -5       . |     15      9
o1: withdraw 11                       | no only 10|     -10    -9     -5       . |     15      9
s1: charge 11 qwen/max                | ok        |     -10    -9     -5      11 |     13      .
o2: withdraw 4                        | ok        |      -6    -9     -5      11 |      9      .
o3: withdraw 7                        | no only 6 |      -6    -9     -5      11 |      9      .
hold wallet 8                         | ok        |      -6    -9     -5      11 |      9      .
o4: withdraw 2                        | no only 1 |      -6    -9     -5      11 |      9      .
hold wallet 0                         | ok        |      -6    -9     -5      11 |      9      .
v1: reverse o2 4                      | ok        |     -10    -9     -5      11 |     13      .
v2: reverse d1 8                      | ok        |      -2    -9     -5      11 |      5      .
o5: withdraw 3                        | no only 2 |      -2    -9     -5      11 |      5      .
o6: withdraw 2                        | ok        |       .    -9     -5      11 |      3      .
o7: withdraw 0                        | no above  |       .    -9     -5      11 |      3      .
"""
CLAW_BACK = """
event                                 | says      | promo revenue | wallet spring
g1: grant spring 9                    | ok        |    -9       . |      .      9
s1: charge 2 qwen/max                 | ok        |    -9       2 |      .      7
hold spring 3                         | ok        |    -9       2 |      .      7
c1: claw spring 9                     | owed 5    |    -5       2 |      .      3
hold spring 0                         | ok        |    -5       2 |      .      3
c2: claw spring 3                     | ok        |    -2       2 |      .      .
c3: claw spring 0                     | no above  |    -2       2 |      .      .
"""
TABLES = {
    "spending": SPENDING,
    "burn order": BURN_ORDER,
    "promotional first": PROMOTIONAL_FIRST,
    "eligibility and expiry": ELIGIBILITY,
    "refunds": REFUNDS,
    "reversals": REVERSALS,
    "adjustments and write-offs": ADJUSTMENTS,
    "paying out": PAYING_OUT,
    "claw-back": CLAW_BACK,
}


@pytest.mark.parametrize("name", TABLES)
def test_the_ledger_reads_as_told(name):
    check(TABLES[name])


STAMP = led.Stamp("t1", 0, "ref", "ada", "why")
BARE = led.Stamp("t1", 0)


@pytest.mark.parametrize(
    ("postings", "words"),
    [
        ((), "moves something"),
        ((led.Posting("wallet:a", 0),), "moves something"),
        ((led.Posting("wallet:a", 1),), "sum to zero"),
        ((led.Posting("wallet:a", 2), led.Posting("house:promo", -1)), "sum to zero"),
        ((led.Posting("wallet:a", 1), led.Posting("wallet:a", -1)), "once"),
    ],
)
def test_what_does_not_balance_is_no_transfer(postings, words):
    with pytest.raises(led.LedgerError, match=words):
        led.Transfer(led.Kind.ADJUSTMENT, STAMP, postings)


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (lambda: led.adjustment(BARE, "a", 5, 0), "reason"),
        (lambda: led.claw_back(BARE, "a", "g", 5, 5), "reason"),
        (lambda: led.write_off(BARE, "a", 5, -5), "reason"),
        (lambda: led.withdrawal(BARE, "a", 5, 5), "reference"),
        (lambda: led.reversal(BARE, led.deposit(STAMP, "a", 5), 0, 5, 5), "reason"),
        (lambda: led.reversal(STAMP, led.deposit(STAMP, "a", 5), 0, 0, 5), "above zero"),
        (lambda: led.spend(STAMP, [led.Posting("house:promo", 5)]), "paid by funds"),
        (lambda: led.spend(STAMP, [led.Posting("wallet:a", -5)]), "paid by funds"),
        (lambda: led.spend(STAMP, [], overrun=-1), "paid by funds"),
        (lambda: led.cost(STAMP, "zhipu", 0, "CNY"), "above zero"),
    ],
)
def test_a_transfer_without_its_grounds_is_refused(move, words):
    with pytest.raises(led.LedgerError, match=words):
        move()


def test_a_refund_of_an_unknown_charge_is_refused():
    charge = led.spend(led.Stamp("s1", 0), [led.Posting("wallet:a", 5)])
    with pytest.raises(led.LedgerError, match="unknown"):
        led.post(led.Ledger(), led.refund(STAMP, charge, 0, 5))


def test_a_fund_never_falls_below_its_floor():
    charge = led.spend(STAMP, [led.Posting("wallet:a", 5)])
    with pytest.raises(led.LedgerError, match="would fall to -5"):
        led.post(led.Ledger(), charge, {"wallet:a": -4})
    assert led.post(led.Ledger(), charge, {"wallet:a": -5}).balance("wallet:a") == -5


def test_costs_stand_on_books_of_their_own_in_their_own_currency():
    ledger = led.post(led.Ledger(), led.cost(STAMP, "zhipu", 1_606_800, "CNY"))
    ledger = led.post(ledger, led.deposit(led.Stamp("d", 0), "a", 5))
    assert ledger.balance("cost:zhipu", "CNY") == 1_606_800
    assert ledger.balance("cost:zhipu") == 0
    assert led.trial_balance(ledger.balances) == {"CNY": 0, "USD": 0}


def test_posting_changes_no_ledger_that_someone_holds():
    before = led.Ledger()
    led.post(before, led.deposit(STAMP, "a", 5))
    assert (dict(before.transfers), dict(before.balances)) == ({}, {})


def test_only_funds_have_an_owner():
    assert led.owner(led.wallet("acme")) == led.owner(led.grant_book("acme", "g1")) == "acme"
    assert led.owner("house:promo") is None
    assert led.owner("cost:zhipu") is None


@given(
    shares=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    overrun=st.integers(0, 20),
    parts=st.lists(st.integers(1, 30), max_size=8),
)
def test_refunds_in_any_parts_give_each_fund_back_what_it_paid_and_never_more(shares, overrun, parts):
    paid = [led.Posting(f"grant:a:{place}", share) for place, share in enumerate(shares)]
    charge = led.spend(led.Stamp("s", 0), paid, overrun)
    received, returned = {}, 0
    for place, part in enumerate(parts):
        if returned + part > sum(shares):
            with pytest.raises(led.LedgerError, match="exceed"):
                led.refund(led.Stamp(f"r{place}", 0), charge, returned, part)
            continue
        back = led.refund(led.Stamp(f"r{place}", 0), charge, returned, part)
        returned += part
        for each in back.postings:
            received[each.book] = received.get(each.book, 0) + each.nano
    left = returned
    for each in reversed(paid):
        assert received.get(each.book, 0) == min(each.nano, left)
        left -= received.get(each.book, 0)
    assert received.get("house:refund", 0) == -returned
