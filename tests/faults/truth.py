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


# How far counts may be above what the upstream sent: our own estimate of a text is near, checkpoints count pieces.
ESTIMATED = {"reported": 1, "recovered": 1, "counted": 1.2, "mixed": 1.2}
# Who asks: a client that reads to the end, one that leaves while it reads or unheard, one that sends half a body.
STAYS, LEAVES, LEFT_BLIND, HALF_ASKED = "stays", "leaves", "blind", "half"


@dataclass
class Seen:
    """One request that a client sent, once, under a user of its own, and what it saw of the answer."""

    user: str
    kind: str
    call_id: str | None = None  # as the client heard it
    refused: bool = False
    pieces: int = 0
    done: bool = False
    charge: str | None = None


class Truth:
    """The notes of all clients, and in the end those of the upstream."""

    def __init__(self):
        self.sent: dict[str, Seen] = {}  # by user
        self.calls: dict[str, Seen] = {}  # by the id that the client heard
        self.upstream: list[dict] = []  # what it was asked and what it sent, in order
        self.twice: dict[str, set[str]] = {}  # a deposit's reference -> the transfers that it was told to be
        self.refused = Counter()
        self._lock = threading.Lock()

    def asked(self, kind):
        """Note a request before it is sent; its notes, with the user that it is to be sent for."""
        with self._lock:
            user = f"{kind}-{len(self.sent)}"
            seen = self.sent[user] = Seen(user, kind)
        return seen

    def heard(self, seen, call_id):
        """Note that a client heard the id of its call."""
        seen.call_id = call_id
        self.calls[call_id] = seen

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
    unheard: Counter = field(default_factory=Counter)  # tokens charged to a client that stayed and heard nothing
    overcount: Counter = field(default_factory=Counter)  # tokens charged past what a client saw that stayed
    contradicted: int = 0  # second records with other figures: a replay brings none
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
            f"largest undercount {self.undercount} tokens, overspend {self.overspend}, "
            f"charged unheard {dict(self.unheard)}, charged past what was seen {dict(self.overcount)}"
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
        (told,) = query("SELECT COUNT(*) AS told FROM events WHERE kind = 'call.conflict'")
        report.contradicted = int(told["told"])
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
    report.ghost = ghosts(truth, rows.values())
    for row in rows.values():
        seen = truth.sent.get(row["user"])
        if seen is None or seen.kind != STAYS or seen.done or not row["charge_nano"]:
            continue
        tokens = row["completion_tokens"]
        if seen.call_id is None:
            report.unheard[tokens] += 1
        elif row["usage_source"] == "recovered" and tokens > seen.pieces:
            report.overcount[tokens - seen.pieces] += 1
    report.beyond = [
        row["id"]
        for row in rows.values()
        if row["charge_nano"] > row["bound_nano"] or (row["completion_tokens"] or 0) > most_tokens
    ]


def ghosts(truth, rows):
    """Records that the truth outside does not know of, or knows otherwise.

    Every request has a user of its own and is sent once, so there is one record of it at most, under the id that its
    client heard, if it heard any; and what is charged was sent by the upstream, which was asked for it.
    """
    told = {}
    for each in truth.upstream:
        for user in each["keys"]:
            told[user] = max(told.get(user, 0), each["tokens_sent"])
    records, ghosts = Counter(row["user"] for row in rows), []
    for row in rows:
        user, seen = row["user"], truth.sent.get(row["user"])
        if seen is None or seen.kind == HALF_ASKED:
            ghosts.append((user, "nobody asked"))
        elif records[user] > 1:
            ghosts.append((user, "recorded more than once"))
        elif seen.call_id not in (None, row["id"]):
            ghosts.append((user, "under another id than its client heard"))
        elif row["end_reason"] == "unknown_dispatch" and user in told:
            ghosts.append((user, "sent, and not noted as such"))
        elif (
            row["charge_nano"] and (row["completion_tokens"] or 0) > told.get(user, 0) * ESTIMATED[row["usage_source"]]
        ):
            ghosts.append((user, f"charged {row['completion_tokens']}, the upstream sent {told.get(user)}"))
    unrecorded = told.keys() - records.keys()
    return ghosts + [(user, "sent upstream without a record") for user in unrecorded]
