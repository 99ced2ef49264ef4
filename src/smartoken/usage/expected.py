"""Expected calls of a run against those that were logged: what is missing, doubled, mispriced or miscounted. Pure.

A line of the expectation names one call by the id that its answer carried, or by the tag that was sent as ``user``; a
tag that stands in several lines is expected that often. What failed without an answer and without a charge is no double
of the call that was tried again, and does not stand in for the one that is missing.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from smartoken.money import InvalidAmountError, amount_text, parse_amount

MOST_LINES = 50_000
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "call_id", "request_id"),
    "user": ("user", "tag"),
    "model": ("model",),
    "prompt_tokens": ("prompt_tokens", "prompt"),
    "cached_tokens": ("cached_tokens", "cached"),
    "completion_tokens": ("completion_tokens", "completion"),
    "charge": ("charge_usd", "charge"),
}
COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens")
COUNT_DIGITS = 15  # of a count that every reader of JSON takes exactly
_FAILED = 400
Row = Mapping[str, Any]


class ExpectedError(ValueError):
    """A line of the expectation cannot be read; the message names the line and the fix."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One expected call; None is not expected of it."""

    line: int
    id: str | None
    user: str | None
    model: str | None
    counts: Mapping[str, int]
    charge_nano: int | None

    @property
    def place(self) -> tuple[str, str]:
        """What it is found by."""
        return ("id", self.id) if self.id is not None else ("user", self.user or "")

    @property
    def name(self) -> str:
        """How findings name it."""
        return self.id if self.id is not None else f"user {self.user}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not agree: the kind, what was expected, the calls concerned, and words."""

    kind: str  # missing | doubled | mispriced | miscounted | other_model | failed | unexpected
    subject: str
    calls: tuple[str, ...]
    words: str
    line: int | None = None

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "kind": self.kind, "subject": self.subject, "calls": list(self.calls), "words": self.words,
            "line": self.line,
        }  # fmt: skip


def read_expected(text: str, form: str | None = None) -> list[Expected]:
    """Read expected calls from JSON lines or CSV with a header.

    Raises:
        ExpectedError: a line is wrong; it is named.

    """
    text = text.lstrip("\ufeff")
    kind = form or ("jsonl" if text.lstrip().startswith("{") else "csv")
    lines = _json_lines(text) if kind == "jsonl" else _csv_lines(text)
    found = [_expected(number, row) for number, row in lines]
    if not found:
        raise ExpectedError("The file expects no call: it needs a line for each, CSV with a header or JSON lines.")
    if len(found) > MOST_LINES:
        raise ExpectedError(f"At most {MOST_LINES} calls are compared at once; split the file.")
    return found


def _json_lines(text: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as problem:  # also a number of more digits than are read
                raise ExpectedError(f"line {number}: not JSON") from problem
            if not isinstance(row, dict):
                raise ExpectedError(f"line {number}: a line is an object, one call")
            yield number, row


def _csv_lines(text: str) -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(io.StringIO(text))
    try:
        for row in reader:
            if any(row.values()):
                yield (
                    reader.line_num,
                    {(name or "").strip(): value for name, value in row.items() if value not in ("", None)},
                )
    except csv.Error as problem:
        raise ExpectedError(f"line {reader.line_num}: not CSV ({problem})") from problem


def _expected(number: int, row: Row) -> Expected:
    def value(field: str) -> Any:
        return next((row[name] for name in NAMES[field] if row.get(name) is not None), None)

    call_id, user, model = (value(field) for field in ("id", "user", "model"))
    if call_id is None and user is None:
        raise ExpectedError(f"line {number}: a call is named by `id`, or by the `user` that was sent with it")
    counts = {field: _count(number, field, value(field)) for field in COUNTS if value(field) is not None}
    charge = value("charge")
    try:
        nano = None if charge is None else parse_amount(str(charge))
    except InvalidAmountError as problem:
        raise ExpectedError(f"line {number}: `charge_usd`: {problem}") from problem
    named, tag, wanted = (None if each is None else str(each) for each in (call_id, user, model))
    return Expected(number, named, tag, wanted, counts, nano)


def _count(number: int, field: str, value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdigit() or len(text) > COUNT_DIGITS:
        raise ExpectedError(f"line {number}: `{field}` must be a whole number, not {text[:40]!r}")
    return int(text)


def compare(
    expected: Sequence[Expected], logged: Iterable[Row], tolerance: Decimal, *, whole: bool
) -> tuple[list[Finding], list[tuple[Expected, Row]]]:
    """Return what does not agree, and the pairs that were found; ``whole``: nothing else was to be logged.

    ``tolerance`` is in percent of an expected charge.
    """
    wanted: dict[tuple[str, str], list[Expected]] = {}
    for each in expected:
        wanted.setdefault(each.place, []).append(each)
    calls: dict[tuple[str, str], list[Row]] = {}
    unexpected: list[Row] = []
    for row in sorted(logged, key=lambda row: (row["created_ms"], row["id"])):
        place = ("id", row["id"])
        if place not in wanted:
            place = ("user", row["user"] or "")
        if place in wanted:
            calls.setdefault(place, []).append(row)
        else:
            unexpected.append(row)
    findings: list[Finding] = []
    pairs: list[tuple[Expected, Row]] = []
    for place, group in wanted.items():
        _group(group, calls.get(place, []), (findings, pairs))
    for each, row in pairs:
        findings += _differences(each, row, tolerance)
    if whole:
        findings += [Finding("unexpected", row["id"], (row["id"],), _told(row)) for row in unexpected]
    return findings, pairs


def _told(row: Row) -> str:
    return f"{row['model']}, charged USD {amount_text(row['charge_nano'])}"


def _group(group: list[Expected], rows: list[Row], out: tuple[list[Finding], list[tuple[Expected, Row]]]) -> None:
    """Pair the lines of one id or tag with their calls, those that agree first."""
    findings, pairs = out
    failed = [row for row in rows if row["status"] >= _FAILED and not row["charge_nano"]]
    answered = [row for row in rows if row not in failed]
    for each in group:
        if not answered:
            ids = tuple(row["id"] for row in failed)
            kind, words = ("failed", f"logged as {failed[-1]['end_reason']}") if failed else ("missing", "not logged")
            findings.append(Finding(kind, each.name, ids, words, each.line))
            continue
        best = min(answered, key=lambda row: _distance(each, row))
        answered.remove(best)
        pairs.append((each, best))
    if answered:
        extra = tuple(row["id"] for row in answered)
        charged = amount_text(sum(row["charge_nano"] for row in answered))
        times = f"logged {len(group) + len(extra)} times, expected {len(group)}"
        words = f"{times}; charged USD {charged} too much"
        findings.append(Finding("doubled", group[0].name, extra, words, group[0].line))


def _distance(each: Expected, row: Row) -> int:
    wrong = sum(1 for field, count in each.counts.items() if row[field] != count)
    return wrong + int(each.charge_nano is not None and row["charge_nano"] != each.charge_nano)


def _differences(each: Expected, row: Row, tolerance: Decimal) -> Iterator[Finding]:
    names = {str(row["model"]).lower(), str(row["model_asked"]).lower()}
    if each.model is not None and each.model.lower() not in names:
        yield Finding("other_model", each.name, (row["id"],), f"{row['model']} instead of {each.model}", each.line)
    wrong = [f"{field} {row[field]} instead of {count}" for field, count in each.counts.items() if row[field] != count]
    if wrong:
        yield Finding("miscounted", each.name, (row["id"],), "; ".join(wrong), each.line)
    if each.charge_nano is not None:
        off = abs(row["charge_nano"] - each.charge_nano)
        if off * 100 > tolerance * each.charge_nano:
            words = f"charged USD {amount_text(row['charge_nano'])} instead of {amount_text(each.charge_nano)}"
            yield Finding("mispriced", each.name, (row["id"],), words, each.line)
