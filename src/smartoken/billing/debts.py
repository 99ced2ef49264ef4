"""Taking money from funds: at once what nobody holds, the rest as it comes back.

What cannot be taken yet is a *debt*: it counts as used at once (the row's ``owed_nano``), so nothing new is admitted on
it, and workers give back what they have leased beyond it. ``collect`` takes what has become free, oldest debt first,
as transfers of the same kind, reference and reason, which are called ``{id}.2``, ``{id}.3`` and so on.
"""

from dataclasses import replace

import sqlalchemy as sa

from smartoken.billing import queries
from smartoken.billing.ledger import Kind, Posting, Stamp, Taking, Transfer, is_fund
from smartoken.billing.wallet import MONEY, post
from smartoken.store import access_queries, revisions


def unheld(conn: sa.Connection, row_id: str) -> int:
    """Return what of a fund neither workers nor debts hold, its credit included; ledger and row are locked."""
    queries.lock_ledger(conn)  # before the row, in the order in which ``post`` locks
    row = queries.lock_rows(conn, [row_id]).get(row_id)
    if row is None:
        return 0
    limit = row["limit_nano"] + row["credit_nano"]
    return max(0, int(limit - row["used_nano"] - row["held_nano"] - row["owed_nano"]))


def take(conn: sa.Connection, whole: Transfer, taking: Taking, account_id: str) -> None:
    """Post what is taken of ``whole`` at once, and note the rest as owed by the fund that gives."""
    if taking.transfer is not None:
        post(conn, taking.transfer, account_id)
    if not taking.owed_nano:
        return
    giver = next(each.book for each in whole.postings if each.nano < 0 and is_fund(each.book))
    target = next(each.book for each in whole.postings if each.nano > 0)
    stamp = whole.stamp
    access_queries.add_debt(
        conn,
        {
            "id": stamp.id[:64],
            "row_id": giver,
            "account_id": account_id,
            "kind": whole.kind.value,
            "target": target,
            "nano": taking.owed_nano,
            "parts": 0 if taking.transfer is None else 1,
            "ref": stamp.ref,
            "actor": stamp.actor,
            "reason": stamp.reason,
            "original": whole.original,
            "created_ms": stamp.at_ms,
        },
    )
    queries.shift_rows(conn, {giver: {"owed_nano": taking.owed_nano}})
    revisions.bump(conn, MONEY)  # workers look at the row and give back what is not theirs any more


def collect(conn: sa.Connection, now_ms: int, account_id: str | None = None) -> int:
    """Take what is owed as far as it is free now, of one account or of all; returns how much, in nano-USD."""
    taken = 0
    if not access_queries.debt_rows(conn, account_id):
        return taken
    queries.lock_ledger(conn)
    for debt in access_queries.debt_rows(conn, account_id):
        row = queries.lock_rows(conn, [debt["row_id"]]).get(debt["row_id"])
        if row is None:
            continue
        free = row["limit_nano"] + row["credit_nano"] - row["used_nano"] - row["held_nano"]
        nano = min(int(debt["nano"]), free)
        if nano <= 0:
            continue
        parts = debt["parts"] + 1
        stamp = Stamp(debt["id"] if parts == 1 else f"{debt['id']}.{parts}", now_ms, debt["ref"], debt["actor"])
        moved = (Posting(debt["row_id"], -nano), Posting(debt["target"], nano))
        stamp = replace(stamp, reason=debt["reason"])
        post(conn, Transfer(Kind(debt["kind"]), stamp, moved, debt["original"]), debt["account_id"])
        queries.shift_rows(conn, {debt["row_id"]: {"owed_nano": -nano}})
        access_queries.shrink_debt(conn, debt["id"], nano)
        taken += nano
    return taken
