"""What an account has and how it came to it: balance, history line by line, the calls behind a line, the statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from smartoken.billing import history_queries as history
from smartoken.billing.history_queries import HOUR_MS
from smartoken.billing.ledger import Kind
from smartoken.billing.statement import ChargeLine, Statement, StatementError, of_sums
from smartoken.errors import InternalError, InvalidRequestError, NotFoundError
from smartoken.identity import queries as identity
from smartoken.money import amount_text
from smartoken.operations.accounts import account_id_of
from smartoken.operations.office import Work
from smartoken.operations.rights import ActorKind, Permission
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.wallet_sums import shown_fund, sums_of

PLACE_DIGITS = 18  # within 64 bits
_MONTH = 7  # characters of "2026-11"


def _account(conn: Connection, work: Work, asked: str | None) -> Mapping[str, Any]:
    account_id = account_id_of(conn, work, Permission.WALLET_READ, asked)
    if account_id is None:
        raise InvalidRequestError("Name the account with `?account=`.", param="account")
    row = identity.account_by_id(conn, account_id)
    if row is None:
        raise NotFoundError("There is no such account.", param="account")
    return row


def show(conn: Connection, work: Work, asked: str | None) -> dict[str, Any]:
    """Return an account's balance by fund; ``balance = held + owed + available``, in sum and for each fund.

    Raises:
        InvalidRequestError: no account is named by somebody who sees all.

    """
    account = _account(conn, work, asked)
    sums = sums_of(conn, account["id"])
    figures = {name: amount_text(getattr(sums, name)) for name in ("balance", "held", "owed", "available", "play")}
    return {
        "account": account["slug"],
        "account_id": account["id"],
        "currency": "USD",
        "billing": account["billing"],
        **figures,
        "withdrawable": amount_text(sums.withdrawable),
        "funds": [shown_fund(each) for each in sums.funds],
    }


def entries(
    conn: Connection, work: Work, asked: str | None, place: tuple[str | None, int]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return lines of the history, newest first, and the place of the page behind them.

    Raises:
        InvalidRequestError: no account is named, or the place is no `next` of a former page.

    """
    account = _account(conn, work, asked)
    after, limit = place
    rows = history.entry_rows(conn, account["id"], _read_place(after), limit)
    names = {each["id"]: each["name"] for each in identity.key_rows(conn, account["id"])}
    staff = work.actor.kind is not ActorKind.MEMBER
    found = [_entry(each, names, staff=staff) for each in rows]
    return found, f"{rows[-1]['place']}.{rows[-1]['book']}" if len(rows) == limit else None


def _read_place(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    place, _, book = text.partition(".")
    if not place.isdigit() or len(place) > PLACE_DIGITS or not book:
        raise InvalidRequestError("`after` must be the `next` of the page before.", param="after")
    return int(place), book


def _entry(row: Mapping[str, Any], names: Mapping[str, str], *, staff: bool) -> dict[str, Any]:
    spend = row["kind"] == Kind.SPEND
    actor = row["actor"] if staff else row["actor"].partition(":")[0]  # names of the staff are the house's own
    return {
        "id": f"{row['hour']}.{row['ref']}.{row['book']}" if spend else row["id"],
        "at": instant_text(row["created_ms"]),
        "kind": row["kind"],
        **_fund(row["book"]),
        "amount": amount_text(row["nano"]),
        "balance": amount_text(row["balance"]),
        "fund_balance": amount_text(row["fund_balance"]),
        "reference": names.get(row["ref"], row["ref"]) if spend else row["ref"],
        "key": row["ref"] if spend else None,
        "hour": instant_text(row["hour"] * HOUR_MS) if spend else None,
        "actor": actor,
        "reason": row["reason"],
        "original": row["original"],
    }


def charges(
    conn: Connection, work: Work, asked: str | None, line: tuple[str, int], place: tuple[str | None, int]
) -> list[dict[str, Any]]:
    """Return the calls behind a line of charges; ``line`` is (key, an instant within the hour in milliseconds)."""
    account = _account(conn, work, asked)
    key_id, moment_ms = line
    rows = history.charges_of(conn, account["id"], key_id, moment_ms // HOUR_MS, place)
    return [
        {
            "id": each["id"],
            "created_at": instant_text(each["created_ms"]),
            "model": each["model"],
            "charge_usd": amount_text(each["charge_nano"]),
            "paid": [{**_fund(book), "amount": amount_text(nano)} for book, nano in each["fund_lines"]],
        }
        for each in rows
    ]


def _fund(book: str) -> dict[str, Any]:
    """Return a fund by what its book is called: the wallet, or a grant with its id."""
    kind, _, rest = book.partition(":")
    return {"fund": kind, "grant": rest.partition(":")[2] if kind == "grant" else None}


@dataclass(frozen=True, slots=True)
class Printed:
    """A statement with what stands at its head."""

    account: str
    name: str
    month: str
    zone: str
    statement: Statement


def month_span(month: str, zone: str) -> tuple[int, int]:
    """Return a month in a zone as ``[from, to)`` in milliseconds.

    Raises:
        InvalidRequestError: it is not of the form 2026-11.

    """
    try:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
        following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    except ValueError as problem:
        raise InvalidRequestError('`month` must be such as "2026-11".', param="month") from problem
    if len(month) != _MONTH:
        raise InvalidRequestError('`month` must be such as "2026-11".', param="month")
    return int(first.timestamp()) * 1000, int(following.timestamp()) * 1000


def statement(conn: Connection, work: Work, asked: str | None, month: str) -> Printed:
    """Return the statement of a month in the account's zone; it clears to the ledger or is not given at all.

    Raises:
        InvalidRequestError: no account is named, or no month.
        InternalError: the calls do not add up to what the funds paid.

    """
    account = _account(conn, work, asked)
    span = month_span(month, account["timezone"])
    names = {each["id"]: each["name"] for each in identity.key_rows(conn, account["id"])}
    charged = [
        ChargeLine(model, names.get(key, key), count, nano)
        for model, key, count, nano in history.charge_sums(conn, account["id"], span)
    ]
    ends = [history.total_before(conn, account["id"], each) for each in span]
    moved = {Kind(kind): nano for kind, nano in history.sums_by_kind(conn, account["id"], span).items()}
    try:
        found = of_sums(account["slug"], (ends[0], ends[1]), moved, charged)
    except StatementError as problem:
        raise InternalError(f"The statement does not clear to the ledger: {problem}.") from problem
    return Printed(account["slug"], account["name"], month, account["timezone"], found)
