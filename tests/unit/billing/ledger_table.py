"""Reads a ledger table: one line an event, then every book's balance, then what else came of it.

    event                  | wallet g1 | promo | outcome
    t1 grant g1 50         |      0 50 |   -50 |
    c1 spend 70 from g1    |      0  0 |     0 | refused: ...

Events begin with the id of their transfer. Books that are not in the head must be at zero throughout. ``#`` begins a
remark. After each line the balances must be the fold of the transfers, and each currency's books must sum to zero.
"""

from dataclasses import dataclass, field

from smartoken.billing import ledger as books
from smartoken.billing.grants import burn
from smartoken.billing.ledger import Kind, Ledger, LedgerError, Posting, Stamp, Taking, Transfer, fold, post

ACCOUNT = "acme"


def book_of(name):
    """Return a column's book: a fund of the account, another account's wallet, a book of the house, or a cost book."""
    if name == "wallet":
        return books.wallet(ACCOUNT)
    if name == "zeta":
        return books.wallet("zeta")
    if name.startswith("g"):
        return books.grant_book(ACCOUNT, name)
    if ":" in name:
        return name
    return f"house:{name}"


@dataclass
class Table:
    """The state that the events of one table work on."""

    floor: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    moment: int = 0

    def balance(self, name):
        return self.ledger.balance(book_of(name), "CNY" if ":" in name else "USD")

    def unheld(self, name, words):
        held = int(words[words.index("held") + 1]) if "held" in words else 0
        return self.balance(name) - held

    def net(self, kind):
        """Return what deposits or withdrawals moved, less what reversals took back."""
        mine = [each for each in self.ledger.transfers.values() if each.kind is kind]
        return sum(each.moved - self.ledger.returned.get(each.id, 0) for each in mine)

    def stamp(self, name, words):
        self.moment += 1
        reason = None if "unexplained" in words else "as asked"
        ref = None if "unreferenced" in words else f"ref-{name}"
        return Stamp(name, self.moment, ref=ref, actor="olga", reason=reason)

    def transfer(self, name, verb, words):
        """Return what the event asks for: a transfer, a taking, or None."""
        stamp, number = self.stamp(name, words), next((int(each) for each in words if each.lstrip("-").isdigit()), 0)
        match verb:
            case "deposit":
                return books.deposit(stamp, "zeta" if "zeta" in words else ACCOUNT, number)
            case "adjust":
                return books.adjustment(stamp, ACCOUNT, number, self.unheld("wallet", words))
            case "grant":
                return books.grant(stamp, ACCOUNT, words[0], number)
            case "spend":
                return self.spend(stamp, number, words)
            case "refund":
                return books.refund(
                    stamp, self.ledger.transfers[words[0]], self.ledger.returned.get(words[0], 0), number
                )
            case "reverse":
                original = self.ledger.transfers[words[0]]
                giver = next(each.book for each in original.postings if each.nano > 0)
                held = int(words[words.index("held") + 1]) if "held" in words else 0
                unheld = self.ledger.balance(giver) - held
                return books.reversal(stamp, original, self.ledger.returned.get(words[0], 0), number, unheld)
            case "expire":
                return books.expiry(stamp, ACCOUNT, words[0], self.unheld(words[0], words))
            case "claw-back":
                return books.claw_back(stamp, ACCOUNT, words[0], number, self.unheld(words[0], words))
            case "withdraw":
                most = books.withdrawable(
                    self.unheld("wallet", words), self.net(Kind.DEPOSIT), self.net(Kind.WITHDRAWAL)
                )
                return books.withdrawal(stamp, ACCOUNT, number, most)
            case "write-off":
                return books.write_off(stamp, ACCOUNT, number, self.balance("wallet"))
            case "cost":
                return books.cost(stamp, words[0], number, "CNY")
        raise AssertionError(f"no such event: {verb}")

    def spend(self, stamp, number, words):
        order = [each for each in words if each == "wallet" or (each.startswith("g") and each[1:].isdigit())]
        free = {each: self.balance(each) for each in order}
        if "wallet" in free:
            free["wallet"] -= self.floor
        lines, overrun = burn(order, free, number)
        if "all" in words:  # the whole of it from the first one, whatever it has
            lines, overrun = ((order[0], number),), 0
        return books.spend(stamp, [Posting(book_of(each), nano) for each, nano in lines], overrun)

    def play(self, event):
        """Run one event and return its outcome in words."""
        name, verb, *words = event.split()
        floors = {book_of("wallet"): self.floor}
        try:
            if verb == "again":
                before = self.ledger
                self.ledger = post(before, before.transfers[name], floors)
                return "same" if self.ledger is before else "changed"
            found = self.transfer(name, verb, words)
            moved = found.transfer if isinstance(found, Taking) else found
            if isinstance(moved, Transfer):
                before = self.ledger
                self.ledger = post(before, moved, floors)
                if self.ledger is before:
                    return "same"
        except LedgerError as error:
            return f"refused: {error}"
        owed = found.owed_nano if isinstance(found, Taking) else 0
        return f"owed {owed}" if owed else "" if moved is not None else "nothing"


def played(text, floor=0):
    """Run a table and return ``(what it says, what happened)`` line by line, for one comparison."""
    table = Table(floor)
    head, *lines = [line for line in text.strip().splitlines() if line.strip()]
    columns = " ".join(head.split("|")[1:-1]).split()
    told, happened = [], []
    for line in lines:
        event, *middle, outcome = (part.strip() for part in line.partition("#")[0].split("|"))
        found = table.play(event)
        if outcome.startswith("refused: ") and found.startswith("refused: ") and outcome[9:] in found:
            found = outcome
        told.append((event, dict(zip(columns, map(int, " ".join(middle).split()), strict=True)), outcome))
        happened.append((event, {name: table.balance(name) for name in columns}, found))
        check(table.ledger, columns)
    return told, happened


def check(ledger, columns):
    """Hold the laws that every ledger obeys at any time."""
    assert dict(ledger.balances) == fold(ledger.transfers.values())
    assert set(books.trial_balance(ledger.balances).values()) <= {0}
    shown = {book_of(name) for name in columns}
    assert {book for (_, book), nano in ledger.balances.items() if nano} <= shown, "a book is missing in the head"
