"""Kill a gateway at random moments under load and hold its books against what clients and upstream saw.

The truth is kept outside: clients note every call id, every piece of text and every charge that they were told; the
sandbox is a process of its own that is never killed. After the last kill the gateway is started once more, replays its
journal, is stopped in order, and its database is read.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import httpx2

START_S = 60
SRC = Path(__file__).resolve().parents[2] / "src"
SETUP = """
[[provider]]
id = "up"
dialect = "openai"
base_url = "{upstream}"
allow_private = true
keys = [{{ name = "main", secret = "env:FAULTS_UPSTREAM_KEY" }}]
[[model]]
id = "test/paced"
context = 32768
max_output = 4096
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "up"
upstream_model = "echo?tokens=60&pace_ms=4"
[[account]]
id = "acme"
balance = "100.00"
[[account.key]]
name = "load"
environment = "test"
budget = "50.00"
"""


@dataclass
class Seen:
    """What one client saw of one call."""

    pieces: int = 0
    done: bool = False
    charge: str | None = None


@dataclass
class Report:
    """The figures of a run; ``line`` is what is printed."""

    kills: int
    seen: int
    rows: int
    lost: list = field(default_factory=list)
    ghost: list = field(default_factory=list)
    wrong: list = field(default_factory=list)
    double: int = 0
    undercount: int = 0
    overspend: int = 0
    held: int = 0
    unbalanced: int = 0
    ends: Counter = field(default_factory=Counter)

    def line(self):
        """Return the report in one line."""
        return (
            f"faults {self.kills}, calls {self.rows}, lost {len(self.lost)}, double {self.double}, "
            f"ghost {len(self.ghost)}, wrong after [DONE] {len(self.wrong)}, "
            f"largest undercount {self.undercount} tokens, overspend {self.overspend}"
        )


class Rig:
    """The processes of a run."""

    def __init__(self, folder, kills):
        self.folder, self.kills = folder, kills
        own = {"SMARTOKEN_DATA_DIR": str(folder / "data"), "FAULTS_UPSTREAM_KEY": "made-up-key", "PYTHONPATH": str(SRC)}
        self.env = {**os.environ, **own}
        for name in ("SMARTOKEN_PORT", "SMARTOKEN_DATABASE_URL"):
            self.env.pop(name, None)
        self.seen: dict[str, Seen] = {}
        self.stop = threading.Event()
        self.upstream = subprocess.Popen(
            [sys.executable, "-m", "smartoken.sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True, env=self.env
        )
        self.address = ""
        self.gateway = self.start()
        setup = folder / "setup.toml"
        setup.write_text(SETUP.format(upstream=self.upstream.stdout.readline().split()[-1]))
        said = subprocess.run(
            [sys.executable, "-m", "smartoken", "apply", str(setup)],
            env=self.env, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        self.key = said[said.index("sk-st-") :].split()[0]
        time.sleep(1.5)

    def start(self):
        """Start the gateway and wait until it answers."""
        run_file = self.folder / "data" / "run.json"
        run_file.unlink(missing_ok=True)
        with (self.folder / "gateway.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "smartoken", "serve"], env=self.env, stdout=log, stderr=log
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                self.address = json.loads(run_file.read_text())["address"]
                urllib.request.urlopen(f"{self.address}/healthz", timeout=1).close()
            except (OSError, ValueError):
                assert process.poll() is None, (self.folder / "gateway.log").read_text()[-2000:]
                time.sleep(0.05)
            else:
                return process
        raise AssertionError("the gateway did not start")

    def client(self):
        """Call again and again, streaming, until told to stop."""
        while not self.stop.is_set():
            body = {
                "model": "test/paced",
                "stream": True,
                "stream_options": {"include_usage": True},
                "messages": [{"role": "user", "content": "hello " * random.randint(1, 40)}],
            }
            try:
                with httpx2.stream(
                    "POST",
                    f"{self.address}/v1/chat/completions",
                    json=body,
                    headers={"authorization": f"Bearer {self.key}"},
                    timeout=10,
                ) as answer:
                    if answer.status_code == 200:
                        self.follow(answer)
                    else:
                        time.sleep(0.05)
            except httpx2.HTTPError:
                time.sleep(0.05)

    def follow(self, answer):
        """Note what a stream says, as it says it."""
        seen = self.seen[answer.headers["x-request-id"]] = Seen()
        for line in answer.iter_lines():
            if line == "data: [DONE]":
                seen.done = True
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                seen.pieces += sum(bool(each["delta"].get("content")) for each in event["choices"])
                if event.get("usage"):
                    seen.charge = event["usage"]["charge_usd"]

    def run(self, clients=8):
        """Kill under load, start again, end in order; the report."""
        threads = [threading.Thread(target=self.client) for _ in range(clients)]
        try:
            for thread in threads:
                thread.start()
            for _ in range(self.kills):
                time.sleep(random.uniform(0.3, 1.2))
                self.gateway.kill()
                self.gateway.wait()
                self.gateway = self.start()
            time.sleep(0.5)
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
            self.gateway.send_signal(signal.SIGTERM)
            code = self.gateway.wait(40)
            self.upstream.kill()
            self.upstream.communicate()
        assert code == 0, f"the gateway ended with {code}"
        return self.audit()

    def audit(self):
        """Hold the database against what was seen."""
        connection = sqlite3.connect(self.folder / "data" / "smartoken.db")
        connection.row_factory = sqlite3.Row
        try:
            return self._report(connection)
        finally:
            connection.close()

    def _report(self, connection):
        rows = {row["id"]: row for row in connection.execute("SELECT * FROM calls")}
        report = Report(self.kills, len(self.seen), len(rows))
        report.ends = Counter(row["end_reason"] for row in rows.values())
        for call_id, seen in self.seen.items():
            row = rows.get(call_id)
            if row is None:
                report.lost.append(call_id)
            elif seen.done and row["charge_nano"] != int(Decimal(seen.charge) * 10**9):
                report.wrong.append(call_id)
            elif not seen.done:
                report.undercount = max(report.undercount, seen.pieces - (row["completion_tokens"] or 0))
        known = {row["id"] for row in rows.values() if row["charge_nano"]}
        report.ghost = [call_id for call_id in known if call_id not in self.seen and rows[call_id]["ttft_ms"] is None]
        charged = sum(row["charge_nano"] for row in rows.values())
        fund = connection.execute("SELECT * FROM money_rows WHERE id LIKE 'wallet:%' AND used_nano > 0").fetchone()
        window = connection.execute("SELECT * FROM money_rows WHERE kind = 'window' AND used_nano > 0").fetchone()
        report.double = abs(fund["used_nano"] - charged) + abs(window["used_nano"] - charged)
        report.overspend = max(0, window["used_nano"] - window["limit_nano"])
        report.held = connection.execute("SELECT COALESCE(SUM(held_nano), 0) FROM money_rows").fetchone()[0]
        report.unbalanced = connection.execute("SELECT COALESCE(SUM(nano), 0) FROM postings").fetchone()[0]
        return report
