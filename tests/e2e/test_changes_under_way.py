"""What becomes of a call while its key, budget, scope or account changes: over real HTTP, all cases at once.

Each case has an account and a key of its own and one call under way, which is caught at one of three places: its text
is streaming, its provider has not spoken yet, or its body is not whole yet. What was admitted is told to the end and
charged to the key and the budget that it was admitted by; what was not is judged by what holds when its body is whole.
"""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

import httpx2
import pytest

from e2e.test_control_commands import Shell, serving
from sandboxes import sandbox_port

MODELS = {
    "test/slow": "echo?tokens=150&pace_ms=25",
    "test/late": "echo?tokens=20&first_ms=3000",
    "test/quick": "echo?tokens=20",
    "test/endless": "echo?tokens=4000&pace_ms=1&step=1",
}
PROVIDER = """
[[provider]]
id = "up1"
dialect = "openai"
base_url = "http://127.0.0.1:{port}/v1"
allow_private = true
keys = [{{ name = "main", secret = "env:UP1_KEY" }}]
"""
MODEL = """
[[model]]
id = "{id}"
context = 32768
max_output = 8192
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "up1"
upstream_model = "{upstream}"
"""
ACCOUNT = """
[[account]]
id = "{id}"
balance = "5.00"
"""
CAP = "1.00"
BUDGETS = [{"limit": CAP, "period": "total"}, {"limit": CAP, "period": "day"}]
SEEN_S = 2.5  # within which every worker knows of a change


@dataclass
class Seen:
    """What a client saw of a call."""

    status: int = 0
    code: str | None = None
    id: str | None = None
    pieces: int = 0
    done: bool = False
    finish: str | None = None
    charge: Decimal = Decimal(0)
    first: threading.Event = field(default_factory=threading.Event)


class Case:
    """An account, its key, and the calls that were made with it."""

    def __init__(self, shop, number):
        self.shop = shop
        self.account = f"case-{number}"
        made = self.ask("POST", "/keys", {"account": self.account, "name": "main", "budgets": BUDGETS})
        self.key_id, self.key = made["id"], made["secret"]
        self.new_key = None  # after a rotation
        self.calls = []

    def ask(self, method, path, body=None):
        headers = {"authorization": f"Bearer {self.shop.token}"}
        answer = httpx2.request(method, f"{self.shop.address}/api/v1{path}", json=body, headers=headers, timeout=30)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def change(self, **facts):
        return self.ask("PATCH", f"/keys/{self.key_id}", facts)

    def rotate(self, overlap_hours):
        self.new_key = self.ask("POST", f"/keys/{self.key_id}/rotate", {"overlap_hours": overlap_hours})["secret"]

    def revoke(self):
        self.ask("DELETE", f"/keys/{self.key_id}")

    def suspend(self):
        self.ask("PATCH", f"/admin/accounts/{self.account}", {"status": "suspended"})

    def stream(self, model, key=None, **more):
        """Make a streamed call and follow it to its end; what is seen of it grows meanwhile."""
        seen = Seen()
        self.calls.append(seen)
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": True, **more}
        body["stream_options"] = {"include_usage": True}
        headers = {"authorization": f"Bearer {key or self.key}"}

        def follow():
            url = f"{self.shop.address}/v1/chat/completions"
            with httpx2.stream("POST", url, json=body, headers=headers, timeout=60) as answer:
                seen.status, seen.id = answer.status_code, answer.headers["x-request-id"]
                if answer.status_code != 200:
                    seen.code = json.loads(answer.read())["error"]["code"]
                    return
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        read(seen, line[6:])

        thread = threading.Thread(target=follow)
        thread.start()
        return seen, thread

    def ask_anew(self, key=None, **more):
        """Make one more call; its status, and its error's code if it was refused."""
        seen, thread = self.stream("test/quick", key, **more)
        thread.join()
        return seen.status, seen.code

    def until_anew(self, expected, key=None):
        """Make calls until one is answered as expected; what the last one was answered with."""
        until = time.monotonic() + SEEN_S
        while (told := self.ask_anew(key=key)) != expected and time.monotonic() < until:
            time.sleep(0.05)
        return told


def read(seen, text):
    if text == "[DONE]":
        seen.done = True
        return
    event = json.loads(text)
    for each in event["choices"]:
        seen.pieces += bool(each["delta"].get("content"))
        seen.finish = each.get("finish_reason") or seen.finish
    if seen.pieces:
        seen.first.set()
    if event.get("usage"):
        seen.charge = Decimal(event["usage"]["charge_usd"])


OLD_ENDED, REVOKED = (401, "key_expired"), (401, "key_revoked")
ANSWERED = (200, None)
SPENT = {"budget_exceeded", "request_exceeds_budget"}
LOWERED = [{"limit": "0.000001", "period": "total"}, {"limit": CAP, "period": "day"}]
# name -> (what is done, what a call with the old text is told from then on)
ATTACKS = {
    "rotated at once": (lambda case: case.rotate(0), OLD_ENDED),
    "rotated with an overlap": (lambda case: case.rotate(1), ANSWERED),
    "rotated and then revoked": (lambda case: (case.rotate(1), case.revoke()), REVOKED),
    "revoked": (Case.revoke, REVOKED),
    "paused": (lambda case: case.change(status="paused"), (403, "key_paused")),
    "budget below what is held": (lambda case: case.change(budgets=LOWERED), (402, "request_exceeds_budget")),
    "budget of nothing": (
        lambda case: case.change(budgets=[{"limit": "0", "period": "total"}]),
        (402, "budget_exceeded"),
    ),
    "budget taken away": (lambda case: case.change(budgets=[]), ANSWERED),
    "budget raised": (lambda case: case.change(budgets=[{"limit": "2.00", "period": "total"}]), ANSWERED),
    "budget of another period": (lambda case: case.change(budgets=[{"limit": CAP, "period": "month"}]), ANSWERED),
    "other models": (lambda case: case.change(models=["test/other"]), (403, "model_not_allowed")),
    "other addresses": (lambda case: case.change(allowed_ips=["192.0.2.1"]), (403, "ip_not_allowed")),
    "account suspended": (Case.suspend, (403, "account_suspended")),
}
PLACES = {"streaming": "test/slow", "unheard": "test/late"}


def attack(shop, number, place, name):
    """Change what a call rests on while it is at a place; returns the case and what was seen."""
    case = Case(shop, number)
    act, expected = ATTACKS[name]
    seen, thread = case.stream(PLACES[place])
    if place == "streaming":
        assert seen.first.wait(20)
    else:
        time.sleep(0.5)
    act(case)
    anew = case.until_anew(expected)
    by_new = case.ask_anew(key=case.new_key) if case.new_key else None
    under_way = thread.is_alive()
    thread.join()
    return case, seen, anew, by_new, under_way


def attack_half_a_body(shop, number, name):
    """Change what a call will rest on while half its body is there; returns what it is told once it is whole."""
    case = Case(shop, number)
    act, expected = ATTACKS[name]
    parts = urlsplit(shop.address)
    body = json.dumps({"model": "test/quick", "messages": [{"role": "user", "content": "hello"}]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {case.key}\r\n"
        f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(head + body[:20])
        time.sleep(0.5)
        act(case)
        assert case.until_anew(expected) == expected
        connection.sendall(body[20:])
        raw = b""
        while piece := connection.recv(65536):
            raw += piece
    answered, _, text = raw.partition(b"\r\n\r\n")
    told = json.loads(text)
    seen = Seen(int(answered.split()[1]), told.get("error", {}).get("code"), told.get("id"))
    if seen.status == 200:
        seen.charge = Decimal(told["usage"]["charge_usd"])
    case.calls.append(seen)
    return case, (seen.status, seen.code)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A served gateway; cases are run at once, since each of them waits."""
    shell = Shell(tmp_path_factory.mktemp("changes"))
    cases = [(place, name) for place in (*PLACES, "half a body") for name in ATTACKS]
    with serving(shell), sandbox_port() as port:
        shell.token = json.loads((shell.folder / "data" / "run.json").read_text())["token"]
        text = PROVIDER.format(port=port) + "".join(MODEL.format(id=i, upstream=u) for i, u in MODELS.items())
        numbers = range(len(cases) + 2)
        shell("apply", shell.file(text + "".join(ACCOUNT.format(id=f"case-{each}") for each in numbers)))
        shell.spare = f"case-{len(cases)}", f"case-{len(cases) + 1}"
        shell.numbers = {case: number for number, case in enumerate(cases)}
        with ThreadPoolExecutor(6) as pool:
            shell.outcomes = {
                (place, name): pool.submit(attack_half_a_body, shell, shell.numbers[place, name], name)
                if place == "half a body"
                else pool.submit(attack, shell, shell.numbers[place, name], place, name)
                for place, name in cases
            }
        yield shell


def settled(case):
    """The case's records once all that were charged are there."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        rows = {row["id"]: row for row in case.ask("GET", f"/calls?account={case.account}&limit=500")["data"]}
        if all(seen.id in rows for seen in case.calls if seen.charge):
            return rows
        time.sleep(0.1)
    raise AssertionError("what was charged is not in the ledger")


def check_books(case):
    """Every charge is the key's and told the same to everybody; the wallet and the budgets sum them up."""
    rows = settled(case)
    charges = sum((seen.charge for seen in case.calls), Decimal(0))
    assert sum(Decimal(row["charge_usd"]) for row in rows.values()) == charges > 0
    assert {row["key_id"] for row in rows.values()} == {case.key_id}
    for seen in case.calls:
        if seen.charge:
            assert Decimal(rows[seen.id]["charge_usd"]) == seen.charge
    wallet = case.ask("GET", f"/admin/accounts/{case.account}/wallet")
    assert Decimal(wallet["balance"]) == 5 - charges
    for budget in case.ask("GET", f"/keys/{case.key_id}")["budgets"]:
        if budget["period"] != "month":  # one of another period begins with the calls after it
            assert Decimal(budget["used"]) == charges
        assert Decimal(budget["held"]) == 0
        assert Decimal(budget["used"]) <= Decimal(CAP)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("place", PLACES)
def test_a_call_under_way_is_told_to_its_end_and_charged_to_what_it_was_admitted_by(shop, place, name):
    case, seen, anew, by_new, under_way = shop.outcomes[place, name].result()
    assert under_way, "the change was to be seen while the call ran"
    assert anew == ATTACKS[name][1]
    assert by_new in (None, REVOKED if "revoked" in name else ANSWERED)
    assert (seen.status, seen.done, seen.finish) == (200, True, "stop")
    assert seen.pieces == (150 if place == "streaming" else 20)
    check_books(case)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_call_whose_body_comes_later_is_judged_by_what_holds_then(shop, name):
    case, told = shop.outcomes["half a body", name].result()
    assert told == ATTACKS[name][1]
    if told == ANSWERED:
        check_books(case)


def test_an_answer_that_grows_ends_where_a_lowered_budget_stands(shop):
    case = Case(shop, shop.spare[0].partition("-")[2])
    seen, thread = case.stream("test/endless")
    assert seen.first.wait(20)
    case.change(budgets=[{"limit": "0.001", "period": "total"}])
    thread.join()
    assert (seen.status, seen.done) == (200, True)
    assert seen.finish in ("length", "stop")
    assert seen.charge <= Decimal(CAP)
    assert case.ask_anew() == (402, "budget_exceeded")
    check_books(case)


def test_calls_that_crowd_at_a_key_while_it_rotates_spend_no_more_than_its_budget(shop):
    case = Case(shop, shop.spare[1].partition("-")[2])
    limit = Decimal("0.002")
    case.change(budgets=[{"limit": str(limit), "period": "total"}])
    keys, over = [case.key], threading.Event()

    def crowd():
        while not over.is_set():
            case.ask_anew(keys[-1], max_tokens=24)

    threads = [threading.Thread(target=crowd) for _ in range(6)]
    for each in threads:
        each.start()
    until = time.monotonic() + 20
    while len(keys) < 6 or (not any(seen.code in SPENT for seen in case.calls) and time.monotonic() < until):
        time.sleep(0.3)
        case.rotate(0)
        keys.append(case.new_key)
    over.set()
    for each in threads:
        each.join()
    charges = sum((seen.charge for seen in case.calls), Decimal(0))
    settled(case)
    (budget,) = case.ask("GET", f"/keys/{case.key_id}")["budgets"]
    assert Decimal(budget["used"]) == charges <= limit
    assert {seen.code for seen in case.calls} - {None, "key_expired"} <= SPENT | {"in_flight_budget_exhausted"}
    assert charges > limit * Decimal("0.8"), "the crowd was too thin to come near the budget"


def test_the_books_are_sound_after_all_of_it(shop):
    for outcome in shop.outcomes.values():
        outcome.result()
    case = next(iter(shop.outcomes.values())).result()[0]
    checked = case.ask("POST", "/admin/reconciliation")
    assert checked["sound"], [each for each in checked["data"] if not each["ok"]]
