"""Taking promotional money back: what is unspent of a campaign's grants, never more, and never twice.

What workers have leased is owed and taken as it returns (``billing.debts``). What calls under way spend of it after all
was theirs to spend: that part of the debt is let go, so that no account ever owes for a grant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import debts
from smartoken.billing import queries as money
from smartoken.billing.ledger import Kind, Stamp, claw_back
from smartoken.campaigns import queries as campaigns
from smartoken.campaigns.rules import ClawBack
from smartoken.campaigns.text import read_terms
from smartoken.money import amount_text
from smartoken.operations import audit, campaign_queries
from smartoken.operations.office import Work
from smartoken.store import access_queries

Row = campaigns.Row


@dataclass(frozen=True, slots=True)
class Clawed:
    """What was taken of one grant: at once, and owed until leases return."""

    account_id: str
    fund_id: str
    taken_nano: int
    owed_nano: int

    def shown(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "account_id": self.account_id,
            "grant": self.fund_id.rpartition(":")[2],
            "taken": amount_text(self.taken_nano),
            "owed": amount_text(self.owed_nano),
        }


def claw(conn: Connection, work: Work, claims: Sequence[Row], reason: str) -> list[Clawed]:
    """Take back what is unspent of grants; those with nothing left are passed over."""
    found = []
    for each in claims:
        book, account_id = each["fund_id"], each["account_id"]
        free = debts.unheld(conn, book)  # locks the ledger and the row
        row = money.lock_rows(conn, [book]).get(book)
        unspent = row["limit_nano"] - row["used_nano"] - row["owed_nano"] if row is not None else 0
        if unspent <= 0:
            continue
        stamp = Stamp(work.id(Kind.CLAW_BACK.value.replace("_", "")), work.now_ms, None, work.actor.label, reason)
        grant_id = book.rpartition(":")[2]
        whole = claw_back(stamp, account_id, grant_id, unspent, unspent).transfer
        taking = claw_back(stamp, account_id, grant_id, unspent, free)
        if whole is not None:
            debts.take(conn, whole, taking, account_id)
        campaigns.mark_clawed(conn, book, work.now_ms)
        found.append(Clawed(account_id, book, unspent - taking.owed_nano, taking.owed_nano))
    return found


def after_return(conn: Connection, work: Work, account_id: str) -> list[Clawed]:
    """Take back the grants whose rules say so once paid money was returned to an account."""
    due = []
    for each in campaigns.claims_of_account(conn, account_id):
        version = campaigns.version_row(conn, each["campaign_id"], each["rules_version"])
        rule = read_terms(version["terms"]).claw_back if version is not None else ClawBack.NEVER
        if rule is ClawBack.WITHDRAWAL:
            due.append(each)
    why = "paid money was returned"
    taken = claw(conn, work, due, why)
    for clawed in taken:
        audit.append(conn, work, audit.Entry("campaign.claw_back", f"account:{account_id}", None, clawed.shown(), why))
    return taken


def let_go(conn: Connection, account_ids: Sequence[str] | None = None) -> int:
    """Let go of debts of grants beyond what is left in them; returns how much, in nano-USD."""
    gone = 0
    for row in campaign_queries.overdue_grants(conn):
        if account_ids is not None and row["account_id"] not in account_ids:
            continue
        excess = row["owed_nano"] - max(0, row["limit_nano"] - row["used_nano"])
        for debt in access_queries.debt_rows(conn, row["account_id"]):
            if debt["row_id"] == row["id"] and excess > 0:
                part = min(int(debt["nano"]), excess)
                access_queries.shrink_debt(conn, debt["id"], part)
                money.shift_rows(conn, {row["id"]: {"owed_nano": -part}})
                excess -= part
                gone += part
    return gone
