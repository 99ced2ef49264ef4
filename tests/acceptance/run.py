"""Run docs/acceptance.md row by row against a gateway of its own: sentence, command, figure, verdict.

Needs no provider key. Rows of later releases are printed as such and never count as passed.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
SETUP = """
[[provider]]
id = "one"
dialect = "openai"
base_url = "{upstream}"
allow_private = true
keys = [{{ name = "main", secret = "env:ACCEPTANCE_UPSTREAM_KEY" }}]

[[provider]]
id = "broken"
dialect = "openai"
base_url = "{upstream}"
allow_private = true
keys = [{{ name = "main", secret = "env:ACCEPTANCE_UPSTREAM_KEY" }}]

[[model]]
id = "test/alpha"
context = 32768
max_output = 4096
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "one"
upstream_model = "echo"

[[model]]
id = "test/beta"
context = 32768
max_output = 4096
price = {{ currency = "USD", input = "2.00", output = "4.00" }}
[[model.offer]]
provider = "one"
upstream_model = "echo?tokens=20"

[[model]]
id = "test/fallback"
context = 32768
max_output = 4096
price = {{ currency = "USD", input = "1.00", output = "2.00" }}
[[model.offer]]
provider = "broken"
upstream_model = "echo"
tier = 1
[[model.offer]]
provider = "one"
upstream_model = "echo"
tier = 2

[[account]]
id = "acme"
balance = "10.00"
[[account.key]]
name = "plain"
environment = "staging"
[[account.key]]
name = "staging"
environment = "staging"
budget = "0.01"
models = ["test/*"]
[[account.key]]
name = "counted"
environment = "staging"
[[account.key]]
name = "rotated"
environment = "staging"

[[account]]
id = "books"
[[account.key]]
name = "books"
"""

MISSING, DOUBLED, MISPRICED = 41, 97, 163  # of the calls of row 4


class Failed(Exception):  # noqa: N818 - a verdict, not a fault
    """A row did not hold; the message is its figure."""


def need(truth: object, figure: str) -> None:
    """Fail the row unless something is true."""
    if not truth:
        raise Failed(figure)


class Stage:
    """A gateway, its upstream and the keys of the set-up above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SMARTOKEN_")},
            "SMARTOKEN_DATA_DIR": str(folder / "data"),
            "ACCEPTANCE_UPSTREAM_KEY": "made-up-upstream-key",
            "PYTHONPATH": str(ROOT / "src"),
        }
        self.processes: list[subprocess.Popen[str]] = []
        self.upstream = self._first_line("-m", "smartoken.sandbox", "--port", "0").split()[-1]
        self._first_line("-m", "smartoken", "serve")
        self.address = json.loads((folder / "data" / "run.json").read_text())["address"]
        setup = folder / "setup.toml"
        setup.write_text(SETUP.format(upstream=self.upstream))
        said = self.command("apply", str(setup))
        self.keys = dict(re.findall(r"key \w+/(\w+): (sk-st-\w+)", said))
        time.sleep(1.5)  # a worker sees a change of the set-up within two seconds

    def _first_line(self, *arguments: str) -> str:
        process = subprocess.Popen(
            [PYTHON, *arguments], env=self.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        until = time.monotonic() + 60
        while "serve" in arguments and not (self.folder / "data" / "run.json").exists():
            need(process.poll() is None and time.monotonic() < until, f"the gateway did not start: {line}")
            time.sleep(0.05)
        return line

    def close(self) -> None:
        """End what was started, and only that."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(40)

    def command(self, *arguments: str, key: str | None = None) -> str:
        """Run a smartoken command; its output."""
        env = {**self.env, **({"SMARTOKEN_API_KEY": key, "SMARTOKEN_BASE_URL": f"{self.address}/v1"} if key else {})}
        done = subprocess.run(
            [PYTHON, "-m", "smartoken", *arguments], env=env, cwd=ROOT, capture_output=True, text=True, check=False
        )
        need(done.returncode == 0, f"{arguments[0]} exited {done.returncode}: {done.stderr[-200:]}")
        return done.stdout

    def attempt(self, *arguments: str) -> tuple[int, str]:
        """Run a command that may fail; its exit code and output."""
        done = subprocess.run(
            [PYTHON, "-m", "smartoken", *arguments], env=self.env, cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout or done.stderr

    def call(self, key: str, model: str, **more: object) -> tuple[int, dict[str, object], dict[str, str]]:
        """Make one call; status, body, headers."""
        body = {"model": model, "messages": [{"role": "user", "content": "Say hello"}], **more}
        request = urllib.request.Request(
            f"{self.address}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), dict(error.headers)

    def read(self, path: str, key: str) -> dict[str, object]:
        """Read from the data plane."""
        request = urllib.request.Request(f"{self.address}{path}", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


def row_1(stage: Stage) -> str:
    """Compare two models over one prompt set."""
    prompts = stage.folder / "prompts.jsonl"
    lines = [{"messages": [{"role": "user", "content": f"Question {number}"}]} for number in range(5)]
    prompts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    saved = stage.folder / "saved"
    stage.command(
        "compare", str(prompts), "--models", "test/alpha,test/beta", "--save", str(saved), key=stage.keys["plain"]
    )
    files = [each for each in saved.rglob("*") if each.is_file()]
    text = "".join(each.read_text() for each in files)
    need(text.count("Question 4") >= 2, f"{len(files)} files saved, answers missing")
    return f"10 answers of 2 models saved in {len(files)} files"


FAULTS = ("server_error", "arrears", "cut", "slow_first_token")  # of the twelve; tests/e2e/test_drills.py has all


def row_2(stage: Stage) -> str:
    """Break the primary on purpose in four ways, keep what clients got, and print what is added to calls left alone."""
    keys = json.loads(stage.command("key", "list", "--json"))["data"]
    key = next(each["id"] for each in keys if each["name"] == "plain")
    eligible = honest = 0
    for fault in FAULTS:
        options = ["--fault", fault, "--key", key, "--set", "percent=50"]
        if fault == "slow_first_token":
            options += ["--set", "delay_ms=20", "--set", "calls=200", "--set", "baseline=200", "--set", "concurrency=1"]
        found = json.loads(stage.command("drill", "run", "test/fallback", *options, "--json"))
        result = found["result"]
        need(found["passed"] and not result["why_not"], f"{fault}: {result['why_not']}")
        need(result["broken_calls"], f"{fault}: nothing was broken")
        need(result["eligible_answered"] == result["eligible"], f"{fault}: {result['errors_to_clients']}")
        need(result["untouched_answered"] == result["untouched"], f"{fault}: {result['errors_to_clients']}")
        need(result["ended_honestly"] == result["after_content"], f"{fault}: an end that is not honest")
        eligible, honest = eligible + result["eligible_answered"], honest + result["ended_honestly"]
        evidence = stage.command("drill", "show", found["id"])
        need(f"Fallback drill {found['id']}" in evidence and "**Passed**" in evidence, f"{fault}: no evidence")
        need(json.loads(stage.command("drill", "show", found["id"], "--json")) == found, f"{fault}: other evidence")
    kept = json.loads(stage.command("drill", "list", "--json"))["data"]
    need(len(kept) == len(FAULTS) and all(each["at"] for each in kept), f"{len(kept)} drills kept")
    first = result["unaffected_ttft_ms"]["p50"]
    left_alone = " ms, ".join(f"{name.replace('_', ' ')} {first[name]}" for name in first)
    return (
        f"{eligible} of {eligible} eligible calls answered, {honest} cut streams ended honestly, {len(kept)} dated "
        f"drills kept; time to first token of calls left alone, p50: {left_alone} ms"
    )


def row_3(stage: Stage) -> str:
    """Spend a small budget to its end."""
    key, answered = stage.keys["staging"], 0
    for _ in range(500):
        status, body, _ = stage.call(key, "test/beta")
        if status != 200:
            break
        answered += 1
    error = body["error"]
    budget = stage.read("/v1/key", key)["budget"]
    need(answered, "not one call was answered")
    need(status == 402, f"refused with {status} instead of 402")
    need(Decimal(budget["used"]) <= Decimal(budget["limit"]), f"spent {budget['used']} of {budget['limit']}")
    return f"{answered} answered, then {status} {error['code']}; spent {budget['used']} of {budget['limit']}"


def row_4(stage: Stage) -> str:
    """Make 200 calls, keep the truth outside, and let three faults that were planted be found."""
    key, lines = stage.keys["counted"], []
    for number in range(200):
        user = f"run-{number:03}"
        model = "test/beta" if number == MISPRICED else "test/alpha"
        for _ in range({MISSING: 0, DOUBLED: 2}.get(number, 1)):
            status, body, _ = stage.call(key, model, user=user)
            need(status == 200, f"call {number} was answered with {status}")
            usage = body["usage"]
        prompt, answer = usage["prompt_tokens"], usage["completion_tokens"]
        charge = (prompt * Decimal("1.00") + answer * Decimal("2.00")) / 1_000_000  # as the set-up above sells it
        lines.append({"user": user, "prompt_tokens": prompt, "completion_tokens": answer, "charge_usd": str(charge)})
    expected = stage.folder / "expected.jsonl"
    expected.write_text("".join(json.dumps(line) + "\n" for line in lines))
    time.sleep(2.5)  # usage is stored within two seconds
    code, printed = stage.attempt("reconcile", "usage", str(expected), "--key", "counted", "--json")
    found = json.loads(printed)
    kinds = {each["kind"]: each["subject"] for each in found["findings"]}
    wanted = {
        "missing": f"user run-{MISSING:03}",
        "doubled": f"user run-{DOUBLED:03}",
        "mispriced": f"user run-{MISPRICED:03}",
    }
    need(code == 1 and kinds == wanted, f"found {kinds}, exit {code}")
    return f"200 expected, 3 planted, 3 found: {', '.join(f'{kind} {who}' for kind, who in sorted(kinds.items()))}"


def samples(kind: str) -> list[str]:
    """Return the fences of one kind in the README."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def row_5(stage: Stage) -> str:
    """Run the README's samples as they are printed, against a model that is callable here."""
    demo = (stage.folder / "data" / "demo-key").read_text().strip()
    env = {**stage.env, "SMARTOKEN_API_KEY": stage.keys["plain"], "SMARTOKEN_BASE_URL": f"{stage.address}/v1"}
    shown = next(each for each in samples("console") if "curl" in each)
    lines = shown[shown.index("$ curl") + 2 :].split("\n{")[0]
    curl = lines.replace("http://127.0.0.1:8000", stage.address).replace("$(cat data/demo-key)", demo)
    ran = []
    for name, command in [
        ("cURL", ["bash", "-c", curl]),
        *[("Python", [PYTHON, "-c", _here(each, stage)]) for each in samples("python")],
        *[("TypeScript", _typescript(_here(each, stage), stage)) for each in samples("ts")],
    ]:
        done = subprocess.run(
            command, env=env, cwd=stage.folder, capture_output=True, text=True, timeout=60, check=False
        )
        need(done.returncode == 0 and done.stdout.strip(), f"{name} failed: {done.stderr[-300:]}")
        ran.append(name)
    need({"cURL", "Python", "TypeScript"} <= set(ran), f"only {ran} were found")
    return f"{', '.join(ran)} answered"


def _here(sample: str, stage: Stage) -> str:
    return sample.replace("http://127.0.0.1:8000", stage.address).replace("deepseek/deepseek-v4-pro", "test/alpha")


def _typescript(sample: str, stage: Stage) -> list[str]:
    """Lay the sample beside the packages of the openai SDK, as its reader would have them."""
    made = [PYTHON, str(ROOT / "tests" / "clients" / "environments.py"), "node"]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    need(done.returncode == 0, done.stderr.strip())
    packages, node = done.stdout.splitlines()
    modules = stage.folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(Path(packages) / "node_modules")
    script = stage.folder / "sample.mjs"
    script.write_text(sample)
    return [node, str(script)]


def row_6(stage: Stage) -> str:
    """Spend over a wallet, a grant and a code, let a grant end, give a call back, and read the history line by line."""
    same = [_without_what_is_new(stage.call(stage.keys["plain"], "test/alpha"))]
    terms = ("--trigger", "code", "--amount", "0.0001", "--budget", "1.00", "--grant-days", "30", "--priority", "10")
    stage.command("campaign", "create", "welcome", *terms)
    stage.command("campaign", "publish", "welcome")
    code = json.loads(stage.command("code", "create", "--campaign", "welcome", "--json"))["codes"][0]
    stage.command("wallet", "deposit", "books", "1.00", "--reference", "bank 1")
    # Each fund pays for the same call in turn, before it is too small to pay for one alone.
    stage.command("wallet", "grant", "books", "0.0001", "--reason", "welcome", "--priority", "20")
    same.append(_without_what_is_new(stage.call(stage.keys["books"], "test/alpha")))
    stage.command("code", "redeem", code, "--account", "books")
    same.append(_without_what_is_new(stage.call(stage.keys["books"], "test/alpha")))
    need(same[0] == same[1] == same[2], "the answers differ by what paid for them")
    for _ in range(20):
        status, body, _ = stage.call(stage.keys["books"], "test/alpha")
        need(status == 200, f"a call was answered with {status}")
    ends = datetime.now(UTC) + timedelta(seconds=2)
    stage.command("wallet", "grant", "books", "0.50", "--reason", "short", "--expires", ends.isoformat())
    time.sleep(2.5)  # a call is stored within two seconds
    stage.command("wallet", "refund", "books", "--call", str(body["id"]), "--reason", "wrong answer")
    kinds: set[str] = set()
    until = time.monotonic() + 40
    while "expiry" not in kinds and time.monotonic() < until:
        time.sleep(1)
        lines = json.loads(stage.command("wallet", "entries", "books", "--limit", "500", "--json"))["data"][::-1]
        kinds = {each["kind"] for each in lines}
    need(kinds == {"deposit", "grant", "spend", "refund", "expiry"}, f"the history holds {sorted(kinds)}")
    paid_by = {each["grant"] or "wallet" for each in lines if each["kind"] == "spend"}
    need(len(paid_by) == 3, f"{len(paid_by)} funds paid")
    balance = Decimal(0)
    for each in lines:
        balance += Decimal(each["amount"])
        need(balance == Decimal(each["balance"]), f"{each['kind']}: {each['balance']} is not {balance}")
    shown = json.loads(stage.command("wallet", "show", "books", "--json"))["balance"]
    need(Decimal(shown) == balance, f"the wallet shows {shown}, its lines come to {balance}")
    return f"{len(lines)} lines of {len(kinds)} kinds, 3 funds, lead to {shown}; 3 answers alike"


def _without_what_is_new(answer: tuple[int, dict[str, object], dict[str, str]]) -> tuple[int, object, object]:
    status, body, headers = answer
    fresh = {"x-request-id", "date"}
    return (
        status,
        {name: value for name, value in body.items() if name not in ("id", "created")},
        {name.lower(): value for name, value in headers.items() if name.lower() not in fresh},
    )


def row_7(stage: Stage) -> str:
    """Rotate a key with an overlap, then without."""
    old = stage.keys["rotated"]
    rows = json.loads(stage.command("key", "list", "--json"))
    rows = rows["data"] if isinstance(rows, dict) else rows
    key_id = next(each["id"] for each in rows if each["name"] == "rotated")
    new = re.search(r"sk-st-\w+", stage.command("key", "rotate", key_id, "--overlap-hours", "1"))[0]
    time.sleep(2)
    during = (stage.call(old, "test/alpha")[0], stage.call(new, "test/alpha")[0])
    need(during == (200, 200), f"during the overlap {during}")
    newest = re.search(r"sk-st-\w+", stage.command("key", "rotate", key_id, "--overlap-hours", "0"))[0]
    time.sleep(2)
    after = (stage.call(old, "test/alpha")[0], stage.call(new, "test/alpha")[0], stage.call(newest, "test/alpha")[0])
    other = stage.call(stage.keys["plain"], "test/alpha")[0]
    need(after[1:] == (401, 200) and other == 200, f"after it {after}, other key {other}")
    return f"overlap {during}, after it {after[1:]}, other key {other}"


ROWS: dict[int, tuple[str, Callable[[Stage], str]]] = {
    1: ("smartoken compare prompts.jsonl --models test/alpha,test/beta --save saved", row_1),
    2: ("smartoken drill run test/fallback --fault ... --set percent=50", row_2),
    3: ("POST /v1/chat/completions until refused (key staging)", row_3),
    4: ("smartoken reconcile usage expected.jsonl --key counted", row_4),
    5: ("the README's samples", row_5),
    6: ("smartoken wallet entries books", row_6),
    7: ("smartoken key rotate", row_7),
}


def sentences() -> dict[int, str]:
    """Return the sentences of docs/acceptance.md by number."""
    table = (ROOT / "docs" / "acceptance.md").read_text()
    return {int(number): words for number, words in re.findall(r"^\| (\d+) \| (.*?) \|", table, re.MULTILINE)}


def main() -> int:
    """Run the rows; 1 if one failed."""
    wanted = {int(each) for each in sys.argv[1:]} or set(sentences())
    failed = 0
    with tempfile.TemporaryDirectory(prefix="smartoken-acceptance-") as folder:
        stage = Stage(Path(folder))
        try:
            for number, sentence in sentences().items():
                if number not in wanted:
                    continue
                if number not in ROWS:
                    print(f"{number:>2}  {sentence}\n    LATER  not in this release")
                    continue
                command, row = ROWS[number]
                try:
                    figure, verdict = row(stage), "PASS"
                except (Failed, OSError, subprocess.TimeoutExpired, KeyError, StopIteration, TypeError) as error:
                    figure, verdict = f"{type(error).__name__}: {error}", "FAIL"
                    failed += 1
                print(f"{number:>2}  {sentence}\n    {verdict}  {command}: {figure}", flush=True)
        finally:
            stage.close()
    print(f"{len(ROWS.keys() & wanted) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
