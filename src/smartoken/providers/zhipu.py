"""Zhipu's GLM on bigmodel.cn and z.ai. Read in docs and zai-sdk, October 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import (
    FINISH,
    FINISH_FAILURES,
    OPENAI_ERRORS,
    VENDOR,
    Action,
    Always,
    ErrorRule,
    Limit,
    Rule,
    Switch,
    Template,
    Translation,
    UsageShape,
    Words,
)

_SDK = "zai-sdk 0.2.3 (2026)"
_LITELLM = "litellm 1.110.2 zai (2026-10)"
_EDGE = "Zhipu's own SDK sends 0.99 instead; the documents disagree on whether 1 is allowed"

ZHIPU = replace(
    VENDOR,
    id="zhipu",
    # The base URL ends in /api/paas/v4: there is no /v1. max_completion_tokens is unknown there.
    limits=(Limit("max_tokens"),),
    # Usage comes unasked, and stream_options is not in the reference.
    accepts_include_usage=False,
    translations=(
        # 0 is outside Zhipu's interval; do_sample false is its own word for greedy decoding.
        Translation("temperature", 0, {"do_sample": False}, "temperature-sent-as-do_sample", _SDK),
    ),
    rules=(
        Rule("temperature", Action.REFUSE, "Zhipu takes values from 0 to 1", _SDK, low=0, high=1),
        Rule("temperature", Action.WARN, _EDGE, _SDK, high=0.999),
        Rule("top_p", Action.REFUSE, "Zhipu takes values above 0 and up to 1", _SDK, low=0.000001, high=1),
        Rule("top_p", Action.WARN, _EDGE, _SDK, high=0.999),
        Rule("n", Action.REFUSE, "Zhipu gives one choice", _LITELLM, allowed=(1,)),
        Rule("tool_choice", Action.REFUSE, "Zhipu takes auto only", _LITELLM, allowed=("auto",)),
        Rule("presence_penalty", Action.WARN, "not among Zhipu's parameters", _LITELLM),
        Rule("frequency_penalty", Action.WARN, "not among Zhipu's parameters", _LITELLM),
    ),
    # Without it the arguments of a streamed tool call come in one lump.
    always=(Always("tool_stream", value=True, streamed_tools_only=True, source=_SDK),),
    switch=Switch(
        translated=True,
        name="thinking",
        effort_field="reasoning_effort",
        words=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        words_for=Words.LISTED,  # glm-5.2 and later
        source=_SDK,
    ),
    usage=UsageShape(unasked=True, on_finish_chunk=True),
    finish={**FINISH, "sensitive": "content_filter", "model_context_window_exceeded": "length"},
    finish_failures={**FINISH_FAILURES, "network_error": FailureClass.PROVIDER_CAPACITY},
    # https://docs.bigmodel.cn/cn/faq/api-code (2026-09); the code is a string, sometimes a number.
    errors=(
        ErrorRule(FailureClass.KEY_BROKE, codes=("1113", "1309")),  # arrears answer 429, not 402
        ErrorRule(FailureClass.WINDOW_USED_UP, codes=("1308", "1310")),
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("1302", "1303", "1304")),
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("1305", "1312", "1200", "1230", "1234", "500")),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("1211", "1220", "1311", "131[3-9]", "132[01]")),
        ErrorRule(FailureClass.CONTEXT_LENGTH, codes=("1261",)),
        ErrorRule(FailureClass.REFUSAL, codes=("1301",)),
        ErrorRule(FailureClass.KEY_INVALID, codes=("100[0-5]",)),
        ErrorRule(FailureClass.REQUEST_FAULT, codes=("121[0-5]",)),
        *OPENAI_ERRORS,
    ),
    template=Template(base=96, tools=448),  # one small tool was 170 prompt tokens (recorded 2025-09)
    page="https://docs.bigmodel.cn and https://docs.z.ai (2026-10)",
)
