"""Money in and out of a wallet, each an act of somebody with a right to it: what is told, posted and audited.

Whatever is taken from a wallet takes at once what nobody holds; the rest is owed and taken as calls end
(``billing.debts``). Amounts arrive and leave as decimal strings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import debts, ledger
from smartoken.billing import queries as money
from smartoken.billing.ledger import Kind, LedgerError, Posting, Stamp, Taking, Transfer, wallet
from smartoken.billing.wallet import post, read_transfer
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.money import MAX_AMOUNT_NANO, InvalidAmountError, amount_text, parse_amount
from smartoken.operations import audit, claw_backs, exposures
from smartoken.operations.accounts import account_id_of
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission
from smartoken.operations.wallet_sums import sums_of

Wanted = Mapping[str, Any]
METHOD = "manual"


def amount_of(wanted: Wanted, *, signed: bool = False) -> int:
    """Return the amount that is asked for, in nano-USD.

    Raises:
        InvalidRequestError: no decimal string, zero, or below zero where that has no meaning.

    """
    try:
        nano = parse_amount(wanted["amount"])
    except InvalidAmountError as problem:
        raise InvalidRequestError(f"`amount`: {problem}.", param="amount") from problem
    if nano == 0 or (nano < 0 and not signed):
        what = "must not be zero" if signed else "must be above zero"
        raise InvalidRequestError(f"`amount` {what}.", param="amount")
    return nano


def account_of(conn: Connection, work: Work, permission: Permission, account: str) -> str:
    """Return the id of the account whose money moves; raises as ``account_id_of`` does."""
    found = account_id_of(conn, work, permission, account)
    if found is None:
        raise NotFoundError("Name the account.", param="account")
    return found


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of a request: the transfer's id and kind, what was asked for, and what of it is still owed."""

    id: str
    kind: Kind
    nano: int
    owed_nano: int = 0
    ref: str | None = None


def told(conn: Connection, work: Work, account_id: str, moved: Moved, reason: str | None) -> dict[str, Any]:
    """Write the audit entry of a movement and return the answer: what moved, and what the account has now.

    Raises:
        InvalidRequestError: the account would have more than a figure can be; nothing moves then.

    """
    sums = sums_of(conn, account_id)
    if moved.nano > 0 and sums.balance + sums.play > MAX_AMOUNT_NANO:
        message = f"`amount` would bring the account above {amount_text(MAX_AMOUNT_NANO)}."
        raise InvalidRequestError(message, param="amount")
    answer = {
        "id": moved.id,
        "status": "posted",
        "kind": moved.kind.value,
        "account_id": account_id,
        "amount": amount_text(moved.nano),
        "owed": amount_text(moved.owed_nano),
        "reference": moved.ref,
        "reason": reason,
        "actor": work.actor.label,
        "balance": amount_text(sums.balance),
        "available": amount_text(sums.available),
    }
    entry = {name: answer[name] for name in ("id", "amount", "owed", "reference")}
    audit.append(conn, work, audit.Entry(f"wallet.{moved.kind.value}", f"account:{account_id}", None, entry, reason))
    return answer


def stamp_of(work: Work, ref: str | None, reason: str | None) -> Stamp:
    """Return what a transfer of an actor carries."""
    return Stamp(work.id("transfer"), work.now_ms, ref, work.actor.label, reason)


def deposit(conn: Connection, work: Work, account: str, wanted: Wanted) -> dict[str, Any]:
    """Take in money that a customer paid; ``reference`` names the payment, ``method`` how it came.

    Raises:
        InvalidRequestError: no amount above zero, or no reference.

    """
    account_id = account_of(conn, work, Permission.MONEY_WRITE, account)
    nano = amount_of(wanted)
    ref = exposures.cleaned(conn, work, wanted["reference"], "reference", 300)
    method = exposures.cleaned(conn, work, wanted.get("method") or METHOD, "method", 64)
    stamp = stamp_of(work, ref, method)
    post(conn, ledger.deposit(stamp, account_id, nano), account_id)
    debts.collect(conn, work.now_ms, account_id)  # what was owed is paid first
    return told(conn, work, account_id, Moved(stamp.id, Kind.DEPOSIT, nano, ref=ref), method)


def withdraw(conn: Connection, work: Work, account: str, wanted: Wanted) -> dict[str, Any]:
    """Record money that was paid out to a customer, never more than is withdrawable.

    Raises:
        InvalidRequestError: no amount or reference, or more than that.

    """
    account_id = account_of(conn, work, Permission.MONEY_WRITE, account)
    nano = amount_of(wanted)
    ref = exposures.cleaned(conn, work, wanted["reference"], "reference", 300)
    book = wallet(account_id)
    free = debts.unheld(conn, book)
    most = sums_of(conn, account_id).withdrawable
    stamp = stamp_of(work, ref, None)
    try:
        whole = ledger.withdrawal(stamp, account_id, nano, most)
    except LedgerError as problem:
        message = f"`amount` is above the {amount_text(most)} that is withdrawable."
        raise InvalidRequestError(message, param="amount", remedy="Promotional money is never paid out.") from problem
    taking = split(whole, nano, free)
    debts.take(conn, whole, taking, account_id)
    claw_backs.after_return(conn, work, account_id)
    return told(conn, work, account_id, Moved(stamp.id, Kind.WITHDRAWAL, -nano, taking.owed_nano, ref), None)


def split(whole: Transfer, nano: int, free: int) -> Taking:
    """Return what of a movement out of a fund is taken at once and what is owed."""
    now = min(nano, max(free, 0))
    if now == 0:
        return Taking(None, nano)
    giver, taker = whole.postings
    parts = (Posting(giver.book, -now), Posting(taker.book, now))
    return Taking(Transfer(whole.kind, whole.stamp, parts, whole.original), nano - now)


def original_of(conn: Connection, account_id: str, transfer_id: str) -> Transfer:
    """Return a transfer of an account.

    Raises:
        NotFoundError: the account has no such transfer.

    """
    row = money.one_transfer(conn, transfer_id)
    if row is None or row["account_id"] != account_id:
        raise NotFoundError(f"There is no transfer {transfer_id[:80]!r} of this account.", param="transfer")
    return read_transfer(row)
