"""Settlement: a batch of usage records goes into the store, once each, with its sums and its money.

One transaction does all of it: the records that are not there yet are inserted, the hourly sums and the budget windows
grow by them, one transfer for each account and key moves what their funds paid, and the worker's leases are written as
absolute amounts. Whatever is covered by a transfer are exactly the records that were new, so a retry or a replay of any
batch has no effect, and the sum of charges under a transfer equals its amount, always.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from smartoken.billing import queries as money
from smartoken.billing.ledger import Posting, Stamp, spend
from smartoken.billing.wallet import post, put_leases
from smartoken.usage.queries import insert_calls, stored_ids
from smartoken.usage.records import CallRecord
from smartoken.usage.rollups import add_sums


class SettledTwiceError(RuntimeError):
    """Another transaction stored a record of this batch meanwhile; nothing of the batch was kept."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one flush of one worker writes."""

    records: Sequence[CallRecord]
    epoch: str | None = None
    leases: Sequence[tuple[str, int, int]] = ()  # (row, amount, in calls), absolute
    now_ms: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a batch: the ids that were new, and whether the worker is still known."""

    new: frozenset[str]
    alive: bool


def settle(conn: sa.Connection, batch: Batch) -> Settled:
    """Store a batch.

    Raises:
        SettledTwiceError: a record was stored by another transaction at the same time; try the batch again.

    """
    known = stored_ids(conn, [each.id for each in batch.records])
    fresh = [each for each in batch.records if each.id not in known]
    spends = _transfers_of(fresh)
    rows = [
        each._replace(transfer_id=spends[each.account_id, each.key_id] if each.fund_lines else None) for each in fresh
    ]
    new = insert_calls(conn, rows)
    if len(new) != len(rows):
        raise SettledTwiceError("a record of this batch was stored by another worker at the same time")
    add_sums(conn, rows)
    money.shift_rows(conn, _window_shifts(rows))
    _post_spends(conn, rows)
    alive = True
    if batch.epoch is not None:
        put_leases(conn, batch.epoch, batch.leases)
        alive = money.beat(conn, batch.epoch, batch.now_ms)
    return Settled(frozenset(new), alive)


def record_calls(conn: sa.Connection, records: Sequence[CallRecord]) -> set[str]:
    """Store the records that are not stored yet, without a worker's leases; returns the ids that were new."""
    return set(settle(conn, Batch(records)).new)


def _transfers_of(records: Sequence[CallRecord]) -> dict[tuple[str, str], str]:
    """Return the id of the spend of each account and key: made from its first call, which no other spend has."""
    first: dict[tuple[str, str], str] = {}
    for each in records:
        place = (each.account_id, each.key_id)
        if each.fund_lines or each.overrun_nano:
            first[place] = min(first.get(place, each.id), each.id)
    return {place: f"spend:{call_id}" for place, call_id in first.items()}


def _window_shifts(records: Sequence[CallRecord]) -> dict[str, dict[str, int]]:
    shifts: dict[str, dict[str, int]] = {}
    for each in records:
        paid = sum(nano for _, nano in each.fund_lines)
        if paid:
            for row in each.windows:
                shifts.setdefault(row, {"used_nano": 0})["used_nano"] += paid
    return shifts


def _post_spends(conn: sa.Connection, records: Sequence[CallRecord]) -> None:
    ids = _transfers_of(records)
    for (account_id, key_id), transfer_id in sorted(ids.items()):
        own = [each for each in records if (each.account_id, each.key_id) == (account_id, key_id)]
        paid: dict[str, int] = {}
        for each in own:
            for fund, nano in each.fund_lines:
                paid[fund] = paid.get(fund, 0) + nano
        stamp = Stamp(transfer_id, max(each.created_ms for each in own), ref=key_id, actor="system")
        overrun = sum(each.overrun_nano for each in own)
        transfer = spend(stamp, [Posting(fund, nano) for fund, nano in sorted(paid.items())], overrun)
        if transfer is not None:
            post(conn, transfer, account_id)
