"""The migration check: what each snippet is told, and what it never trips over."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.dialect import PRICED, Action
from smartoken.routing import preferences
from smartoken.web.linter import FIELDS, MAX_TEXT, MEMBERS, Level, lint

ADDRESS = "http://gate.test/v1"
HERE = {"maker/model": "maker/model", "alias/model": "maker/model"}


def findings(text):
    """Level and field of everything that is found."""
    report = lint(text, "http://gate.test", lambda name: HERE.get(name.lower()))
    return {(each.level.value, each.field) for each in report.findings}


TABLE = [
    ('{"model": "maker/model"}', {("same", "model maker/model")}),
    ('{"model": "alias/model"}', {("different", "model alias/model")}),
    ('{"model": "no/such"}', {("change", "model no/such")}),
    ('{"model": "maker/model:nitro"}', {("change", "model suffix"), ("different", "model maker/model:nitro")}),
    ('{"models": ["maker/model"]}', {("same", "models"), ("same", "model maker/model")}),
    ('{"provider": {"order": ["x"]}}', {("same", "provider")}),
    ('{"provider": {"zdr": true}}', {("same", "provider"), ("refused", "provider.zdr")}),
    ("extra_body={'provider': {'max_price': 1}}", {("same", "provider"), ("refused", "provider.max_price")}),
    ("max_price = 3", set()),
    ('{"route": "fallback"}', {("different", "route")}),
    ('{"plugins": [{"id": "web"}]}', {("refused", "plugins")}),
    ('{"reasoning": {"effort": "high"}}', {("different", "reasoning")}),
    ('{"messages": [{"role": "user", "content": "plugins: models"}]}', set()),
    ('{"metadata": {"plugins": 1}}', {("same", "metadata")}),
    ("base_url='https://openrouter.ai/api/v1'", {("change", "base URL")}),
    ("curl https://api.openai.com/v1/chat/completions", {("change", "base URL")}),
    ("-H 'X-Title: a'", {("different", "attribution header")}),
    ("key = os.environ['OPENROUTER_API_KEY']", {("change", "API key")}),
    ("client.responses.create(model='maker/model')", {("change", "endpoint"), ("same", "model maker/model")}),
    ("client.chat.completions.create(service_tier='flex')", {("refused", "service_tier")}),
    ("curl http://x/v1/embeddings", {("change", "endpoint")}),
    ("", set()),
    ("no request at all", set()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_each_field_that_differs_is_named(text, expected):
    assert findings(text) == expected


def test_the_line_is_the_one_where_it_stands():
    report = lint('{\n  "model": "maker/model",\n  "plugins": []\n}', ADDRESS, HERE.get)
    assert {each.field: each.line for each in report.findings} == {"plugins": 3, "model maker/model": 2}


def test_an_id_that_is_not_here_is_told_the_nearest_and_stands_on_its_own_line():
    text = '{"model": "maker/model:free",\n "models": ["no/such"]}'
    report = lint(text, "http://gate.test", HERE.get, lambda name: [f"like/{name[3:]}", "b/c"])
    told = {each.field: (each.line, each.write) for each in report.findings}
    assert told["model maker/model:free"] == (1, "maker/model")
    assert told["model no/such"] == (2, "Nearest by name: `like/such` or `b/c`; all are on the page Models.")


def test_the_page_names_what_is_nearest_of_the_catalog(visitor):
    said = visitor.ask("/migrate/check", method="POST", form={"text": '{"model": "deepseek/deepseek-v4-proo"}'}).text
    assert "<code>deepseek/deepseek-v4-pro</code>" in said


def test_what_must_change_comes_first_and_is_counted():
    report = lint('{"seed": 1, "plugins": [], "model": "no/such"}', ADDRESS, HERE.get)
    assert [each.level for each in report.findings] == [Level.CHANGE, Level.REFUSED, Level.SAME]
    assert report.blocking == 2


def test_every_field_that_the_gateway_refuses_for_its_price_is_known_to_the_check():
    refused = {rule.param for rule in PRICED if rule.action == Action.REFUSE}
    own = {"enable_search", "search_options", "enable_code_interpreter"}  # fields of one vendor, in no migrated request
    assert {name for name, rule in FIELDS.items() if rule.level == Level.REFUSED} == refused - own - set(
        preferences.FIELDS
    )


def test_the_check_refuses_the_same_members_of_provider_as_the_gateway_and_knows_every_field_of_a_route():
    assert set(MEMBERS) == set(preferences._REFUSED)
    assert set(preferences.FIELDS) <= set(FIELDS)
    for name in preferences.FIELDS:
        assert FIELDS[name].level != Level.REFUSED


@given(st.text(max_size=300))
def test_no_text_breaks_the_check(text):
    lint(text, ADDRESS, HERE.get)


@given(
    st.dictionaries(st.sampled_from([*FIELDS, "other", "messages"]), st.integers() | st.text(max_size=5), max_size=8)
)
def test_a_body_is_told_of_exactly_the_fields_that_a_rule_knows(body):
    report = lint(json.dumps(body), ADDRESS, HERE.get)
    named = {each.field for each in report.findings if not each.field.startswith(("model ", "base", "API", "endpoint"))}
    assert named == set(body) & set(FIELDS)


def test_a_deep_or_long_paste_is_read_quickly():
    lint("[" * 50_000 + "]" * 50_000, ADDRESS, HERE.get)
    lint("a:" * MAX_TEXT, ADDRESS, HERE.get)
    lint('{"n": ' + "9" * 50_000 + "}", ADDRESS, HERE.get)


def test_the_page_names_the_fields_of_what_was_pasted_and_keeps_nothing(visitor):
    text = '{"model": "nobody/nothing", "plugins": [{"id": "web"}], "note": "<script>x</script>"}'
    said = visitor.ask("/migrate/check", method="POST", form={"text": text})
    assert said.status == 200
    assert "2 to change before it works" in said.text
    assert "<script>x" not in said.text
    assert "plugins" not in visitor.ask("/migrate/check").text.partition("<textarea")[0]
