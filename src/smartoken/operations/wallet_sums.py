"""What an account has: its balance by fund, what calls hold of it, what is owed, what could be paid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import history_queries
from smartoken.billing import queries as money
from smartoken.billing.ledger import wallet, withdrawable
from smartoken.billing.wallet import PLAY
from smartoken.money import amount_text
from smartoken.operations.setup_accounts import instant_text
from smartoken.store import access_queries


@dataclass(frozen=True, slots=True)
class FundSums:
    """One fund: ``balance = held + owed + available``, where available may be below zero while a debt waits."""

    fund: Mapping[str, Any]
    balance: int
    held: int
    owed: int
    credit: int

    @property
    def available(self) -> int:
        """What a new call may hold, credit apart."""
        return self.balance - self.held - self.owed


@dataclass(frozen=True, slots=True)
class Sums:
    """All funds of an account that are open, or closed with something left in them."""

    funds: tuple[FundSums, ...]
    withdrawable: int

    @property
    def balance(self) -> int:
        """What is there in all."""
        return sum(each.balance for each in self.funds)

    @property
    def held(self) -> int:
        """What calls under way hold."""
        return sum(each.held for each in self.funds)

    @property
    def owed(self) -> int:
        """What is to be taken as calls end."""
        return sum(each.owed for each in self.funds)

    @property
    def available(self) -> int:
        """What new calls may hold, credit apart."""
        return sum(each.available for each in self.funds)

    @property
    def play(self) -> int:
        """What of the balance only the sandbox takes."""
        return sum(each.balance for each in self.funds if each.fund["category"] == PLAY)


def sums_of(conn: Connection, account_id: str) -> Sums:
    """Return an account's figures."""
    funds = {each["id"]: each for each in history_queries.all_funds(conn, account_id)}
    rows = money.read_rows(conn, funds)
    held = money.in_calls(conn, funds)
    found = []
    for fund_id, fund in funds.items():
        row = rows.get(fund_id)
        if row is None:
            continue
        balance = row["limit_nano"] - row["used_nano"]
        if not fund["closed"] or balance:
            found.append(FundSums(fund, balance, held.get(fund_id, 0), row["owed_nano"], row["credit_nano"]))
    book = wallet(account_id)
    own = next((each for each in found if each.fund["id"] == book), None)
    pending = sum(
        each["nano"]
        for each in access_queries.debt_rows(conn, account_id)
        if each["kind"] in ("withdrawal", "reversal") and each["row_id"] == book
    )
    paid = history_queries.paid_in(conn, book)
    most = withdrawable(own.available, paid, pending) if own is not None else 0
    return Sums(tuple(found), most)


def shown_fund(each: FundSums) -> dict[str, Any]:
    """Return a fund as the API shows it."""
    fund = each.fund
    times = {name: fund[f"{name}_ms"] for name in ("effective", "expires")}
    return {
        "fund": fund["kind"],
        "id": fund["grant_id"],
        "balance": amount_text(each.balance),
        "held": amount_text(each.held),
        "owed": amount_text(each.owed),
        "available": amount_text(each.available),
        "credit_limit": amount_text(each.credit),
        "promotional": fund["promotional"],
        "category": fund["category"],
        "campaign": fund["campaign_id"],
        "priority": fund["priority"],
        "models": list(fund["models"]),
        "effective_at": instant_text(times["effective"]) if times["effective"] is not None else None,
        "expires_at": instant_text(times["expires"]) if times["expires"] is not None else None,
        "closed": fund["closed"],
    }
