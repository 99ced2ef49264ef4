"""Giving a charge back, and taking back what was posted by mistake; never more than the original, in sum."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.billing import debts, history_queries, ledger
from smartoken.billing import queries as money
from smartoken.billing.ledger import Kind, LedgerError, Posting, Stamp, Transfer, is_fund
from smartoken.billing.wallet import post
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.money import amount_text
from smartoken.operations import exposures
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission
from smartoken.operations.wallet import Moved, account_of, amount_of, original_of, split, stamp_of, told
from smartoken.store import access_queries
from smartoken.usage.queries import call_by_id

Wanted = Mapping[str, Any]


def refund(conn: Connection, work: Work, account: str, wanted: Wanted) -> dict[str, Any]:
    """Give a call's charge back to the funds that paid it, or that of all calls of a ``spend``; whole or in part.

    Raises:
        InvalidRequestError: not exactly one of ``call`` and ``transfer``, no reason, more than was paid.
        NotFoundError: the account has no such call or transfer, or nothing was charged for it.

    """
    account_id = account_of(conn, work, Permission.MONEY_WRITE, account)
    if (wanted.get("call") is None) == (wanted.get("transfer") is None):
        raise InvalidRequestError("Name either `call` or `transfer`.", param="call")
    reason = exposures.cleaned(conn, work, wanted["reason"], "reason", 500)
    money.lock_ledger(conn)  # two refunds at once are decided one after the other
    call_id = wanted.get("call")
    if call_id is not None:
        paid, returned = _of_call(conn, account_id, call_id)
    else:
        paid = original_of(conn, account_id, wanted["transfer"])
        returned = money.returned_of(conn, paid.id)
    if paid.kind is not Kind.SPEND:
        raise InvalidRequestError(f"A {paid.kind} is not refunded; reverse it.", param="transfer")
    left = paid.paid_by_funds - money.returned_of(conn, paid.id) if call_id is None else paid.paid_by_funds - returned
    nano = amount_of(wanted) if wanted.get("amount") is not None else left
    if nano > left or nano <= 0:
        message = f"Only {amount_text(left)} of the {amount_text(paid.paid_by_funds)} that was paid is left to return."
        raise InvalidRequestError(message, param="amount")
    stamp = stamp_of(work, call_id or paid.stamp.ref, reason)
    _post(conn, ledger.refund(stamp, paid, returned, nano), account_id)
    debts.collect(conn, work.now_ms, account_id)
    return told(conn, work, account_id, Moved(stamp.id, Kind.REFUND, nano, ref=stamp.ref), reason)


def _post(conn: Connection, transfer: Transfer, account_id: str) -> None:
    original = money.one_transfer(conn, transfer.original or "")
    whole = -sum(nano for book, nano in original["postings"] if nano < 0 and is_fund(book)) if original else 0
    if transfer.original is None or money.returned_of(conn, transfer.original) + transfer.moved > whole:
        raise InvalidRequestError("Refunds of these calls would exceed what was paid for them.", param="amount")
    post(conn, transfer, account_id)


def _of_call(conn: Connection, account_id: str, call_id: str) -> tuple[Transfer, int]:
    """Return a call's own part of its spend as if it were one, and what was refunded of it."""
    record = call_by_id(conn, account_id, call_id)
    lines = [(fund, nano) for fund, nano in record.fund_lines if nano] if record is not None else []
    if record is None or record.transfer_id is None or not lines:
        raise NotFoundError(f"Nothing was charged to this account for a call {call_id[:80]!r}.", param="call")
    paid = sum(nano for _, nano in lines)
    postings = (*(Posting(fund, -nano) for fund, nano in lines), Posting(ledger.REVENUE, paid))
    stamp = Stamp(record.transfer_id, record.created_ms, record.key_id)
    return Transfer(Kind.SPEND, stamp, postings), history_queries.refunded_of_call(conn, record.transfer_id, call_id)


def reverse(conn: Connection, work: Work, account: str, wanted: Wanted) -> dict[str, Any]:
    """Take a deposit, adjustment, grant or withdrawal back, in whole or in part.

    A wallet that has spent it owes the rest; of a grant only what is left of it is taken.

    Raises:
        InvalidRequestError: not reversible, no reason, or more than is left of the original.
        NotFoundError: the account has no such transfer.

    """
    account_id = account_of(conn, work, Permission.MONEY_WRITE, account)
    reason = exposures.cleaned(conn, work, wanted["reason"], "reason", 500)
    money.lock_ledger(conn)
    original = original_of(conn, account_id, wanted["transfer"])
    if original.kind is Kind.SPEND:
        raise InvalidRequestError("A spend is not reversed; refund it.", param="transfer")
    returned = money.returned_of(conn, original.id) + _owed_of(conn, account_id, original.id)
    giver = next(each.book for each in original.postings if each.nano > 0)
    free = debts.unheld(conn, giver) if is_fund(giver) else 0
    left = original.moved - returned
    if giver.startswith("grant:"):
        row = money.read_rows(conn, [giver])[giver]
        left = min(left, row["limit_nano"] - row["used_nano"] - row["owed_nano"])
    nano = amount_of(wanted) if wanted.get("amount") is not None else left
    if nano > left or nano <= 0:
        raise InvalidRequestError(f"Only {amount_text(max(0, left))} of it is left to take back.", param="amount")
    stamp = stamp_of(work, original.stamp.ref, reason)
    try:
        ledger.reversal(stamp, original, returned, nano, nano)  # decides whether it may be reversed at all
    except LedgerError as problem:
        raise InvalidRequestError(f"It cannot be reversed: {problem}.", param="transfer") from problem
    receiver = next(each.book for each in original.postings if each.nano < 0)
    whole = Transfer(Kind.REVERSAL, stamp, (Posting(giver, -nano), Posting(receiver, nano)), original.id)
    taking = split(whole, nano, free if is_fund(giver) else nano)
    debts.take(conn, whole, taking, account_id)
    signed = -nano if is_fund(giver) else nano
    return told(conn, work, account_id, Moved(stamp.id, Kind.REVERSAL, signed, taking.owed_nano, stamp.ref), reason)


def _owed_of(conn: Connection, account_id: str, transfer_id: str) -> int:
    return sum(each["nano"] for each in access_queries.debt_rows(conn, account_id) if each["original"] == transfer_id)
