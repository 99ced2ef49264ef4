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
        self.blind = 0  # clients that left before they heard the id of their call
        self.refused = Counter()
        self._lock = threading.Lock()

    def begun(self, call_id):
        """Note a call; its notes."""
        seen = self.calls[call_id] = Seen()
        return seen

    def left_blind(self):
        """Note a client that left before it heard anything."""
        with self._lock:
            self.blind += 1

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


def audit(truth, place, faults):
    """Hold the database against what was seen."""
    connection, query = reader(place)
    with connection:
        rows = {row["id"]: row for row in query("SELECT * FROM calls")}
        report = Report(Counter(faults), len(truth.calls), len(rows), refused=truth.refused)
        report.ends = Counter(row["end_reason"] for row in rows.values())
        _calls(truth, rows, report)
        charged = sum(row["charge_nano"] for row in rows.values())
        (fund,) = query("SELECT * FROM money_rows WHERE id LIKE 'wallet:%' AND used_nano > 0")
        windows = query("SELECT * FROM money_rows WHERE kind = 'window' AND used_nano > 0")
        report.double = abs(fund["used_nano"] - charged)
        report.double += abs(sum(each["used_nano"] for each in windows) - charged)
        report.overspend = sum(max(0, each["used_nano"] - each["limit_nano"]) for each in (fund, *windows))
        (held,) = query("SELECT COALESCE(SUM(held_nano), 0) AS nano FROM money_rows")
        (moved,) = query("SELECT COALESCE(SUM(nano), 0) AS nano FROM postings")
        report.held, report.unbalanced = int(held["nano"]), int(moved["nano"])
    return report


def _calls(truth, rows, report):
    for call_id, seen in truth.calls.items():
        row = rows.get(call_id)
        if row is None:
            report.lost.append(call_id)
        elif seen.done and row["charge_nano"] != int(Decimal(seen.charge) * 10**9):
            report.wrong.append(call_id)
        elif not seen.done:
            report.undercount = max(report.undercount, seen.pieces - (row["completion_tokens"] or 0))
    unseen = [row for call_id, row in rows.items() if row["charge_nano"] and call_id not in truth.calls]
    # A client that leaves before it hears the id of its call is charged all the same for what the provider wrote.
    blind = [row["id"] for row in unseen if row["end_reason"] == "client_left"]
    report.ghost = [row["id"] for row in unseen if row["end_reason"] != "client_left" and row["ttft_ms"] is None]
    report.ghost += blind[truth.blind :]
    report.beyond = [
        row["id"]
        for row in rows.values()
        if row["charge_nano"] > row["bound_nano"] or (row["completion_tokens"] or 0) > ANSWER_TOKENS
    ]
