"""What ends by itself: grants whose time is over, debts that can be taken, answers and secrets kept for a while."""

from sqlalchemy import Connection

from smartoken.billing import debts, history_queries
from smartoken.billing import ledger as books
from smartoken.billing import queries as money
from smartoken.billing.ledger import Stamp
from smartoken.billing.wallet import MONEY, post
from smartoken.identity import accounts as identity
from smartoken.operations import idempotency
from smartoken.operations.office import Work
from smartoken.store import revisions

MOST_AT_ONCE = 500
SECRETS_KEPT_MS = 30 * 86_400_000


def expire(conn: Connection, work: Work) -> tuple[int, int]:
    """Move what is left of grants that have ended to breakage and close them; returns how many, and the nano-USD.

    One that calls still hold waits until they have settled, so that it ends in one piece. What a refund brings back to
    a grant that has ended goes the same way.
    """
    ended, total = 0, 0
    for fund in history_queries.ended_grants(conn, work.now_ms, MOST_AT_ONCE):
        free = debts.unheld(conn, fund["id"])  # locks the ledger and the row
        row = money.lock_rows(conn, [fund["id"]]).get(fund["id"])
        if row is None or row["held_nano"] or row["owed_nano"]:
            continue
        stamp = Stamp(work.id("transfer"), work.now_ms, fund["grant_id"], work.actor.label, "the grant has ended")
        transfer = books.expiry(stamp, fund["account_id"], fund["grant_id"], free)
        if transfer is not None:
            post(conn, transfer, fund["account_id"])
            total += free
        if not fund["closed"]:
            money.close_fund(conn, fund["id"])
            ended += 1
    if ended:
        revisions.bump(conn, MONEY)
    return ended, total


def collect(conn: Connection, work: Work) -> int:
    """Take what is owed as far as nothing holds it; returns the nano-USD."""
    return debts.collect(conn, work.now_ms)


def prune(conn: Connection, work: Work) -> tuple[int, int]:
    """Forget answers older than two days, and secrets of keys that ended a month ago; returns how many of each."""
    return idempotency.prune(conn, work.now_ms), identity.forget_ended(conn, work.now_ms - SECRETS_KEPT_MS)
