"""A real llama.cpp server with a small real model, and the product as ``smartoken serve`` runs it in front of that."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import openai
import pytest

from clients.environments import HERE, llama
from clients.scripts import address_of

ROOT = HERE.parents[1]
CONTEXT = 2048
START_S = 120
SETUP = """
[[provider]]
id = "llama"
dialect = "openai"
base_url = "{upstream}/v1"
allow_private = true
keys = [{{ name = "main", secret = "env:REAL_UPSTREAM_KEY" }}]
timeouts = {{ connect_s = 5, first_byte_s = 120, idle_s = 120, total_s = 300 }}

[[model]]
id = "real/smollm2"
context = 2048
max_output = 512
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "llama"
upstream_model = "smollm2-135m"

[[model]]
id = "real/too-wide"
context = 32768
max_output = 512
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "llama"
upstream_model = "smollm2-135m"

[[model]]
id = "real/unknown"
context = 2048
max_output = 512
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "llama"
upstream_model = "no-such-model"

[[account]]
id = "acme"
balance = "10.00"
[[account.key]]
name = "real"
environment = "staging"
"""


@dataclass(frozen=True)
class Answer:
    """What a server sent: status, headers in lower case, and the text of its body."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def chunks(self):
        """The events of a stream that hold JSON."""
        lines = [line.removeprefix("data: ") for line in self.text.splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]


def ask(url, body, key=""):
    """POST a body as it is and return the answer whatever its status; a body that breaks off is what came of it."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        answer = urllib.request.urlopen(request, timeout=300)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, text)


@dataclass(frozen=True)
class Product:
    """A running gateway: its address and a key."""

    address: str
    key: str

    def ask(self, **body):
        """Call it without an SDK."""
        return ask(f"{self.address}/v1/chat/completions", body, self.key)

    def call(self, call_id):
        """Return the record of a call, once it is stored."""
        until = time.monotonic() + 10
        while True:
            request = urllib.request.Request(
                f"{self.address}/v1/calls/{call_id}", headers={"authorization": f"Bearer {self.key}"}
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 404 or time.monotonic() > until:
                    raise
            time.sleep(0.1)


@contextlib.contextmanager
def started(argv, env, log):
    """Run a program until the block ends."""
    with log.open("w") as out:
        process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(there, process, log):
    """Wait until something is there. Fails with the end of the log when the program ends or takes too long."""
    until = time.monotonic() + START_S
    while not there():
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < until, f"not there after {START_S} s: {log.read_text()[-2000:]}"
        time.sleep(0.2)


def plain_environment():
    """The environment without settings of ours and without proxies: all of it talks to the loopback."""
    dropped = ("SMARTOKEN_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(dropped)}


@pytest.fixture(scope="session")
def upstream(tmp_path_factory):
    """The address of llama_cpp.server with SmolLM2-135M-Instruct; built when it is not there."""
    python, weights = llama()
    log = tmp_path_factory.mktemp("llama") / "log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    argv = [python, "-m", "llama_cpp.server", "--model", str(weights), "--model_alias", "smollm2-135m"]
    argv += ["--n_ctx", str(CONTEXT), "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"

    def there():
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/v1/models", timeout=5):
            return True
        return False

    with started(argv, plain_environment(), log) as process:
        wait_for(there, process, log)
        yield address


@pytest.fixture(scope="session")
def product(tmp_path_factory, upstream):
    """The gateway, set up as its operators would."""
    folder = tmp_path_factory.mktemp("product")
    place, log, setup = folder / "data", folder / "log", folder / "setup.toml"
    env = plain_environment() | {
        "SMARTOKEN_DATA_DIR": str(place),
        "PYTHONPATH": str(ROOT / "src"),
        "REAL_UPSTREAM_KEY": "made-up-upstream-key",
    }
    setup.write_text(SETUP.format(upstream=upstream))
    with started([sys.executable, "-m", "smartoken", "serve"], env, log) as process:
        wait_for(lambda: address_of(place), process, log)
        argv = [sys.executable, "-m", "smartoken", "apply", str(setup)]
        done = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        key = re.search(r"key acme/real: (sk-st-\w+)", done.stdout)[1]
        time.sleep(2)  # a worker sees a change of the set-up within two seconds
        yield Product(address_of(place), key)


@pytest.fixture
def client(product):
    """The openai SDK, which does not retry here, so that each failure is seen."""
    with openai.OpenAI(base_url=f"{product.address}/v1", api_key=product.key, max_retries=0, timeout=300) as made:
        yield made
