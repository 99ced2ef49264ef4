"""Volcengine Ark and BytePlus ModelArk: Doubao and hosted models. Read September 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import (
    OPENAI_ERRORS,
    VENDOR,
    Action,
    ErrorRule,
    Limit,
    Rule,
    Switch,
    Template,
    UsageShape,
    Words,
)

_CHAT = "https://www.volcengine.com/docs/82379/1494384 (2026-09-23)"
_ERRORS = "https://www.volcengine.com/docs/82379/1299023 (2026-05-28)"

VOLCENGINE = replace(
    VENDOR,
    id="volcengine",
    roles={},  # role developer is accepted: docs 82379/2678892
    # The two names exclude each other. max_completion_tokens counts thinking too, and is 1-65536 in one place of the
    # docs, so a larger limit goes out as max_tokens.
    limits=(
        Limit("max_completion_tokens", covers_reasoning=True, ceiling=65_536),
        Limit("max_tokens", covers_reasoning=False),
    ),
    rules=(
        Rule("logprobs", Action.REFUSE, "thinking models give no logprobs", _CHAT, thinking=True, allowed=(False,)),
        Rule("top_logprobs", Action.REFUSE, "thinking models give no logprobs", _CHAT, thinking=True),
        Rule("n", Action.REFUSE, "Ark gives one choice", _CHAT, allowed=(1,)),
        Rule("seed", Action.WARN, "not among Ark's parameters", _CHAT),
    ),
    switch=Switch(
        translated=True,
        name="thinking",
        auto="auto",
        effort_field="reasoning_effort",
        words=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        words_for=Words.VENDOR,  # all seven accepted everywhere, mapped per model by Ark
        source="https://www.volcengine.com/docs/82379/1449737 (2026-09-23)",
    ),
    usage=UsageShape(),  # a tail chunk, only when asked
    errors=(
        ErrorRule(FailureClass.KEY_BROKE, codes=("accountoverdueerror", "invalidsubscription")),
        ErrorRule(FailureClass.CONTEXT_LENGTH, codes=("outofcontexterror",)),
        ErrorRule(FailureClass.REFUSAL, codes=("*sensitivecontentdetected*", "*riskdetection*")),
        ErrorRule(FailureClass.KEY_INVALID, codes=("authenticationerror", "invalidaccountstatus")),
        # A known model id fails so until it is activated in the console: not a missing model.
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("modelnotopen", "invalidendpointormodel*", "quotaexceeded")),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("setlimitexceeded", "accessdenied*", "operationdenied*")),
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("serveroverloaded", "internalserviceerror")),
        ErrorRule(FailureClass.RAMP_TOO_FAST, codes=("requestbursttoofast",)),
        ErrorRule(
            FailureClass.OWN_RATE_LIMIT,
            codes=("ratelimitexceeded*", "*ratelimitexceeded", "inflightbatchsizeexceeded"),
        ),
        ErrorRule(FailureClass.REQUEST_FAULT, codes=("missingparameter*", "invalidparameter*")),
        *OPENAI_ERRORS,
    ),
    # Seed 2.1 shows a summary and bills the raw thinking (ledger of the docs, C8 and C26); evolving names and endpoint
    # ids may be that model.
    hidden_reasoning=("doubao-seed-2-1*", "doubao-seed-evolving*", "ep-*"),
    template=Template(base=96, tools=448),
    page=f"{_CHAT}; errors {_ERRORS}",
)
