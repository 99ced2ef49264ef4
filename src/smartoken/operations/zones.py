"""Which zone an account's budgets are reckoned in, and since when it asked for it.

A change applies when the current window ends, so the asking is kept: as a fact of the store for each account that ever
changed its zone.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Connection

from smartoken.billing.wallet import MONEY
from smartoken.billing.windows import EPOCH, ZoneSince
from smartoken.operations import queries
from smartoken.store import revisions

_FACT = "zones:"


def note_zone(conn: Connection, account_id: str, before: str, after: str, now_ms: int) -> None:
    """Note that an account asks for another zone; nothing happens when it is the same."""
    if before == after:
        return
    name = f"{_FACT}{account_id}"
    kept = queries.fact(conn, name)
    history: list[list[Any]] = [[before, 0]] if kept is None else orjson.loads(kept)
    queries.put_fact(conn, name, orjson.dumps([*history, [after, now_ms]]))
    revisions.bump(conn, MONEY)


def zones_of(conn: Connection, accounts: Iterable[Mapping[str, Any]]) -> dict[str, tuple[ZoneSince, ...]]:
    """Return the zones of accounts, oldest first; the first counts from ever."""
    changed = {
        name.removeprefix(_FACT): tuple(
            ZoneSince(zone, EPOCH + timedelta(milliseconds=since)) for zone, since in orjson.loads(value)
        )
        for name, value in queries.facts_of(conn, _FACT).items()
    }
    return {each["id"]: changed.get(each["id"]) or (ZoneSince(each["timezone"], EPOCH),) for each in accounts}
