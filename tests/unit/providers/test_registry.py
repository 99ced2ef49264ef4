"""The records themselves: complete, small, with their sources."""

from pathlib import Path

import pytest

from smartoken.providers import registry
from smartoken.providers.dialect import EFFORT_LADDER, FINISH, Template
from smartoken.providers.registry import DIALECTS, UnknownDialectError, dialect
from smartoken.providers.thinking import nearest_word

PROMISED = "openai deepseek qwen moonshot zhipu volcengine minimax tencent baidu stepfun siliconflow xiaomi longcat"
OPENAI_FINISH = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def test_every_promised_dialect_is_there() -> None:
    assert set(PROMISED.split()) <= set(DIALECTS)


def test_an_unknown_dialect_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownDialectError, match="deepseek"):
        dialect("deepsek")


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
def test_a_record_names_its_page_and_its_rules_their_sources(dialect_id: str) -> None:
    spoken = dialect(dialect_id)
    assert spoken.page
    assert all(rule.source and rule.why for rule in (*spoken.rules, *spoken.priced))
    assert all(each.source for each in (*spoken.translations, *spoken.always))
    assert spoken.switch.source or not spoken.switch.translated
    assert spoken.continuation is None or spoken.continuation.source


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
def test_a_record_is_consistent(dialect_id: str) -> None:
    spoken = dialect(dialect_id)
    assert set(spoken.finish.values()) <= OPENAI_FINISH
    assert set(FINISH) <= set(spoken.finish)
    assert not set(spoken.finish) & set(spoken.finish_failures)
    assert spoken.limits
    assert spoken.limits[-1].ceiling is None
    assert all(row.codes or row.status or row.words for row in spoken.errors)
    assert all(code == code.lower() for row in spoken.errors for code in row.codes)
    assert all(word == word.lower() for row in spoken.errors for word in row.words)
    assert all(glob == glob.lower() for rule in spoken.rules for glob in rule.models)
    assert set(spoken.switch.words) <= set(EFFORT_LADDER)


def test_vendor_files_are_short() -> None:
    folder = Path(registry.__file__).parent
    for dialect_id in sorted(set(DIALECTS) - {"openai"}):
        assert len((folder / f"{dialect_id}.py").read_text().splitlines()) <= 120


def test_a_key_is_carried_as_a_bearer() -> None:
    assert dialect("qwen").auth_headers("made-up") == (("authorization", "Bearer made-up"),)


@pytest.mark.parametrize(
    ("messages", "tools", "tokens"), [(0, 0, 10), (3, 0, 16), (1, 1, 10 + 2 + 100 + 5), (1, 4, 10 + 2 + 100 + 20)]
)
def test_template_overhead_grows_with_messages_and_tools(messages: int, tools: int, tokens: int) -> None:
    assert Template(base=10, message=2, tools=100, tool=5).tokens(messages, tools) == tokens


@pytest.mark.parametrize(
    ("effort", "words", "word"),
    [
        ("low", ("low", "high"), "low"),
        ("medium", ("low", "high"), "high"),
        ("max", ("low", "high"), "high"),
        ("minimal", ("low", "high"), "low"),
        ("high", ("low", "medium", "xhigh"), "xhigh"),
        ("minimal", ("none", "high"), "high"),
        ("ultra", ("low", "high"), "high"),
        ("low", ("deep",), "deep"),
    ],
)
def test_an_effort_goes_to_the_nearest_word(effort: str, words: tuple[str, ...], word: str) -> None:
    assert nearest_word(effort, words, {}) == word


DOCS = Path(__file__).parents[3] / "docs" / "dialects.md"


def test_every_dialect_is_documented_and_nothing_is_said_to_be_live() -> None:
    text = DOCS.read_text()
    headings = {line.removeprefix("### ") for line in text.splitlines() if line.startswith("### ")}
    assert headings == set(DIALECTS)
    assert "No dialect here has met its live provider until a probe report" in text


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
def test_refused_fields_and_told_translations_are_documented(dialect_id: str) -> None:
    text = DOCS.read_text()
    assert [rule.param for rule in dialect(dialect_id).priced if f"`{rule.param}" not in text] == []
    assert [each.warning for each in dialect(dialect_id).translations if each.warning not in text] == []
