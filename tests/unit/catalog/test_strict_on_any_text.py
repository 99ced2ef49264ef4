"""The strict reader on texts that nobody would write: an error with its line, or an answer, and nothing else."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from smartoken.catalog.lines import key_lines
from smartoken.catalog.strict import CatalogError, Table, parse_toml, read_toml


def ask_everything(table: Table) -> None:
    """Call each accessor for each key, as a reader that expects anything might."""
    for key in [*list(table._values), "absent"]:
        for ask in (
            table.text,
            table.maybe_text,
            table.flag,
            table.whole,
            table.texts,
            table.wholes,
            table.day,
            table.coarse_day,
            table.rate,
            table.amount,
            table.exchange_rate,
            table.known_flag,
            table.known_whole,
            table.known_text,
        ):
            try:
                ask(key)
            except CatalogError:
                continue
        for open_table in (table.maybe_table, table.tables):
            try:
                opened = open_table(key)
            except CatalogError:
                continue
            for child in opened if isinstance(opened, tuple) else [opened]:
                if child is not None:
                    ask_everything(child)
    with suppress(CatalogError):
        table.done()


PIECES = st.sampled_from(
    [
        "a",
        "b",
        '"q"',
        "'l'",
        " = ",
        ".",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        "\n",
        "#",
        " ",
        '"""',
        "'''",
        "\\",
        "1",
        "-",
        "0.5",
        "true",
        "inf",
        "nan",
        "2026-11-01",
        "T10:00:00Z",
        "10:00:00",
        "\r\n",
        "\t",
        "é",
        "\x00",
        "0x",
        "_",
        '"',
        "'",
    ]
)
TOMLISH = st.lists(PIECES, max_size=40).map("".join)
KEYS = st.sampled_from(["a", "b", '"c d"', "e.f"])
SCALARS = st.sampled_from(
    [
        '"text"',
        '""',
        "1",
        "-7",
        "1.5",
        "nan",
        "true",
        "2026-11-01",
        "2026-11-01T10:00:00Z",
        "10:00:00",
        '"0.5"',
        '"unknown"',
        "'''x\ny'''",
        "0x" + "f" * 4000,
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: "[" + ",\n ".join(each) + "]"),
        st.lists(st.tuples(KEYS, inner), max_size=2, unique_by=lambda each: each[0]).map(
            lambda each: "{" + ", ".join(f"{key} = {value}" for key, value in each) + "}"
        ),
    ),
    max_leaves=6,
)
HEADERS = st.sampled_from(["", "[t]", "[[m]]", "[t.u]", "[[m.n]]", "# only a comment"])
DOCUMENTS = st.lists(st.tuples(HEADERS, st.lists(st.tuples(KEYS, VALUES), max_size=3)), max_size=5).map(
    lambda parts: "\n".join("\n".join([head, *(f"{key} = {value}" for key, value in pairs)]) for head, pairs in parts)
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(TOMLISH, DOCUMENTS, st.text(max_size=30)))
def test_nothing_but_catalog_errors_comes_out_of_any_text(text):
    with suppress(CatalogError):
        ask_everything(parse_toml(text, "any.toml"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_nothing_but_catalog_errors_comes_out_of_any_bytes(raw):
    class Held:
        def read_bytes(self):
            return raw

    with suppress(CatalogError):
        ask_everything(read_toml(Held(), "any.toml"))


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6))
def test_a_key_is_found_on_the_line_on_which_it_is_written(values):
    text = ""
    written = {}
    for index, value in enumerate(values):
        written[f"k{index}"] = text.count("\n") + 1
        text += f"k{index} = {value}\n"
    try:
        parse_toml(text, "any.toml")
    except CatalogError:
        return  # an inline table that is written twice is not TOML
    lines = key_lines(text)
    assert {key: lines[key,] for key in written} == written
