"""Whatever is done to a wallet, in whatever order: its history explains the balance, and its statements clear."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.operations.rooms import call_record
from smartoken.billing import debts
from smartoken.billing import queries as money
from smartoken.billing.ledger import trial_balance
from smartoken.billing.wallet import Ask, grow_leases, put_leases
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.money import amount_text, parse_amount
from smartoken.operations import accounts, adjustments, expiry, keys, refunds, wallet, wallet_view

cents = st.integers(1, 2_000).map(lambda each: amount_text(each * 10_000_000))
STEPS = st.one_of(
    st.tuples(st.just("deposit"), cents),
    st.tuples(st.just("withdraw"), cents),
    st.tuples(st.just("adjust"), cents),
    st.tuples(st.just("adjust"), cents.map(lambda each: f"-{each}")),
    st.tuples(st.just("grant"), cents),
    st.tuples(st.just("spend"), cents),
    st.tuples(st.just("refund"), cents),
    st.tuples(st.just("reverse"), cents),
    st.tuples(st.just("lease"), cents),
    st.tuples(st.just("return"), cents),
    st.tuples(st.just("wait"), st.integers(1, 30 * 24)),
)


class Teller:
    """One fresh account, and what was done to it that can be undone."""

    def __init__(self, room, number):
        self.room = room
        slug = f"chance-{number}"
        self.account = room.write(accounts.create, slug, {})["id"]
        self.key = room.write(keys.create, self.account, {"name": "main"}).key["id"]
        self.calls, self.transfers, self.number, self.epoch = [], [], number * 1000, None

    def rows(self):
        rows = self.room.office.db.run_read(money.rows_of_account, self.account)
        return {each["id"]: each for each in rows}

    def step(self, what, value):
        """Do one thing; what is refused is refused whole."""
        room, reason = self.room, {"reason": "chance"}
        if what == "wait":
            room.office.clock.advance(hours=value)
            room.write(expiry.expire)
            return
        if what in ("spend", "lease", "return"):
            getattr(self, what.replace("return", "give_back"))(parse_amount(value))
            return
        operation, body = {
            "deposit": (wallet.deposit, {"amount": value, "reference": "r"}),
            "withdraw": (wallet.withdraw, {"amount": value, "reference": "r"}),
            "adjust": (adjustments.adjust, {"amount": value, **reason}),
            "grant": (adjustments.grant, {"amount": value, **reason, "expires_at": self.in_days(10)}),
            "refund": (refunds.refund, {"call": self.calls[-1] if self.calls else "none", "amount": value, **reason}),
            "reverse": (refunds.reverse, {"transfer": (self.transfers or ["none"])[-1], "amount": value, **reason}),
        }[what]
        before = self.rows()
        try:
            self.transfers.append(room.write(operation, self.account, body)["id"])
        except (InvalidRequestError, NotFoundError):
            assert self.rows() == before

    def in_days(self, days):
        return (self.room.office.clock.now() + timedelta(days=days)).isoformat()

    def spend(self, nano):
        """A call that every fund with something free pays a part of."""
        lines, rest = [], nano
        for row_id, row in sorted(self.rows().items()):
            free = row["limit_nano"] - row["used_nano"] - row["held_nano"] - row["owed_nano"]
            share = max(0, min(free, rest))
            if share:
                lines.append([row_id, share])
                rest -= share
        if lines:
            self.number += 1
            now = self.room.office.clock.now_ms()
            paid = sum(each for _, each in lines)
            facts = {"created_ms": now, "charge_nano": paid, "fund_lines": lines, "model": f"test/m{self.number % 3}"}
            record = call_record(self.number, self.account, self.key, **facts)
            self.room.calls(record)
            self.calls.append(record.id)

    def lease(self, nano):
        """A worker leases all of the wallet and holds a part of it in calls."""
        book = f"wallet:{self.account}"

        def grow(conn):
            if self.epoch is None:
                self.epoch = f"epoch_{self.account}"
                money.begin_epoch(conn, self.epoch, 0)
            grow_leases(conn, self.epoch, [Ask(book, 1)], 1)
            amount = money.leases_of(conn, self.epoch).get(book, (0, 0))[0]
            put_leases(conn, self.epoch, [(book, amount, min(nano, amount))])

        self.room.office.db.run_write(grow)

    def give_back(self, nano):
        """The worker gives back what it has of the wallet, or a part; what is owed is taken."""
        if self.epoch is None:
            return
        book = f"wallet:{self.account}"

        def shrink(conn):
            amount = money.leases_of(conn, self.epoch).get(book, (0, 0))[0]
            put_leases(conn, self.epoch, [(book, max(0, amount - nano), 0)])
            debts.collect(conn, self.room.office.clock.now_ms(), self.account)

        self.room.office.db.run_write(shrink)

    def check(self):
        """What must be true after every step."""
        sums = self.room.office.db.run_read(money.book_sums)
        assert set(trial_balance({(currency, book): nano for (book, currency), nano in sums.items()}).values()) <= {0}
        shown = self.room.read(wallet_view.show, self.account)
        for each in (shown, *shown["funds"]):
            parts = [parse_amount(each[name]) for name in ("held", "owed", "available")]
            assert parse_amount(each["balance"]) == sum(parts)
        lines, balance = self.lines(), 0
        for each in lines:
            balance += parse_amount(each["amount"])
            assert parse_amount(each["balance"]) == balance >= 0
        assert balance == parse_amount(shown["balance"])
        for row_id, row in self.rows().items():
            assert row["used_nano"] + row["held_nano"] <= row["limit_nano"], row_id
            assert sums.get((row_id, "USD"), 0) == row["limit_nano"] - row["used_nano"]
        assert 0 <= parse_amount(shown["withdrawable"]) <= max(0, balance)

    def lines(self):
        found, after = [], None
        while True:
            page, after = self.room.read(wallet_view.entries, self.account, (after, 7))
            found += page
            if after is None:
                return found[::-1]

    def statements(self):
        """Each month's statement begins where the one before ended, and the last ends at the balance."""
        closing, now = "0.00", self.room.office.clock.now()
        months = [divmod(each, 12) for each in range(2026 * 12 + 9, now.year * 12 + now.month)]
        for month in (f"{year}-{place + 1:02d}" for year, place in months):
            found = self.room.read(wallet_view.statement, self.account, month).statement
            assert amount_text(found.opening) == closing
            closing = amount_text(found.closing)
        assert closing == self.room.read(wallet_view.show, self.account)["balance"]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
def test_the_history_explains_the_balance_whatever_happens(room, steps):
    room.count = getattr(room, "count", 0) + 1
    teller = Teller(room, room.count)
    for what, value in steps:
        teller.step(what, value)
        teller.check()
    teller.statements()
