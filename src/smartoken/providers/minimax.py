"""MiniMax's OpenAI surface. Facts of platform.minimax.io (M3 edition, June 2026) and recordings; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import (
    CUMULATIVE_TEXT,
    NO_SUCH_MODEL,
    OPENAI_ERRORS,
    REASONING_DETAILS,
    REASONING_TAGS,
    THINK_TAGS,
    VENDOR,
    Action,
    Always,
    ErrorRule,
    Limit,
    Rule,
    Switch,
    Template,
    UsageShape,
)

_CHAT = "https://platform.minimax.io/docs/api-reference/text-chat-openai (2026-06)"
_IGNORED = "MiniMax ignores it"

MINIMAX = replace(
    VENDOR,
    id="minimax",
    limits=(Limit("max_completion_tokens"), Limit("max_tokens")),  # max_tokens is deprecated there
    rules=(
        Rule("n", Action.REFUSE, "MiniMax gives one choice", _CHAT, allowed=(1,)),
        Rule("presence_penalty", Action.WARN, _IGNORED, _CHAT),
        Rule("frequency_penalty", Action.WARN, _IGNORED, _CHAT),
        Rule("logit_bias", Action.WARN, _IGNORED, _CHAT),
        Rule("tool_choice", Action.WARN, "not documented for this surface", _CHAT, allowed=("auto",)),
        Rule("response_format", Action.WARN, "not documented for this surface", _CHAT, allowed=("text",)),
    ),
    # Thinking is put into content as <think> by default; this moves it to reasoning_content.
    always=(Always("reasoning_split", value=True, source=_CHAT),),
    switch=Switch(translated=True, name="thinking", on="adaptive", auto="adaptive", source=_CHAT),
    usage=UsageShape(),  # a tail chunk, only when asked; default false
    # The tags still appear: in content without the split, and split over two chunks inside reasoning_details with it.
    # One adapter reports cumulative content.
    repairs=(CUMULATIVE_TEXT, REASONING_DETAILS, THINK_TAGS, REASONING_TAGS),
    # The number in brackets, or base_resp.status_code, decides; 1008 was seen with 402, 429, 500 and 200.
    errors=(
        ErrorRule(FailureClass.KEY_BROKE, codes=("1008", "insufficient_balance_error")),
        ErrorRule(FailureClass.KEY_INVALID, codes=("1004", "2049")),
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("1002", "1041", "2062")),
        ErrorRule(FailureClass.WINDOW_USED_UP, codes=("2056",)),
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("1000", "1001", "1013", "1024", "1033")),
        ErrorRule(FailureClass.REFUSAL, codes=("1026", "1027")),
        ErrorRule(FailureClass.CONTEXT_LENGTH, codes=("1039",)),
        NO_SUCH_MODEL,
        ErrorRule(FailureClass.REQUEST_FAULT, codes=("2013",)),
        ErrorRule(FailureClass.KEY_INVALID, codes=("authorized_error",)),
        *OPENAI_ERRORS,
    ),
    template=Template(base=256, tools=512),  # one small tool was 418 prompt tokens (documented example)
    page=_CHAT,
)
