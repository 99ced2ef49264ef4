"""``smartoken probe`` over real sockets, against the sandbox posing as a provider, rightly and wrongly."""

import json

import pytest

from sandboxes import sandbox_port
from smartoken.__main__ import run
from smartoken.catalog.files import load_catalog

KEY = "made-up-provider-key-0123456789"
PROVIDERS = [each for each in load_catalog().providers.values() if each.id == each.dialect]


@pytest.fixture(scope="module")
def port():
    """The port of a sandbox."""
    with sandbox_port() as found:
        yield found


def probed(provider, port, tmp_path, *words):
    """Run the command in this process; returns its exit code."""
    url = f"http://127.0.0.1:{port}/as/{provider.dialect}"
    environment = {"SMARTOKEN_DATA_DIR": str(tmp_path / "data"), provider.env[0]: KEY}
    return run(["probe", provider.id, "--base-url", url, "--allow-private", *words], environment)


def test_what_it_would_cost_is_said_without_sending_anything(port, tmp_path, capsys):
    provider = PROVIDERS[0]
    assert probed(provider, port, tmp_path, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert 0 < len(plan["calls"]) <= 25
    assert float(plan["cost_usd"]) <= 0.05


def test_a_cap_leaves_calls_out_and_an_impossible_one_is_refused(port, tmp_path, capsys):
    provider = PROVIDERS[0]
    probed(provider, port, tmp_path, "--dry-run", "--json")
    whole = len(json.loads(capsys.readouterr().out)["calls"])
    probed(provider, port, tmp_path, "--dry-run", "--json", "--cap", "0.0005")
    assert len(json.loads(capsys.readouterr().out)["calls"]) < whole
    assert probed(provider, port, tmp_path, "--dry-run", "--cap", "0.000000001") == 2
    assert "raise --cap" in capsys.readouterr().err


def test_claims_are_judged_and_recorded_without_the_key(port, tmp_path, capsys):
    provider = PROVIDERS[0]
    folder = tmp_path / "reports"
    probed(provider, port, tmp_path, "--json", "--record", "--save", str(folder))
    report = json.loads(capsys.readouterr().out)
    assert any(each["holds"] for each in report["claims"])
    (recorded,) = folder.iterdir()
    assert str(recorded) == report["recorded"]
    text = recorded.read_text()
    assert KEY not in text
    assert {"claim", "expected", "seen", "holds", "request", "answer"} <= set(json.loads(text)["calls"][0])


def test_a_provider_without_a_key_is_told_which_variable_to_set(tmp_path, capsys):
    provider = PROVIDERS[0]
    assert run(["probe", provider.id], {"SMARTOKEN_DATA_DIR": str(tmp_path)}) == 2
    assert provider.env[0] in capsys.readouterr().err
