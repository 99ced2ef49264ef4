"""Money under any order of events: workers with leases against the naive rules (money's properties P1 to P10).

One worker must decide exactly as the naive rules do, by call, by fund and by refusal. Of three, each decides from its
own leases: whatever one admits the naive rules admit too, and nothing is lost, doubled or left held.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from smartoken.billing import ledger as books
from smartoken.billing.admission import Short
from smartoken.billing.grants import Fund, burn_order
from smartoken.billing.leases import Hold, LeaseBook
from smartoken.billing.ledger import LedgerError, Stamp, fold, trial_balance
from unit.billing.money_store import MoneyStore, Record, RecordConflictError, Row, grow_book
from unit.billing.naive import Naive, NaiveHold, burning

WALLET, G1, G2 = "wallet:acme", "grant:acme:g1", "grant:acme:g2"
GRANT_END = 2  # g1 expires when this day begins
FUNDS = (
    Fund(WALLET, priority=1, except_models=("sandbox/*",)),
    Fund(G1, expires_ms=GRANT_END, promotional=True, models=("a/*", "sandbox/*")),
    Fund(G2, promotional=True, models=("a/*", "b/*")),
)
KEYS, MODELS = ("key_1", "key_2"), ("a/one", "b/one", "sandbox/echo")
amounts = st.integers(1, 60)
picks = st.integers(0, 99)


@dataclass
class Call:
    id: str
    hold: Hold
    windows: tuple[str, ...]
    funds: tuple[str, ...]


@dataclass
class Worker:
    epoch: str
    book: LeaseBook = field(default_factory=LeaseBook)
    calls: list[Call] = field(default_factory=list)  # open
    unstored: list[Record] = field(default_factory=list)  # settled, in the journal, not yet flushed


class Money(RuleBasedStateMachine):
    workers_at_once = 1

    def __init__(self):
        super().__init__()
        self.store, self.naive = MoneyStore(), Naive()
        self.day, self.number, self.account_limit = 0, 0, 60
        self.dispatched: set[str] = set()
        self.dead: list[Worker] = []
        self.workers = [Worker(self.name("epoch")) for _ in range(self.workers_at_once)]

    def name(self, what):
        self.number += 1
        return f"{what}-{self.number}"

    def stamp(self, what):
        return Stamp(self.name(what), self.number, ref="ref", actor="olga", reason="as asked")

    @property
    def exact(self):
        """Whether every decision must equal the naive one: all leases are in one hand."""
        return len(self.workers) == 1 and not self.dead

    @initialize(paid=amounts, given=amounts, limits=st.tuples(amounts, amounts))
    def open_account(self, paid, given, limits):
        for row in (WALLET, G1, G2):
            self.store.rows[row] = Row(0)
            self.naive.add(row, 0)
        self.receive(books.deposit(self.stamp("t"), "acme", paid * 3), WALLET)
        self.receive(books.grant(self.stamp("t"), "acme", "g1", given), G1)
        self.receive(books.grant(self.stamp("t"), "acme", "g2", given), G2)
        for key, limit in zip(KEYS, limits, strict=True):
            self.add_window(f"window:key:{key}", limit)
        self.add_window(self.account_window, self.account_limit)

    @property
    def account_window(self):
        return f"window:account:acme:{self.day}"

    def add_window(self, row, limit):
        self.store.rows[row] = Row(limit)
        self.naive.add(row, limit)

    def receive(self, transfer, fund):
        assert self.store.move(transfer)
        assert not self.store.move(transfer), "a repeated transfer moves nothing"
        self.naive.limit[fund] += transfer.moved
        self.look(fund)

    def look(self, *rows):
        """Let every worker see the figures of rows, as it does when a revision moved."""
        for worker in self.workers:
            for row in rows:
                worker.book.observe(self.store.facts(row))

    # What workers do

    @rule(who=picks, key=st.sampled_from(KEYS), model=st.sampled_from(MODELS), bound=st.integers(0, 50))
    def admit(self, who, key, model, bound):
        worker = self.workers[who % len(self.workers)]
        windows = (f"window:key:{key}", self.account_window)
        funds = tuple(each.id for each in burn_order(FUNDS, model, self.day))
        assert list(funds) == burning(FUNDS, model, self.day)
        if self.exact:
            self.look(*windows, *funds)
        found, refusal = self.try_admit(worker, bound, windows, funds)
        expected = self.naive.refusal(bound, windows, funds)
        if self.exact:
            assert refusal == expected
        if refusal is not None:
            return
        assert self.naive.refusal(bound, windows, funds, owed=False) is None, "a hard limit was passed"
        shares = dict(found.lines()) if bound else {}
        if self.exact and bound:
            assert list(shares.items()) == list(self.naive.shares(bound, funds).items())
        assert sum(shares.values()) == bound
        call = Call(self.name("call"), found, windows, funds)
        worker.calls.append(call)
        self.dispatched.add(call.id)
        self.naive.holds[call.id] = NaiveHold(windows, shares, bound)

    def try_admit(self, worker, bound, windows, funds):
        """Admit from memory, else flush, ask the store once and try again; returns the hold or the status."""
        book, rows = worker.book, (*windows, *funds)
        leases = book.leases(windows), book.leases(funds)
        found = book.admit(bound, *leases, self.number)
        if isinstance(found, Short):
            self.flush(worker)
            for row in rows:
                book.observe(self.store.facts(row))
            found = book.admit(bound, *leases, self.number)
        if isinstance(found, Short):
            asks = [(row, need) for row, need in book.asks(found, leases[1])]
            grow_book(self.store, book, worker.epoch, asks, self.workers_at_once)
            found = book.admit(bound, *leases, self.number, in_order=self.exact)
        if not isinstance(found, Short):
            return found, None
        verdict = book.verdict(bound, *leases)
        return None, 402 if verdict is not None and verdict.permanent else 429

    @precondition(lambda self: any(worker.calls for worker in self.workers))
    @rule(pick=picks, more=amounts)
    def extend(self, pick, more):
        worker, call = self.open_call(pick)
        if self.exact:
            self.look(*call.windows, *call.funds)
        expected = self.naive.refusal(more, call.windows, call.funds)
        short = worker.book.extend(call.hold, more, self.number)
        if self.exact and short is not None and expected is None:  # what is free lies in the store
            self.flush(worker)
            self.look(*call.windows, *call.funds)
            asks = worker.book.asks(short, call.hold.funds)
            grow_book(self.store, worker.book, worker.epoch, asks, 1)
            short = worker.book.extend(call.hold, more, self.number)
        if self.exact:
            assert (short is None) == (expected is None)
        if short is not None:
            return
        assert self.naive.refusal(more, call.windows, call.funds, owed=False) is None
        hold = self.naive.holds[call.id]
        hold.nano += more
        hold.shares = dict(call.hold.lines())
        assert sum(hold.shares.values()) == hold.nano == call.hold.nano

    def open_call(self, pick):
        every = [(worker, call) for worker in self.workers for call in worker.calls]
        return every[pick % len(every)]

    @precondition(lambda self: any(worker.calls for worker in self.workers))
    @rule(pick=picks, charge=st.integers(0, 70))
    def settle(self, pick, charge):
        worker, call = self.open_call(pick)
        self.end(worker, call, charge)

    def end(self, worker, call, charge):
        found = worker.book.settle(call.hold, charge)
        worker.calls.remove(call)
        lines, overrun = self.naive.settle(call.id, charge)
        assert (found.lines, found.overrun) == (lines, overrun)
        assert found.paid + found.overrun == charge
        worker.unstored.append(Record(call.id, found.lines, found.windows, found.overrun))

    @precondition(lambda self: any(worker.calls for worker in self.workers))
    @rule(pick=picks)
    def release(self, pick):
        worker, call = self.open_call(pick)
        worker.book.release(call.hold)
        worker.book.release(call.hold)
        worker.calls.remove(call)
        self.naive.settle(call.id, 0)
        worker.unstored.append(Record(call.id, (), call.windows))

    @rule(who=picks, outcome=st.sampled_from(["stored", "lost", "unknown", "out of order"]))
    def flush_of_one(self, who, outcome):
        worker = self.workers[who % len(self.workers)]
        if outcome == "lost":  # the database said no; nothing was written
            worker.book.flush()
        elif outcome == "out of order":
            worker.unstored.reverse()
            self.flush(worker)
        else:
            self.flush(worker, twice=outcome == "unknown")

    def flush(self, worker, *, twice=False):
        records, states = list(worker.unstored), worker.book.flush()
        new = self.store.settle(records, worker.epoch, states)
        assert set(new) == {each.id for each in records}
        if twice:  # committed, but the answer was lost
            assert self.store.settle(records, worker.epoch, states) == []
        worker.book.flushed(states)
        worker.unstored.clear()

    @rule(who=picks)
    def idle(self, who):
        worker = self.workers[who % len(self.workers)]
        for row in worker.book.idle(10**9):
            worker.book.give_back(row)
        worker.book.forget()

    @precondition(lambda self: len(self.dead) < 2)
    @rule(who=picks, charges=st.lists(st.integers(0, 60), max_size=3))
    def kill(self, who, charges):
        """Kill a worker at any point; open calls have reached some checkpoint in its journal."""
        place = who % len(self.workers)
        gone, self.workers[place] = self.workers[place], Worker(self.name("epoch"))
        for call in gone.calls:
            charge = charges.pop() if charges else 0
            lines, overrun = self.naive.settle(call.id, charge)
            gone.unstored.append(Record(call.id, lines, call.windows, overrun))
        gone.calls.clear()
        self.dead.append(gone)

    @precondition(lambda self: self.dead)
    @rule()
    def recover(self):
        """Replay a dead worker's journal, then give its leases back."""
        gone = self.dead.pop(0)
        assert set(self.store.settle(gone.unstored)) == {each.id for each in gone.unstored}
        assert self.store.settle(gone.unstored) == []
        self.store.end_epoch(gone.epoch)
        assert all(epoch != gone.epoch for epoch, _ in self.store.leases)

    @precondition(lambda self: self.dead)
    @rule()
    def recover_late(self):
        """Give the leases up first, as after a minute of silence; others may take the money before the replay."""
        gone = self.dead.pop(0)
        self.store.end_epoch(gone.epoch)
        for record in gone.unstored:
            self.naive.count(record.lines, record.windows, -1)
            before = {row: self.store.facts(row).free for row in self.store.rows}
            self.store.settle_late(record, record.windows, [row for row, _ in record.lines])
            stored = self.store.records[record.id]
            assert stored.paid + stored.overrun == record.paid + record.overrun
            assert all(nano <= before[row] for row, nano in stored.lines)
            assert all(stored.paid <= before[row] for row in stored.windows) or not stored.paid
            self.naive.count(stored.lines, stored.windows, 1)

    # What happens to money and limits

    @rule(nano=amounts, kind=st.sampled_from(["deposit", "g1", "g2", "adjustment"]))
    def pay_in(self, nano, kind):
        stamp = self.stamp("t")
        if kind == "deposit":
            self.receive(books.deposit(stamp, "acme", nano), WALLET)
        elif kind == "adjustment":
            self.receive(books.adjustment(stamp, "acme", nano, 0).transfer, WALLET)
        else:
            self.receive(books.grant(stamp, "acme", kind, nano), f"grant:acme:{kind}")

    @rule(nano=amounts, kind=st.sampled_from(["adjustment", "claw-back", "withdrawal"]))
    def take_out(self, nano, kind):
        fund = G2 if kind == "claw-back" else WALLET
        self.ask_for_flush(fund)
        unheld = self.store.unheld(fund)
        if self.exact:
            assert unheld == self.naive.unheld(fund)
        if kind == "withdrawal":
            if 0 < nano <= unheld - self.store.rows[fund].owed:
                assert self.store.move(books.withdrawal(self.stamp("w"), "acme", nano, unheld))
                self.naive.limit[fund] -= nano
            return
        if kind == "adjustment":
            taking = books.adjustment(self.stamp("t"), "acme", -nano, unheld)
        else:
            taking = books.claw_back(self.stamp("k"), "acme", "g2", nano, unheld)
        self.take(taking, fund, nano)

    def take(self, taking, fund, nano):
        taken = taking.transfer.moved if taking.transfer is not None else 0
        assert taken + taking.owed_nano == nano
        assert taken <= max(0, self.naive.unheld(fund))
        self.store.take(taking, fund)
        self.naive.limit[fund] -= taken
        self.naive.owed[fund] += taking.owed_nano
        self.look(fund)

    def ask_for_flush(self, row):
        for worker in self.workers:
            worker.book.give_back(row)
            self.flush(worker)

    @rule(fund=st.sampled_from([WALLET, G2]))
    def collect(self, fund):
        """Take what is owed on a fund, as far as leases have returned."""
        owed = self.store.rows[fund].owed
        self.ask_for_flush(fund)
        taken = min(owed, max(0, self.store.unheld(fund)))
        if taken:
            self.store.rows[fund].owed -= owed
            self.naive.owed[fund] -= owed
            if fund == WALLET:
                taking = books.adjustment(self.stamp("t"), "acme", -owed, self.store.unheld(fund))
            else:
                taking = books.claw_back(self.stamp("k"), "acme", "g2", owed, self.store.unheld(fund))
            self.take(taking, fund, owed)

    @rule()
    def next_day(self):
        self.day += 1
        self.add_window(self.account_window, self.account_limit)

    @precondition(lambda self: self.day >= GRANT_END)
    @rule()
    def expire(self):
        self.ask_for_flush(G1)
        moved = books.expiry(self.stamp("x"), "acme", "g1", self.store.unheld(G1))
        if moved is not None:
            self.store.move(moved)
            self.naive.limit[G1] -= moved.moved
        self.look(G1)
        if self.exact:
            assert self.naive.unheld(G1) == 0

    @rule(row=st.sampled_from(["key_1", "key_2", "account"]), limit=st.integers(0, 90))
    def set_limit(self, row, limit):
        name = self.account_window if row == "account" else f"window:key:{row}"
        self.store.rows[name].limit = self.naive.limit[name] = limit
        self.look(name)

    @precondition(lambda self: any(each.paid for each in self.store.records.values()))
    @rule(pick=picks, nano=amounts)
    def refund(self, pick, nano):
        paid = [each for each in self.store.records.values() if each.paid]
        record = paid[pick % len(paid)]
        original, returned = self.store.spend_of(record)
        if returned + nano > record.paid:
            with pytest.raises(LedgerError):
                books.refund(self.stamp("r"), original, returned, nano)
            return
        moved = books.refund(self.stamp("r"), original, returned, nano)
        assert self.store.move(moved)
        for each in moved.postings:
            if each.book in self.naive.used:
                self.naive.used[each.book] -= each.nano
                self.look(each.book)

    @precondition(lambda self: self.store.records)
    @rule(pick=picks)
    def replay(self, pick):
        """Replay old records: without effect; with other figures a conflict."""
        every = list(self.store.records.values())
        before = self.store.ledger
        assert self.store.settle(every[: pick % len(every) + 1]) == []
        record = every[pick % len(every)]
        with pytest.raises(RecordConflictError):
            self.store.settle([Record(record.id, record.lines, record.windows, record.overrun + 1)])
        assert self.store.ledger is before

    # What holds at any time

    @invariant()
    def the_ledger_is_sound(self):
        ledger = self.store.ledger
        assert dict(ledger.balances) == fold(ledger.transfers.values())
        assert set(trial_balance(ledger.balances).values()) <= {0}
        for fund in (WALLET, G1, G2):
            if fund in self.store.rows:
                row = self.store.rows[fund]
                assert ledger.balance(fund) == row.limit - row.used >= 0

    @invariant()
    def leases_are_sound(self):
        for worker in self.workers:
            for row in self.store.rows:
                lease = worker.book.lease(row)
                assert lease.amount >= lease.in_calls >= 0
                assert lease.amount <= self.store.leases.get((worker.epoch, row), (0, 0))[0]

    @invariant()
    def use_is_counted_once(self):
        waiting = [each for worker in (*self.workers, *self.dead) for each in worker.unstored]
        for row, found in self.store.rows.items():
            paid = sum(nano for each in waiting for name, nano in each.lines if name == row)
            paid += sum(each.paid for each in waiting if row in each.windows)
            assert found.used + paid == self.naive.used[row]

    def teardown(self):
        while self.dead:
            self.recover()
        for worker in self.workers:
            for call in list(worker.calls):
                self.end(worker, call, 7)
            self.flush(worker)
            for row in self.store.rows:
                worker.book.give_back(row)
            self.flush(worker)
        assert set(self.store.records) == self.dispatched
        assert all(self.store.held(row) == 0 for row in self.store.rows)
        assert all(in_calls == 0 for _, in_calls in self.store.leases.values())


class MoneyOfThree(Money):
    workers_at_once = 3


@pytest.mark.parametrize("machine", [Money, MoneyOfThree])
def test_money_obeys_the_naive_rules_under_any_order_of_events(machine):
    run_state_machine_as_test(machine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Money, MoneyOfThree])
def test_money_obeys_the_naive_rules_under_very_many_orders_of_events(machine):
    run_state_machine_as_test(machine, settings=settings(max_examples=5_000, stateful_step_count=60, deadline=None))
