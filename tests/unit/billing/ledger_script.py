"""A ledger told line by line: each line an event, what the ledger says to it, and every book's balance after it.

Events: ``ID: deposit N`` · ``ID: adjust +N`` · ``ID: grant NAME N [until T] [for PATTERN] [priority P] [paid]`` ·
``ID: charge N MODEL [held N]`` · ``ID: refund OF N`` · ``ID: reverse OF N`` · ``ID: expire NAME`` ·
``ID: claw NAME N`` · ``ID: withdraw N`` · ``ID: write-off N`` · ``again ID`` · ``hold FUND N`` · ``clock T`` ·
``credit N``. The ledger says ``ok``, ``owed N`` or ``no`` with words of the refusal.
"""

from smartoken.billing import ledger as led
from smartoken.billing.grants import Fund, burn, burn_order, expired

ACCOUNT = "acme"


class Script:
    """One account's ledger in the making."""

    def __init__(self):
        self.ledger = led.Ledger()
        self.funds = {"wallet": Fund(led.wallet(ACCOUNT))}
        self.held = {}
        self.now = 0
        self.credit = 0

    def book(self, name):
        if name in self.funds:
            return self.funds[name].id
        return f"house:{name}"

    def balance(self, name):
        return self.ledger.balance(self.book(name))

    def unheld(self, name):
        return self.balance(name) - self.held.get(name, 0)

    def tell(self, event):
        """Do one event; returns what the ledger says to it."""
        head, _, rest = event.partition(": ")
        words = (rest or head).split()
        try:
            made = getattr(self, words[0].replace("-", "_"))(head if rest else None, *words[1:])
            if isinstance(made, led.Taking):
                self.post(made.transfer)
                return f"owed {made.owed_nano}" if made.owed_nano else "ok"
            self.post(made)
        except led.LedgerError as problem:
            return f"no: {problem}"
        return "ok"

    def post(self, transfer):
        if transfer is not None:
            self.ledger = led.post(self.ledger, transfer, {led.wallet(ACCOUNT): -self.credit})

    def stamp(self, name, ref="paper", reason="as told"):
        return led.Stamp(name, self.now, ref, "ada", reason)

    def deposit(self, name, nano):
        return led.deposit(self.stamp(name), ACCOUNT, int(nano))

    def adjust(self, name, nano):
        return led.adjustment(self.stamp(name), ACCOUNT, int(nano), self.unheld("wallet"))

    def grant(self, name, grant, nano, *more):
        terms = dict(zip(more[::2], more[1::2], strict=False))
        self.funds[grant] = Fund(
            led.grant_book(ACCOUNT, grant),
            priority=int(terms.get("priority", 0)),
            expires_ms=int(terms["until"]) if "until" in terms else None,
            promotional="paid" not in more,
            models=(terms["for"],) if "for" in terms else (),
        )
        return led.grant(self.stamp(name), ACCOUNT, grant, int(nano))

    def charge(self, name, nano, model, *more):
        held = int(more[1]) if more else int(nano)
        paid = min(int(nano), held)
        order = [each.id for each in burn_order(self.funds.values(), model, self.now)]
        free = {self.funds[each].id: self.unheld(each) for each in self.funds}
        free[led.wallet(ACCOUNT)] += self.credit
        lines, unpaid = burn(order, free, paid)
        if unpaid:
            raise led.LedgerError(f"{unpaid} short")
        return led.spend(self.stamp(name), [led.Posting(*line) for line in lines], int(nano) - paid)

    def refund(self, name, of, nano):
        return led.refund(self.stamp(name), self.ledger.transfers[of], self.ledger.returned.get(of, 0), int(nano))

    def reverse(self, name, of, nano):
        original = self.ledger.transfers[of]
        giver = next(each.book for each in original.postings if each.nano > 0)
        fund = next((each for each in self.funds if self.book(each) == giver), None)
        return led.reversal(
            self.stamp(name),
            original,
            self.ledger.returned.get(of, 0),
            int(nano),
            self.unheld(fund) if fund else 0,
        )

    def expire(self, name, grant):
        if not expired(self.funds[grant], self.now):
            raise led.LedgerError("not yet")
        return led.expiry(self.stamp(name), ACCOUNT, grant, self.unheld(grant))

    def claw(self, name, grant, nano):
        return led.claw_back(self.stamp(name), ACCOUNT, grant, int(nano), self.unheld(grant))

    def net(self, kind):
        moved = [each for each in self.ledger.transfers.values() if each.kind is kind]
        return sum(each.moved - self.ledger.returned.get(each.id, 0) for each in moved)

    def withdraw(self, name, nano):
        most = led.withdrawable(self.unheld("wallet"), self.net(led.Kind.DEPOSIT), self.net(led.Kind.WITHDRAWAL))
        return led.withdrawal(self.stamp(name), ACCOUNT, int(nano), most)

    def write_off(self, name, nano):
        return led.write_off(self.stamp(name), ACCOUNT, int(nano), self.balance("wallet"))

    def again(self, _, name):
        return self.ledger.transfers[name]

    def hold(self, _, fund, nano):
        self.held[fund] = int(nano)

    def clock(self, _, now):
        self.now = int(now)

    def credit_line(self, _, nano):
        self.credit = int(nano)


def check(table):
    """Tell a table and compare what it expects after each line; returns the script at its end."""
    lines = [line for line in table.strip().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    books = [name for part in lines[0].split("|")[2:] for name in part.split()]
    script = Script()
    for line in lines[1:]:
        event, says, *figures = line.split("|")
        said = script.tell(event.strip())
        wanted = says.strip()
        if wanted.startswith("no"):
            assert said.startswith("no"), f"{line}\n  said {said!r}"
            assert wanted.removeprefix("no").strip() in said, f"{line}\n  said {said!r}"
        else:
            assert said == wanted, f"{line}\n  said {said!r}"
        expected = [int(each.replace(".", "0")) for part in figures for each in part.split()]
        found = [script.balance(name) for name in books]
        assert found == expected, f"{line}\n  {dict(zip(books, found, strict=True))}"
        assert set(led.trial_balance(script.ledger.balances).values()) <= {0}
        assert led.fold(script.ledger.transfers.values()) == dict(script.ledger.balances)
    return script
