"""The door of money: transfers posted once, rows kept in step, leases granted and returned.

Whoever calls has a transaction open. A transfer and what it does to rows are one: a fund's row says what was paid in
(``limit``) and what was spent (``used``), so a spend and its refund move ``used``, everything else moves ``limit``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from smartoken.billing import queries
from smartoken.billing.admission import RowFacts, extension
from smartoken.billing.grants import Fund
from smartoken.billing.ledger import ConflictError, Kind, Posting, Stamp, Transfer, is_fund, wallet
from smartoken.store import revisions

PLAY = "play"  # the category of grants that pay for the sandbox, and for nothing else
PLAY_MODELS = ("sandbox/*",)
MONEY = "money"  # bumped by whatever workers must look at: a lowered limit, money owed, a new or closed fund


@dataclass(frozen=True, slots=True)
class Ask:
    """What a worker wants more of: the row, the least that helps it, and what it spends of it a second."""

    row: str
    need_nano: int
    spend_per_s: int = 0


@dataclass(frozen=True, slots=True)
class Grown:
    """What a row's lease grew by, and the row's figures after it."""

    facts: RowFacts
    amount: int


def facts_of(row: Mapping[str, Any]) -> RowFacts:
    """Return a row's figures; what is owed counts as used, credit as limit."""
    return RowFacts(
        row["id"], row["limit_nano"] + row["credit_nano"], row["used_nano"] + row["owed_nano"], row["held_nano"]
    )


def read_fund(row: Mapping[str, Any]) -> Fund:
    """Return a stored fund."""
    return Fund(
        id=row["id"],
        priority=row["priority"],
        effective_ms=row["effective_ms"],
        expires_ms=row["expires_ms"],
        promotional=row["promotional"],
        models=tuple(row["models"]),
        except_models=() if row["category"] == PLAY else PLAY_MODELS,
    )


def open_wallet(conn: sa.Connection, account_id: str, credit_nano: int, now_ms: int) -> None:
    """Make an account's wallet, empty."""
    book = wallet(account_id)
    queries.insert_fund(
        conn,
        {
            "id": book,
            "account_id": account_id,
            "kind": "wallet",
            "grant_id": None,
            "priority": 100,
            "effective_ms": None,
            "expires_ms": None,
            "promotional": False,
            "models": [],
            "category": None,
            "campaign_id": None,
            "rules_version": None,
            "closed": False,
            "created_ms": now_ms,
        },
    )
    add_fund_row(conn, book, account_id, credit_nano)


def add_fund_row(conn: sa.Connection, book: str, account_id: str, credit_nano: int = 0) -> None:
    """Make the row of a fund."""
    row = {"id": book, "kind": "fund", "account_id": account_id, "scope_id": account_id}
    queries.add_rows(conn, [{**row, "limit_nano": 0, "credit_nano": credit_nano}])
    revisions.bump(conn, MONEY)


def post(conn: sa.Connection, transfer: Transfer, account_id: str) -> bool:
    """Post a transfer and move the rows of its funds; false when this very transfer is posted already.

    Raises:
        ConflictError: the id is taken by another transfer.

    """
    queries.lock_ledger(conn)
    known = queries.one_transfer(conn, transfer.id)
    if known is not None:
        if known["account_id"] != account_id or not read_transfer(known).repeats(transfer):
            raise ConflictError(f"{transfer.id} was posted before, as another transfer")
        return False
    stamp = transfer.stamp
    row = {
        "id": transfer.id,
        "kind": transfer.kind.value,
        "account_id": account_id,
        "currency": transfer.currency,
        "ref": stamp.ref,
        "actor": stamp.actor,
        "reason": stamp.reason,
        "original": transfer.original,
        "created_ms": stamp.at_ms,
    }
    queries.insert_transfer(conn, row, [(each.book, each.nano) for each in transfer.postings])
    moves: dict[str, dict[str, int]] = {}
    for each in transfer.postings:
        if is_fund(each.book):
            spends = transfer.kind in (Kind.SPEND, Kind.REFUND)
            moves[each.book] = {"used_nano": -each.nano} if spends else {"limit_nano": each.nano}
        else:
            queries.shift_house(conn, each.book, transfer.currency, each.nano)
    queries.shift_rows(conn, moves)
    if transfer.kind is not Kind.SPEND:
        revisions.bump(conn, MONEY)
    return True


def read_transfer(row: Mapping[str, Any]) -> Transfer:
    """Return a stored transfer."""
    stamp = Stamp(row["id"], row["created_ms"], row["ref"], row["actor"], row["reason"])
    moved = tuple(Posting(book, nano) for book, nano in row["postings"])
    return Transfer(Kind(row["kind"]), stamp, moved, row["original"], row["currency"])


def grow_leases(conn: sa.Connection, epoch: str, asks: Sequence[Ask], workers: int) -> list[Grown]:
    """Lease more of several rows to a worker, each by as much as the rules of sharing allow, perhaps nothing."""
    rows = queries.lock_rows(conn, [each.row for each in asks])
    owned = queries.leases_of(conn, epoch, [each.row for each in asks])
    grown: list[Grown] = []
    states: list[tuple[str, int, int]] = []
    for ask in sorted(asks, key=lambda each: each.row):
        row = rows.get(ask.row)
        if row is None:
            continue
        facts = facts_of(row)
        amount = extension(facts.free, ask.need_nano, ask.spend_per_s, workers)
        if amount and queries.take_free(conn, ask.row, amount):
            facts = RowFacts(facts.row, facts.limit, facts.used, facts.held + amount)
            before, in_calls = owned.get(ask.row, (0, 0))
            states.append((ask.row, before + amount, in_calls))
        else:
            amount = 0
        grown.append(Grown(facts, amount))
    queries.write_leases(conn, epoch, states)
    return grown


def put_leases(conn: sa.Connection, epoch: str, states: Sequence[tuple[str, int, int]]) -> None:
    """Write a worker's leases ``(row, amount, in calls)`` and move each row's ``held`` by the difference."""
    owned = queries.leases_of(conn, epoch, [row for row, _, _ in states])
    changes = {row: {"held_nano": amount - owned.get(row, (0, 0))[0]} for row, amount, _ in states}
    queries.shift_rows(conn, changes)
    queries.write_leases(conn, epoch, states)


def read_facts(conn: sa.Connection, ids: Sequence[str]) -> list[RowFacts]:
    """Return the figures of rows."""
    return [facts_of(each) for each in queries.read_rows(conn, ids).values()]
