"""The text transducers: splitting thoughts out of content, stripping tags, undoing cumulative text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.think import Cumulative, TagStripper, ThinkSplitter

SPLITS = [
    # content -> reasoning, content
    ("", "", ""),
    ("Hello", "", "Hello"),
    ("<think>why</think>so", "why", "so"),
    ("<think>why</think>\n\nso", "why", "so"),
    ("\n <think>why</think>so", "why", "so"),
    ("<think></think>so", "", "so"),
    ("<think>why", "why", ""),
    ("<think>why</thi", "why</thi", ""),
    ("<thi", "", "<thi"),
    ("<", "", "<"),
    (" \n", "", " \n"),
    ("<b>bold</b>", "", "<b>bold</b>"),
    ("a <think> tag", "", "a <think> tag"),
    ("<think>a<b</think>c</think>d", "a<b", "c</think>d"),
    ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
    ("</think>x", "", "</think>x"),
    ("<thinking>x", "", "<thinking>x"),
]


def split(pieces: list[str]) -> tuple[str, str]:
    splitter = ThinkSplitter()
    fed = [splitter.feed(each) for each in pieces] + [splitter.flush()]
    return "".join(each[0] for each in fed), "".join(each[1] for each in fed)


@pytest.mark.parametrize(("text", "reasoning", "content"), SPLITS)
def test_thinking_is_split_from_content(text: str, reasoning: str, content: str) -> None:
    assert split([text]) == (reasoning, content)
    assert split(list(text)) == (reasoning, content)


TEXT = st.lists(st.sampled_from(["<think>", "</think>", "<", "</", "think", ">", "a", " ", "\n", "你"]), max_size=12)


@given(TEXT.map("".join), st.lists(st.integers(0, 60), max_size=8))
def test_any_cut_splits_the_same(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(each, len(text)) for each in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    assert split(pieces) == split([text])


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "a ", "x<y ", "</b>", "你"]), max_size=12).map("".join),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_any_cut_strips_the_same(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(each, len(text)) for each in cuts), len(text)]
    stripper = TagStripper()
    out = "".join(stripper.feed(text[a:b]) for a, b in pairwise(edges)) + stripper.flush()
    assert out == text.replace("<think>", "").replace("</think>", "")


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a</thi", "nk>b"], "ab"),
        (["a\n</think>"], "a\n"),
        (["<thi", "nk>a"], "a"),
        (["a <", " b"], "a < b"),
        (["a</thi"], "a</thi"),
        (["1 <", "2"], "1 <2"),
    ],
)
def test_stray_tags_are_taken_out_of_reasoning(pieces: list[str], text: str) -> None:
    stripper = TagStripper()
    assert "".join(stripper.feed(each) for each in pieces) + stripper.flush() == text


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["Checking ", "Checking now", "Checking now!"], "Checking now!"),
        (["Checking ", "now", "!"], "Checking now!"),
        (["ha", "haha", "hahaha"], "hahahahahaha"),  # too short to tell: honest deltas
        (["longer text", "longer text", "!"], "longer textlonger text!"),  # equal is no growth
        (["Checking ", "Checking now", "Checking now", "Checking now!"], "Checking now!"),
        (["Checking ", "Checking now", " odd"], "Checking now odd"),
        (["one", " two", " three"], "one two three"),
    ],
)
def test_cumulative_text_becomes_deltas_and_deltas_pass(pieces: list[str], text: str) -> None:
    repair = Cumulative()
    assert "".join(repair.feed(each) for each in pieces) == text
