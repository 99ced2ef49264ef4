"""The commands as they are typed: in processes of their own, with and without a server."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

from smartoken import __version__
from smartoken.__main__ import run
from smartoken.identity.keys import well_formed
from unit.operations.setups import WHOLE

SOURCE = Path(__file__).parents[2] / "src"
UP_SECRET = "up-secret-of-the-commands"


class Said(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


class Shell:
    """Runs commands over one data dir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "COVERAGE_PROCESS_START")}
        kept |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
        self.environment = {
            **kept,
            "PYTHONPATH": str(SOURCE),
            "SMARTOKEN_DATA_DIR": str(folder / "data"),
            "UP1_KEY": UP_SECRET,
        }

    def __call__(self, *words, code=0, **more):
        """Run a command in this process, check its exit code, return what it printed on stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(self.folder):
            ended = run([str(each) for each in words], {**self.environment, **more})
        assert ended == code, (words, ended, out.getvalue(), err.getvalue())
        return Said(out.getvalue(), err.getvalue())

    def process(self, *words, code=0):
        """Run a command in a process of its own, as a shell does."""
        done = subprocess.run(
            [sys.executable, "-m", "smartoken", *map(str, words)],
            capture_output=True, text=True, timeout=60, cwd=self.folder, check=False, env=self.environment,
        )  # fmt: skip
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return Said(done.stdout, done.stderr)

    def file(self, text, name="setup.toml"):
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


SETUP = WHOLE.replace('secret = "env:ACME_KEY"\n', "")


@contextlib.contextmanager
def serving(shell):
    """Run a server over the shell's data dir, on a port of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "smartoken", "serve", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=shell.folder, env=shell.environment,
    )  # fmt: skip
    run_file = shell.folder / "data" / "run.json"
    shell.address = None
    until = time.monotonic() + 60
    while shell.address is None and time.monotonic() < until and process.poll() is None:
        time.sleep(0.1)
        try:
            address = json.loads(run_file.read_text())["address"]
            with urllib.request.urlopen(f"{address}/readyz", timeout=2):
                shell.address = address
        except (OSError, ValueError):
            continue
    if shell.address is None:
        process.kill()
        pytest.fail(f"the server did not start: {process.communicate()[0]}")
    yield shell
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0, output
    assert not run_file.exists()


@pytest.fixture
def served(shell):
    """A server over the shell's data dir."""
    with serving(shell) as found:
        yield found


def test_without_arguments_the_commands_are_listed(shell):
    assert "doctor" in shell.process("--help").stdout
    assert shell.process("--version").stdout.strip() == __version__
    assert "No such command" in shell.process("nonsense", code=2).stderr


def test_a_minted_key_is_well_formed_and_needs_no_installation(shell):
    assert well_formed(shell("key", "mint").stdout.strip())
    assert well_formed(json.loads(shell("key", "mint", "--json").stdout)["secret"])
    assert not (shell.folder / "data").exists()


def test_a_file_is_applied_exported_and_backed_up_without_a_server(shell):
    path = shell.file(SETUP)
    planned = shell.process("apply", path, "--dry-run").stdout
    assert planned.splitlines()[0] == "+ create site"
    assert planned.splitlines()[-1] == "8 changes, none applied (dry run)."
    applied = shell.process("apply", path)
    secret = re.search(r"^key acme/staging: (\S+)", applied.stdout, re.MULTILINE)[1]
    assert well_formed(secret)
    assert "Nothing to change." in shell("apply", path).stdout
    changed = shell("apply", shell.file(SETUP.replace("9101", "9102"), "changed.toml"), "--dry-run").stdout
    assert "    base_url: http://127.0.0.1:9101/v1 -> http://127.0.0.1:9102/v1" in changed

    exported = shell("export").stdout
    again = shell("apply", shell.file(exported, "exported.toml"), "--dry-run", UP1_KEY="")
    assert "Nothing to change." in again.stdout
    assert "note: UP1_KEY is not set; the stored secret of provider key up1/main is kept" in again.stderr
    for seen in (planned, applied.stdout.replace(secret, ""), exported, again.stdout + again.stderr):
        assert UP_SECRET not in seen
        assert secret not in seen

    shell("backup", "copy.db")
    assert stat.S_IMODE((shell.folder / "copy.db").stat().st_mode) == 0o600
    shell("backup", "copy.db", code=1)
    shutil.rmtree(shell.folder / "data" / "smartoken.db", ignore_errors=True)
    (shell.folder / "data" / "smartoken.db").unlink(missing_ok=True)
    assert "Restored" in shell("restore", "copy.db").stdout
    assert shell("export").stdout == exported


BAD_INPUT = [
    (("apply", "none.toml"), "none.toml:1: cannot be read"),
    (("apply", "bad.toml"), "bad.toml:2: `id` must be lower-case letters"),
    (("apply",), "Missing argument"),
    (("nonsense",), "No such command"),
    (("key", "rotate", "acme"), "name it by its id, or as account/name"),
    (
        ("campaign", "create", "Bad Name", "--trigger", "code", "--amount", "1", "--budget", "1"),
        "`NAME` must be lower-case",
    ),
    (("key", "rotate", "acme/none"), "There is no account 'acme'"),
    (("key", "create", "--account", "none", "--name", "x"), "There is no account 'none'"),
    (("probe", "nobody"), "There is no provider 'nobody'"),
    (("compare", "none.jsonl", "--models", "a", "--save", "out"), "none.jsonl:1: cannot be read"),
    (("serve", "--port", "70000"), "--port must be from 0 to 65535"),
    (("serve", "--workers", "2"), "SMARTOKEN_DATABASE_URL"),
]


@pytest.mark.parametrize(("words", "said"), BAD_INPUT, ids=[" ".join(row[0]) for row in BAD_INPUT])
def test_bad_input_exits_with_two_and_says_what_to_mend(shell, words, said):
    shell.file('[[provider]]\nid = "X Y"\n', "bad.toml")
    refused = shell(*words, code=2)
    assert said in refused.stderr
    assert refused.stdout == ""


def test_a_wrong_setting_exits_with_two_and_names_the_variable(shell):
    assert "SMARTOKEN_PORT" in shell("export", code=2, SMARTOKEN_PORT="many").stderr
    assert "SMARTOKEN_ADMIN_TOKEN" in shell("export", code=2, SMARTOKEN_ADMIN_TOKEN="short").stderr


def test_a_store_under_another_secret_key_is_refused(shell):
    shell("migrate")
    shell("export")
    other = "made-up-and-certainly-another-0123456789-key"
    assert "SMARTOKEN_SECRET_KEY" in shell("export", code=1, SMARTOKEN_SECRET_KEY=other).stderr


def test_a_second_person_decides_with_a_token_of_their_own(shell):
    shell("apply", shell.file(SETUP))
    waits = shell("wallet", "grant", "acme", "500", "--reason", "launch").stdout
    (approval,) = re.findall("approval_[0-9a-f]{32}", waits)
    decide = ("wallet", "decide", approval, "approve")
    assert "SMARTOKEN_TOKEN" in shell(*decide, code=2).stderr
    bob = json.loads(shell("token", "create", "--name", "bob", "--role", "finance", "--json").stdout)["secret"]
    assert "grant 500.00" in shell(*decide, SMARTOKEN_TOKEN=bob).stdout
    assert "approved by admin:bob" in shell("wallet", "entries", "acme").stdout
    assert "admin token" in shell("wallet", "approvals", code=2, SMARTOKEN_TOKEN="st-adm-" + "x" * 49).stderr


def test_a_command_that_makes_a_new_database_says_where(shell):
    assert str(shell.folder / "data") in shell("key", "list").stderr
    assert shell("key", "list").stderr == ""


def test_doctor_says_what_is_wrong_and_how_to_mend_it(shell):
    shell("doctor")
    shell("apply", shell.file(SETUP))
    report = json.loads(shell("doctor", "--json", code=1).stdout)
    assert not report["sound"]
    (failed,) = [each for each in report["findings"] if each["verdict"] == "fail"]
    assert failed["check"] == "provider up1"
    assert failed["remedy"]
    checks = {each["check"] for each in report["findings"]}
    assert checks >= {
        "settings",
        "server",
        "database",
        "disk",
        "clock",
        "models",
        "prices",
        "exchange rate",
        "holidays",
    }


def test_doctor_names_files_that_others_can_read(shell):
    (shell.folder / "data").mkdir()
    (shell.folder / "data" / "demo-key").write_text("made up")
    (shell.folder / "data" / "demo-key").chmod(0o644)
    (found,) = [each for each in json.loads(shell("doctor", "--json").stdout)["findings"] if each["check"] == "files"]
    assert found["verdict"] == "warn"
    assert "demo-key" in found["words"]
    assert "chmod 600" in found["remedy"]


def test_what_doctor_says_of_a_wrong_region_are_two_sentences(shell):
    said = shell("doctor", code=1, DEEPSEEK_API_KEY="made-up", DEEPSEEK_REGION="mars").stdout
    assert re.search(r"DEEPSEEK_REGION is 'mars'; DeepSeek has [^.]+\. Correct the variable\.", said)


@pytest.mark.parametrize("command", [("migrate",), ("restore", "a.db")])
def test_a_data_dir_that_cannot_be_made_is_said_without_a_trace(shell, command):
    (shell.folder / "file").touch()
    said = shell(*command, code=1, SMARTOKEN_DATA_DIR=str(shell.folder / "file" / "data")).stderr
    assert "SMARTOKEN_DATA_DIR" in said
    assert "cannot be made" in said


FLAGS = [
    (("--rpm", "-5"), "`--rpm` must be from 0"),
    (("--budget", "x"), "`--budget`: amount must be"),
    (("--budget", "1", "--period", "year"), "`--period` must be 'total'"),
    (("--allowed-ip", "zz"), "`--allowed-ip` must hold"),
    (("--expires-at", "2020-01-01T00:00:00Z"), "`--expires-at` must be in the future"),
]


@pytest.mark.parametrize(("options", "said"), FLAGS)
def test_what_is_wrong_with_an_option_is_said_by_its_name(shell, options, said):
    shell("apply", shell.file(SETUP))
    told = shell("key", "create", "--account", "acme", "--name", "ci", *options, code=2).stderr
    assert told.startswith(said)
    assert "`param`" not in told


def test_the_lock_tells_of_a_server_whose_run_file_is_gone(served):
    (served.folder / "data" / "run.json").unlink()
    (server,) = [
        each for each in json.loads(served("doctor", "--json").stdout)["findings"] if each["check"] == "server"
    ]
    assert server["verdict"] == "warn"
    assert served.address in server["words"]
    assert served.address in served.process("serve").stdout


def test_commands_work_through_the_server_that_holds_the_data_dir(served):
    path = served.file(SETUP)
    secret = re.search(r"^key acme/staging: (\S+)", served("apply", path).stdout, re.MULTILINE)[1]
    assert "Nothing to change." in served("apply", path).stdout
    made = json.loads(served("key", "create", "--account", "acme", "--name", "ci", "--budget", "2.00", "--json").stdout)
    listed = json.loads(served("key", "list", "--account", "acme", "--json").stdout)["data"]
    assert {each["name"] for each in listed} == {"staging", "ci"}
    assert made["secret"] not in json.dumps(listed)

    def status(key):
        request = urllib.request.Request(f"{served.address}/v1/key", headers={"authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def becomes(key, wanted):
        until = time.monotonic() + 4
        while status(key) != wanted and time.monotonic() < until:
            time.sleep(0.1)
        return status(key) == wanted

    assert becomes(made["secret"], 200)
    rotated = json.loads(served("key", "rotate", "acme/ci", "--overlap-hours", "1", "--json").stdout)["secret"]
    assert becomes(rotated, 200)
    assert status(made["secret"]) == 200
    served("key", "pause", "acme/ci")
    assert becomes(rotated, 403)
    served("key", "resume", "acme/ci")
    assert becomes(rotated, 200)
    served("key", "revoke", "acme/ci")
    assert becomes(rotated, 401)
    assert becomes(made["secret"], 401)
    assert status(secret) == 200

    again = served.process("serve")
    assert served.address in again.stdout
    (server,) = [
        each for each in json.loads(served("doctor", "--json", code=1).stdout)["findings"] if each["check"] == "server"
    ]
    assert served.address in server["words"]
    served("backup", "live.db")
    served("restore", "live.db", code=1)


def test_a_key_is_shown_in_words_and_named_by_its_account_and_name_wherever_it_is_asked_for(served):
    served("apply", served.file(SETUP))
    served("key", "create", "--account", "acme", "--name", "ci", "--model", "test/*", "--model", "sandbox/*")
    shown = served("key", "show", "acme/ci").stdout
    assert re.search(r"^models +test/\*; sandbox/\*$", shown, re.MULTILINE)
    assert re.search(r"^limits +rpm 0, tpm 0, concurrency 0$", shown, re.MULTILINE)
    assert "{" not in shown
    assert "The former text works until 2" in served("key", "rotate", "acme/ci", "--overlap-hours", "1").stdout
    assert "up1:test/alpha" in served("route", "why", "test/alpha", "--key", "acme/ci").stdout
    assert "has no key 'cd'" in served("drill", "run", "test/alpha", "--key", "acme/cd", code=2).stderr


def test_compare_calls_the_running_gateway_and_saves_what_it_answered(served):
    prompts = served.file('{"id": "a", "prompt": "Say hello"}\n"And goodbye"\n', "prompts.jsonl")
    models = "sandbox/echo,sandbox/overloaded"
    done = served("compare", prompts, "--models", models, "--save", "out", "--json")
    rows = {each["model"]: each for each in json.loads(done.stdout)["models"]}
    good, bad = rows["sandbox/echo"], rows["sandbox/overloaded"]
    assert (good["calls"], good["failures"], bad["failures"]) == (2, 0, 2)
    assert good["completion_tokens"] > 0
    assert float(good["charge_usd"]) > 0
    assert bad["charge_usd"] == "0.00"
    saved = [json.loads(line) for line in (served.folder / "out" / "sandbox__echo.jsonl").read_text().splitlines()]
    assert [each["prompt"] for each in saved] == ["a", "2"]
    assert all(each["text"] and each["call_id"].startswith("call_") for each in saved)
    table = served("compare", prompts, "--models", "sandbox/echo", "--save", "out2").stdout
    assert table.splitlines()[0].split()[:3] == ["model", "calls", "failures"]
    served("compare", prompts, "--models", "sandbox/overloaded", "--save", "out3", code=1)


def test_the_demo_ends_for_good(served):
    key = (served.folder / "data" / "demo-key").read_text().strip()
    assert well_formed(key)
    served("demo", "off")
    assert not (served.folder / "data" / "demo-key").exists()
    prompts = served.file('"hello"\n', "prompts.jsonl")
    assert "key is needed" in served("compare", prompts, "--models", "sandbox/echo", "--save", "o", code=2).stderr
