"""Budgets and credit as an operator sets them, and what they do to money that is under way.

A budget is a wish by scope and period; its windows are rows that workers lease from. A changed limit counts at once,
also for the window that is open: calls under way finish, nothing new begins beyond it.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from smartoken.billing import queries as money
from smartoken.billing.ledger import Stamp, wallet
from smartoken.billing.wallet import MONEY
from smartoken.identity import queries as identity
from smartoken.operations import fields, queries
from smartoken.operations.office import Work
from smartoken.operations.opening import open_money
from smartoken.store import revisions
from smartoken.store.money_tables import money_rows


def open_account(conn: Connection, work: Work, account_id: str, balance_nano: int, credit_nano: int) -> None:
    """Give a new account its wallet, with what it opens with as an adjustment by the actor."""
    stamp = Stamp(f"open:{account_id}", work.now_ms, actor=work.actor.name, reason="opening balance")
    open_money(conn, account_id, balance_nano, credit_nano, stamp)


def set_credit(conn: Connection, account_id: str, credit_nano: int) -> None:
    """Let an account's wallet go below zero by this much."""
    money.change_row(conn, wallet(account_id), {"credit_nano": credit_nano})
    revisions.bump(conn, MONEY)


def set_budgets(conn: Connection, work: Work, owner: tuple[str, str], wanted: Sequence[Mapping[str, str]]) -> None:
    """Make the budgets of an account or key those that are wanted; ``owner`` is (scope, id).

    Raises:
        InvalidRequestError: a limit is no amount, or a period has two.

    """
    scope, scope_id = owner
    limits = fields.budgets(wanted)
    identity.lock_owner(conn, scope, scope_id)
    stored = {row["period"]: row for row in identity.budgets_of(conn, scope, scope_id)}
    if limits == {period: row["limit_nano"] for period, row in stored.items()}:
        return
    for period, nano in limits.items():
        if period in stored:
            identity.update_budget(conn, stored[period]["id"], nano)
        else:
            row = {"id": work.id("budget"), "scope": scope, "scope_id": scope_id, "period": period}
            identity.insert_budget(conn, {**row, "limit_nano": nano, "created_ms": work.now_ms})
        # Also for a new one: its window may be open from a budget that was taken away.
        _change_windows(conn, work, f"window:{scope}:{scope_id}:{period}:", scope_id, nano)
    for period, old in stored.items():
        if period not in limits:
            identity.delete_budget(conn, old["id"])
    revisions.bump(conn, MONEY)


def _change_windows(conn: Connection, work: Work, prefix: str, scope_id: str, nano: int) -> None:
    for row in queries.rows(conn, money_rows, scope_id=scope_id):
        if row["id"].startswith(prefix) and (row["ends_ms"] is None or row["ends_ms"] > work.now_ms):
            money.change_row(conn, row["id"], {"limit_nano": nano})
