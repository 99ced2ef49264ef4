"""Counting without a tokenizer, and which count is believed."""

import pytest

from smartoken.gateway.meter import Meter, estimate_prompt, plausible
from smartoken.tokens import TokenUsage, UsageSource, estimate_tokens

ESTIMATES = [
    # text, low, high: real tokenizers of the Qwen and DeepSeek families lie between
    ("", 0, 0),
    ("a", 1, 1),
    ("Hello, how are you today?", 5, 9),
    ("The quick brown fox jumps over the lazy dog.", 8, 13),
    ("你好，请介绍一下你自己。", 6, 12),
    ("0123456789", 10, 10),
    ("def f(x):\n    return x + 1\n", 8, 16),
    ("\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?", 5, 9),
]


@pytest.mark.parametrize(("text", "low", "high"), ESTIMATES)
def test_an_estimate_lies_in_the_range_of_real_tokenizers(text, low, high):
    assert low <= estimate_tokens(text) <= high


PLAUSIBLE = [
    # what is reported, the context; then prompt, completion, cached and reasoning as believed; whether suspect
    (TokenUsage(10, 5), 100, (10, 5, 0, 0), False),
    (TokenUsage(0, 0), 100, (0, 0, 0, 0), False),
    (TokenUsage(10, 5, cached=4, reasoning=3), None, (10, 5, 4, 3), False),
    (TokenUsage(-1, 5), 100, (0, 5, 0, 0), True),
    (TokenUsage(10, 10**12), 100, (10, 100, 0, 0), True),
    (TokenUsage(10, 5, cached=50), 100, (10, 5, 10, 0), True),
    (TokenUsage(10, 5, reasoning=50), 100, (10, 5, 0, 5), True),
]


@pytest.mark.parametrize(("reported", "context", "counts", "suspect"), PLAUSIBLE)
def test_implausible_usage_is_bounded_and_marked(reported, context, counts, suspect):
    usage = plausible(reported, context)
    assert (usage.prompt, usage.completion, usage.cached, usage.reasoning) == counts
    assert usage.suspect is suspect


def test_reported_usage_is_believed_even_when_it_is_zero():
    meter = Meter()
    meter.see({"content": "plenty of text"})
    meter.reported = TokenUsage(0, 0)
    assert meter.usage({"messages": []}, 100) == TokenUsage(0, 0)


def test_without_a_report_the_output_is_counted_and_marked():
    meter = Meter()
    meter.see({"reasoning_content": "think"})
    meter.see({"content": "one two"})
    meter.see({"tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]})
    usage = meter.usage({"messages": [{"role": "user", "content": "hi"}]}, 100)
    assert usage.source is UsageSource.COUNTED
    assert usage.completion == usage.reasoning + estimate_tokens("one twolook{}")
    assert usage.prompt == estimate_prompt({"messages": [{"role": "user", "content": "hi"}]}) > 0


def test_the_sum_of_unlike_sources_is_mixed():
    total = TokenUsage(1, 2) + TokenUsage(3, 4, source=UsageSource.COUNTED)
    assert (total.prompt, total.completion, total.source, total.total) == (4, 6, UsageSource.MIXED, 10)
