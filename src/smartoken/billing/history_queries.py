"""The SQL of a wallet's history: its lines with the running balance, the charges behind a line, sums of a period.

A line is a transfer's effect on one fund; the charges of one hour, key and fund are one line, which stands where the
last of them does. Amounts are nano-USD; sums come back as integers, whatever the database adds them up as.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from smartoken.billing.budgets import ALERT_PERCENTS
from smartoken.store.money_tables import funds, money_rows, postings, transfers
from smartoken.store.schema import calls

Row = Mapping[str, Any]
HOUR_MS = 3_600_000
_SPEND = "spend"


def _rows(conn: sa.Connection, statement: Any) -> list[Row]:
    return [dict(each) for each in conn.execute(statement).mappings()]


def all_funds(conn: sa.Connection, account_id: str) -> list[Row]:
    """Return an account's funds in the order in which they burn when all may pay, closed ones too."""
    order = (funds.c.priority, funds.c.expires_ms.is_(None), funds.c.expires_ms, funds.c.id)
    return _rows(conn, sa.select(funds).where(funds.c.account_id == account_id).order_by(*order))


def paid_in(conn: sa.Connection, book: str) -> int:
    """Return what was deposited into a wallet less what was withdrawn, both net of their reversals."""
    original = transfers.alias("original")
    own = sa.or_(transfers.c.kind.in_(("deposit", "withdrawal")), original.c.kind.in_(("deposit", "withdrawal")))
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(postings.c.nano), 0))
        .join(transfers, transfers.c.id == postings.c.transfer_id)
        .outerjoin(original, original.c.id == transfers.c.original)
        .where(postings.c.book == book, own)
    )
    return int(conn.execute(statement).scalar() or 0)


def _of_account(statement: Any, account_id: str) -> Any:
    fund = sa.or_(postings.c.book.like("wallet:%"), postings.c.book.like("grant:%"))
    joined = statement.join_from(postings, transfers, transfers.c.id == postings.c.transfer_id)
    return joined.where(transfers.c.account_id == account_id, transfers.c.currency == "USD", fund)


def _lines(account_id: str) -> Any:
    hour = (transfers.c.created_ms // HOUR_MS).label("hour")
    alone = _of_account(
        sa.select(
            transfers.c.seq.label("place"), postings.c.book, postings.c.nano, transfers.c.kind, transfers.c.created_ms,
            transfers.c.id, transfers.c.ref, transfers.c.actor, transfers.c.reason, transfers.c.original,
            sa.literal(None, sa.BigInteger).label("hour"),
        ),
        account_id,
    ).where(transfers.c.kind != _SPEND)  # fmt: skip
    text = sa.String(300)
    together = _of_account(
        sa.select(
            sa.func.max(transfers.c.seq), postings.c.book, sa.cast(sa.func.sum(postings.c.nano), sa.BigInteger),
            sa.literal(_SPEND), sa.func.max(transfers.c.created_ms), sa.func.max(transfers.c.id), transfers.c.ref,
            sa.func.max(transfers.c.actor), sa.literal(None, text), sa.literal(None, text), hour,
        ),
        account_id,
    )  # fmt: skip
    together = together.where(transfers.c.kind == _SPEND).group_by(hour, transfers.c.ref, postings.c.book)
    return sa.union_all(alone, together).subquery("lines")


def entry_rows(conn: sa.Connection, account_id: str, before: tuple[int, str] | None, limit: int) -> list[Row]:
    """Return lines, newest first, from behind ``(place, book)``; ``balance`` is the account's total after the line.

    ``fund_balance`` is that of the line's fund alone.
    """
    lines = _lines(account_id)
    order = (lines.c.place, lines.c.book)
    total = sa.func.sum(lines.c.nano).over(order_by=order, rows=(None, 0))
    of_fund = sa.func.sum(lines.c.nano).over(partition_by=lines.c.book, order_by=order, rows=(None, 0))
    summed = sa.select(lines, total.label("balance"), of_fund.label("fund_balance")).subquery("summed")
    statement = sa.select(summed).order_by(summed.c.place.desc(), summed.c.book.desc()).limit(limit)
    if before is not None:
        place, book = before
        same = sa.and_(summed.c.place == place, summed.c.book < book)
        statement = statement.where(sa.or_(summed.c.place < place, same))
    exact = ("nano", "balance", "fund_balance")
    return [{**each, **{name: int(each[name]) for name in exact}} for each in _rows(conn, statement)]


def charges_of(
    conn: sa.Connection, account_id: str, key_id: str, hour: int, place: tuple[str | None, int]
) -> list[Row]:
    """Return the calls that the charges of an hour and key cover, by id; ``place`` is (after, limit)."""
    after, limit = place
    statement = (
        sa.select(calls.c.id, calls.c.created_ms, calls.c.model, calls.c.charge_nano, calls.c.fund_lines)
        .join(transfers, transfers.c.id == calls.c.transfer_id)
        .where(transfers.c.account_id == account_id, transfers.c.ref == key_id, transfers.c.kind == _SPEND)
        .where(transfers.c.created_ms // HOUR_MS == hour)
        .order_by(calls.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(calls.c.id > after)
    return _rows(conn, statement)


def total_before(conn: sa.Connection, account_id: str, before_ms: int) -> int:
    """Return the account's total over all its funds by what was posted before an instant."""
    statement = _of_account(sa.select(sa.func.coalesce(sa.func.sum(postings.c.nano), 0)), account_id)
    return int(conn.execute(statement.where(transfers.c.created_ms < before_ms)).scalar() or 0)


def sums_by_kind(conn: sa.Connection, account_id: str, span: tuple[int, int]) -> dict[str, int]:
    """Return what each kind of transfer did to the account's funds within ``[from, to)``."""
    statement = _of_account(sa.select(transfers.c.kind, sa.func.sum(postings.c.nano)), account_id)
    statement = statement.where(transfers.c.created_ms >= span[0], transfers.c.created_ms < span[1])
    return {kind: int(nano) for kind, nano in conn.execute(statement.group_by(transfers.c.kind))}


def charge_sums(conn: sa.Connection, account_id: str, span: tuple[int, int]) -> Sequence[tuple[str, str, int, int]]:
    """Return ``(model, key id, calls, charged)`` of the calls whose charge was posted within ``[from, to)``."""
    statement = (
        sa.select(calls.c.model, calls.c.key_id, sa.func.count(), sa.func.sum(calls.c.charge_nano))
        .join(transfers, transfers.c.id == calls.c.transfer_id)
        .where(transfers.c.account_id == account_id, transfers.c.kind == _SPEND)
        .where(transfers.c.created_ms >= span[0], transfers.c.created_ms < span[1])
        .group_by(calls.c.model, calls.c.key_id)
    )
    return [(model, key, int(count), int(nano)) for model, key, count, nano in conn.execute(statement)]


def refunded_of_call(conn: sa.Connection, transfer_id: str, call_id: str) -> int:
    """Return what was refunded of one call."""
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(postings.c.nano), 0))
        .join(transfers, transfers.c.id == postings.c.transfer_id)
        .where(transfers.c.original == transfer_id, transfers.c.ref == call_id, postings.c.nano > 0)
    )
    return int(conn.execute(statement).scalar() or 0)


def ended_grants(conn: sa.Connection, now_ms: int, limit: int) -> list[Row]:
    """Return grants whose time is over and that are open, or have something in them again."""
    left = sa.or_(sa.not_(funds.c.closed), money_rows.c.limit_nano > money_rows.c.used_nano)
    statement = sa.select(funds).join(money_rows, money_rows.c.id == funds.c.id)
    return _rows(conn, statement.where(funds.c.expires_ms <= now_ms, left).order_by(funds.c.id).limit(limit))


def windows_to_tell(conn: sa.Connection, limit: int) -> list[Row]:
    """Return windows of budgets whose use reached one of ``ALERT_PERCENTS`` that was not told yet."""
    used, most, told = money_rows.c.used_nano, money_rows.c.limit_nano, money_rows.c.alerted_percent
    # What a percentage leaves of a limit, in terms that cannot leave the range of integers.
    rests = {percent: most // 100 * (100 - percent) + most % 100 * (100 - percent) // 100 for percent in ALERT_PERCENTS}
    reached = sa.or_(*(sa.and_(told < percent, used >= most - rest) for percent, rest in rests.items()))
    statement = sa.select(money_rows).where(money_rows.c.kind == "window", most > 0, reached)
    return _rows(conn, statement.order_by(money_rows.c.id).limit(limit))
