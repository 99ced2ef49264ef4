"""Tencent TokenHub (Hunyuan). Facts of cloud.tencent.com/document/product/1823, 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import OPENAI_ERRORS, VENDOR, ErrorRule, Switch

_ERRORS = "https://cloud.tencent.com/document/product/1823/131595 (2026)"

TENCENT = replace(
    VENDOR,
    id="tencent",
    switch=Switch(
        translated=True,
        name="thinking",  # `type` is required when the object is sent
        auto="adaptive",
        effort_field="reasoning_effort",
        budget="thinking.budget_tokens",
        source="litellm 1.110.2 tencent (2026-10)",
    ),
    errors=(
        ErrorRule(FailureClass.REFUSAL, codes=("451001", "content_filter_error")),
        # Plan or balance, whichever status carries it.
        ErrorRule(FailureClass.KEY_BROKE, codes=("401007", "401008", "403004")),
        ErrorRule(FailureClass.KEY_INVALID, codes=("401002",)),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("40300*",)),
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("429001",)),
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("502001",)),
        *OPENAI_ERRORS,
        ErrorRule(FailureClass.REQUEST_FAULT, codes=("40000*",)),
    ),
    page=_ERRORS,
)
