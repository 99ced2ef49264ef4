"""``prices`` and ``reconcile`` as they are typed, against a running server, with their exit codes."""

import json
import re
import urllib.request

import pytest

from e2e.test_control_commands import SETUP, served, shell

__all__ = ["served", "shell"]


@pytest.fixture
def shop(served):
    served("apply", served.file(SETUP))
    return served


def metric(shop, name):
    with urllib.request.urlopen(f"{shop.address}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]


def test_a_price_is_drafted_looked_at_published_and_undone_by_command(shop):
    file = shop.file('[sell."test/alpha"]\ncurrency = "USD"\ninput = "0.60"\noutput = "1.80"\n', "autumn.toml")
    draft = json.loads(shop("prices", "draft", file, "--note", "autumn", "--json").stdout)
    shown = shop("prices", "diff", draft["id"]).stdout
    assert re.search(r"sell\s+test/alpha\s+input\s+0\.50\s+0\.60", shown)
    assert "The last 30 days" in shown
    assert "counts from" in shop("prices", "publish", draft["id"]).stdout
    assert re.search(r"test/alpha\s+USD 0\.60 / 1\.80\s+book:", shop("prices", "list").stdout)
    assert "never changes" in shop("prices", "publish", draft["id"], code=2).stderr
    shop("prices", "undo", draft["id"])
    assert re.search(r"test/alpha\s+USD 0\.50 / 1\.50\s+apply:", shop("prices", "list").stdout)
    history = json.loads(shop("prices", "history", "test/alpha", "--json").stdout)["data"]
    assert [each["price"]["input"] for each in history] == ["0.50", "0.60", "0.50"]


def test_a_price_list_is_published_and_given_to_an_account_by_command(shop):
    file = shop.file('{"lists": {"partners": {"percent": "-10"}}}', "lists.json")
    draft = json.loads(shop("prices", "draft", file, "--json").stdout)
    assert "no published list" in shop("prices", "assign", "acme", "partners", code=2).stderr
    shop("prices", "publish", draft["id"])
    assert shop("prices", "assign", "acme", "partners").stdout.strip() == "acme pays by partners."
    assert re.search(r"test/alpha\s+USD 0\.45 / 1\.35\s+list:", shop("prices", "list", "--list", "partners").stdout)
    assert "there are: partners" in shop("prices", "list", "--list", "partner", code=2).stderr
    assert shop("prices", "assign", "acme").stdout.strip() == "acme pays by the standard prices."


def test_what_is_asked_for_wrongly_ends_with_two_and_names_the_fix(shop):
    wrong = shop.file('{"sell": {"test/alhpa": {"currency": "USD", "input": "1", "output": "2"}}}', "wrong.json")
    assert "no such model" in shop("prices", "draft", wrong, code=2).stderr
    assert "cannot be read" in shop("prices", "draft", "nowhere.json", code=2).stderr
    assert "--map takes pairs" in shop("reconcile", "bill", wrong, "--provider", "up1", "--map", "date", code=2).stderr
    assert "--provider" in shop("reconcile", "bill", wrong, code=2).stderr


def test_reconcile_says_what_is_missing_and_ends_with_one(shop):
    file = shop.file('{"user": "run-1", "model": "test/alpha"}\n', "expected.jsonl")
    said = shop("reconcile", "usage", file, "--key", "acme/staging", code=1).stdout
    assert re.search(r"missing\s+user run-1\s+not logged", said)
    assert "1 expected, 0 logged, 0 matched: 1 missing" in said
    found = json.loads(shop("reconcile", "usage", file, "--json", code=1).stdout)
    assert found["findings"][0]["line"] == 1


def test_a_bill_is_compared_and_told_to_be_untried(shop):
    file = shop.file("Day,What,In,Out\n2026-11-03,alpha-up,100,10\n", "bill.csv")
    mapping = "date=Day,model=What,input=In,output=Out"
    said = shop("reconcile", "bill", file, "--provider", "up1", "--map", mapping, code=1).stdout
    assert re.search(r"2026-11-03\s+alpha-up\s+only_in_bill", said)
    assert "was never tried on a real bill" in said


def test_the_books_are_proven_by_command_and_shown_by_metrics_and_doctor(shop):
    said = shop("reconcile", "books").stdout
    assert re.search(r"trial_balance\s+ok", said)
    assert metric(shop, "smartoken_books_drifts") == "0.0"
    rows = json.loads(shop("doctor", "--json", code=1).stdout)["findings"]
    (books,) = [each for each in rows if each["check"] == "books"]
    assert books["verdict"] == "ok"
    assert "checks agree" in books["words"]


def listed(shop, *words):
    """The names that a list in JSON has."""
    return [each["model"] for each in json.loads(shop(*words, "--json").stdout)["data"]]


def test_prices_are_listed_of_what_can_be_called_here_and_on_request_of_the_whole_catalog(shop):
    here, every = listed(shop, "prices", "list"), listed(shop, "prices", "list", "--all")
    assert {"test/alpha", "sandbox/echo"} <= set(here) < set(every)
    said = shop("prices", "list").stdout
    assert f"{len(every) - len(here)} models of the catalog that nobody serves here are left out: `--all`." in said
    assert "qwen/" not in said
    assert "left out" not in shop("prices", "list", "--all").stdout
    qwen = listed(shop, "prices", "list", "--model", "QWEN/*")
    assert qwen == [each for each in every if each.startswith("qwen/")]
    short = shop("prices", "list", "--model", "qwen/*", "--limit", 2).stdout.splitlines()
    assert len(short) == 4
    assert short[-1] == f"{len(qwen) - 2} more: `--limit {len(qwen)}` lists them all."
    assert shop("prices", "list", "--model", "nix").stdout == "No model that has a price is named nix.\n"
    assert "--limit" in shop("prices", "list", "--limit", 0, code=2).stderr


def test_a_price_that_was_set_here_is_listed_though_nobody_serves_its_model(shop):
    assert "qwen/qwen-max" not in listed(shop, "prices", "list")
    file = shop.file('[sell."qwen/qwen-max"]\ncurrency = "USD"\ninput = "9"\noutput = "9"\n', "set.toml")
    draft = json.loads(shop("prices", "draft", file, "--json").stdout)
    shop("prices", "publish", draft["id"])
    assert "qwen/qwen-max" in listed(shop, "prices", "list")


def test_routes_are_listed_a_line_for_each_priority_and_published_ones_alone_on_request(shop):
    every = listed(shop, "route", "list")
    assert "test/alpha" in every
    lines = shop("route", "list", "--model", "test/alpha").stdout.splitlines()
    assert re.match(r"model +from +priority +strategy +offers", lines[0])
    assert re.match(r"test/alpha +set-up +1 ", lines[1])
    assert shop("route", "list", "--limit", 1).stdout.endswith(
        f"{len(every) - 1} more: `--limit {len(every)}` lists them all.\n"
    )
    assert shop("route", "list", "--published").stdout == "No route was published.\n"
    route = {
        "tiers": json.loads(shop("route", "list", "--model", "test/alpha", "--json").stdout)["data"][0]["route"][
            "tiers"
        ]
    }
    draft = json.loads(shop("route", "draft", "test/alpha", shop.file(json.dumps(route), "r.json"), "--json").stdout)
    shop("route", "publish", draft["id"])
    assert listed(shop, "route", "list", "--published") == ["test/alpha"]
