"""Reading calls: one, or a page of many; the account is part of every query."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.money import amount_text
from smartoken.operations import margins
from smartoken.operations.accounts import account_id_of
from smartoken.operations.office import Work
from smartoken.operations.rights import ActorKind, Permission, may, scope
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_stored import SITE_FACT, json_fact
from smartoken.usage.queries import call_by_id
from smartoken.usage.reasons import reason_of
from smartoken.usage.records import CallRecord, attempts_told, shown_lines
from smartoken.usage.report_queries import CallFilter, call_row, call_rows

TIME_DIGITS = 15  # of milliseconds, within 64 bits
_COUNTS = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")


def one(conn: Connection, account_id: str | None, call_id: str) -> CallRecord | None:
    """Return a call of an account (``None``: of any), or ``None``; for the data plane, which knows its caller."""
    return call_by_id(conn, account_id, call_id)


def cursor(row: Mapping[str, Any]) -> str:
    """Return where the page behind this call begins."""
    return f"{row['created_ms']}.{row['id']}"


def read_cursor(text: str | None) -> tuple[int, str] | None:
    """Return the place that a page begins behind.

    Raises:
        InvalidRequestError: the text is no `next` of a former page.

    """
    if text is None:
        return None
    created, _, call_id = text.partition(".")
    if not (created.isdigit() and len(created) <= TIME_DIGITS and call_id):
        raise InvalidRequestError("`after` must be the `next` of the page before.", param="after")
    return int(created), call_id


def page(
    conn: Connection, work: Work, account: str | None, wanted: CallFilter, place: tuple[str | None, int]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of calls, newest first, and where the next one begins; ``place`` is (after, limit).

    ``wanted.account_id`` is ignored: the account follows from the actor and ``account``.
    """
    account_id = account_id_of(conn, work, Permission.CALLS_READ, account)
    asked = CallFilter(account_id, *(getattr(wanted, name) for name in CallFilter.__slots__[1:]))
    after, limit = place
    rows = call_rows(conn, asked, read_cursor(after), limit)
    visible = _sees_providers(conn, work)
    following = cursor(rows[-1]) if len(rows) == limit else None
    return [shown(row, providers=visible) for row in rows], following


def show(conn: Connection, work: Work, call_id: str) -> dict[str, Any]:
    """Return one call with its charge worked out and its attempts.

    Raises:
        NotFoundError: the account has no such call.

    """
    row = call_row(conn, scope(work.actor, Permission.CALLS_READ), call_id)
    if row is None:
        raise NotFoundError(f"There is no call {call_id[:80]!r} of this account.", param="call_id")
    visible, costs = _sees_providers(conn, work), may(work.actor, Permission.PRICES_READ)
    return {
        **shown(row, providers=visible, costs=costs),
        "bound_usd": amount_text(row["bound_nano"]),
        "overrun_usd": amount_text(row["overrun_nano"]),
        "price_lines": shown_lines(row["price_lines"]),
        "cost": _cost(conn, row) if costs else None,
        "reason": reason_of(row),
        "evidence": row["evidence"],
        "client_ip": row["client_ip"],
    }


def _cost(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {"cost_currency": row["cost_currency"], "cost": _amount(row["cost_nano"]), "fx_id": row["fx_id"]}
    return {**kept, **margins.of_call(conn, row)}


def _amount(nano: int | None) -> str | None:
    return None if nano is None else amount_text(nano)


def _sees_providers(conn: Connection, work: Work) -> bool:
    return work.actor.kind is not ActorKind.MEMBER or bool(json_fact(conn, SITE_FACT).get("show_providers", True))


def shown(row: Mapping[str, Any], *, providers: bool, costs: bool = False) -> dict[str, Any]:
    """Return a row of ``/calls``; counts are null where they are unknown, never 0."""
    attempts = attempts_told(row["attempts"], costs=costs)
    if not providers:
        attempts = [{**each, "provider": None, "offer": None, "key": None} for each in attempts]
    return {
        "id": row["id"],
        "created_at": instant_text(row["created_ms"]),
        "account": row["slug"],
        "account_id": row["account_id"],
        "key": row["key_name"],
        "key_id": row["key_id"],
        "environment": row["environment"],
        "owner": row["owner"],
        "workflow": row["workflow"],
        "user": row["user"],
        "model_asked": row["model_asked"],
        "model": row["model"],
        "model_served": row["model_served"],
        "provider": row["provider"] if providers else None,
        "offer": row["offer"] if providers else None,
        "stream": row["stream"],
        "status": row["status"],
        "error_code": row["error_code"],
        "end_reason": row["end_reason"],
        **{name: row[name] for name in _COUNTS},
        "usage_source": row["usage_source"],
        "suspect": row["suspect"],
        "charge_usd": amount_text(row["charge_nano"]),
        "price_version": row["price_version"],
        "ttft_ms": row["ttft_ms"],
        "total_ms": row["total_ms"],
        "attempts": attempts,
    }
