"""What a worker must know of money to admit calls: who may pay for what, and which budgets bind. A frozen snapshot.

Loaded whole when the revision of money moved. The figures of rows are not part of it: those live in the leases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from smartoken.billing import queries as money
from smartoken.billing.budgets import Budget, BudgetWindow
from smartoken.billing.grants import Fund
from smartoken.billing.wallet import MONEY, read_fund
from smartoken.billing.windows import Period, ZoneSince
from smartoken.identity import queries as identity
from smartoken.operations.zones import zones_of
from smartoken.store import revisions


@dataclass(frozen=True, slots=True)
class MoneyView:
    """The snapshot."""

    revision: int
    funds: Mapping[str, tuple[Fund, ...]]  # by account
    budgets: Mapping[tuple[str, str], tuple[Budget, ...]]  # by (scope, id)
    zones: Mapping[str, tuple[ZoneSince, ...]]  # by account, oldest first


def load_money(conn: sa.Connection) -> MoneyView:
    """Read the snapshot in one transaction."""
    funds: dict[str, list[Fund]] = {}
    for row in money.fund_rows(conn):
        funds.setdefault(row["account_id"], []).append(read_fund(row))
    budgets: dict[tuple[str, str], list[Budget]] = {}
    for row in identity.budget_rows(conn):
        place = (row["scope"], row["scope_id"])
        budgets.setdefault(place, []).append(Budget(*place, Period(row["period"]), row["limit_nano"]))
    zones = zones_of(conn, identity.account_rows(conn))
    return MoneyView(
        revision=revisions.current(conn, MONEY),
        funds={account: tuple(found) for account, found in funds.items()},
        budgets={place: tuple(found) for place, found in budgets.items()},
        zones=zones,
    )


def money_revision(conn: sa.Connection) -> int:
    """Return how often money's facts changed so far."""
    return revisions.current(conn, MONEY)


def epochs_seen(conn: sa.Connection) -> dict[str, int]:
    """Return when each worker was seen last, by its own clock."""
    return money.epochs_seen(conn)


def stored_figures(conn: sa.Connection, rows: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return ``(used, held by calls under way)`` of rows as the store has them, leaving out rows that are not there."""
    held = money.in_calls(conn, rows)
    return {row_id: (row["used_nano"], held.get(row_id, 0)) for row_id, row in money.read_rows(conn, rows).items()}


def open_windows(conn: sa.Connection, account_id: str, windows: Sequence[BudgetWindow]) -> None:
    """Make the rows of windows that a call falls into and that are not there yet.

    Their limits are those of the budgets as they are stored: the worker may not have heard yet of one that changed.
    """
    known = money.read_rows(conn, [each.row for each in windows])
    windows = [each for each in windows if each.row not in known]
    limits = identity.limits_of(conn, [each.budget.scope_id for each in windows]) if windows else {}
    money.add_rows(
        conn,
        [
            {
                "id": each.row,
                "kind": "window",
                "account_id": account_id,
                "scope_id": each.budget.scope_id,
                "limit_nano": limits.get(_place(each.budget), each.budget.limit_nano),
                "ends_ms": int(each.window.end.timestamp() * 1000) if each.window.end is not None else None,
            }
            for each in windows
        ],
    )


def _place(budget: Budget) -> tuple[str, str, str]:
    return budget.scope, budget.scope_id, budget.period.value
