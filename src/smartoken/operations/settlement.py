"""Settlement: a batch of usage records goes into the store, once each, with its sums and its money.

One transaction does all of it: the records that are not there yet are inserted, the hourly sums and the budget windows
grow by them, one transfer for each account and key moves what their funds paid, and the worker's leases are written as
absolute amounts. Whatever is covered by a transfer are exactly the records that were new, so a retry or a replay of any
batch has no effect, and the sum of charges under a transfer equals its amount, always. A record that comes again with
other figures is dropped like any other, and told (``contradictions``).

The records of a worker whose leases were given up meanwhile are settled *late*: paid from what is free now, so that no
limit is passed, and what that lacks is the house's overrun. Locks are taken in the order that ``bank`` states.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from smartoken.billing import queries as money
from smartoken.billing.admission import settle_late
from smartoken.billing.ledger import Posting, Stamp, spend
from smartoken.billing.wallet import facts_of, post, put_leases
from smartoken.operations.contradictions import tell_contradictions
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
    late: bool = False  # the leases that the calls were held from are gone


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
    if batch.records:
        money.lock_ledger(conn)
    alive = batch.epoch is None or money.beat(conn, batch.epoch, batch.now_ms)
    known = stored_ids(conn, [each.id for each in batch.records])
    fresh, again = _parted(batch.records, known)
    touched = money.lock_rows(conn, _rows_of(fresh) | {row for row, _, _ in batch.leases})
    late = batch.late or not alive
    if late:
        fresh = _paid_late(fresh, touched)
    spends = _transfers_of(fresh, late=late)
    if insert_calls(conn, fresh, spends) != len(fresh):
        raise SettledTwiceError("a record of this batch was stored by another worker at the same time")
    add_sums(conn, fresh)
    money.shift_rows(conn, _window_shifts(fresh))
    _post_spends(conn, fresh, spends)
    if again:
        tell_contradictions(conn, again, batch.now_ms)
    if batch.epoch is not None and alive:
        put_leases(conn, batch.epoch, batch.leases)
    return Settled(frozenset([each.id for each in fresh]), alive)


def _parted(records: Sequence[CallRecord], known: set[str]) -> tuple[list[CallRecord], list[CallRecord]]:
    """Return the records that are new, each call once, and those of calls that have a record already."""
    fresh: list[CallRecord] = []
    again: list[CallRecord] = []
    for each in records:
        (again if each.id in known else fresh).append(each)
        known.add(each.id)
    return fresh, again


def record_calls(conn: sa.Connection, records: Sequence[CallRecord]) -> set[str]:
    """Store the records that are not stored yet, without a worker's leases; returns the ids that were new."""
    return set(settle(conn, Batch(records)).new)


def paid_rows(records: Iterable[CallRecord]) -> dict[str, int]:
    """Return what records add to the used of each row, funds and windows."""
    paid: dict[str, int] = {}
    for each in records:
        total = 0
        for fund, nano in each.fund_lines:
            paid[fund] = paid.get(fund, 0) + nano
            total += nano
        for row in each.windows:
            paid[row] = paid.get(row, 0) + total
    return paid


def _rows_of(records: Iterable[CallRecord]) -> set[str]:
    rows: set[str] = set()
    for each in records:
        rows.update(each.windows)
        for fund, _ in each.fund_lines:
            rows.add(fund)
    return rows


def _paid_late(records: Sequence[CallRecord], stored: Mapping[str, Mapping[str, Any]]) -> list[CallRecord]:
    """Return records as they can be paid from what is free of the rows now, one after the other."""
    figures = {row: facts_of(facts) for row, facts in stored.items()}
    paid_so: list[CallRecord] = []
    for each in records:
        charge = sum(nano for _, nano in each.fund_lines)
        if not charge:
            paid_so.append(each)
            continue
        windows = [figures[row] for row in each.windows if row in figures]
        funds = [figures[fund] for fund, _ in each.fund_lines if fund in figures]
        found = settle_late(charge, windows, funds)
        for row, nano in (*found.lines, *((row, found.paid) for row in found.windows)):
            figures[row] = replace(figures[row], used=figures[row].used + nano)
        paid_so.append(
            each._replace(
                charge_nano=found.paid,
                overrun_nano=each.overrun_nano + found.overrun,
                fund_lines=[list(line) for line in found.lines],
                windows=list(found.windows) if found.paid else [],
            )
        )
    return paid_so


def _transfers_of(records: Sequence[CallRecord], *, late: bool) -> dict[tuple[str, str], str]:
    """Return the id of the spend of each account and key: made from its first call, which no other spend has."""
    first: dict[tuple[str, str], str] = {}
    for each in records:
        if each.fund_lines or each.overrun_nano:
            place = (each.account_id, each.key_id)
            known = first.get(place)
            if known is None or each.id < known:
                first[place] = each.id
    return {place: f"{'late' if late else 'spend'}:{call_id}" for place, call_id in first.items()}


def _window_shifts(records: Sequence[CallRecord]) -> dict[str, dict[str, int]]:
    funds = {fund for each in records for fund, _ in each.fund_lines}  # those move with their transfer
    return {row: {"used_nano": nano} for row, nano in paid_rows(records).items() if row not in funds}


@dataclass(slots=True)
class _Spent:
    """What the calls of one account and key come to together."""

    paid: dict[str, int] = field(default_factory=dict)
    last_ms: int = 0
    overrun: int = 0


def _post_spends(conn: sa.Connection, records: Sequence[CallRecord], ids: Mapping[tuple[str, str], str]) -> None:
    spent = {place: _Spent() for place in ids}
    for each in records:
        own = spent.get((each.account_id, each.key_id))
        if own is None:
            continue
        for fund, nano in each.fund_lines:
            own.paid[fund] = own.paid.get(fund, 0) + nano
        own.last_ms = max(own.last_ms, each.created_ms)
        own.overrun += each.overrun_nano
    for (account_id, key_id), own in sorted(spent.items(), key=lambda each: each[0]):
        stamp = Stamp(ids[account_id, key_id], own.last_ms, ref=key_id, actor="system")
        transfer = spend(stamp, [Posting(fund, nano) for fund, nano in sorted(own.paid.items())], own.overrun)
        if transfer is not None:
            post(conn, transfer, account_id)
