"""Two records of one call that tell of different money: the first one stays, and the staff are told.

A call settles once and a replay has no effect, so a record that comes again is dropped. One that comes again with other
figures should not exist: a journal or a database was copied or changed by hand, or there is a defect.
"""

import logging
from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection

from smartoken.ids import ENTROPY_BYTES, new_id
from smartoken.money import amount_text
from smartoken.store import access_queries
from smartoken.tokens import UsageSource
from smartoken.usage.queries import call_by_id, fitted
from smartoken.usage.records import CallRecord

_logger = logging.getLogger(__name__)
KIND = "call.conflict"
_SAME = ("account_id", "key_id", "model", "prompt_tokens", "completion_tokens")


def contradicts(stored: CallRecord, again: CallRecord) -> list[str]:
    """Return the names of the figures in which a record that came again differs from the stored one.

    What a checkpoint comes to is an estimate of what a final record says better. A call that was settled late was paid
    in part, the rest is the house's: both together are what it was charged.
    """
    if again.usage_source == UsageSource.RECOVERED or again.end_reason == "unknown_dispatch":
        return []
    again = fitted(again)
    differing = [name for name in _SAME if getattr(stored, name) != getattr(again, name)]
    if stored.charge_nano + stored.overrun_nano != again.charge_nano + again.overrun_nano:
        differing.append("charge_nano")
    return differing


def tell_contradictions(conn: Connection, known: Iterable[CallRecord], now_ms: int) -> int:
    """Tell of each record of a stored call that contradicts it, once a call; returns how many do."""
    found = 0
    for again in known:
        stored = call_by_id(conn, None, again.id)
        differing = [] if stored is None else contradicts(stored, again)
        if stored is None or not differing:
            continue
        found += 1
        facts = {"differs_in": differing, "kept": _figures(stored), "dropped": _figures(again)}
        row = {
            "id": new_id("event", now_ms * 1_000_000, blake2b(again.id.encode(), digest_size=ENTROPY_BYTES).digest()),
            "created_ms": now_ms,
            "account_id": None,
            "kind": KIND,
            "subject": f"call:{again.id}",
            "facts": facts,
            "once": f"{KIND}:{again.id}",
        }
        access_queries.add_event(conn, row)
        _logger.error("a second record of call %s has other figures and was dropped: %s", again.id, facts)
    return found


def _figures(record: CallRecord) -> dict[str, str | int | None]:
    return {
        "account": record.account_id,
        "key": record.key_id,
        "model": record.model,
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "charge": amount_text(record.charge_nano),
        "overrun": amount_text(record.overrun_nano),
    }
