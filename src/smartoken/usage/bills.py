"""A provider's bill as a file, read into cells of day, model and key, and compared with our own cost side. Pure.

The shapes of providers' bills are ``catalog.bill_shapes``. Names of columns are tried, and what is not found is said
with the mapping that would name it. ``input`` is all of a prompt; a bill that lists what came from the cache apart has
``fresh`` and ``cached``.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from smartoken.catalog.bill_shapes import Shape
from smartoken.money import NANO

FIELDS = (
    "date",
    "model",
    "key",
    "input",
    "fresh",
    "cached",
    "output",
    "amount",
    "currency",
    "kind",
    "quantity",
    "unit",
)
MEASURES = ("input", "cached", "output", "amount")
MOST_LINES = 500_000
_DAY = len("2026-11-01")
_THOUSANDS = ("千", "k tokens", "1k", "ktoken")
Columns = Mapping[str, str]


class BillError(ValueError):
    """The bill cannot be read; the message names the line or the column and the fix."""


@dataclass(slots=True)
class Cell:
    """The sums of one day, model and key."""

    sums: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)  # of our side: the first of them
    count: int = 0

    def add(self, measure: str, value: int) -> None:
        """Add to a measure."""
        self.sums[measure] = self.sums.get(measure, 0) + value


Place = tuple[str, str, str]  # day, model in lower case, key


@dataclass(slots=True)
class Bill:
    """A bill, read."""

    shape: Shape
    columns: Columns  # field -> the column it was read from
    unused: tuple[str, ...]
    zone: str
    currency: str | None = None
    lines: int = 0
    cells: dict[Place, Cell] = field(default_factory=dict)

    @property
    def measures(self) -> tuple[str, ...]:
        """What the bill states."""
        stated = {name for cell in self.cells.values() for name in cell.sums}
        return tuple(name for name in MEASURES if name in stated)


def read_bill(text: str, shape: Shape, mapping: Columns, zone: str | None = None) -> Bill:
    """Read a bill; ``mapping`` names the column of a field where the shape's names do not fit.

    Raises:
        BillError: a column is missing or a line is wrong.

    """
    unknown = sorted(set(mapping) - set(FIELDS))
    if unknown:
        raise BillError(f"--map knows {', '.join(FIELDS)}, not {unknown[0]!r}")
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    try:
        return _read(reader, shape, mapping, zone)
    except csv.Error as problem:
        raise BillError(f"line {reader.line_num}: not CSV ({problem})") from problem


def _read(reader: "csv.DictReader[str]", shape: Shape, mapping: Columns, zone: str | None) -> Bill:
    header = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    columns = _columns(header, shape, mapping)
    used = set(columns.values())
    bill = Bill(shape, columns, tuple(name for name in header.values() if name not in used), zone or shape.zone)
    for row in reader:
        values = {name: (row[column] or "").strip() for name, column in columns.items()}
        if any(values.values()):
            bill.lines += 1
            if bill.lines > MOST_LINES:
                raise BillError(f"At most {MOST_LINES} lines are read at once; split the bill by month or day.")
            _add(bill, values, reader.line_num)
    if not bill.cells:
        raise BillError("The bill has no line with a date.")
    return bill


def _columns(header: Mapping[str, str], shape: Shape, mapping: Columns) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in FIELDS:
        if name in mapping:
            column = header.get(mapping[name].strip().lower())
            if column is None:
                raise BillError(f"--map {name}={mapping[name]}: the bill has no such column; it has {_listed(header)}")
            found[name] = column
            continue
        taken = set(found.values())
        column = next((header[each] for each in shape.names.get(name, ()) if each in header), None)
        if column is not None and column not in taken and not _replaced(name, mapping):
            found[name] = column
    measured = any(name in found for name in ("input", "fresh", "output", "amount")) or {"kind", "quantity"} <= set(
        found
    )
    for name, there in (("date", "date" in found), ("model", "model" in found), ("input, output or amount", measured)):
        if not there:
            first = name.partition(",")[0]
            raise BillError(
                f"The bill has no column for {name}: name it with --map {first}=..; it has {_listed(header)}"
            )
    return found


def _replaced(name: str, mapping: Columns) -> bool:
    """Whether a mapping of plain measures takes the place of the shape's line for each kind."""
    return name in ("kind", "quantity") and bool({"input", "fresh", "output", "amount"} & set(mapping))


def _listed(header: Mapping[str, str]) -> str:
    return ", ".join(header.values()) or "no header"


def _add(bill: Bill, values: Mapping[str, str], line: int) -> None:
    place = (_day(values["date"], bill.zone, line), values["model"].lower(), values.get("key", ""))
    if values.get("currency"):
        bill.currency = _one_currency(bill.currency, values["currency"].upper(), line)
    if values.get("kind"):
        measure = bill.shape.kinds.get(values["kind"].lower())
        if measure is None:
            return  # a count of requests, or a kind that no token has
        found = {measure: _tokens(values["quantity"], values.get("unit", ""), line)}
    else:
        names = [name for name in ("input", "fresh", "cached", "output") if values.get(name)]
        found = {name: _tokens(values[name], values.get("unit", ""), line) for name in names}
        if values.get("amount"):
            found["amount"] = _nano(values["amount"], line)
    cell = bill.cells.setdefault(place, Cell())
    cell.count += 1
    parts = "fresh" in found or (bool(values.get("kind")) and "cached" in found)
    for name, value in found.items():
        cell.add("input" if name == "fresh" else name, value)
        if name == "cached" and parts:
            cell.add("input", value)


def _one_currency(known: str | None, found: str, line: int) -> str:
    found = {"人民币": "CNY", "RMB": "CNY", "¥": "CNY", "$": "USD", "美元": "USD"}.get(found, found)
    if known is not None and known != found:
        raise BillError(f"line {line}: {found} after {known}; a bill has one currency, split it")
    return found


def _day(text: str, zone: str, line: int) -> str:
    plain = text.replace("/", "-")
    if len(plain) == len("20261101") and plain.isdigit():
        plain = f"{plain[:4]}-{plain[4:6]}-{plain[6:]}"
    try:
        if len(plain) <= _DAY:
            return date.fromisoformat(plain).isoformat()
        moment = datetime.fromisoformat(plain)
        return (moment if moment.tzinfo is None else moment.astimezone(ZoneInfo(zone))).date().isoformat()
    except ValueError as problem:
        raise BillError(f"line {line}: {text[:40]!r} is no day such as 2026-11-01") from problem


def _decimal(text: str, line: int) -> Decimal:
    try:
        value = Decimal(text.replace(",", "").lstrip("¥$￥"))
    except InvalidOperation as problem:
        raise BillError(f"line {line}: {text[:40]!r} is no number") from problem
    if not value.is_finite() or abs(value) > 10**15:
        raise BillError(f"line {line}: {text[:40]!r} is no number that a bill holds")
    return value


def _tokens(text: str, unit: str, line: int) -> int:
    value = _decimal(text, line) * (1000 if any(each in unit.lower() for each in _THOUSANDS) else 1)
    return round(value)


def _nano(text: str, line: int) -> int:
    return round(_decimal(text, line) * NANO)


@dataclass(frozen=True, slots=True)
class Difference:
    """A cell in which the bill and our cost side differ."""

    place: Place
    kind: str  # drift | only_in_bill | only_ours
    figures: Mapping[str, tuple[int, int]]  # measure -> (ours, the bill's)
    calls: tuple[str, ...] = ()
    count: int = 0


def drift(ours: int, billed: int) -> Decimal | None:
    """Return by how many percent the bill is above our side; None where we have nothing."""
    return None if not ours else Decimal(billed - ours) * 100 / Decimal(ours)


def beyond(ours: int, billed: int, tolerance: Decimal) -> bool:
    """Whether a bill differs by more than a percentage of our side."""
    return abs(billed - ours) * 100 > tolerance * abs(ours)


def compare_cells(
    ours: Mapping[Place, Cell], bill: Bill, measures: Iterable[str], tolerance: Decimal
) -> Iterator[Difference]:
    """Yield the cells in which both sides differ by more than the tolerance, by day, model and key."""
    compared = tuple(measures)
    for place in sorted({*ours, *bill.cells}):
        mine, theirs = ours.get(place), bill.cells.get(place)
        figures = {
            name: (mine.sums.get(name, 0) if mine else 0, theirs.sums.get(name, 0) if theirs else 0)
            for name in compared
        }
        if not any(beyond(*pair, tolerance) for pair in figures.values()):
            continue
        kind = "only_in_bill" if mine is None else "only_ours" if theirs is None else "drift"
        calls = (tuple(mine.calls), mine.count) if mine is not None else ((), 0)
        yield Difference(place, kind, figures, *calls)


def totals(cells: Iterable[Cell], measures: Iterable[str]) -> dict[str, int]:
    """Return the sums of all cells."""
    found: dict[str, Any] = dict.fromkeys(measures, 0)
    for cell in cells:
        for name in found:
            found[name] += cell.sums.get(name, 0)
    return found
