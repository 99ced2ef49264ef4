"""Counts of every vendor's shape become one; nonsense is bounded and marked."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.dialect import UsageShape
from smartoken.providers.registry import DIALECTS
from smartoken.providers.usage import MOST, read_usage, usage_block
from smartoken.tokens import TokenUsage

PLAIN = UsageShape()
TABLE: list[tuple[UsageShape, Any, TokenUsage | None]] = [
    (PLAIN, None, None),
    (PLAIN, {}, None),
    (PLAIN, [], None),
    (PLAIN, "7", None),
    (PLAIN, {"total_tokens": 5}, None),
    (PLAIN, {"prompt_tokens": 3, "completion_tokens": 4}, TokenUsage(3, 4)),
    (PLAIN, {"prompt_tokens": 0, "completion_tokens": 0}, TokenUsage(0, 0)),
    (PLAIN, {"prompt_tokens": 3}, TokenUsage(3, 0, suspect=True)),
    (PLAIN, {"prompt_tokens": -3, "completion_tokens": 4}, TokenUsage(0, 4, suspect=True)),
    (PLAIN, {"prompt_tokens": 3, "completion_tokens": 5 * 10**15}, TokenUsage(3, MOST, suspect=True)),
    (PLAIN, {"prompt_tokens": 2**63, "completion_tokens": 10**30}, TokenUsage(MOST, MOST, suspect=True)),
    (PLAIN, {"prompt_tokens": True, "completion_tokens": 4}, TokenUsage(0, 4, suspect=True)),
    (PLAIN, {"prompt_tokens": 3.5, "completion_tokens": 4}, TokenUsage(0, 4, suspect=True)),
    (PLAIN, {"prompt_tokens": "3", "completion_tokens": 4}, TokenUsage(0, 4, suspect=True)),
    (
        PLAIN,
        {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}},
        TokenUsage(9, 4, cached=8),
    ),
    (
        PLAIN,
        {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 10}},
        TokenUsage(9, 4, cached=9, suspect=True),
    ),
    (
        PLAIN,
        {"prompt_tokens": 9, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 5}},
        TokenUsage(9, 4, reasoning=4, suspect=True),
    ),
    (PLAIN, {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}, TokenUsage(9, 4)),
    (PLAIN, {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": [1]}, TokenUsage(9, 4)),
    (
        DIALECTS["deepseek"].usage,
        {"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 4},
        TokenUsage(9, 4, cached=5),
    ),
    (
        DIALECTS["moonshot"].usage,
        {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 9},
        TokenUsage(9, 4, cached=9),
    ),
    (
        replace(PLAIN, prompt_includes_cached=False, completion_includes_reasoning=False),
        {
            "prompt_tokens": 9,
            "completion_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 7},
        },
        TokenUsage(14, 11, cached=5, reasoning=7),
    ),
    (
        replace(PLAIN, prompt_includes_cache_write=False),
        {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cache_creation_input_tokens": 6}},
        TokenUsage(15, 4, cache_write=6),
    ),
]


@pytest.mark.parametrize(("shape", "block", "usage"), TABLE)
def test_a_usage_object_is_read(shape: UsageShape, block: Any, usage: TokenUsage | None) -> None:
    assert read_usage(shape, block) == usage


NUMBERS = st.one_of(st.integers(-5, 10**9), st.none(), st.booleans(), st.floats(), st.text(max_size=3))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": NUMBERS,
            "completion_tokens": NUMBERS,
            "cached_tokens": NUMBERS,
            "prompt_tokens_details": st.dictionaries(
                st.sampled_from(["cached_tokens", "cache_creation_input_tokens"]), NUMBERS
            ),
            "completion_tokens_details": st.dictionaries(st.just("reasoning_tokens"), NUMBERS),
        },
    ),
    st.sampled_from(sorted(DIALECTS)),
)
def test_parts_lie_inside_their_wholes_whatever_comes(block: dict[str, Any], dialect_id: str) -> None:
    usage = read_usage(DIALECTS[dialect_id].usage, block)
    if usage is None:
        return
    assert 0 <= usage.cached + usage.cache_write <= usage.prompt
    assert 0 <= usage.reasoning <= usage.completion


def test_counts_are_written_in_openais_words() -> None:
    assert usage_block(TokenUsage(9, 4, cached=5, cache_write=2, reasoning=3)) == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_creation_input_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert usage_block(TokenUsage(1, 1))["prompt_tokens_details"] == {"cached_tokens": 0}
