"""The performance report: this gateway beside its floor and its peers, interleaved in one run on one machine.

Cost is CPU time that the kernel charged to a gateway's threads (``/proc/PID/task/*/schedstat``) between two marks of
the load generator, divided by answers or chunks: it survives a noisy machine, where calls per second do not. Upstream
and load run on core 0, the gateways on core 1; rounds of all targets alternate and medians are quoted. A peer that
cannot be installed is named, never left out in silence. ``up.c`` and ``lg.c`` are the upstream and the load generator.

    python3 dev.py bench [--rounds 3] [--seconds 3] [--no-peers]
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("SMARTOKEN_BENCH_CACHE") or Path.home() / ".cache" / "smartoken-bench")
CONNECTIONS, STREAMS, CHUNKS, PACE_US = 64, 100, 50, 20_000
MODEL = "gpt-4o-mini"
LITELLM = "litellm[proxy]==1.108.0"
PORTKEY = "@portkey-ai/gateway@1.15.2"
CLOSED_LOOP, PACED = "calls", "streams"
SETUP = """
[[provider]]
id = "bench"
dialect = "openai"
base_url = "http://127.0.0.1:{port}/v1"
allow_private = true
keys = [{{ name = "main", secret = "env:BENCH_UPSTREAM_KEY" }}]
[[model]]
id = "{model}"
context = 128000
max_output = 16384
price = {{ currency = "USD", input = "0.15", cached_input = "0.075", output = "0.60" }}
[[model.offer]]
provider = "bench"
upstream_model = "{model}"
[[account]]
id = "bench"
balance = "1000000.00"
[[account.key]]
name = "bench"
environment = "bench"
budget = "900000.00"
"""


@dataclass
class Target:
    """One gateway under test for one kind of load."""

    name: str
    port: int
    pids: list[int]
    key: str = "sk-bench"
    version: str = ""
    headers: str = ""  # further request headers, each ended by CRLF
    costs: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    failures: int = 0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


def cpu_ns(pids: list[int]) -> int:
    """Return the CPU time of processes with all their threads."""
    total = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(path.read_text().split()[0])
    return total


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for entry in found:
        with contextlib.suppress(OSError):
            found += [int(each) for each in Path(f"/proc/{entry}/task/{entry}/children").read_text().split()]
    return found


class Bench:
    """The processes of a run; everything that is started here is ended here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.missing: list[str] = []
        for name in ("up", "lg"):
            command = ["gcc", "-O2", "-w", "-o", str(folder / name), str(ROOT / "bench" / f"{name}.c")]
            subprocess.run(command, check=True)
        self.up_ports = {CLOSED_LOOP: free_port(), PACED: free_port()}
        self.start(
            [
                str(folder / "up"),
                f"{self.up_ports[CLOSED_LOOP]}:0:{CHUNKS}:0",
                f"{self.up_ports[PACED]}:{PACE_US}:{CHUNKS}:0",
            ],
            core=0,
        )

    def start(self, command: list[str], *, core: int, env: dict[str, str] | None = None) -> int:
        """Start a process pinned to a core; its id."""
        log = (self.folder / "log").open("ab")
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdout=log, stderr=log, env={**os.environ, **(env or {})}
        )
        log.close()
        self.processes.append(process)
        return process.pid

    def close(self) -> None:
        """End what was started."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def load(self, target: Target, kind: str, seconds: int, connections: int | None = None) -> dict[str, float]:
        """Load a target once and note its cost."""
        arguments = ["-p", str(target.port), "-d", str(seconds), "-k", target.key, "-m", MODEL]
        arguments += ["-c", str(connections or (CONNECTIONS if kind == CLOSED_LOOP else STREAMS))]
        if target.headers:
            arguments += ["-H", target.headers]
        if kind == PACED:
            arguments += ["-s", "-n", str(CHUNKS)]
        command = ["taskset", "-c", "0", str(self.folder / "lg"), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            before = after = 0
            pids = [each for pid in target.pids for each in family(pid)]
            for line in process.stderr:
                if line.startswith("MEASURE"):
                    before = cpu_ns(pids)
                elif line.startswith("END"):
                    after = cpu_ns(pids)
            found = json.loads(process.stdout.read())
        count = found["chunks"] if kind == PACED else found["done"]
        target.failures += int(found["non200"]) + int(found.get("bad", 0))
        target.costs.append((after - before) / 1000 / max(1, count))
        target.rates.append(count / found["secs"])
        target.firsts.append(found.get("ttft_p50", found["lat_p50"]) / 1000)
        return found


def answers(port: int, key: str) -> bool:
    """Whether a gateway answers a chat call."""
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        body,
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def wait_for(port: int, key: str, seconds: float) -> bool:
    """Wait until a gateway answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answers(port, key):
            return True
        time.sleep(0.2)
    return False


def nginx(bench: Bench, upstream: int) -> Target | None:
    """Start nginx as a plain reverse proxy: the floor, with none of the policy."""
    if shutil.which("nginx") is None:
        bench.missing.append("nginx (apt-get install nginx-light)")
        return None
    port, folder = free_port(), bench.folder / f"nginx-{upstream}"
    folder.mkdir()
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 8192; }}
http {{ access_log off; {temporary} keepalive_requests 100000000;
upstream u {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_buffering off; }} }} }}"""
    )
    pid = bench.start(["nginx", "-c", str(folder / "conf")], core=1)
    wait_for(port, "sk-bench", 10)
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr.strip()
    return Target("nginx", port, [pid], version=version.partition(": ")[2])


def smartoken(bench: Bench, upstream: int) -> Target:
    """Start this gateway as it is run: keys, budget, leases, journal and usage records on."""
    data = bench.folder / f"data-{upstream}"
    env = {
        "SMARTOKEN_DATA_DIR": str(data),
        "SMARTOKEN_PORT": str(free_port()),
        "BENCH_UPSTREAM_KEY": "made-up",
        "PYTHONPATH": str(ROOT / "src"),
    }
    pid = bench.start([sys.executable, "-m", "smartoken", "serve"], core=1, env=env)
    until = time.monotonic() + 60
    while not (data / "run.json").exists() and time.monotonic() < until:
        time.sleep(0.1)
    setup = bench.folder / "setup.toml"
    setup.write_text(SETUP.format(port=upstream, model=MODEL))
    said = subprocess.run(
        [sys.executable, "-m", "smartoken", "apply", str(setup)],
        env={**os.environ, **env}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    key = said[said.index("sk-st-") :].split()[0]
    port = int(env["SMARTOKEN_PORT"])
    if not wait_for(port, key, 20):
        raise SystemExit("smartoken does not answer; see the log")
    return Target("smartoken", port, [pid], key, "this checkout")


def litellm(bench: Bench, upstream: int) -> Target | None:
    """Start LiteLLM's proxy: one worker, no database, its kindest case."""
    venv = CACHE / "litellm"
    program = venv / "bin" / "litellm"
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, capture_output=True)
            install = [str(venv / "bin" / "pip"), "install", "-q", LITELLM]
            subprocess.run(install, check=True, capture_output=True, timeout=600)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            bench.missing.append(f"LiteLLM ({LITELLM}): {type(error).__name__}")
            return None
    config, port = bench.folder / f"litellm-{upstream}.yaml", free_port()
    config.write_text(
        f"model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n"
        f"      api_base: http://127.0.0.1:{upstream}/v1\n      api_key: made-up\n"
        "general_settings:\n  master_key: sk-bench\nlitellm_settings:\n  telemetry: false\n"
    )
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    pid = bench.start(command, core=1, env=env)
    if not wait_for(port, "sk-bench", 90):
        bench.missing.append("LiteLLM: it did not answer within 90 s")
        return None
    return Target("litellm", port, [pid], version=LITELLM)


def portkey(bench: Bench, upstream: int) -> Target | None:
    """Start Portkey's gateway; headers tell it where to go."""
    folder = CACHE / "portkey"
    server = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not server.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", PORTKEY]
            subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            bench.missing.append(f"Portkey ({PORTKEY}): {type(error).__name__}")
            return None
    port = free_port()
    pid = bench.start(["node", str(server), "--headless", f"--port={port}"], core=1)
    header = f"x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:{upstream}/v1\r\n"
    time.sleep(5)
    return Target("portkey", port, [pid], version=PORTKEY, headers=header)


STARTERS: dict[str, Callable[[Bench, int], Target | None]] = {
    "nginx": nginx,
    "smartoken": smartoken,
    "litellm": litellm,
    "portkey": portkey,
}


def measured(bench: Bench, kind: str, options: argparse.Namespace) -> list[Target]:
    """Start every target for one kind of load and measure them in turns."""
    names = ["nginx", "smartoken"] + ([] if options.no_peers else ["litellm", "portkey"])
    targets = [found for name in names if (found := STARTERS[name](bench, bench.up_ports[kind])) is not None]
    for _ in range(options.rounds):
        for target in targets:
            slow = target.name == "litellm"
            bench.load(target, kind, options.seconds, 20 if slow and kind == PACED else None)
    return targets


def lines(kind: str, targets: list[Target]) -> Iterator[str]:
    """Yield the report of one kind of load."""
    unit = "call" if kind == CLOSED_LOOP else "chunk"
    shape = (
        f"{CONNECTIONS} connections" if kind == CLOSED_LOOP else f"{STREAMS} streams, a chunk each {PACE_US // 1000} ms"
    )
    yield f"| {kind}: {shape} | CPU us/{unit} | x nginx | {unit}s/s | first answer p50 ms | failures | version |"
    yield "|---|---|---|---|---|---|---|"
    floor = next((statistics.median(each.costs) for each in targets if each.name == "nginx"), None)
    for each in targets:
        cost = statistics.median(each.costs)
        ratio = f"{cost / floor:.1f}" if floor else "-"
        rate, first = statistics.median(each.rates), statistics.median(each.firsts)
        yield f"| {each.name} | {cost:.1f} | {ratio} | {rate:.0f} | {first:.2f} | {each.failures} | {each.version} |"


def main() -> None:
    """Run and print the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="smartoken-bench-") as folder:
        bench = Bench(Path(folder))
        try:
            load = os.getloadavg()[0]
            report = [f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {load:.1f} at the start", ""]
            for kind in (CLOSED_LOOP, PACED):
                report += [*lines(kind, measured(bench, kind, options)), ""]
            report += [f"not measured: {each}" for each in dict.fromkeys(bench.missing)]
            print("\n".join(report))
        finally:
            bench.close()


if __name__ == "__main__":
    main()
