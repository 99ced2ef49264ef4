"""Alibaba Model Studio (DashScope) in compatible mode: Qwen and hosted. Read October 2026; never yet met live."""

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

_DOCS = "https://help.aliyun.com/zh/model-studio (2026-10-11)"
_HOSTED_MINIMAX = "https://help.aliyun.com/zh/model-studio/minimax (2026-10)"
_MINIMAX = ("minimax-m3.1-flash*",)

QWEN = replace(
    VENDOR,
    id="qwen",
    limits=(Limit("max_tokens"), Limit("max_completion_tokens")),
    rules=(
        # tool_choice is auto, none or a named function.
        Rule(
            "tool_choice",
            Action.REFUSE,
            "DashScope takes auto, none or a named function",
            _DOCS,
            allowed=("auto", "none", "function"),
        ),
        Rule(
            "tool_choice",
            Action.REFUSE,
            "the hosted model takes auto only",
            _HOSTED_MINIMAX,
            models=_MINIMAX,
            allowed=("auto",),
        ),
        Rule("stop", Action.WARN, "the hosted model ignores it", _HOSTED_MINIMAX, models=_MINIMAX),
        Rule("parallel_tool_calls", Action.WARN, "the hosted model ignores it", _HOSTED_MINIMAX, models=_MINIMAX),
    ),
    switch=Switch(
        translated=True,
        name="enable_thinking",
        effort_field="reasoning_effort",  # qwen3.8: none/low/medium/xhigh; older models list no effort
        word_map={"minimal": "low", "high": "xhigh", "max": "xhigh"},
        budget="thinking_budget",
        source="https://help.aliyun.com/zh/model-studio/deep-thinking (2026-10)",
    ),
    # Open weights and always-on models answer 400 `parameter.enable_thinking must be set to false for non-streaming
    # calls` when they would think unstreamed (https://help.aliyun.com/zh/model-studio/deep-thinking, 2026-10).
    thinks_in_streams_only=("qwen3-[0-9]*", "qwen3-next*", "qwen3-vl-[0-9]*", "qwq*", "qvq*"),
    # Only when asked, in a last chunk with empty choices (recorded). With cache_control markers prompt_tokens includes
    # reads and writes (vercel/ai convert-alibaba-usage, 2026-08).
    usage=UsageShape(),
    # https://help.aliyun.com/zh/model-studio/error-code (2026-10); several codes have two spellings.
    errors=(
        ErrorRule(FailureClass.KEY_BROKE, codes=("arrearage",)),  # an account in debt answers 400, not 402
        ErrorRule(
            FailureClass.KEY_BROKE,
            codes=("*postpaidbilloverdue", "*prepaidbilloverdue", "*commoditynotpurchased"),
        ),
        ErrorRule(FailureClass.REFUSAL, codes=("data_inspection_failed", "datainspectionfailed")),
        ErrorRule(FailureClass.CONTEXT_LENGTH, status=(400,), words=("range of input length",)),
        ErrorRule(
            FailureClass.REQUEST_FAULT, status=(400,), words=("enable_thinking must be set",), param="enable_thinking"
        ),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("allocationquota.freetieronly",)),
        ErrorRule(
            FailureClass.KEY_LACKS_MODEL, codes=("accessdenied*", "model.accessdenied", "workspace.accessdenied")
        ),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("model_not_found", "model_not_supported", "modelnotfound")),
        # insufficient_quota is the tokens-per-minute limit here, not an empty account.
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("limit_requests", "insufficient_quota", "throttling.ratequota")),
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("throttling.allocationquota", "throttling")),
        ErrorRule(FailureClass.RAMP_TOO_FAST, codes=("limit_burst_rate", "throttling.burstrate")),
        ErrorRule(FailureClass.REQUEST_FAULT, words=("list index out of range",), param="messages"),
        *OPENAI_ERRORS,
    ),
    continuation=Continuation(
        field="partial",
        thinking_off=True,
        not_for=("deepseek*", "kimi*", "glm*", "minimax*", "llama*", "baichuan*", "yi-*"),
        source="https://help.aliyun.com/en/model-studio/partial-mode (2026-10-12)",
    ),
    template=Template(base=96, tools=448),  # 24 for a short prompt, 295 with one small tool (recorded)
    page=_DOCS,
)
