"""``call``, ``usage``, ``event`` and ``audit`` as they are typed, against a running server."""

import json
import re
import time
import urllib.error
import urllib.request

import pytest

from e2e.test_control_commands import SETUP, served, shell

__all__ = ["served", "shell"]
STORED_WITHIN_S = 10


def called(shop, secret, model):
    """Call a model; returns the call's id and what was said, whether it was answered or refused."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "user": "anna"}).encode()
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    request = urllib.request.Request(f"{shop.address}/v1/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.headers["x-request-id"], json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.headers["x-request-id"], json.load(refused)


@pytest.fixture
def used(served):
    """A server whose demo key made an answered call and one that failed, both stored."""
    secret = served.secret = (served.folder / "data" / "demo-key").read_text().strip()
    served.calls = [called(served, secret, model)[0] for model in ("sandbox/echo", "sandbox/overloaded")]
    end = time.monotonic() + STORED_WITHIN_S
    while len(json.loads(served("call", "list", "--json").stdout)["data"]) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    return served


def test_calls_are_listed_newest_first_narrowed_and_shown_with_their_charge_worked_out(used):
    answered, failed = used.calls
    lines = used("call", "list").stdout.splitlines()
    assert lines[0].split()[:4] == ["at", "call", "account", "key"]
    assert [failed in lines[1], answered in lines[2], len(lines)] == [True, True, 3]
    assert answered not in used("call", "list", "--failed").stdout
    assert failed not in used("call", "list", "--answered", "--user", "anna").stdout
    assert used("call", "list", "--limit", "1").stdout.count("call_") == 1
    assert used("call", "list", "--to", "2020-01-01").stdout.strip() == "No calls."
    shown = used("call", "show", answered).stdout
    assert re.search(r"^price_lines +what input, tokens \d+, usd_per_1m 0\.50; what output", shown, re.MULTILINE)
    assert re.search(r"^reason +The provider ended the answer", shown, re.MULTILINE)


def test_usage_is_summed_by_what_is_asked_for_and_ends_with_its_total(used):
    lines = used("usage", "--by", "model").stdout.splitlines()
    assert lines[1].split()[:3] == ["model", "calls", "errors"]
    assert [line.split()[:3] for line in lines[2:]] == [
        ["sandbox/echo", "1", "0"],
        ["sandbox/overloaded", "1", "1"],
        ["total", "2", "1"],
    ]
    assert "demo" in used("usage", "--by", "key", "--account", "demo").stdout
    assert used("usage", "--from", "2026-01-01", "--to", "2026-01-02").stdout.endswith("No usage.\n")
    assert used("usage", "--from", "2001-01-01").stdout.startswith("Not available: sums are kept from ")
    report = json.loads(used("usage", "--json").stdout)
    assert report["total"]["calls"] == 2


def test_who_changed_what_is_listed_and_its_chain_followed(served):
    served("apply", served.file(SETUP))
    served("key", "create", "--account", "acme", "--name", "ci")
    assert re.search(r"key\.create +key:", served("audit", "list").stdout)
    assert len(served("audit", "list", "--limit", "1").stdout.splitlines()) == 2
    assert served("audit", "check").stdout == "Every entry follows from those before it.\n"


def test_events_are_listed_by_kind(used):
    assert used("event", "list").stdout == "No events.\n"
    with urllib.request.urlopen(f"{used.address}/healthz?key={used.secret}", timeout=5):  # a key has no place there
        pass
    end = time.monotonic() + STORED_WITHIN_S
    while "key.exposed" not in used("event", "list", "--kind", "key.exposed").stdout and time.monotonic() < end:
        time.sleep(0.1)
    assert re.search(r"key\.exposed +key:key_", used("event", "list", "--account", "demo").stdout)
    assert used("event", "list", "--kind", "budget.alert").stdout == "No events.\n"


def test_money_that_may_not_pay_for_the_sandbox_is_said_to_be_so_and_what_may(served):
    served("apply", served.file(SETUP))
    made = served("key", "create", "--account", "acme", "--name", "ci", "--json")
    _, said = called(served, json.loads(made.stdout)["secret"], "sandbox/echo")
    assert said["error"]["code"] == "insufficient_balance"
    assert "takes play money only" in said["error"]["message"]
    assert "demo key" in said["error"]["remedy"]


WRONG = [
    (("usage", "--by", "colour"), "`--by` must be one of model, provider"),
    (("usage", "--from", "2026-02-02", "--to", "2026-02-01"), "`--from` must be before"),
    (("call", "list", "--from", "yesterday"), '`--from` must be such as "2027-01-31T00:00:00Z".'),
    (("call", "show", "call_none"), "no call 'call_none'"),
    (("event", "list", "--account", "nobody"), "nobody"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=lambda each: " ".join(each) if isinstance(each, tuple) else "")
def test_what_was_typed_wrong_is_named_as_it_was_typed(shell, words, said):
    assert said in shell(*words, code=2).stderr
