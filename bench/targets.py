"""What is measured: the provider alone, nginx before it, this gateway, LiteLLM's proxy and Portkey's gateway.

Each is started once, pinned to the gateways' core, and serves every *line*: ``calls`` (an answer at once), ``streams``
(a piece every 20 ms), ``long`` (ten times as many of them), ``slow`` (a piece every second, to hold many streams open)
and ``tls`` (calls, with TLS to the provider: nginx ends it before the same fake provider).
"""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import tools
from machine import GATEWAY_CORE, LOAD_CORE, MissingError, Processes, family, free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent
STREAMED = ("streams", "long", "slow")
CHUNKS, PACE_US = 50, 20_000
LONG_CHUNKS = 500  # of streams that neither begin nor end while they are measured
SLOW_CHUNKS, SLOW_PACE_US = 60, 1_000_000
UPSTREAM_KEY = "made-up-upstream-key"
BUDGET_USD = "900000.00"
EARLIER = "SmarToken then"  # at the commit that --against names
MONEYLESS = "SmarToken without money"  # nothing held, journalled or moved
_AS_IT_IS = ("-m", "smartoken")


@dataclass
class Target:
    """One gateway: where each line is reached, and the processes that do its work."""

    name: str
    version: str
    pid: int
    ports: dict[str, int]
    keys: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)  # header fields to add, by line
    peer: bool = False  # stopped while others are measured: some are busy even when nobody calls

    def pids(self) -> list[int]:
        """Return the processes whose CPU time is the gateway's."""
        return family(self.pid) if self.pid else []


@dataclass
class Provider:
    """The fake provider, with and without TLS before it."""

    ports: dict[str, int]
    tls_port: int | None
    authority: Path | None


def _nginx(processes: Processes, name: str, servers: str, core: int) -> int:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if program is None:
        raise MissingError("nginx is not installed: apt-get install nginx-light")
    folder = processes.folder / name
    folder.mkdir()
    places = " ".join(
        f"{each}_temp_path {folder}/{each};" for each in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 16384; }}\n"
        f"http {{ access_log off; {places} client_max_body_size 20m; client_body_buffer_size 1m;\n"
        f"keepalive_requests 1000000000;\n{servers}}}\n"
    )
    return processes.start(name, [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)], core)


def _pool(name: str, port: int) -> str:
    return f"upstream {name} {{ server 127.0.0.1:{port}; keepalive 2048; keepalive_requests 1000000000; }}\n"


def _passing(pool: str, listen: str, to: str, more: str = "") -> str:
    return (
        f"server {{ listen 127.0.0.1:{listen}; {more} location / {{ proxy_pass {to}://{pool}; proxy_http_version 1.1; "
        'proxy_set_header Connection ""; proxy_buffering off; proxy_ssl_server_name on; proxy_ssl_name localhost; } }\n'
    )


def _certificate(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
    ]
    command += ["2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingError(f"no certificate for the TLS line: {error}") from error
    return key, certificate


def provider(processes: Processes, absent: Callable[[str, str], None]) -> Provider:
    """Start the fake provider, and nginx with TLS before it if it is here."""
    ports = {line: free_port() for line in ("calls", *STREAMED)}
    specs = [
        f"{ports['calls']}:{CHUNKS}:0",
        f"{ports['streams']}:{CHUNKS}:{PACE_US}",
        f"{ports['long']}:{LONG_CHUNKS}:{PACE_US}",
        f"{ports['slow']}:{SLOW_CHUNKS}:{SLOW_PACE_US}",
    ]
    processes.start("upstream", [str(processes.folder / "upstream"), *specs], LOAD_CORE)
    try:
        key, certificate = _certificate(processes.folder)
        tls_port = free_port()
        more = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
        _nginx(
            processes,
            "terminator",
            _pool("u", ports["calls"]) + _passing("u", f"{tls_port} ssl", "http", more),
            LOAD_CORE,
        )
    except MissingError as missing:
        absent("TLS to the provider", str(missing))
        return Provider(ports, None, None)
    context = ssl.create_default_context(cafile=str(certificate))
    wait_until(lambda: _listens(f"https://127.0.0.1:{tls_port}/", context), 10)
    return Provider(ports, tls_port, certificate)


def _listens(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=context):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def answers(target: Target, line: str) -> str | None:
    """Ask a target for one answer or the begin of a stream; returns what is wrong with it, None when nothing is."""
    body = {
        "model": target.models.get(line, "bench"),
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 64,
    }
    headers = {"Authorization": f"Bearer {target.keys.get(line, 'sk-bench')}", "Content-Type": "application/json"}
    for each in target.fields.get(line, ()):
        name, _, value = each.partition(": ")
        headers[name] = value
    streams = line in STREAMED
    body = {**body, "stream": True} if streams else body
    url = f"http://127.0.0.1:{target.ports[line]}/v1/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = b"data: " in answer.readline() if streams else json.load(answer)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read()[:200].decode('utf-8', 'replace')}"
    except (OSError, ValueError, LookupError) as error:
        return f"{type(error).__name__}: {error}"
    return None if said else "an answer without content"


def _ready(processes: Processes, target: Target, log: str, seconds: float) -> Target:
    """Wait until a target answers on its first line. Raises MissingError with what it said last."""
    found: list[str | None] = [""]

    def answered() -> bool:
        if target.pid and not processes.alive(target.pid):
            raise MissingError(f"{target.name} ended: {processes.log_of(log)}")
        found[0] = answers(target, "calls")
        return found[0] is None

    if not wait_until(answered, seconds):
        raise MissingError(f"{target.name} did not answer within {seconds:.0f} s: {found[0]}")
    return target


def direct(processes: Processes, upstream: Provider) -> Target:
    """Return the provider itself, with nothing between."""
    return _ready(processes, Target("direct", "", 0, dict(upstream.ports)), "upstream", 10)


def nginx(processes: Processes, upstream: Provider) -> Target:
    """Start nginx as a plain reverse proxy: the floor. It does none of the policy."""
    ports = {line: free_port() for line in upstream.ports}
    servers = "".join(
        _pool(line, port) + _passing(line, str(ports[line]), "http") for line, port in upstream.ports.items()
    )
    if upstream.tls_port is not None:
        ports["tls"] = free_port()
        verify = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {upstream.authority};"
        servers += _pool("tls", upstream.tls_port) + _passing("tls", str(ports["tls"]), "https", verify)
    pid = _nginx(processes, "nginx", servers, GATEWAY_CORE)
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    return _ready(processes, Target("nginx", said.strip().rpartition("/")[2].split()[0], pid, ports), "nginx", 10)


def bare(processes: Processes, upstream: Provider) -> Target:
    """Start the least that a Python proxy can do: the floor for Python, without a single feature."""
    ports = {line: free_port() for line in upstream.ports}
    pairs = [f"{ports[line]}:{port}" for line, port in upstream.ports.items()]
    pid = processes.start("bare", [sys.executable, str(ROOT / "bench" / "bare.py"), *pairs], GATEWAY_CORE)
    return _ready(processes, Target("bare Python proxy", "", pid, ports), "bare", 10)


def _setup_file(upstream: Provider) -> str:
    """Return a set-up with a provider and a model for each line, a key with a budget, prices and costs."""
    bases = {line: f"http://127.0.0.1:{port}/v1" for line, port in upstream.ports.items()}
    if upstream.tls_port is not None:
        bases["tls"] = f"https://127.0.0.1:{upstream.tls_port}/v1"
    parts = [
        f'[[provider]]\nid = "{line}"\ndialect = "openai"\nbase_url = "{base}"\nallow_private = true\n'
        'keys = [{ name = "main", secret = "env:BENCH_UPSTREAM_KEY" }]\n'
        f'[[model]]\nid = "bench/{line}"\ncontext = 128000\nmax_output = 16384\n'
        'price = { currency = "USD", input = "0.15", cached_input = "0.075", output = "0.60" }\n'
        f'[[model.offer]]\nprovider = "{line}"\nupstream_model = "bench-1"\n'
        'cost = { currency = "USD", input = "0.10", output = "0.40" }\n'
        for line, base in bases.items()
    ]
    parts.append(
        '[[account]]\nid = "bench"\nbalance = "1000000.00"\n[[account.key]]\nname = "bench"\nenvironment = "bench"\n'
        f'secret = "env:BENCH_KEY"\nbudget = "{BUDGET_USD}"\nperiod = "month"\n'
    )
    return "\n".join(parts)


def _command(*arguments: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "smartoken", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})
    if done.returncode:
        raise MissingError(f"smartoken {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def smartoken(processes: Processes, upstream: Provider) -> Target:
    """Start this gateway as it is run: key, budget, prices, leases, journal and usage records on."""
    return _gateway(processes, upstream, "SmarToken", ROOT, _AS_IT_IS)


def moneyless(processes: Processes, upstream: Provider) -> Target:
    """Start this gateway without what money takes of each call."""
    return _gateway(processes, upstream, MONEYLESS, ROOT, (str(ROOT / "bench" / "moneyless.py"),))


def earlier(commit: str) -> Callable[[Processes, Provider], Target]:
    """Return what starts this gateway as it was at a commit, with the packages of today."""

    def start(processes: Processes, upstream: Provider) -> Target:
        root = processes.folder / "earlier"
        root.mkdir()
        packed = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=False)
        if packed.returncode:
            raise MissingError(packed.stderr.decode().strip() or f"git knows no {commit}")
        subprocess.run(["tar", "-x", "-C", str(root)], input=packed.stdout, check=True)
        return _gateway(processes, upstream, EARLIER, root, _AS_IT_IS)

    return start


def _gateway(processes: Processes, upstream: Provider, name: str, root: Path, program: tuple[str, ...]) -> Target:
    place = name.lower().replace(" ", "-")
    folder, port = processes.folder / f"{place}-data", free_port()
    env = {"SMARTOKEN_DATA_DIR": str(folder), "SMARTOKEN_PORT": str(port), "PYTHONPATH": str(root / "src")}
    if upstream.authority is not None:
        env["SMARTOKEN_CA_BUNDLE"] = str(upstream.authority)
    key = _command("key", "mint", env=env).strip()
    setup = processes.folder / f"{place}.toml"
    setup.write_text(_setup_file(upstream))
    _command("apply", str(setup), env={**env, "BENCH_UPSTREAM_KEY": UPSTREAM_KEY, "BENCH_KEY": key})
    pid = processes.start(place, [sys.executable, *program, "serve"], GATEWAY_CORE, env)
    lines = [*upstream.ports, *(["tls"] if upstream.tls_port is not None else [])]
    version = _command("--version", env=env).strip().rpartition(" ")[2]
    target = Target(
        name,
        version,
        pid,
        dict.fromkeys(lines, port),
        dict.fromkeys(lines, key),
        {line: f"bench/{line}" for line in lines},
    )
    return _ready(processes, target, place, 30)


def litellm(processes: Processes, upstream: Provider) -> Target:
    """Start LiteLLM's proxy with one worker and no database, its kindest case."""
    program, port = tools.litellm(), free_port()
    models = [
        {
            "model_name": f"bench-{line}",
            "litellm_params": {
                "model": "openai/bench-1",
                "api_base": f"http://127.0.0.1:{to}/v1",
                "api_key": UPSTREAM_KEY,
            },
        }
        for line, to in upstream.ports.items()
    ]
    config = processes.folder / "litellm.yaml"  # JSON is YAML
    settings = {
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": "sk-bench"},
    }
    config.write_text(json.dumps({"model_list": models, **settings}))
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "PYTHONPATH": ""}
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    pid = processes.start("litellm", command, GATEWAY_CORE, env)
    target = Target(
        "LiteLLM",
        tools.LITELLM.rpartition("=")[2],
        pid,
        dict.fromkeys(upstream.ports, port),
        models={line: f"bench-{line}" for line in upstream.ports},
        peer=True,
    )
    return _ready(processes, target, "litellm", 120)


def portkey(processes: Processes, upstream: Provider) -> Target:
    """Start Portkey's gateway; the provider's address comes with each call."""
    start, port = tools.portkey(), free_port()
    command = ["node", str(start), f"--port={port}", "--headless"]
    pid = processes.start("portkey", command, GATEWAY_CORE, {"NODE_ENV": "production"})
    fields: dict[str, tuple[str, ...]] = {
        line: ("x-portkey-provider: openai", f"x-portkey-custom-host: http://127.0.0.1:{to}/v1")
        for line, to in upstream.ports.items()
    }
    version = re.sub(r".*@", "", tools.PORTKEY)
    target = Target("Portkey", version, pid, dict.fromkeys(upstream.ports, port), fields=fields, peer=True)
    return _ready(processes, target, "portkey", 30)


STARTERS: dict[str, Callable[[Processes, Provider], Target]] = {
    "direct": direct,
    "nginx": nginx,
    "bare Python proxy": bare,
    "SmarToken": smartoken,
    MONEYLESS: moneyless,
    "LiteLLM": litellm,
    "Portkey": portkey,
}
