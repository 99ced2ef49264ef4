"""Budgets that run out: each of 50, 80 and 100 % is told once a window, as an event of its account.

Delivery (mail, webhooks) reads the events; here they are only made.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import history_queries
from smartoken.billing import queries as money
from smartoken.billing.budgets import ALERT_PERCENTS
from smartoken.identity import queries as identity
from smartoken.money import amount_text
from smartoken.operations import events
from smartoken.operations.office import Work
from smartoken.operations.setup_accounts import instant_text

MOST_AT_ONCE = 500


def tell_reached(conn: Connection, work: Work) -> int:
    """Tell of every budget that newly reached a threshold; returns how many were told."""
    told = 0
    for row in history_queries.windows_to_tell(conn, MOST_AT_ONCE):
        reached = [
            each
            for each in ALERT_PERCENTS
            if each > row["alerted_percent"] and row["used_nano"] * 100 >= row["limit_nano"] * each
        ]
        if not reached:
            continue
        money.change_row(conn, row["id"], {"alerted_percent": reached[-1]})
        for percent in reached:
            told += events.tell(conn, work, _event(conn, row, percent))
    return told


def _event(conn: Connection, row: Mapping[str, Any], percent: int) -> events.Event:
    _, scope, scope_id, period, _ = row["id"].split(":")
    key = identity.key_by_id(conn, row["account_id"], scope_id) if scope == "key" else None
    facts = {
        "percent": percent,
        "scope": scope,
        "key": key["name"] if key is not None else None,
        "period": period,
        "limit": amount_text(row["limit_nano"]),
        "used": amount_text(row["used_nano"]),
        "resets_at": instant_text(row["ends_ms"]) if row["ends_ms"] is not None else None,
    }
    once = f"{row['id']}:{percent}"
    return events.Event("budget.alert", f"{scope}:{scope_id}", row["account_id"], facts, once)
