"""What was logged against what the outside says: the calls that a run expects, and a provider's bill.

Both only read. What a comparison came to is stored as a run, so that it can be shown later that it was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from smartoken.billing.repricing import Repricer
from smartoken.catalog.bill_shapes import shape_of
from smartoken.catalog.holidays import is_holiday
from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.identity.queries import key_rows
from smartoken.money import amount_text
from smartoken.operations import check_queries, fields, price_queries
from smartoken.operations.accounts import account_id_of
from smartoken.operations.directory import Directory
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_prices import read_price
from smartoken.usage import bills, expected, logged_queries

WHOLE = 100  # percent
DAY_MS = 86_400_000
MOST_CALLS = 50_000
MOST_FINDINGS = 1_000
MOST_CALLS_OF_CELL = 50
USAGE, BILL = "usage", "bill"
USUAL_TOLERANCE = {USAGE: "0", BILL: "0.5"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared: the file's text, and what of the log it is compared with."""

    kind: str
    text: str
    form: str | None = None
    account: str | None = None
    key: str | None = None
    provider: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    tolerance: str | None = None  # percent; None: the usual one of the kind


def run(conn: Connection, work: Work, directory: Directory, asked: Question) -> dict[str, Any]:
    """Compare; nothing is stored.

    Raises:
        InvalidRequestError: the file or an option is wrong; the line or the column is named.
        PermissionDeniedError: the actor may not reconcile.

    """
    demand(work.actor, Permission.RECONCILE)
    try:
        percent = Decimal(USUAL_TOLERANCE[asked.kind] if asked.tolerance is None else asked.tolerance)
    except InvalidOperation:
        percent = Decimal(-1)
    if percent.is_nan() or not 0 <= percent <= WHOLE:
        raise InvalidRequestError("`tolerance` is a percentage from 0 to 100.", param="tolerance")
    try:
        found = _usage(conn, work, asked, percent) if asked.kind == USAGE else _bill(conn, directory, asked, percent)
    except (expected.ExpectedError, bills.BillError) as problem:
        raise InvalidRequestError(f"The file cannot be compared: {problem}.", param="text") from None
    return {"id": work.id("recon"), "kind": asked.kind, **found}


def keep(conn: Connection, work: Work, found: Mapping[str, Any]) -> None:
    """Store what a comparison came to.

    Raises:
        PermissionDeniedError: the actor may not reconcile.

    """
    demand(work.actor, Permission.RECONCILE)
    row = {"id": found["id"], "created_ms": work.now_ms, "kind": found["kind"], "actor": work.actor.name}
    check_queries.add_run(conn, {**row, "ok": found["ok"], "summary": dict(found["summary"])})


def page(conn: Connection, work: Work, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Return comparisons that were made, newest first."""
    demand(work.actor, Permission.RECONCILE)
    names = ("id", "kind", "actor", "ok", "summary")
    return [
        {**{name: row[name] for name in names}, "created_at": instant_text(row["created_ms"])}
        for row in check_queries.runs(conn, after, limit)
    ]


def _key_id(conn: Connection, name: str, account_id: str | None) -> str:
    wanted = name.rpartition("/")[2]
    found = [
        row["id"]
        for row in key_rows(conn)
        if (row["id"] == name or row["name"] == wanted) and account_id in (None, row["account_id"])
    ]
    if len(found) != 1:
        why = "no key" if not found else "more than one key"
        raise NotFoundError(
            f"`key`: {why} is called {name[:80]!r}; name the account too, or the key's id.", param="key"
        )
    return str(found[0])


def _usage(conn: Connection, work: Work, asked: Question, tolerance: Decimal) -> dict[str, Any]:
    lines = expected.read_expected(asked.text, asked.form)
    account_id = account_id_of(conn, work, Permission.RECONCILE, asked.account)
    key_id = _key_id(conn, asked.key, account_id) if asked.key is not None else None
    to_ms = work.now_ms + 1 if asked.to_ms is None else asked.to_ms
    span = (to_ms - DAY_MS if asked.from_ms is None else asked.from_ms, to_ms)
    whole = asked.key is not None or asked.from_ms is not None
    rows = logged_queries.calls_of_span(conn, span, (account_id, key_id), MOST_CALLS + 1)
    if len(rows) > MOST_CALLS:
        raise InvalidRequestError(
            f"More than {MOST_CALLS} calls were logged in this time; narrow `from` and `to`, or name a `key`.",
            param="from",
        )
    known = {row["id"] for row in rows}
    elsewhere = [each.id for each in lines if each.id is not None and each.id not in known]
    rows += [row for row in logged_queries.calls_by_id(conn, elsewhere, account_id) if row["id"] not in known]
    findings, pairs = expected.compare(lines, rows, tolerance, whole=whole)
    told = {call for each in findings if each.kind == "mispriced" for call in each.calls}
    findings += _off_version(conn, [row for _, row in pairs if row["id"] not in told])
    kinds: dict[str, int] = {}
    for each in findings:
        kinds[each.kind] = kinds.get(each.kind, 0) + (len(each.calls) if each.kind == "doubled" else 1)
    wanted = sum(each.charge_nano or 0 for each in lines)
    charged = sum(row["charge_nano"] for row in rows) if whole else sum(row["charge_nano"] for _, row in pairs)
    notes = [] if whole else ["Calls that no line expects are not looked for; name a key or a time for that."]
    return {
        "ok": not findings,
        "notes": notes,
        "summary": {
            "expected": len(lines),
            "logged": len(rows) if whole else len(pairs),
            "matched": len(pairs),
            "findings": kinds,
            "expected_usd": amount_text(wanted),
            "logged_usd": amount_text(charged),
            "drift_percent": _percent(wanted, charged),
            "tolerance_percent": str(tolerance),
            "from": instant_text(span[0]),
            "to": instant_text(span[1]),
        },
        "findings": [each.shown() for each in findings[:MOST_FINDINGS]],
        "cells": [],
    }


def _off_version(conn: Connection, rows: list[Mapping[str, Any]]) -> list[expected.Finding]:
    """Return calls whose charge does not follow from the price version that they name."""
    stored = price_queries.versions(conn, {row["price_version"] for row in rows})
    priced = {name: read_price(each["price"]) for name, each in stored.items()}
    repricer, found = Repricer(is_holiday), []
    for row in rows:
        price = priced.get(row["price_version"])
        if price is None or row["end_reason"] == "recovered":
            continue
        due, charged = repricer.exactly(price, row), row["charge_nano"] + row["overrun_nano"]
        if due != charged:
            should = "other rates than its lines show" if due is None else f"USD {amount_text(due)}"
            words = f"charged USD {amount_text(charged)}; its price version {row['price_version']} comes to {should}"
            found.append(expected.Finding("mispriced", row["id"], (row["id"],), words))
    return found


def _percent(ours: int, theirs: int) -> str | None:
    found = bills.drift(ours, theirs)
    return None if found is None else f"{found:.3f}"


def _bill(conn: Connection, directory: Directory, asked: Question, tolerance: Decimal) -> dict[str, Any]:
    provider = asked.provider
    if not provider:
        raise InvalidRequestError("`provider` names whose bill it is, by its id here.", param="provider")
    zone = fields.zone(asked.timezone) if asked.timezone is not None else None
    shape = shape_of(directory.providers[provider].dialect if provider in directory.providers else provider)
    bill = bills.read_bill(asked.text, shape, asked.columns, zone)
    days = sorted(day for day, _, _ in bill.cells)
    span = (_midnight(days[0], bill.zone), _midnight(days[-1], bill.zone, 1))
    side = _our_side(conn, directory, (provider, span), bill)
    if not side.calls and provider not in directory.providers:
        known = ", ".join(sorted(directory.providers)) or "none"
        raise NotFoundError(f"No call of a provider {provider!r} is logged; set up here: {known}.", param="provider")
    measures = [each for each in bill.measures if each != "amount" or side.currencies <= {_currency(bill, side)}]
    differences = list(bills.compare_cells(side.cells, bill, measures, tolerance))
    sums = (bills.totals(side.cells.values(), measures), bills.totals(bill.cells.values(), measures))
    return {
        "ok": not differences,
        "notes": [*shape.caveats(), *_bill_notes(bill, side, measures)],
        "summary": {
            "provider": provider,
            "from": days[0],
            "to": days[-1],
            "timezone": bill.zone,
            "columns": dict(bill.columns),
            "lines": bill.lines,
            "calls": side.calls,
            "cells": len({*side.cells, *bill.cells}),
            "cells_that_differ": len(differences),
            "tolerance_percent": str(tolerance),
            "totals": {name: _figures(name, sums[0][name], sums[1][name]) for name in measures},
        },
        "findings": [],
        "cells": [
            {
                "day": each.place[0], "model": each.place[1], "key": each.place[2] or None, "kind": each.kind,
                "figures": {name: _figures(name, *pair) for name, pair in each.figures.items()},
                "unmatched_calls": list(each.calls) if each.kind == "only_ours" else [],
                "calls": each.count,
            }
            for each in differences[:MOST_FINDINGS]
        ],
    }  # fmt: skip


def _figures(name: str, ours: int, billed: int) -> dict[str, Any]:
    shown = amount_text if name == "amount" else str
    return {"ours": shown(ours), "bill": shown(billed), "drift_percent": _percent(ours, billed)}


def _midnight(day: str, zone: str, later: int = 0) -> int:
    first = datetime.combine(date.fromisoformat(day) + timedelta(days=later), time(0), ZoneInfo(zone))
    return int(first.astimezone(UTC).timestamp()) * 1000


@dataclass(slots=True)
class _Side:
    """Our cost side of a bill."""

    cells: dict[bills.Place, bills.Cell] = field(default_factory=dict)
    calls: int = 0
    uncosted: int = 0
    uncounted: int = 0
    currencies: set[str] = field(default_factory=set)
    keyed: bool = True


def _currency(bill: bills.Bill, side: _Side) -> str | None:
    return bill.currency or (next(iter(side.currencies)) if len(side.currencies) == 1 else None)


def _our_side(conn: Connection, directory: Directory, asked: tuple[str, tuple[int, int]], bill: bills.Bill) -> _Side:
    provider, span = asked
    side, zone = _Side(), ZoneInfo(bill.zone)
    upstream = {
        each.offer.id: each.offer.upstream_model for served in directory.models.values() for each in served.offers
    }
    billed = {model for _, model, _ in bill.cells}
    keys = {key for _, _, key in bill.cells}
    setup = directory.providers.get(provider)
    own = {each.name for each in setup.keys} if setup is not None else set()
    side.keyed = keys != {""} and bool(keys & own)
    if not side.keyed:
        bill.cells = _without_keys(bill.cells)
    for row in logged_queries.costed_calls(conn, provider, span):
        side.calls += 1
        names = [upstream.get(row["offer"] or ""), row["model_served"], row["model"], row["model"].partition("/")[2]]
        tried = [name.lower() for name in names if name]
        model = next((name for name in tried if name in billed), tried[0])
        day = datetime.fromtimestamp(row["created_ms"] / 1000, UTC).astimezone(zone).date().isoformat()
        key = _key_of(row) if side.keyed else ""
        _count(side, (day, model, key), row)
    return side


def _key_of(row: Mapping[str, Any]) -> str:
    """Return the key that the call was answered with; others of its attempts may have failed or been outrun."""
    own = [each for each in row["attempts"] if each.get("offer") == row["offer"]] or row["attempts"]
    return own[-1].get("key") or "" if own else ""


def _without_keys(cells: Mapping[bills.Place, bills.Cell]) -> dict[bills.Place, bills.Cell]:
    joined: dict[bills.Place, bills.Cell] = {}
    for (day, model, _), cell in cells.items():
        into = joined.setdefault((day, model, ""), bills.Cell())
        into.count += cell.count
        for name, value in cell.sums.items():
            into.add(name, value)
    return joined


def _count(side: _Side, place: bills.Place, row: Mapping[str, Any]) -> None:
    if row["prompt_tokens"] is None and row["cost_nano"] in (None, 0):
        side.uncounted += 1
        return
    cell = side.cells.setdefault(place, bills.Cell())
    cell.count += 1
    if len(cell.calls) < MOST_CALLS_OF_CELL:
        cell.calls.append(row["id"])
    cell.add("input", row["prompt_tokens"] or 0)
    cell.add("cached", row["cached_tokens"] or 0)
    cell.add("output", row["completion_tokens"] or 0)
    if row["cost_nano"] is None:
        side.uncosted += 1
    else:
        side.currencies.add(row["cost_currency"])
        cell.add("amount", row["cost_nano"])


def _bill_notes(bill: bills.Bill, side: _Side, measures: list[str]) -> list[str]:
    by = f"by day ({bill.zone}), model{' and key' if side.keyed else ''}"
    notes = [f"Compared {by}; providers' request ids are not kept, so no call is compared with a line of its own."]
    if not side.keyed and "key" in bill.columns:
        notes.append("No key of the bill has the name of a key of this provider here, so keys were added up.")
    if "amount" in bill.measures and "amount" not in measures:
        notes.append(f"Amounts were not compared: the bill is in {bill.currency or 'no stated currency'}, "
                     f"our costs in {', '.join(sorted(side.currencies))}.")  # fmt: skip
    if side.uncosted:
        notes.append(f"The cost of {side.uncosted} calls is unknown here: their offers have no cost price.")
    if side.uncounted:
        notes.append(
            f"{side.uncounted} calls without counts and cost stand on no side; a provider may bill some of them."
        )
    if bill.unused:
        notes.append(f"Columns that were not used: {', '.join(bill.unused)}.")
    return notes
