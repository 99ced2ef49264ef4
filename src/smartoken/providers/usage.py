"""Reading a provider's counts into ``TokenUsage`` and writing them in OpenAI's shape. Pure.

Counts that are negative, not whole numbers, beyond any model or contradict each other are bounded and marked
``suspect``; whoever knows the context and the hold bounds them further. Zero is a count, absent is not.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from smartoken.providers.dialect import UsageShape
from smartoken.tokens import TokenUsage, UsageSource

MOST = 100_000_000  # tokens; ten times the longest context that is sold, and their price still fits every column


_new = tuple.__new__  # half the price of a named tuple's own


@lru_cache(maxsize=256)
def _steps(paths: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in paths)


def find(block: Mapping[str, Any], paths: tuple[str, ...]) -> Any:
    """Return the first value found under one of the dotted paths; None when there is none."""
    for names in _steps(paths):
        value: Any = block.get(names[0])
        for name in names[1:]:
            if type(value) is not dict:
                value = None
                break
            value = value.get(name)
        if value is not None:
            return value
    return None


def read_usage(shape: UsageShape, block: Any) -> TokenUsage | None:
    """Read a usage object; None when it is absent, empty or holds neither prompt nor completion counts."""
    if not isinstance(block, dict):
        return None
    prompt, completion = block.get("prompt_tokens"), block.get("completion_tokens")
    if prompt is None and completion is None:
        return None
    parts = (find(block, shape.cached), find(block, shape.cache_write), find(block, shape.reasoning))
    if type(prompt) is int and type(completion) is int and shape.in_sums:
        plainly = _add_up(prompt, completion, parts)
        if plainly is not None:
            return plainly
    return _read_counts(shape, prompt, completion, parts)


def _add_up(prompt: int, completion: int, parts: tuple[Any, Any, Any]) -> TokenUsage | None:
    """Return counts that need no mending; None for any others."""
    cached, write, reasoning = [0 if each is None else each for each in parts]
    if type(cached) is int and type(write) is int and type(reasoning) is int:
        add_up = 0 <= reasoning <= completion <= MOST and cached >= 0 <= write and cached + write <= prompt <= MOST
        if add_up:
            return _new(TokenUsage, (prompt, completion, cached, write, reasoning, UsageSource.REPORTED, False))
    return None


def _read_counts(shape: UsageShape, prompt: Any, completion: Any, parts: tuple[Any, Any, Any]) -> TokenUsage:
    """Read counts of any kind."""
    suspect = prompt is None or completion is None
    counts = []
    for value in (prompt, completion, *parts):
        if type(value) is int and value >= 0:
            suspect = suspect or value > MOST
            counts.append(min(value, MOST))
        else:
            suspect = suspect or value is not None
            counts.append(0)
    prompt, completion, cached, write, reasoning = counts
    if not shape.prompt_includes_cached:
        prompt += cached
    if not shape.prompt_includes_cache_write:
        prompt += write
    if not shape.completion_includes_reasoning:
        completion += reasoning
    if cached + write > prompt:
        suspect = True
        cached = min(cached, prompt)
        write = min(write, prompt - cached)
    if reasoning > completion:
        suspect = True
        reasoning = completion
    return TokenUsage(prompt, completion, cached, write, reasoning, UsageSource.REPORTED, suspect)


def usage_block(usage: TokenUsage) -> dict[str, Any]:
    """Return the counts as OpenAI's ``usage`` object; cache writes appear only where there are any."""
    prompt_details = {"cached_tokens": usage.cached}
    if usage.cache_write:
        prompt_details["cache_creation_input_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
