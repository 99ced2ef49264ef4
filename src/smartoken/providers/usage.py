"""Reading a provider's counts into ``TokenUsage`` and writing them in OpenAI's shape. Pure.

Counts that are negative, not whole numbers or contradict each other are bounded and marked ``suspect``; whoever knows
the context and the hold bounds them further. Zero is a count, absent is not.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from smartoken.providers.dialect import UsageShape
from smartoken.tokens import TokenUsage


def find(block: Mapping[str, Any], paths: tuple[str, ...]) -> Any:
    """Return the first value found under one of the dotted paths; None when there is none."""
    for path in paths:
        value: Any = block
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def read_usage(shape: UsageShape, block: Any) -> TokenUsage | None:
    """Read a usage object; None when it is absent, empty or holds neither prompt nor completion counts."""
    if not isinstance(block, dict):
        return None
    raw = {
        "prompt": block.get("prompt_tokens"),
        "completion": block.get("completion_tokens"),
        "cached": find(block, shape.cached),
        "cache_write": find(block, shape.cache_write),
        "reasoning": find(block, shape.reasoning),
    }
    if raw["prompt"] is None and raw["completion"] is None:
        return None
    suspect = raw["prompt"] is None or raw["completion"] is None
    counts: dict[str, int] = {}
    for name, value in raw.items():
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        suspect = suspect or (value is not None and not good)
        counts[name] = value if good else 0
    if not shape.prompt_includes_cached:
        counts["prompt"] += counts["cached"]
    if not shape.prompt_includes_cache_write:
        counts["prompt"] += counts["cache_write"]
    if not shape.completion_includes_reasoning:
        counts["completion"] += counts["reasoning"]
    if counts["cached"] + counts["cache_write"] > counts["prompt"]:
        suspect = True
        counts["cached"] = min(counts["cached"], counts["prompt"])
        counts["cache_write"] = min(counts["cache_write"], counts["prompt"] - counts["cached"])
    if counts["reasoning"] > counts["completion"]:
        suspect = True
        counts["reasoning"] = counts["completion"]
    return TokenUsage(
        prompt=counts["prompt"],
        completion=counts["completion"],
        cached=counts["cached"],
        cache_write=counts["cache_write"],
        reasoning=counts["reasoning"],
        suspect=suspect,
    )


def usage_block(usage: TokenUsage) -> dict[str, Any]:
    """Return the counts as OpenAI's ``usage`` object; cache writes appear only where there are any."""
    prompt_details = {"cached_tokens": usage.cached}
    if usage.cache_write:
        prompt_details["cache_creation_input_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
