"""A customer's account over a stretch of time: the history line by line, and the statement that clears to it. Pure.

Both are read from the transfers and nothing else. The charges by model and key come from the usage records; a statement
whose charges do not equal what the funds paid is refused rather than printed.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from smartoken.billing.ledger import Kind, Transfer, owner
from smartoken.money import amount_text


class StatementError(ValueError):
    """The figures do not clear; the message says by how much."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history: what a transfer did to one of the account's books, and the account's total after it."""

    at_ms: int
    kind: Kind
    transfer: str
    book: str
    nano: int
    balance: int
    ref: str | None
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """What the calls of one model with one key were charged, as the usage records have it; never an overrun."""

    model: str
    key: str
    calls: int
    nano: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One account from opening to closing, in nano-USD; ``moved`` is signed, by kind, charges apart."""

    account: str
    opening: int
    moved: Mapping[Kind, int]
    charges: tuple[ChargeLine, ...]
    closing: int

    @property
    def charged(self) -> int:
        """The sum of the charges."""
        return sum(each.nano for each in self.charges)


def history(account: str, opening: int, transfers: Iterable[Transfer]) -> tuple[Entry, ...]:
    """Return the account's lines in the order of the transfers, with the running total of all its funds."""
    entries: list[Entry] = []
    balance = opening
    for each in transfers:
        for posting in each.postings:
            if owner(posting.book) != account or each.currency != "USD":
                continue
            balance += posting.nano
            stamp = each.stamp
            entries.append(
                Entry(
                    at_ms=stamp.at_ms,
                    kind=each.kind,
                    transfer=each.id,
                    book=posting.book,
                    nano=posting.nano,
                    balance=balance,
                    ref=stamp.ref,
                    actor=stamp.actor,
                    reason=stamp.reason,
                )
            )
    return tuple(entries)


def statement(
    account: str, opening: int, transfers: Sequence[Transfer], charges: Sequence[ChargeLine], closing: int
) -> Statement:
    """Return the statement of the transfers of a period.

    ``opening`` and ``closing`` are the account's total as the ledger has it at both ends; ``charges`` what the usage
    records of the period's spend say.

    Raises:
        StatementError: the charges are not what the funds paid, or opening and movements do not give the closing.

    """
    moved: dict[Kind, int] = {}
    for each in history(account, opening, transfers):
        moved[each.kind] = moved.get(each.kind, 0) + each.nano
    return of_sums(account, (opening, closing), moved, charges)


def of_sums(account: str, ends: tuple[int, int], sums: Mapping[Kind, int], charges: Sequence[ChargeLine]) -> Statement:
    """Return the statement of sums by kind; ``ends`` is (opening, closing) and ``sums`` holds the spend too.

    Raises:
        StatementError: as ``statement`` does.

    """
    opening, closing = ends
    moved = dict(sums)
    paid = -moved.pop(Kind.SPEND, 0)
    charged = sum(each.nano for each in charges)
    if charged != paid:
        raise StatementError(f"the calls were charged {charged}, the funds paid {paid}: {charged - paid} apart")
    reached = opening + sum(moved.values()) - paid
    if reached != closing:
        raise StatementError(f"the movements lead to {reached}, the ledger has {closing}: {closing - reached} apart")
    ordered = tuple(sorted(charges, key=lambda each: (each.model, each.key)))
    return Statement(account, opening, {kind: moved[kind] for kind in Kind if moved.get(kind)}, ordered, closing)


HEADER = ("line", "model", "key", "calls", "amount_usd")


def rows(found: Statement) -> tuple[tuple[str, ...], ...]:
    """Return the statement as text cells under ``HEADER``, the same for CSV and a page; charges are negative."""
    lines = [("opening", "", "", "", amount_text(found.opening))]
    lines += [(kind.value, "", "", "", amount_text(nano)) for kind, nano in found.moved.items()]
    lines += [("charge", each.model, each.key, str(each.calls), amount_text(-each.nano)) for each in found.charges]
    lines.append(("closing", "", "", "", amount_text(found.closing)))
    return tuple(lines)


def _cell(text: str) -> str:
    # A spreadsheet runs what begins so as a formula, and a key's name is its owner's choice.
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 11pt/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 46rem; margin: 2rem auto;
  padding: 0 1rem }}
h1 {{ font-size: 1.3rem; margin: 0 0 .2rem }} p {{ margin: 0 0 1.2rem; color: #444 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid #ccc; vertical-align: top }}
.figure {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-right: 0 }}
.sum td {{ font-weight: 600; border-bottom: 2px solid #111 }}
@page {{ margin: 18mm }} @media print {{ body {{ margin: 0; max-width: none }} tr {{ break-inside: avoid }} }}
</style></head><body>
<h1>{title}</h1><p>{below}</p>
<table><thead><tr><th>Line</th><th>Model</th><th>Key</th>
<th class="figure">Calls</th><th class="figure">USD</th></tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""


def as_html(found: Statement, title: str, below: str) -> str:
    """Return the statement as a page of its own that prints well; every word of it is escaped."""
    lines = []
    for cells in rows(found):
        line, model, key, calls, amount = (escape(each) for each in cells)
        whole = ' class="sum"' if line in ("opening", "closing") else ""
        lines.append(
            f"<tr{whole}><td>{line.replace('_', ' ')}</td><td>{model}</td><td>{key}</td>"
            f'<td class="figure">{calls}</td><td class="figure">{amount}</td></tr>'
        )
    return _PAGE.format(title=escape(title), below=escape(below), rows="\n".join(lines))


def as_csv(found: Statement) -> str:
    """Return the statement as CSV (RFC 4180) with its header; names cannot become formulas."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for line, model, key, calls, amount in rows(found):
        writer.writerow((line, _cell(model), _cell(key), calls, amount))
    return out.getvalue()
