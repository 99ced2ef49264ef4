"""What is used, held and left of budgets in the windows of this moment, as the store has it: at most seconds old."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from smartoken.billing.budgets import Figures
from smartoken.billing.windows import EPOCH, Period, window_at, window_id
from smartoken.identity import queries as identity
from smartoken.money import amount_text, parse_amount
from smartoken.operations.money_view import stored_figures
from smartoken.operations.office import Work
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.zones import zones_of


def with_figures(conn: Connection, work: Work, scope: str, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return keys or accounts with budgets that say ``limit = used + held + available``; ``scope`` says which."""
    if not any(row["budgets"] for row in found):
        return list(found)
    zones = zones_of(conn, identity.account_rows(conn))
    at = EPOCH + timedelta(milliseconds=work.now_ms)
    windows = {
        (row["id"], each["period"]): window_at(
            Period(each["period"]), zones[row["account_id"] if scope == "key" else row["id"]], at
        )
        for row in found
        for each in row["budgets"]
    }
    ids = {place: window_id(scope, place[0], window) for place, window in windows.items()}
    stored = stored_figures(conn, list(ids.values()))

    def told(owner: str, budget: dict[str, Any]) -> dict[str, Any]:
        place = owner, budget["period"]
        used, held = stored.get(ids[place], (0, 0))
        end = windows[place].end
        return {
            **budget,
            "used": amount_text(used),
            "held": amount_text(held),
            "available": amount_text(Figures(parse_amount(budget["limit"]), used, held).available),
            "resets_at": instant_text(round((end - EPOCH) / timedelta(milliseconds=1))) if end is not None else None,
        }

    return [{**row, "budgets": [told(row["id"], each) for each in row["budgets"]]} for row in found]
