"""Several workers on one socket over PostgreSQL: one start, one greeting, counts added up, keys ended everywhere."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from servers import alive, new_database

SRC = Path(__file__).resolve().parents[2] / "src"
WORKERS = 3
BODY = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20}
START_S = 60


class Crew:
    """A running server of several workers."""

    def __init__(self, folder, process, log):
        self.folder, self.process, self.log = folder, process, log

    @property
    def address(self):
        return json.loads((self.folder / "run.json").read_text())["address"]

    @property
    def token(self):
        return json.loads((self.folder / "run.json").read_text())["token"]

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in children.read_text().split()]

    def call(self, key, **more):
        headers = {"authorization": f"Bearer {key}", "connection": "close"}
        return httpx2.post(f"{self.address}/v1/chat/completions", json={**BODY, **more}, headers=headers, timeout=30)

    def ask(self, method, path, body=None):
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx2.request(method, f"{self.address}/api/v1{path}", json=body, headers=headers, timeout=30)

    def counts(self):
        found = Counter()
        for line in httpx2.get(f"{self.address}/metrics", timeout=10).text.splitlines():
            if line.startswith("smartoken_calls_total{"):
                found["calls"] += float(line.rpartition(" ")[2])
        return found


@contextlib.contextmanager
def crew(folder, database, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMARTOKEN_")}
    own = {
        "SMARTOKEN_DATA_DIR": str(folder), "SMARTOKEN_DATABASE_URL": database, "SMARTOKEN_PORT": "0",
        "PYTHONPATH": str(SRC), **environment,
    }  # fmt: skip
    log = folder.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "smartoken", "serve", "--workers", str(WORKERS)],
            env={**kept, **own}, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        until = time.monotonic() + START_S
        while not (folder / "run.json").exists():
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.05)
        yield Crew(folder, process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def running(servers, tmp_path_factory):
    with own_database(servers) as database, crew(tmp_path_factory.mktemp("crew") / "data", database) as found:
        yield found


@contextlib.contextmanager
def own_database(servers):
    with new_database(servers.postgres()) as url:
        yield url


def demo_key(running):
    return (running.folder / "demo-key").read_text().strip()


def test_workers_greet_once_and_say_that_rate_limits_are_not_shared(running):
    text = running.log.read_text()
    assert text.count("SmarToken listens on") == 1
    assert text.count("rate limits are not shared without SMARTOKEN_VALKEY_URL") == 1
    assert len(running.workers()) == WORKERS
    assert len(list((running.folder / "journal").glob("ep_*"))) == WORKERS


def test_metrics_of_whoever_is_asked_add_all_workers_up(running):
    before = running.counts()["calls"]
    key = demo_key(running)
    assert [running.call(key).status_code for _ in range(12)] == [200] * 12
    time.sleep(1.5)
    assert [running.counts()["calls"] - before for _ in range(6)] == [12] * 6


def test_a_key_that_is_revoked_is_refused_by_every_worker_within_two_seconds(running):
    made = running.ask("POST", "/keys", {"account": "demo", "name": "ends", "models": ["sandbox/*"]}).json()
    time.sleep(2)
    assert {running.call(made["secret"]).status_code for _ in range(12)} == {200}
    assert running.ask("DELETE", f"/keys/{made['id']}").status_code < 300
    time.sleep(2)
    assert {running.call(made["secret"]).status_code for _ in range(24)} == {401}


def test_a_worker_that_is_killed_is_started_again_and_its_counts_stay(running):
    key = demo_key(running)
    assert running.call(key).status_code == 200
    time.sleep(1.2)
    counted = running.counts()["calls"]
    victim = running.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until = time.monotonic() + START_S
    while (victim in running.workers() or len(running.workers()) < WORKERS) and time.monotonic() < until:
        time.sleep(0.05)
    assert victim not in running.workers()
    assert {running.call(key).status_code for _ in range(12)} == {200}
    time.sleep(1.5)
    assert running.counts()["calls"] == counted + 12


def test_workers_share_rate_limits_through_valkey(servers, tmp_path):
    with (
        own_database(servers) as database,
        crew(tmp_path / "data", database, SMARTOKEN_VALKEY_URL=servers.valkey()) as found,
    ):
        assert "rate limits are not shared" not in found.log.read_text()
        body = {"account": "demo", "name": "limited", "models": ["sandbox/*"], "limits": {"rpm": 12}}
        key = found.ask("POST", "/keys", body).json()["secret"]
        time.sleep(2)
        codes = Counter(found.call(key).status_code for _ in range(40))
        assert codes[200] + codes[429] == 40
        assert 12 <= codes[200] <= 12 + 2 * WORKERS + 3, "a slab and a call a worker, and what refills meanwhile"


def test_all_workers_drain_at_a_signal_and_end_when_their_supervisor_is_gone(servers, tmp_path):
    with own_database(servers) as database:
        with crew(tmp_path / "data", database) as found:
            began = time.monotonic()
            found.process.send_signal(signal.SIGTERM)
            assert found.process.wait(30) == 0
            assert time.monotonic() - began < 30
            assert not (found.folder / "run.json").exists()
            assert list((found.folder / "journal").iterdir()) == [], "every worker settled what it had"
        with crew(tmp_path / "data", database) as found:
            pids = found.workers()
            found.process.kill()
            found.process.wait()
            until = time.monotonic() + 30
            while any(alive(pid) for pid in pids) and time.monotonic() < until:
                time.sleep(0.1)
            assert not any(alive(pid) for pid in pids)


def test_a_drill_of_live_traffic_is_met_in_every_worker_and_kept_with_what_all_of_them_counted(running):
    body = {"model": "sandbox/echo", "fault": "slow_first_token", "delay_ms": 300, "seconds": 60, "wait": False}
    assert running.ask("POST", "/admin/drills", {**body, "live": "sandbox"}).status_code == 400
    begun = running.ask("POST", "/admin/drills", {**body, "live": "sandbox/echo"})
    assert begun.status_code == 201, begun.text
    drill = begun.json()["id"]
    until = time.monotonic() + 30
    taking_part = 0
    while taking_part < WORKERS:  # whichever worker is asked, and until all have looked
        assert time.monotonic() < until
        (listed,) = running.ask("GET", "/admin/drills?state=running").json()["data"]
        assert listed["id"] == drill
        taking_part = len(listed["result"]["parts"])
    key = demo_key(running)
    for _ in range(6):
        started = time.monotonic()
        assert running.call(key).status_code == 200
        assert time.monotonic() - started >= 0.25
    assert running.ask("POST", f"/admin/drills/{drill}/stop").status_code == 200
    while (found := running.ask("GET", f"/admin/drills/{drill}").json())["state"] == "running":
        assert time.monotonic() < until
        time.sleep(0.2)
    result = found["result"]
    assert (found["state"], result["why_not"], result["workers"]) == ("stopped", ["somebody stopped it"], WORKERS)
    assert (result["broken_attempts"], result["calls"], result["answered"]) == (6, 6, 6)
    assert "Fallback drill" in running.ask("GET", f"/admin/drills/{drill}/evidence").text
    assert running.ask("POST", f"/admin/drills/{drill}/stop").status_code == 400


def test_a_drill_is_listed_and_stopped_by_command_whichever_worker_answers(running):
    def command(*words):
        own = {**os.environ, "SMARTOKEN_DATA_DIR": str(running.folder), "PYTHONPATH": str(SRC)}
        done = subprocess.run(
            [sys.executable, "-m", "smartoken", "drill", *words], env=own, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    body = {"model": "sandbox/echo", "fault": "slow_first_token", "live": "sandbox/echo", "seconds": 60, "wait": False}
    drill = running.ask("POST", "/admin/drills", body).json()["id"]
    listed = json.loads(command("list", "--running", "--json"))["data"]
    assert [(each["id"], each["state"]) for each in listed] == [(drill, "running")]
    assert drill in command("stop", drill)
    until = time.monotonic() + 20
    while json.loads(command("show", drill, "--json"))["state"] == "running":
        assert time.monotonic() < until
    page = command("show", drill)
    assert "**Failed**: somebody stopped it; the fault struck no call" in page
    assert drill not in command("list", "--running")


def test_a_budget_holds_on_every_worker_while_its_key_rotates_and_its_limit_is_lowered(running):
    limit, lower = Decimal("0.02"), Decimal("0.006")
    body = {"account": "demo", "name": "turns", "models": ["sandbox/*"]}
    made = running.ask("POST", "/keys", {**body, "budgets": [{"limit": str(limit), "period": "total"}]}).json()
    texts, over, charges, codes = [made["secret"]], threading.Event(), [], Counter()

    def crowd():
        while not over.is_set():
            answer = running.call(texts[-1])
            codes[answer.status_code] += 1
            if answer.status_code == 200:
                charges.append(Decimal(answer.json()["usage"]["charge_usd"]))

    def used():
        (budget,) = running.ask("GET", f"/keys/{made['id']}").json()["budgets"]
        return Decimal(budget["used"]), Decimal(budget["held"])

    def rotated():
        texts.append(running.ask("POST", f"/keys/{made['id']}/rotate", {"overlap_hours": 1}).json()["secret"])

    def settled():
        until = time.monotonic() + 10
        while used() != (sum(charges), 0) and time.monotonic() < until:
            time.sleep(0.1)
        assert used() == (sum(charges), 0)

    time.sleep(2)
    price = Decimal(running.call(texts[-1]).json()["usage"]["charge_usd"])
    charges.append(price)
    threads = [threading.Thread(target=crowd) for _ in range(8)]
    for each in threads:
        each.start()
    until = time.monotonic() + 40
    while sum(charges) < lower * Decimal("0.7") and time.monotonic() < until:
        time.sleep(0.3)
        rotated()
    running.ask("PATCH", f"/keys/{made['id']}", {"budgets": [{"limit": str(lower), "period": "total"}]})
    time.sleep(2)  # by then every worker knows
    known = sum(charges)
    for _ in range(4):
        time.sleep(0.5)
        rotated()
    over.set()
    for each in threads:
        each.join()
    settled()
    assert len(texts) > 5
    assert set(codes) <= {200, 402, 429}, codes
    assert codes[402] + codes[429] > 10, "the crowd was too thin to come to the limit"
    assert sum(charges) <= max(lower, known + 8 * price), (known, sum(charges))
    assert sum(charges) <= limit
