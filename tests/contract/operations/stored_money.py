"""The real store in the shape of ``unit.billing.money_store``, so that the same state machine can drive it."""

from collections.abc import MutableMapping

import orjson
import sqlalchemy as sa

from contract.operations.rooms import call_record
from smartoken.billing import debts
from smartoken.billing import queries as money
from smartoken.billing.journal import FINAL
from smartoken.billing.journal import Record as Line
from smartoken.billing.ledger import Ledger, post
from smartoken.billing.wallet import Ask, read_facts, read_transfer
from smartoken.billing.wallet import post as post_stored
from smartoken.operations import bank
from smartoken.operations.settlement import Batch, settle
from smartoken.store import access_tables, money_tables, schema
from smartoken.usage.records import CallRecord
from unit.billing.money_store import Record

ACCOUNT = "acme"


class StoredRow:
    """A row as the database has it; what is set is stored."""

    def __init__(self, db, row_id):
        self._db, self._id = db, row_id

    def _figure(self, name):
        return self._db.run_read(money.read_rows, [self._id])[self._id][name]

    @property
    def limit(self):
        return self._figure("limit_nano")

    @limit.setter
    def limit(self, nano):
        self._db.run_write(money.change_row, self._id, {"limit_nano": nano})

    @property
    def used(self):
        return self._figure("used_nano")

    @property
    def owed(self):
        return self._figure("owed_nano")


class StoredRows(MutableMapping):
    """The rows by id."""

    def __init__(self, db):
        self._db, self._ids = db, []

    def __getitem__(self, row_id):
        if row_id not in self._ids:
            raise KeyError(row_id)
        return StoredRow(self._db, row_id)

    def __setitem__(self, row_id, row):
        kind = "window" if row_id.startswith("window:") else "fund"
        made = {"id": row_id, "kind": kind, "account_id": ACCOUNT, "scope_id": ACCOUNT, "limit_nano": row.limit}
        self._db.run_write(money.add_rows, [made])
        self._ids.append(row_id)

    def __delitem__(self, row_id):
        raise NotImplementedError

    def __iter__(self):
        return iter(list(self._ids))

    def __len__(self):
        return len(self._ids)


TABLES = (
    access_tables.debts,
    money_tables.postings,
    money_tables.transfers,
    money_tables.leases,
    money_tables.epochs,
    money_tables.money_rows,
    money_tables.house_books,
    schema.calls,
    schema.usage_hourly,
)


def emptied(conn):
    """Remove everything of money and calls."""
    for table in TABLES:
        conn.execute(table.delete())


class StoredMoney:
    """The doors of money over one database."""

    def __init__(self, db):
        self.db, self.rows = db, StoredRows(db)
        self._begun, self._ledger, self._posted = set(), Ledger(), 0
        db.run_write(emptied)

    def _begin(self, epoch):
        if epoch not in self._begun:
            self.db.run_write(bank.begin, epoch, 0)
            self._begun.add(epoch)

    def facts(self, row):
        (found,) = self.db.run_read(read_facts, [row])
        return found

    def held(self, row):
        return self.db.run_read(money.read_rows, [row])[row]["held_nano"]

    def unheld(self, row):
        found = self.db.run_read(money.read_rows, [row])[row]
        return found["limit_nano"] - found["used_nano"] - found["held_nano"]

    @property
    def leases(self):
        def every(conn):
            found = conn.execute(sa.select(money_tables.leases)).mappings()
            return {(each["epoch"], each["row_id"]): (each["amount_nano"], each["in_calls_nano"]) for each in found}

        return self.db.run_read(every)

    @property
    def records(self):
        def every(conn):
            return list(conn.execute(sa.select(schema.calls).order_by(schema.calls.c.created_ms)).mappings())

        return {each["id"]: read_record(each) for each in self.db.run_read(every)}

    @property
    def ledger(self):
        """The ledger as the fold of what is posted; the same object while nothing more is."""
        rows = self.db.run_read(money.transfer_rows, None, self._posted)
        for each in rows:
            self._ledger, self._posted = post(self._ledger, read_transfer(each)), each["seq"]
        return self._ledger

    def spend_of(self, record):
        """The transfer that a record was paid by, and what of it was returned."""
        ledger = self.ledger
        names = (f"spend:{record.id}", f"late:{record.id}")
        (original,) = [ledger.transfers[name] for name in names if name in ledger.transfers]
        return original, ledger.returned.get(original.id, 0)

    def move(self, transfer):
        return self.db.run_write(post_stored, transfer, ACCOUNT)

    def take(self, whole, taking):
        self.db.run_write(debts.take, whole, taking, ACCOUNT)

    def collect(self):
        return self.db.run_write(debts.collect, 0, ACCOUNT)

    def grow(self, epoch, asks, workers):
        self._begin(epoch)
        need = bank.Need(epoch, ACCOUNT, [Ask(row, nano) for row, nano in asks], (), workers)
        return {each.facts.row: each.amount for each in self.db.run_write(bank.grow, need) if each.amount}

    def settle(self, records, epoch=None, states=()):
        if epoch is not None:
            self._begin(epoch)
        leases = [(each.row, each.amount, each.in_calls) for each in states]
        found = self.db.run_write(settle, Batch(list(map(stored_record, records)), epoch, leases))
        assert found.alive
        return [each.id for each in records if each.id in found.new]

    def replay(self, epoch, records):
        """Replay the journal of a dead worker, and give its leases back."""
        journal = [Line(FINAL, orjson.dumps({"id": each.id, "record": list(stored_record(each))})) for each in records]
        return self.db.run_write(bank.replay, epoch, journal, 0)

    def end_epoch(self, epoch):
        self.db.run_write(bank.end, epoch)


def stored_record(record) -> CallRecord:
    """A record as settlement takes it; each call has a key of its own, so that each is a transfer of its own."""
    lines = [list(line) for line in record.lines]
    windows, overrun = list(record.windows), record.overrun
    made = call_record(0, ACCOUNT, record.id, charge_nano=record.paid, fund_lines=lines, windows=windows)
    return made._replace(id=record.id, overrun_nano=overrun)


def read_record(row):
    """A stored call as the machine knows it."""
    lines = tuple((fund, nano) for fund, nano in row["fund_lines"])
    return Record(row["id"], lines, tuple(row["windows"]), row["overrun_nano"])
