import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.bound import prompt_bound as billed_bound
from smartoken.gateway.meter import prompt_text
from smartoken.providers.registry import dialect
from smartoken.sandbox.counting import Template, count, pieces, prompt_bound, prompt_tokens

WORDS = [
    ("", []),
    ("Hello, world", ["Hello", ",", " world"]),
    ("你好", ["你", "好"]),
    ("a_b2 c", ["a_b2", " c"]),
    ("  x  ", ["  x", "  "]),
    ("\n\n", ["\n\n"]),
    ("don't", ["don", "'", "t"]),
    ('{"a":1}', ["{", '"', "a", '"', ":", "1", "}"]),
]


@pytest.mark.parametrize(("text", "tokens"), WORDS)
def test_a_token_is_a_word_or_a_mark_with_the_space_before_it(text, tokens):
    assert pieces(text) == tokens
    assert count(text) == len(tokens)


@given(st.text())
def test_the_tokens_joined_are_the_text_again(text):
    assert "".join(pieces(text)) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_text_never_has_more_tokens_than_bytes(text):
    assert count(text) <= len(text.encode())


PROMPTS = [
    ({"messages": [{"role": "user", "content": "Hello, world"}]}, 3 + 3 + 3),
    ({"messages": [{"role": "user", "content": ""}]}, 6),
    ({"messages": [{"role": "user", "content": None}]}, 6),
    (
        {"messages": [{"content": [{"type": "text", "text": "a b"}, {"type": "image_url", "image_url": {}}]}]},
        6 + 2 + 85,
    ),
    ({"messages": [{"content": "a", "reasoning_content": "b c"}, {"content": "d"}]}, 3 + 6 + 4),
    ({"messages": [{"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]}, 6 + 1 + 2),
    ({"messages": [{"content": "a"}], "tools": [{"type": "function"}]}, 6 + 1 + 11),
]


@pytest.mark.parametrize(("body", "tokens"), PROMPTS)
def test_a_prompt_is_its_texts_and_three_tokens_a_message(body, tokens):
    assert prompt_tokens(body) == tokens


def test_the_bound_is_every_byte_and_the_whole_template():
    tools = [{"type": "function"}]
    body = {"messages": [{"content": "你好"}, {"content": "a"}], "tools": tools}
    assert prompt_bound(body, Template(100, 10, 1000, 5)) == 100 + 20 + 1000 + 5 + 6 + 1 + len('[{"type":"function"}]')


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_a_prompt_never_counts_more_than_its_bound(texts):
    body = {"messages": [{"role": "user", "content": each} for each in texts]}
    assert prompt_tokens(body) <= prompt_bound(body, Template())


def test_worst_case_is_the_bound_that_the_gateway_holds():
    """The two are written apart; this is where they must agree, or the card would prove nothing."""
    body = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "你好 there"}]},
            {
                "role": "assistant",
                "reasoning_content": "so",
                "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
            },
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    overhead = dialect("openai").template.tokens(2, 1)
    assert prompt_bound(body, Template()) == billed_bound(prompt_text(body), overhead=overhead, context=None)
