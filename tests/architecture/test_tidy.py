"""The rules of shape and place hold in every file, and each rule catches what it is there for."""

import pytest

from architecture import boundaries, rules
from architecture.source import Source, everything, product, sources


def broken(rule, files) -> str:
    """All lines that break a rule, to be read in the failure."""
    return "\n".join(fault for source in files for fault in rule(source))


@pytest.mark.parametrize("rule", rules.SHAPE_RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rules_of_shape(rule):
    assert broken(rule, everything()) == ""


@pytest.mark.parametrize("rule", rules.PRODUCT_RULES, ids=lambda rule: rule.__name__)
def test_every_name_of_the_product_says_something(rule):
    assert broken(rule, product()) == ""


@pytest.mark.parametrize("rule", rules.TEST_RULES, ids=lambda rule: rule.__name__)
def test_every_test_is_a_sentence_about_what_really_runs(rule):
    assert broken(rule, [source for source in sources("tests") if "/test_" in source.path]) == ""


@pytest.mark.parametrize("rule", boundaries.PLACE_RULES, ids=lambda rule: rule.__name__)
def test_everything_stands_in_its_place(rule):
    assert broken(rule, product()) == ""


PLAIN = "src/smartoken/operations/keys.py"
IN_TESTS = "tests/unit/test_x.py"
PLANTED = [
    (rules.long_file, PLAIN, "x = 1\n" * 501),
    (rules.long_function, PLAIN, "def f():\n" + "    x = 1\n" * 70),
    (rules.many_parameters, PLAIN, "def f(a, b, c, d, *, e, f, g): ..."),
    (rules.many_parameters, PLAIN, "class A:\n    def f(self, a, b, c, d, e, f, g): ..."),
    (rules.import_within, PLAIN, "def f():\n    import os"),
    (rules.import_within, PLAIN, "def f():\n    if x:\n        from a import b"),
    (rules.global_statement, PLAIN, "def f():\n    global x"),
    (rules.todo_without_issue, PLAIN, "x = 1  # TODO: later"),
    (rules.todo_without_issue, PLAIN, "x = 1\n# FIXME soon"),
    (rules.waiver_without_reason, PLAIN, "x = 1  # noqa: S608"),
    (rules.waiver_without_reason, PLAIN, "x = 1  # noqa - because it is right"),
    (rules.waiver_without_reason, PLAIN, "x = 1  # type: ignore[arg-type]"),
    (rules.waiver_without_reason, PLAIN, "x = 1  # type: ignore"),
    (rules.waiver_without_reason, PLAIN, "x = 1  # pragma: no cover"),
    (rules.banner, PLAIN, "# ------ helpers ------"),
    (rules.empty_name, PLAIN, "def get_key(): ..."),
    (rules.empty_name, PLAIN, "def load_data(): ..."),
    (rules.empty_name, PLAIN, "class KeyManager: ..."),
    (rules.empty_name, PLAIN, "data = 1"),
    (rules.empty_name, PLAIN, "def f(info): ..."),
    (rules.empty_name, "src/smartoken/utils.py", "x = 1"),
    (rules.test_without_sentence, IN_TESTS, "def test_wallet(): ..."),
    (rules.patched, IN_TESTS, "def test_a(monkeypatch):\n    monkeypatch.setattr(x, 'y', 1)"),
    (rules.patched, IN_TESTS, "from unittest.mock import patch"),
    (rules.patched, IN_TESTS, "def test_a(mocker): ..."),
    (rules.patched, IN_TESTS, "from smartoken import ids\nids.new_id = None"),
    (boundaries.sql_elsewhere, PLAIN, "import sqlalchemy as sa\nx = sa.select(1)"),
    (boundaries.sql_elsewhere, PLAIN, "from sqlalchemy import select"),
    (boundaries.sql_elsewhere, PLAIN, "def f(conn):\n    return conn.execute(x)"),
    (boundaries.sql_elsewhere, PLAIN, "x = 'SELECT id FROM calls'"),
    (boundaries.network_elsewhere, PLAIN, "import socket"),
    (boundaries.network_elsewhere, PLAIN, "from urllib.request import urlopen"),
    (boundaries.network_elsewhere, PLAIN, "import asyncio\nasyncio.open_connection('a', 1)"),
    (boundaries.os_call_elsewhere, PLAIN, "import fcntl"),
    (boundaries.os_call_elsewhere, PLAIN, "import os\nos.fdatasync(1)"),
    (boundaries.provider_elsewhere, PLAIN, "if provider == 'deepseek': ..."),
    (boundaries.provider_elsewhere, PLAIN, "def kimi_usage(): ..."),
    (boundaries.inexact, "src/smartoken/billing/prices.py", "x = 0.5"),
    (boundaries.inexact, "src/smartoken/billing/prices.py", "x = a / b"),
    (boundaries.inexact, "src/smartoken/money.py", "def f(x: float): ..."),
    (boundaries.inexact, "src/smartoken/catalog/fx.py", "x = float('1')"),
    (boundaries.impure, PLAIN, '"""Decides. Pure."""\nimport time'),
    (boundaries.impure, PLAIN, '"""Decides. Pure."""\nfrom os import path'),
    (boundaries.lab_beyond_the_vocabulary, "src/smartoken/lab/runner.py", "from smartoken.store import database"),
    (boundaries.lab_beyond_the_vocabulary, "src/smartoken/lab/runner.py", "from smartoken import billing"),
]


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED, ids=lambda each: getattr(each, "__name__", None))
def test_a_planted_fault_is_caught(rule, path, text):
    assert list(rule(Source(path, text + "\n")))


ALLOWED = [
    (rules.todo_without_issue, PLAIN, "x = 1  # TODO (#31): widen"),
    (rules.waiver_without_reason, PLAIN, "x = 1  # noqa: S608 - the name is one of ours"),
    (rules.waiver_without_reason, PLAIN, "x = 1  # type: ignore[arg-type]  # checked one line above"),
    (rules.empty_name, PLAIN, "class P:\n    def data_received(self, chunk): ..."),
    (rules.many_parameters, PLAIN, "class A:\n    def f(self, a, b, c, d, e, f): ..."),
    (rules.patched, IN_TESTS, "def test_a(monkeypatch):\n    monkeypatch.setenv('A', 'b')"),
    (boundaries.sql_elsewhere, PLAIN, "import sqlalchemy as sa\ndef f(conn: sa.Connection): ..."),
    (boundaries.sql_elsewhere, "src/smartoken/usage/queries.py", "from sqlalchemy import select"),
    (boundaries.inexact, "src/smartoken/catalog/files.py", "x = folder / 'models'"),
    (boundaries.provider_elsewhere, PLAIN, '"""Kimi sends it twice."""'),
    (boundaries.lab_beyond_the_vocabulary, "src/smartoken/lab/runner.py", "from smartoken.money import parse_amount"),
    (boundaries.impure, PLAIN, '"""Opens things."""\nimport time'),
]


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED, ids=lambda each: getattr(each, "__name__", None))
def test_what_is_allowed_passes(rule, path, text):
    assert list(rule(Source(path, text + "\n"))) == []


CORE = """money tokens ids errors billing.prices billing.ledger billing.grants billing.budgets billing.admission
identity.keys routing.routes routing.breakers routing.reactions gateway.call gateway.plan gateway.meter
gateway.protocols.chat providers.dialect providers.sse providers.registry usage.records catalog.offers""".split()


@pytest.mark.parametrize("name", CORE)
def test_the_core_says_that_it_is_pure(name):
    found = [source for source in product() if source.module == f"smartoken.{name}"]
    assert found, f"{name} is gone"
    assert boundaries.says_pure(found[0])


def test_pure_files_lean_only_on_files_that_keep_out_of_the_world():
    known = {source.module: source for source in product()}
    reached: dict[str, str] = {source.module: "" for source in product() if boundaries.says_pure(source)}
    queue, wrong = list(reached), []
    while queue:
        module = queue.pop()
        for line, name in boundaries.imports(known[module]):
            if name.split(".")[0] in boundaries.IMPURE:
                wrong.append(f"{known[module].path}:{line}: {name}, reached from {reached[module] or 'itself'}")
            if name in known and name not in reached and name not in boundaries.LENDERS:
                reached[name] = module
                queue.append(name)
    assert wrong == []
