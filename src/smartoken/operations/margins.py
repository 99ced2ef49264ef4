"""What calls earned: the charge less what the provider takes, in USD by the rate kept with each call. For staff alone.

A cost whose price or exchange rate is unknown is said as such, with the charges it would have to be taken from; it is
never counted as zero. Play money is no revenue and stays out.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from smartoken.errors import InvalidRequestError
from smartoken.money import amount_text, convert_nano
from smartoken.operations import price_queries
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text

DEFAULT_DAYS = 30
DAY_MS = 86_400_000
_FIGURES = ("calls", "charge", "cost", "uncosted", "unknown")


def cost_usd(row: Mapping[str, Any], rates: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Return a cost in nano-USD by the rate of the row; None where the cost or its rate is unknown."""
    if row["cost_nano"] is None:
        return None
    if row["cost_currency"] == "USD":
        return int(row["cost_nano"])
    rate = rates.get(row["fx_id"] or "")
    return None if rate is None else convert_nano(row["cost_nano"], rate["rate_nano"])


def of_call(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cost and margin of one call, for staff."""
    rates = price_queries.rates(conn, [row["fx_id"]] if row["fx_id"] else [])
    usd = cost_usd(row, rates)
    fx = rates.get(row["fx_id"] or "")
    return {
        "cost_usd": None if usd is None else amount_text(usd),
        "margin_usd": None if usd is None else amount_text(row["charge_nano"] - usd),
        "fx": None if fx is None else {name: fx[name] for name in ("id", "pair", "valid_from", "source")},
    }


def report(conn: Connection, work: Work, group_by: str, span: tuple[int | None, int | None]) -> dict[str, Any]:
    """Return charge, cost and margin by group, the largest charge first.

    Raises:
        InvalidRequestError: there is no such grouping, or the period ends before it begins.

    """
    demand(work.actor, Permission.PRICES_READ)
    if group_by not in price_queries.MARGIN_GROUPS:
        raise InvalidRequestError(
            f"`group_by` must be one of {', '.join(price_queries.MARGIN_GROUPS)}.", param="group_by"
        )
    to_ms = work.now_ms if span[1] is None else span[1]
    from_ms = to_ms - DEFAULT_DAYS * DAY_MS if span[0] is None else span[0]
    if from_ms >= to_ms:
        raise InvalidRequestError("`from` must be before `to`.", param="from")
    rows = price_queries.margin_sums(conn, group_by, (from_ms, to_ms))
    rates = price_queries.rates(conn, {each["fx_id"] for each in rows if each["fx_id"]})
    groups: dict[Any, dict[str, int]] = {}
    total = dict.fromkeys(_FIGURES, 0)
    for row in rows:
        sums = groups.setdefault(row["name"], dict.fromkeys(_FIGURES, 0))
        for each in (sums, total):
            _add(each, row, rates)
    ordered = sorted(groups.items(), key=lambda each: (-each[1]["charge"], str(each[0])))
    return {
        "group_by": group_by,
        "from": instant_text(from_ms),
        "to": instant_text(to_ms),
        "data": [{group_by: name, **_shown(sums)} for name, sums in ordered],
        "total": _shown(total),
    }


def _add(sums: dict[str, int], row: Mapping[str, Any], rates: Mapping[str, Mapping[str, Any]]) -> None:
    sums["calls"] += row["calls"]
    sums["charge"] += row["charge"]
    sums["unknown"] += row["unknown"]
    sums["uncosted"] += row["uncosted"]
    priced = {"cost_nano": row["cost"], "cost_currency": row["cost_currency"], "fx_id": row["fx_id"]}
    usd = cost_usd(priced, rates) if row["cost_currency"] is not None else 0
    if usd is None:  # a currency without a rate: these calls' costs are not known in USD
        sums["unknown"] += row["calls"] - row["unknown"]
        sums["uncosted"] += row["charge"] - row["uncosted"]
    else:
        sums["cost"] += usd


def _shown(sums: Mapping[str, int]) -> dict[str, Any]:
    costed = sums["charge"] - sums["uncosted"]
    margin = costed - sums["cost"]
    return {
        "calls": sums["calls"],
        "charge_usd": amount_text(sums["charge"]),
        "cost_usd": amount_text(sums["cost"]),
        "margin_usd": amount_text(margin),
        "margin_percent": None if costed <= 0 else _percent(margin, costed),
        "calls_without_cost": sums["unknown"],
        "charge_without_cost_usd": amount_text(sums["uncosted"]),
    }


def _percent(part: int, whole: int) -> str:
    tenths = (abs(part) * 1000 + whole // 2) // whole
    return f"{'-' if part < 0 else ''}{tenths // 10}.{tenths % 10}"
