"""A store in a dictionary that keeps the rules of the real one: rows with limits, leases, records, one ledger.

It is the plainest thing that a worker's leases can stand on, for tables and for the state machine.
"""

from dataclasses import dataclass, field

from smartoken.billing.admission import RowFacts, extension, settle_late
from smartoken.billing.leases import LeaseBook, LeaseState
from smartoken.billing.ledger import Kind, Ledger, Posting, Stamp, Taking, is_fund, post, spend


@dataclass(frozen=True)
class Record:
    """What a call leaves behind: who paid, in which windows it counts, what the house bears."""

    id: str
    lines: tuple[tuple[str, int], ...]
    windows: tuple[str, ...]
    overrun: int = 0

    @property
    def paid(self):
        return sum(nano for _, nano in self.lines)


class RecordConflictError(Exception):
    """A call was settled before, in another way."""


@dataclass
class Row:
    limit: int
    used: int = 0
    owed: int = 0


@dataclass
class MoneyStore:
    rows: dict[str, Row] = field(default_factory=dict)
    leases: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # (epoch, row): amount, in calls
    records: dict[str, Record] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def held(self, row):
        return sum(amount for (_, name), (amount, _) in self.leases.items() if name == row)

    def facts(self, row):
        found = self.rows[row]
        return RowFacts(row, found.limit, found.used + found.owed, self.held(row))

    def unheld(self, row):
        found = self.rows[row]
        return found.limit - found.used - self.held(row)

    def spend_of(self, record):
        """Return the spend that a record is part of, and what was refunded of it."""
        return self.ledger.transfers[record.id], self.ledger.returned.get(record.id, 0)

    def move(self, transfer):
        """Post a transfer; a fund's row follows its book."""
        before = self.ledger
        self.ledger = post(before, transfer)
        if self.ledger is before:
            return False
        for each in transfer.postings:
            if is_fund(each.book):
                row = self.rows.setdefault(each.book, Row(0))
                if transfer.kind in (Kind.SPEND, Kind.REFUND):
                    row.used -= each.nano
                else:
                    row.limit += each.nano
        return True

    def take(self, taking: Taking, fund):
        """Post what could be taken from a fund at once, and note the rest as owed."""
        if taking.transfer is not None:
            self.move(taking.transfer)
        self.rows[fund].owed += taking.owed_nano

    def grow(self, epoch, asks, workers):
        """Lease what the rules allow of each row asked for; returns ``{row: amount}``."""
        grown = {}
        for row, need in asks:
            facts = self.facts(row)
            amount = extension(facts.free, need, 0, workers)
            if amount:
                assert facts.used + facts.held + amount <= facts.limit, "a lease was granted past the limit"
                have, in_calls = self.leases.get((epoch, row), (0, 0))
                self.leases[epoch, row] = (have + amount, in_calls)
                grown[row] = amount
        return grown

    def settle(self, records, epoch=None, states: tuple[LeaseState, ...] = ()):
        """Store the records that are new, move their money, write an epoch's leases; returns the new ids."""
        for each in records:
            known = self.records.get(each.id)
            if known not in (None, each):
                raise RecordConflictError(each.id)
        new = [each for each in records if each.id not in self.records]
        for each in new:
            self.records[each.id] = each
            paid = [Posting(fund, nano) for fund, nano in each.lines]
            transfer = spend(Stamp(each.id, 0), paid, each.overrun)
            if transfer is not None:
                self.move(transfer)
            for row in each.windows:
                self.rows[row].used += each.paid
        for each in states:
            self.leases[epoch, each.row] = (each.amount, each.in_calls)
        return [each.id for each in new]

    def settle_late(self, record, windows, funds):
        """Store a record whose epoch lost its leases: from what is free, never past a limit."""
        if record.id in self.records:
            return
        facts = settle_late(record.paid + record.overrun, list(map(self.facts, windows)), list(map(self.facts, funds)))
        self.settle([Record(record.id, facts.lines, facts.windows, facts.overrun)])

    def end_epoch(self, epoch):
        self.leases = {place: lease for place, lease in self.leases.items() if place[0] != epoch}


def grow_book(store, book: LeaseBook, epoch, asks, workers=1):
    """Extend a worker's leases in the store and tell its book."""
    grown = store.grow(epoch, asks, workers)
    for row, _ in asks:
        book.granted(store.facts(row), grown.get(row, 0))
    return grown
