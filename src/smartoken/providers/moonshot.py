"""Moonshot's Kimi API. Facts read on platform.kimi.com and in recordings up to October 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import (
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
)

_FIXTURES = "https://github.com/vercel/ai packages/moonshotai fixtures (recorded 2026-08)"
_FIXED = ("kimi-k2.5*", "kimi-k2.6*", "kimi-k2.7*", "kimi-k3*")

MOONSHOT = replace(
    VENDOR,
    id="moonshot",
    # max_completion_tokens is preferred and shared with reasoning: MoonshotAI/kimi-code (2026-08-22).
    limits=(Limit("max_completion_tokens", covers_reasoning=True), Limit("max_tokens", covers_reasoning=True)),
    rules=(
        Rule(
            "temperature", Action.REFUSE, "this model takes temperature 1 only", _FIXTURES, models=_FIXED, allowed=(1,)
        ),
        Rule("presence_penalty", Action.REFUSE, "this model fixes it at 0", _FIXTURES, models=_FIXED, allowed=(0,)),
        Rule("frequency_penalty", Action.REFUSE, "this model fixes it at 0", _FIXTURES, models=_FIXED, allowed=(0,)),
        Rule(
            "temperature",
            Action.REFUSE,
            "this model takes 0 to 1",
            "litellm moonshot (2026-10)",
            models=("moonshot-v1-*",),
            high=1,
        ),
        Rule(
            "tool_choice",
            Action.REFUSE,
            "this model refuses `required` while thinking",
            _FIXTURES,
            models=("kimi-k2*",),
            thinking=True,
            allowed=("auto", "none", "function"),
        ),
    ),
    # builtin_function tools such as `$web_search` are charged apart: `tool_types` keeps to function.
    switch=Switch(
        translated=True,
        name="thinking",
        effort_field="reasoning_effort",  # a bare string; an object answers 400 (litellm 2026-10)
        source="https://platform.kimi.com/docs (2026-10)",
    ),
    # choices[0].usage of the finish chunk always, and once more in a tail chunk when asked (recorded 2026-08-26);
    # cached_tokens is top level, on older models only there.
    usage=UsageShape(
        places=("top", "choice"),
        cached=("prompt_tokens_details.cached_tokens", "cached_tokens"),
        unasked=True,
        on_finish_chunk=True,
    ),
    # https://platform.kimi.com/docs/api/errors (2026-10). `code` is mostly absent: the type decides.
    errors=(
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("engine_overloaded_error",)),
        ErrorRule(FailureClass.KEY_BROKE, codes=("exceeded_current_quota_error",)),
        ErrorRule(FailureClass.KEY_BROKE, status=(403, 429), words=("insufficient balance",)),
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("rate_limit_reached_error",)),
        ErrorRule(FailureClass.REFUSAL, codes=("content_filter",)),
        ErrorRule(FailureClass.CONTEXT_LENGTH, status=(400,), words=("exceeded model token limit",)),
        ErrorRule(FailureClass.KEY_INVALID, codes=("invalid_authentication_error", "incorrect_api_key_error")),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("resource_not_found_error",)),
        # The Kimi Code plan, https://www.kimi.com/code/docs: membership, its window, its own clients only.
        ErrorRule(FailureClass.WINDOW_USED_UP, status=(403,), words=("billing cycle", "billing-cycle")),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, status=(403,), words=("coding agents",)),
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("server_error", "unexpected_output")),
        *OPENAI_ERRORS,
    ),
    replays_reasoning=True,
    continuation=Continuation(field="partial", source="https://platform.kimi.com/docs partial mode (2026-10)"),
    template=Template(base=192, tools=448),  # "17*19" was 101 prompt tokens, one small tool 213 (recorded)
    page="https://platform.kimi.com/docs (2026-10)",
)
