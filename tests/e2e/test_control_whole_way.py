"""From a set-up file to a logged and charged call, without waiting anywhere in between."""

import json
import re
import threading
import urllib.error
import urllib.request
from decimal import Decimal

import pytest

from e2e.test_control_commands import served, shell
from sandboxes import sandbox_port

__all__ = ["served", "shell"]  # fixtures

SETUP = """
[[provider]]
id = "up1"
dialect = "openai"
base_url = "http://127.0.0.1:{port}/v1"
allow_private = true
keys = [{{ name = "main", secret = "env:UP1_KEY" }}]

[[model]]
id = "test/alpha"
context = 32768
max_output = 4096
price = {{ currency = "USD", input = "0.50", output = "1.50" }}
[[model.offer]]
provider = "up1"
upstream_model = "echo"

[[account]]
id = "acme"
balance = "1.00"
[[account.key]]
name = "main"
environment = "staging"
models = ["test/*"]
budget = "0.50"
[[account.key]]
name = "blocked"
budget = "0"
"""


@pytest.fixture
def upstream():
    """The port of a sandbox."""
    with sandbox_port() as found:
        yield found


def ask(address, path, token, body=None):
    """Send JSON; returns status and JSON."""
    raw = json.dumps(body).encode() if body is not None else None
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(f"{address}{path}", raw, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_key_from_a_file_calls_at_once_and_the_call_is_charged_and_listed(served, upstream):
    applied = json.loads(served("apply", served.file(SETUP.format(port=upstream)), "--json").stdout)
    keys = {each["key"]: each["secret"] for each in applied["minted"]}
    body = {"model": "test/alpha", "messages": [{"role": "user", "content": "Say hello"}]}
    status, answer = ask(served.address, "/v1/chat/completions", keys["acme/main"], body)
    assert status == 200, answer
    status, refused = ask(served.address, "/v1/chat/completions", keys["acme/blocked"], body)
    assert status == 402, refused
    with urllib.request.urlopen(refused["error"]["doc_url"], timeout=20) as page:
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")

    token = json.loads((served.folder / "data" / "run.json").read_text())["token"]
    usage = answer["usage"]
    for _ in range(50):
        _, listed = ask(served.address, "/api/v1/calls?account=acme", token)
        found = [each for each in listed["data"] if each["id"] == answer["id"]]
        if found:
            break
        threading.Event().wait(0.1)
    (call,) = found
    assert (call["account"], call["key"], call["model_asked"], call["provider"]) == (
        "acme",
        "main",
        "test/alpha",
        "up1",
    )
    assert (call["prompt_tokens"], call["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    pico = usage["prompt_tokens"] * 500_000 + usage["completion_tokens"] * 1_500_000
    assert call["charge_usd"].rstrip("0") == f"{-(-pico // 1000) / 10**9:.9f}".rstrip("0")
    (budget,) = json.loads(served("key", "show", "acme/main", "--json").stdout)["budgets"]
    figures = {name: Decimal(budget[name]) for name in ("limit", "used", "held", "available")}
    assert (figures["used"], figures["held"]) == (Decimal(call["charge_usd"]), 0)
    assert figures["limit"] == figures["used"] + figures["available"] == Decimal("0.50")
    assert f"{budget['used']} of 0.50/total" in served("key", "list", "--account", "acme").stdout
    assert "acme" in served("account", "list").stdout
    assert "timezone    UTC" in re.sub(" {2,}", "    ", served("account", "show", "acme").stdout)
    _, report = ask(served.address, "/api/v1/usage?group_by=key", token)
    assert {each["key"] for each in report["data"]} >= {"main"}
    assert ask(served.address, "/api/v1/calls", "not-a-token")[0] == 401
    assert ask(served.address, "/api/v1/calls", keys["acme/main"])[0] == 401
