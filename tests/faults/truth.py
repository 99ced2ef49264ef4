"""What clients saw, held against what the database says in the end. Kept outside the gateway, in the test's memory."""

import sqlite3
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg
from psycopg.rows import dict_row

ANSWER_TOKENS = 60  # of every whole answer; no call can be charged for more


@dataclass
class Seen:
    """What one client saw of one call."""

    pieces: int = 0
    done: bool = False
    charge: str | None = None
    left: bool = False  # the client went away by itself


class Truth:
    """The notes of all clients."""

    def __init__(self):
        self.calls: dict[str, Seen] = {}
        self.blind: set[str] = set()  # users of calls whose clients left before they heard the id
        self.twice: dict[str, set[str]] = {}  # a deposit's reference -> the transfers that it was told to be
        self.refused = Counter()
        self._lock = threading.Lock()

    def begun(self, call_id):
        """Note a call; its notes."""
        seen = self.calls[call_id] = Seen()
        return seen

    def left_blind(self):
        """Note a client that leaves before it hears anything; the user that it calls for."""
        with self._lock:
            self.blind.add(f"blind-{len(self.blind)}")
            return f"blind-{len(self.blind) - 1}"

    def refusal(self, code):
        """Note a refusal."""
        with self._lock:
            self.refused[code] += 1


@dataclass
class Report:
    """The figures of a run; ``line`` is what is printed."""

    faults: Counter
    seen: int
    rows: int
    lost: list = field(default_factory=list)
    ghost: list = field(default_factory=list)
    wrong: list = field(default_factory=list)
    beyond: list = field(default_factory=list)
    double: int = 0
    undercount: int = 0
    overspend: int = 0
    held: int = 0
    unbalanced: int = 0
    ends: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)

    def line(self):
        """Return the report in one line."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        return (
            f"faults {sum(self.faults.values())} ({kinds}), calls {self.rows}, lost {len(self.lost)}, "
            f"double {self.double}, ghost {len(self.ghost)}, wrong after [DONE] {len(self.wrong)}, "
            f"largest undercount {self.undercount} tokens, overspend {self.overspend}"
        )


def reader(place):
    """Return a function that runs a query on a SQLite file or a PostgreSQL URL, and a function that closes it."""
    if isinstance(place, str):
        connection = psycopg.connect(place, row_factory=dict_row)
    else:
        connection = sqlite3.connect(place)
        connection.row_factory = sqlite3.Row
    return closing(connection), lambda query: connection.execute(query).fetchall()


def audit(truth, place, faults, most_tokens=ANSWER_TOKENS):
    """Hold the database against what was seen."""
    connection, query = reader(place)
    with connection:
        rows = {row["id"]: row for row in query("SELECT * FROM calls")}
        report = Report(Counter(faults), len(truth.calls), len(rows), refused=truth.refused)
        report.ends = Counter(row["end_reason"] for row in rows.values())
        _calls(truth, rows, report, most_tokens)
        _deposits(truth, query("SELECT id, ref FROM transfers WHERE kind = 'deposit'"), report)
        charged = sum(row["charge_nano"] for row in rows.values())
        (fund,) = query("SELECT * FROM money_rows WHERE id LIKE 'wallet:%' AND used_nano > 0")
        windows = query("SELECT * FROM money_rows WHERE kind = 'window' AND used_nano > 0")
        report.double = abs(fund["used_nano"] - charged)
        periods = Counter()
        for each in windows:
            periods[tuple(each["id"].split(":")[:4])] += each["used_nano"]
        report.double += sum(abs(used - charged) for used in periods.values())
        report.overspend = sum(max(0, each["used_nano"] - each["limit_nano"]) for each in (fund, *windows))
        (held,) = query("SELECT COALESCE(SUM(held_nano), 0) AS nano FROM money_rows")
        (moved,) = query("SELECT COALESCE(SUM(nano), 0) AS nano FROM postings")
        report.held, report.unbalanced = int(held["nano"]), int(moved["nano"])
    return report


def _deposits(truth, posted, report):
    """A deposit that was submitted again and again is one transfer, and everybody was told the same."""
    found = {reference: set() for reference in truth.twice}
    for each in posted:
        if each["ref"] in found:
            found[each["ref"]].add(each["id"])
    for reference, told in truth.twice.items():
        report.double += max(0, len(found[reference]) - 1) + max(0, len(told) - 1)
        if told and told != found[reference]:
            report.lost.append(reference)


def _calls(truth, rows, report, most_tokens):
    for call_id, seen in truth.calls.items():
        row = rows.get(call_id)
        if row is None:
            report.lost.append(call_id)
        elif seen.done and row["charge_nano"] != int(Decimal(seen.charge) * 10**9):
            report.wrong.append(call_id)
        elif not seen.done:
            report.undercount = max(report.undercount, seen.pieces - (row["completion_tokens"] or 0))
    unseen = [row for call_id, row in rows.items() if row["charge_nano"] and call_id not in truth.calls]
    # A client that leaves before it hears the id of its call is charged all the same for what the provider wrote, once.
    blind = Counter(row["user"] for row in rows.values() if row["user"] in truth.blind)
    report.ghost = [row["id"] for row in unseen if row["user"] not in truth.blind and row["ttft_ms"] is None]
    report.ghost += [user for user, count in blind.items() if count > 1]
    report.beyond = [
        row["id"]
        for row in rows.values()
        if row["charge_nano"] > row["bound_nano"] or (row["completion_tokens"] or 0) > most_tokens
    ]
