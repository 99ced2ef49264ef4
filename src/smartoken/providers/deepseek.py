"""DeepSeek's own API. Facts read on api-docs.deepseek.com in October 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import (
    FINISH_FAILURES,
    OPENAI_ERRORS,
    VENDOR,
    Action,
    Continuation,
    ErrorRule,
    Limit,
    Rule,
    Switch,
    Template,
    UsageShape,
    Words,
)

_THINKING = "https://api-docs.deepseek.com/guides/thinking_mode (2026-10)"
_IGNORED = "DeepSeek ignores it while thinking"

DEEPSEEK = replace(
    VENDOR,
    id="deepseek",
    # A limit of 8 came back as completion_tokens 8 = reasoning_tokens 8: recorded 2026-08, deepseek-v4-flash.
    limits=(Limit("max_tokens", covers_reasoning=True),),
    # The end user's id; it also isolates cache and scheduling: https://api-docs.deepseek.com/quick_start/rate_limit.
    renames={"user": "user_id"},
    rules=(
        Rule("temperature", Action.WARN, _IGNORED, _THINKING, thinking=True),
        Rule("presence_penalty", Action.WARN, _IGNORED, _THINKING, thinking=True),
        Rule("frequency_penalty", Action.WARN, _IGNORED, _THINKING, thinking=True),
        # Third-party reading (wwsun.github.io, 2026): flash clamps top_p to [0.95, 1] while thinking.
        Rule("top_p", Action.WARN, "below 0.95 it is clamped while thinking", _THINKING, thinking=True, low=0.95),
        Rule(
            "response_format",
            Action.REFUSE,
            "DeepSeek offers JSON Output as json_object only",
            "https://api-docs.deepseek.com/guides/json_mode (2026-10)",
            allowed=("text", "json_object"),
        ),
    ),
    switch=Switch(
        translated=True,
        name="thinking",
        effort_field="reasoning_effort",
        words=("low", "high", "max"),
        words_for=Words.VENDOR,
        # The mapping moved in 2026: an older edition of the page had low to high and xhigh to max.
        word_map={"minimal": "low", "medium": "high", "xhigh": "high", "ultra": "max"},
        source=_THINKING,
    ),
    # Usage stands on the finish chunk, whose choices are not empty; every other chunk has usage null
    # (recorded 2026-08). hit + miss = prompt_tokens; reasoning is inside completion_tokens.
    usage=UsageShape(
        cached=("prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens"), unasked=True, on_finish_chunk=True
    ),
    # https://api-docs.deepseek.com/api/create-chat-completion: their inference broke, not an end of the answer.
    finish_failures={**FINISH_FAILURES, "insufficient_system_resource": FailureClass.PROVIDER_CAPACITY},
    # https://api-docs.deepseek.com/quick_start/error_codes (2026-10): decide by status, `code` says little.
    errors=(
        ErrorRule(FailureClass.REFUSAL, status=(400,), words=("content exists risk",)),
        ErrorRule(FailureClass.REQUEST_FAULT, status=(400,), words=("reasoning_content",), param="messages"),
        ErrorRule(FailureClass.KEY_BROKE, status=(402,)),
        *OPENAI_ERRORS,
    ),
    replays_reasoning=True,
    keys_share_concurrency=True,  # https://api-docs.deepseek.com/quick_start/rate_limit: by account, whatever the key
    continuation=Continuation(
        field="prefix",
        path="/beta/chat/completions",
        source="https://api-docs.deepseek.com/guides/chat_prefix_completion (beta)",
    ),
    template=Template(base=160, tools=512),  # "just OK" was 87 prompt tokens, one small tool 339 (recorded)
    page="https://api-docs.deepseek.com (2026-10)",
)
