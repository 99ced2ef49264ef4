"""Money in the real stores under any order of events: the machine of the pure core, over SQLite and PostgreSQL.

The doors are those of the product: leases grown and given back, batches settled, journals replayed in time and late,
debts taken and collected. The naive rules judge them as they judge the core.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from contract.operations.stored_money import ACCOUNT, StoredMoney
from smartoken.billing import ledger as books
from smartoken.billing.ledger import ADJUST, PROMO, Kind, Posting, Transfer
from unit.billing.money_store import Record, grow_book
from unit.billing.test_machine import G2, WALLET, Money, amounts, picks


class StoredMachine(Money):
    """The machine over a real store; what the core's own store does by hand, this one has doors for."""

    db = None

    def __init__(self):
        super().__init__()
        self.store, self.given_up = StoredMoney(self.db), []

    @precondition(lambda self: self.dead)
    @rule()
    def recover(self):
        gone = self.dead.pop(0)
        found = self.store.replay(gone.epoch, gone.unstored)
        assert found.final == len(gone.unstored)
        before = self.store.ledger
        self.store.replay(gone.epoch, gone.unstored)
        assert self.store.ledger is before, "a journal that is replayed again moves nothing"
        assert all(epoch != gone.epoch for epoch, _ in self.store.leases)

    @precondition(lambda self: self.dead and len(self.given_up) < 2)
    @rule()
    def give_up(self):
        """Give the leases of a dead worker to others, as after a minute of silence."""
        gone = self.dead.pop(0)
        self.store.end_epoch(gone.epoch)
        for record in gone.unstored:  # nobody knows of its charges until its journal comes back
            self.naive.count(record.lines, record.windows, -1)
        self.given_up.append(gone)

    @precondition(lambda self: self.given_up)
    @rule(taken=st.booleans())
    def recover_late(self, taken):
        """Replay the journal then, after another worker may have leased all that is free."""
        gone = self.given_up.pop(0)
        if taken:
            other = self.workers[0]
            self.flush(other)
            asks = [(row, self.store.facts(row).free) for row in self.store.rows]
            grow_book(self.store, other.book, other.epoch, asks)
        before = {row: self.store.facts(row) for row in self.store.rows}
        self.store.replay(gone.epoch, gone.unstored)
        stored = self.store.records
        for record in gone.unstored:
            found = stored[record.id]
            assert found.paid + found.overrun == record.paid + record.overrun
            self.naive.count(found.lines, found.windows, 1)
        for row, facts in before.items():
            now = self.store.facts(row)
            assert now.used + now.held <= max(facts.limit, facts.used + facts.held), "a late charge passed a limit"

    @rule(nano=amounts, kind=st.sampled_from(["adjustment", "claw-back"]))
    def take_out(self, nano, kind):
        fund, to = (G2, PROMO) if kind == "claw-back" else (WALLET, ADJUST)
        self.ask_for_flush(fund)
        unheld = self.store.unheld(fund)
        if self.exact:
            assert unheld == self.naive.unheld(fund)
        stamp = self.stamp("t")
        if kind == "adjustment":
            whole = Transfer(Kind.ADJUSTMENT, stamp, (Posting(fund, -nano), Posting(to, nano)))
            taking = books.adjustment(stamp, ACCOUNT, -nano, unheld)
        else:
            whole = books.claw_back(stamp, ACCOUNT, "g2", nano, nano).transfer
            taking = books.claw_back(stamp, ACCOUNT, "g2", nano, unheld)
        self.store.take(whole, taking)
        self.naive.limit[fund] -= nano - taking.owed_nano
        self.naive.owed[fund] += taking.owed_nano
        self.look(fund)

    @rule()
    def collect(self):
        before = {fund: self.store.rows[fund].owed for fund in (WALLET, G2)}
        for fund in before:
            self.ask_for_flush(fund)
        self.store.collect()
        for fund, owed in before.items():
            taken = owed - self.store.rows[fund].owed
            assert 0 <= taken <= owed
            self.naive.owed[fund] -= taken
            self.naive.limit[fund] -= taken
            self.look(fund)
            if self.exact:
                assert self.store.rows[fund].owed == max(0, owed - max(0, self.naive.unheld(fund) + taken))

    @precondition(lambda self: self.store.records)
    @rule(pick=picks)
    def replay(self, pick):
        every = list(self.store.records.values())
        before = self.store.ledger
        assert self.store.settle(every[: pick % len(every) + 1]) == []
        record = every[pick % len(every)]
        other = Record(record.id, record.lines, record.windows, record.overrun + 1)
        assert self.store.settle([other]) == [], "a call that is stored stays as it is"
        assert self.store.records[record.id] == record
        assert self.store.ledger is before

    def teardown(self):
        while self.given_up:
            self.recover_late(taken=False)
        super().teardown()


class StoredMachineOfThree(StoredMachine):
    workers_at_once = 3


def run(machine, db, examples, steps):
    over = type(machine.__name__, (machine,), {"db": db})
    run_state_machine_as_test(over, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None))


@pytest.mark.parametrize("machine", [StoredMachine, StoredMachineOfThree])
def test_stored_money_obeys_the_naive_rules_under_any_order_of_events(machine, db):
    run(machine, db, 6, 25)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [StoredMachine, StoredMachineOfThree])
def test_stored_money_obeys_the_naive_rules_under_many_orders_of_events(machine, db):
    run(machine, db, 150, 40)
