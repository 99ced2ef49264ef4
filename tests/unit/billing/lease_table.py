"""Reads a table of leases: one line an event, then every row's figures in the store and at each worker.

    event            | day: store    a      b      | fund: store   a      b     | outcome
    a c1 admit 30    |      100/0/30 30/30/0 0/0/0 |       ...                  | day+30

The store's figures are limit/used/held, a worker's amount/in calls/spent. A call needs the window called ``day`` if the
head has it, and all other rows as funds, in the order of the head. When its leases are short, the worker flushes, asks
the store and tries again, as the product does. With one worker in the head that one takes all that is free.
"""

from dataclasses import dataclass, field

from smartoken.billing.admission import Short
from smartoken.billing.leases import HoldClosedError, LeaseBook
from unit.billing.money_store import MoneyStore, Row, grow_book


@dataclass
class Worker:
    name: str
    book: LeaseBook = field(default_factory=LeaseBook)


class LeaseTable:
    def __init__(self, rows, workers):
        self.rows = rows
        self.store = MoneyStore({row: Row(0) for row in rows})
        self.workers = {name: Worker(name) for name in workers}
        self.holds = {}

    def figures(self, row):
        found = self.store.facts(row)
        leases = [worker.book.lease(row) for worker in self.workers.values()]
        return [
            f"{found.limit}/{found.used}/{found.held}",
            *(f"{each.amount}/{each.in_calls}/{each.spent}" for each in leases),
        ]

    def play(self, event):
        first, *words = event.split()
        if first in self.workers:
            return self.act(self.workers[first], words)
        row, number = words[0], int(words[1])
        if first == "budget":
            self.store.rows[row].limit = number
        else:
            assert first == "deposit", event
            self.store.rows[row].limit += number
        return ""

    def act(self, worker, words):
        match words:
            case ["flush"]:
                self.flush(worker)
            case ["look"]:
                for row in self.rows:
                    worker.book.observe(self.store.facts(row))
            case ["idle"]:
                for row in worker.book.idle(10**9):
                    worker.book.give_back(row)
            case ["dies"]:
                pass
            case ["epoch", "ends"]:
                self.store.end_epoch(worker.name)
                worker.book = LeaseBook()
            case [call, verb, *more]:
                return self.call(worker, call, verb, int(more[0]) if more else 0)
        return ""

    def flush(self, worker):
        states = worker.book.flush()
        for each in states:
            self.store.rows[each.row].used += each.spent
            self.store.leases[worker.name, each.row] = (each.amount, each.in_calls)
        worker.book.flushed(states)

    def call(self, worker, name, verb, number):
        windows = worker.book.leases(row for row in self.rows if row == "day")
        funds = worker.book.leases(row for row in self.rows if row != "day")
        try:
            if verb == "admit":
                return self.hold(worker, number, windows, funds, name)
            if verb == "extend":
                return self.extend(worker, name, number, windows, funds)
            if verb == "release":
                open_ = self.holds[name].open
                worker.book.release(self.holds[name])
                return "paid" if open_ else ""
            found = worker.book.settle(self.holds[name], number)
        except HoldClosedError:
            return "closed"
        words = ["paid", *(f"{row}:{nano}" for row, nano in found.lines)]
        return " ".join(words + (["overrun", str(found.overrun)] if found.overrun else []))

    def hold(self, worker, bound, windows, funds, name):
        found = worker.book.admit(bound, windows, funds, 0)
        grown = {}
        if isinstance(found, Short):
            grown, found = self.second_try(worker, bound, windows, funds)
        if isinstance(found, Short):
            return self.refusal(worker, bound, windows, funds)
        self.holds[name] = found
        return " ".join(f"{row}+{amount}" for row, amount in grown.items())

    def second_try(self, worker, bound, windows, funds):
        self.flush(worker)
        for row in self.rows:
            worker.book.observe(self.store.facts(row))
        short = worker.book.admit(bound, windows, funds, 0)
        if not isinstance(short, Short):
            return {}, short
        if worker.book.verdict(bound, windows, funds) is not None:
            return {}, short
        asked = worker.book.asks(short, funds)
        asks = [(row, need) for row in self.rows for name, need in asked if name == row]
        grown = grow_book(self.store, worker.book, worker.name, asks, len(self.workers))
        return grown, worker.book.admit(bound, windows, funds, 0, in_order=False)

    def refusal(self, worker, bound, windows, funds):
        found = worker.book.verdict(bound, windows, funds)
        return f"{found.refusal} {found.row or '-'} {found.limit}/{found.used}/{found.held}"

    def extend(self, worker, name, more, windows, funds):
        if worker.book.extend(self.holds[name], more, 0) is None:
            return ""
        return self.refusal(worker, more, windows, funds)


def played(text):
    """Run a table and return ``(what it says, what happened)`` line by line, for one comparison."""
    head, *lines = [line for line in text.strip().splitlines() if line.strip()]
    columns = [part.split() for part in head.split("|")[1:-1]]
    rows = [names[0].rstrip(":") for names in columns]
    table = LeaseTable(rows, columns[0][2:])
    told, happened = [], []
    for line in lines:
        event, *figures, outcome = (part.strip() for part in line.partition("#")[0].split("|"))
        told.append((event, dict(zip(rows, (each.split() for each in figures), strict=True)), outcome))
        found = table.play(event)
        happened.append((event, {row: table.figures(row) for row in rows}, found))
    return told, happened
