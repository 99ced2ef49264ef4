"""A gateway, its upstream and its clients as processes and threads of their own, and what can befall them.

The truth is kept outside: clients note every call id, every piece of text and every charge that they were told; the
sandbox is a process of its own that is never killed. After the last fault the gateway is stopped in order and its
database is read.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

import httpx2
import psycopg

from faults.clients import CUTS, LONG, LONG_TOKENS, WHOLE, Client, body_of
from faults.stepped import set_clock
from faults.truth import ANSWER_TOKENS, STAYS, Truth, audit

START_S = 60
KEPT = "1000000"  # of the upstream's truths: all of a run's
SRC = Path(__file__).resolve().parents[2] / "src"
STEPPED = Path(__file__).with_name("stepped.py")
HEAD = """
[[provider]]
id = "up"
dialect = "openai"
base_url = "{upstream}"
allow_private = true
keys = [{{ name = "main", secret = "env:FAULTS_UPSTREAM_KEY" }}]
timeouts = {{ connect_s = 2, first_byte_s = 1, idle_s = 1, total_s = 60 }}
[[account]]
id = "acme"
balance = "100.00"
[[account.key]]
name = "load"
environment = "test"
budgets = [
    {{ limit = "50.00", period = "total" }},
    {{ limit = "40.00", period = "day" }},
    {{ limit = "45.00", period = "month" }},
]
[[account.key]]
name = "unused"
environment = "test"
budget = "1.00"
"""
REFUSING = """
CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'cannot write in a read-only transaction' USING ERRCODE = '25006'; END $$
"""
MODEL = """
[[model]]
id = "{id}"
context = 32768
max_output = 4096
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "up"
upstream_model = "{upstream}"
"""


class Rig:
    """The processes of a run; ``database`` is a PostgreSQL URL or None, ``workers`` above one needs it."""

    def __init__(self, folder, database=None, workers=1):
        self.folder, self.database, self.workers = folder, database, workers
        self.offset = folder / "offset"  # of the gateway's wall clock
        set_clock(self.offset, 0)
        own = {
            "SMARTOKEN_PORT": "0",
            "SMARTOKEN_DATA_DIR": str(folder / "data"),
            "FAULTS_UPSTREAM_KEY": "made-up-key",
            "PYTHONPATH": str(SRC),
        }
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SMARTOKEN_")} | own
        if database is not None:
            self.env["SMARTOKEN_DATABASE_URL"] = database
        self.truth, self.faults = Truth(), Counter()
        self.stop, self.over = threading.Event(), threading.Event()
        self.upstream = subprocess.Popen(
            [sys.executable, "-m", "smartoken.sandbox", "--port", "0", "--keep", KEPT],
            stdout=subprocess.PIPE, text=True, env=self.env,
        )  # fmt: skip
        self.address = ""
        self.replayed = set()
        self.gateway = self.start()
        models = {
            WHOLE: f"echo?tokens={ANSWER_TOKENS}&pace_ms=4",
            LONG: f"echo?tokens={LONG_TOKENS}&pace_ms=25",
            **CUTS,
        }
        setup = folder / "setup.toml"
        self.upstream_url = self.upstream.stdout.readline().split()[-1]
        setup.write_text(
            HEAD.format(upstream=self.upstream_url)
            + "".join(MODEL.format(id=name, upstream=each) for name, each in models.items())
        )
        said = subprocess.run(
            [sys.executable, "-m", "smartoken", "apply", str(setup)],
            env=self.env, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        self.key, self.unused_key = [word for word in said.split() if word.startswith("sk-st-")]
        time.sleep(2)

    def start(self):
        """Start the gateway and wait until it answers."""
        run_file = self.folder / "data" / "run.json"
        run_file.unlink(missing_ok=True)
        with (self.folder / "gateway.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, str(STEPPED), str(self.offset), str(self.workers)],
                env=self.env, stdout=log, stderr=log,
            )  # fmt: skip
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

    @contextlib.contextmanager
    def load(self, staying=6, leaving=0, cut=0, paying=0, long=0):
        """Keep clients calling while the block runs; the gateway is stopped in order afterwards."""
        turns = [(Client.stay, staying), (Client.leave, leaving), (Client.meet_cuts, cut), (Client.pay_twice, paying)]
        turns.append((Client.stay_long, long))
        self.most_tokens = LONG_TOKENS if long else ANSWER_TOKENS
        clients = [(work, Client(self)) for work, count in turns for _ in range(count)]
        threads = [threading.Thread(target=work, args=(client,)) for work, client in clients]
        try:
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            yield
            time.sleep(0.5)
        finally:
            self.stop.set()
            self.over.set()
            for thread in threads:
                thread.join()
            for _, client in clients:
                client.close()
            self.gateway.send_signal(signal.SIGTERM)
            code = self.gateway.wait(40)
            self.truth.upstream = self.upstream_truth()
            self.upstream.kill()
            self.upstream.communicate()
        assert code == 0, f"the gateway ended with {code}"

    def token(self):
        """The token of this machine's commands, as the gateway has it by now."""
        return json.loads((self.folder / "data" / "run.json").read_text())["token"]

    def upstream_truth(self):
        """What the upstream was asked, by whom, and what it sent."""
        place = self.upstream_url.removesuffix("/v1")
        return httpx2.get(f"{place}/_truth?limit={KEPT}", timeout=60).json()["data"]

    def report(self):
        """Hold the database against what was seen."""
        return audit(self.truth, self.database or self.folder / "data" / "smartoken.db", self.faults, self.most_tokens)

    def kill(self):
        """Kill -9 the gateway and start it again; a journal that was replayed before is put back to be replayed."""
        time.sleep(random.uniform(0.3, 0.9))
        self.gateway.kill()
        self.gateway.wait()
        self.faults["kill"] += 1
        journals, kept = self.folder / "data" / "journal", self.folder / "kept"
        for old in kept.glob("ep_*"):
            old.rename(journals / old.name)
            self.faults["journal twice"] += 1
        kept.mkdir(exist_ok=True)
        for each in journals.glob("ep_*"):
            if each.name not in self.replayed:
                self.replayed.add(each.name)
                shutil.copytree(each, kept / each.name)
        self.gateway = self.start()

    def step_clock(self, seconds):
        """Set the gateway's wall clock off the machine's by so much, under load."""
        set_clock(self.offset, seconds)
        self.faults["clock step"] += 1
        time.sleep(1.2)

    def lock_database(self, seconds):
        """Let another process hold SQLite's write lock."""
        with contextlib.closing(sqlite3.connect(self.folder / "data" / "smartoken.db", timeout=10)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            other.rollback()
        self.faults["locked database"] += 1

    def forbid_writing(self, seconds):
        """Let PostgreSQL take no writes, as a standby answers; what was told to a call that needs the store."""
        with psycopg.connect(self.database, autocommit=True) as own:
            own.execute(REFUSING)
            tables = [name for (name,) in own.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
            for each in tables:
                own.execute(
                    f"CREATE TRIGGER refused BEFORE INSERT OR UPDATE OR DELETE ON {each} "
                    "FOR EACH STATEMENT EXECUTE FUNCTION refused()"
                )
            refused = self.ask_unused()
            time.sleep(seconds)
            for each in tables:
                own.execute(f"DROP TRIGGER refused ON {each}")
        self.faults["read-only database"] += 1
        return refused

    def ask_unused(self):
        """Call with a key whose budget nothing is leased of yet."""
        body = body_of(WHOLE, self.truth.asked(STAYS).user)
        headers = {"authorization": f"Bearer {self.unused_key}"}
        return httpx2.post(f"{self.address}/v1/chat/completions", json=body, headers=headers, timeout=20)

    def freeze_worker(self, seconds):
        """Stop one of several workers as if its machine slept, and let it go on once it was taken for dead."""
        victim = random.choice(self.worker_pids())
        os.kill(victim, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(victim, signal.SIGCONT)
        self.faults["frozen worker"] += 1
        time.sleep(5)

    def kill_worker(self):
        """Kill -9 one of several workers; the supervisor starts it again."""
        time.sleep(random.uniform(0.3, 0.9))
        victim = random.choice(self.worker_pids())
        os.kill(victim, signal.SIGKILL)
        self.faults["worker kill"] += 1
        until = time.monotonic() + START_S
        while len(set(self.worker_pids()) - {victim}) < self.workers and time.monotonic() < until:
            time.sleep(0.05)

    def worker_pids(self):
        """The processes of the workers."""
        return [
            int(each) for each in Path(f"/proc/{self.gateway.pid}/task/{self.gateway.pid}/children").read_text().split()
        ]

    def terminate(self):
        """SIGTERM under load: calls under way finish, and the next start serves on; the seconds that it took."""
        self.gateway.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert self.gateway.wait(35) == 0
        took = time.monotonic() - began
        assert took < 30
        self.faults["SIGTERM"] += 1
        self.gateway = self.start()
        return took

    def fill_disk(self, seconds):
        """Let no file grow, as a full disk does; calls on money in hand go on, nothing new is leased."""
        os_limit = resource.prlimit(self.gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.gateway.pid, resource.RLIMIT_FSIZE, (0, os_limit[1]))
        time.sleep(0.2)
        refused = self.ask_unused()
        time.sleep(seconds)
        resource.prlimit(self.gateway.pid, resource.RLIMIT_FSIZE, os_limit)
        self.faults["full disk"] += 1
        return refused

    def crash_database(self, servers, name):
        """Kill -9 the PostgreSQL server and start it again."""
        os.kill(servers.pid_of(name), signal.SIGKILL)
        self.faults["database crash"] += 1
        time.sleep(random.uniform(0.5, 1.5))
        servers.restart_own_postgres(name)
        time.sleep(random.uniform(1.0, 2.0))
