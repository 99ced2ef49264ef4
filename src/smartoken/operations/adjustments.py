"""What an operator gives or takes: adjustments of a wallet and grants, with a second person above the set amount."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import debts, ledger
from smartoken.billing.ledger import Kind, Posting, Stamp, Taking, Transfer, wallet
from smartoken.billing.wallet import PLAY
from smartoken.errors import InvalidRequestError
from smartoken.money import amount_text
from smartoken.operations import approvals, exposures, fields, queries
from smartoken.operations.grants import Terms, give
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.wallet import Moved, account_of, amount_of, split, stamp_of, told
from smartoken.operations.wallet_sums import sums_of
from smartoken.store.access_tables import approvals as approvals_table

Wanted = Mapping[str, Any]
MOST_PRIORITY = 1000


def _reason(conn: Connection, work: Work, wanted: Wanted) -> dict[str, Any]:
    return {**wanted, "reason": exposures.cleaned(conn, work, wanted["reason"], "reason", 500)}


def _waiting(conn: Connection, account_id: str, found: Mapping[str, Any]) -> dict[str, Any]:
    sums = sums_of(conn, account_id)
    same = {name: found[name] for name in ("id", "status", "kind", "account_id", "amount")}
    words = {"owed": "0.00", "reason": found["wanted"]["reason"], "actor": found["asked_by"], "approval": found["id"]}
    return {**same, **words, "balance": amount_text(sums.balance), "available": amount_text(sums.available)}


def adjust(conn: Connection, work: Work, account: str, wanted: Wanted) -> dict[str, Any]:
    """Correct a wallet up or down; above the set amount it waits for a second person (``status`` says so).

    Raises:
        InvalidRequestError: no amount, zero, or no reason.

    """
    account_id = account_of(conn, work, Permission.ADJUST, account)
    nano = amount_of(wanted, signed=True)
    wanted = _reason(conn, work, wanted)
    if abs(nano) > approvals.limit_nano(conn):
        return _waiting(conn, account_id, approvals.ask(conn, work, account_id, ("adjustment", nano), wanted))
    return _adjusted(conn, work, account_id, nano, stamp_of(work, None, wanted["reason"]))


def _adjusted(conn: Connection, work: Work, account_id: str, nano: int, stamp: Stamp) -> dict[str, Any]:
    free = debts.unheld(conn, wallet(account_id))
    taking = ledger.adjustment(stamp, account_id, nano, free)
    if nano > 0:
        debts.take(conn, _whole(taking), taking, account_id)
        debts.collect(conn, work.now_ms, account_id)
    else:
        moved = (Posting(wallet(account_id), nano), Posting(ledger.ADJUST, -nano))
        whole = Transfer(Kind.ADJUSTMENT, stamp, moved)
        taking = split(whole, -nano, free)
        debts.take(conn, whole, taking, account_id)
    return told(conn, work, account_id, Moved(stamp.id, Kind.ADJUSTMENT, nano, taking.owed_nano), stamp.reason)


def _whole(taking: Taking) -> Transfer:
    if taking.transfer is None:
        raise LookupError("what is given is given whole")
    return taking.transfer


def grant(conn: Connection, work: Work, account: str, wanted: Wanted) -> dict[str, Any]:
    """Give promotional money: ``expires_at``, ``effective_at``, ``models``, ``priority`` and ``category`` are optional.

    Raises:
        InvalidRequestError: no amount above zero, no reason, or a term that is wrong.

    """
    account_id = account_of(conn, work, Permission.ADJUST, account)
    nano = amount_of(wanted)
    _terms(work, wanted)  # wrong terms are told to whoever asks, not to whoever approves
    wanted = _reason(conn, work, wanted)
    if nano > approvals.limit_nano(conn):
        return _waiting(conn, account_id, approvals.ask(conn, work, account_id, ("grant", nano), wanted))
    return _granted(conn, work, account_id, wanted, stamp_of(work, None, wanted["reason"]))


def _terms(work: Work, wanted: Wanted) -> Terms:
    times = {name: wanted.get(f"{name}_at") for name in ("effective", "expires")}
    found = {name: fields.instant(text, f"{name}_at") if text else None for name, text in times.items()}
    if found["expires"] is not None and found["expires"] <= max(work.now_ms, found["effective"] or 0):
        raise InvalidRequestError("`expires_at` must be in the future and after `effective_at`.", param="expires_at")
    priority = wanted.get("priority")
    priority = Terms().priority if priority is None else priority
    if not 0 <= priority <= MOST_PRIORITY:
        raise InvalidRequestError(f"`priority` must be from 0 to {MOST_PRIORITY}.", param="priority")
    category = fields.maybe_text(wanted.get("category"), "category", 64)
    if category == PLAY:
        raise InvalidRequestError(f"`category` {PLAY!r} is the sandbox's own.", param="category")
    models = tuple(fields.patterns(wanted.get("models") or ()))
    return Terms(models, found["effective"], found["expires"], priority, category)


def _granted(conn: Connection, work: Work, account_id: str, wanted: Wanted, stamp: Stamp) -> dict[str, Any]:
    nano, grant_id = amount_of(wanted), work.id("grant")
    give(conn, account_id, (grant_id, nano), _terms(work, wanted), replace(stamp, ref=grant_id))
    answer = told(conn, work, account_id, Moved(stamp.id, Kind.GRANT, nano, ref=grant_id), stamp.reason)
    return {**answer, "grant": grant_id}


def approve(conn: Connection, work: Work, approval_id: str, reason: str | None) -> dict[str, Any]:
    """Do what waits, as somebody else than who asked; the history names both.

    Raises:
        PermissionDeniedError: the right is lacking, or the actor asked for it.
        InvalidRequestError: it was decided before, or its terms have passed meanwhile.

    """
    demand(work.actor, Permission.APPROVE)
    row = approvals.decide(conn, work, approval_id, "approved", reason)
    both = f"{row['asked_by']}, approved by {work.actor.label}"[:200]
    stamp = Stamp(work.id("transfer"), work.now_ms, None, both, row["wanted"]["reason"])
    if row["kind"] == "adjustment":
        answer = _adjusted(conn, work, row["account_id"], int(row["nano"]), stamp)
    else:
        answer = _granted(conn, work, row["account_id"], row["wanted"], stamp)
    queries.update(conn, approvals_table, {"id": approval_id}, {"transfer_id": stamp.id})
    return {**answer, "actor": both, "approval": approval_id}
