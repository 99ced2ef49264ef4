"""SiliconFlow, an aggregator of open models; .cn and .com are two account systems. 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import OPENAI_ERRORS, VENDOR, ErrorRule, Switch

SILICONFLOW = replace(
    VENDOR,
    id="siliconflow",
    switch=Switch(
        translated=True,
        name="enable_thinking",
        budget="thinking_budget",
        source="https://docs.siliconflow.cn (2026)",
    ),
    # Bodies are {"code", "message", "data"} without an error object, a 401 may be a bare JSON string (recorded).
    errors=(
        ErrorRule(FailureClass.KEY_BROKE, codes=("30001",)),  # with 402 or 403
        ErrorRule(FailureClass.KEY_INVALID, codes=("30014",)),
        ErrorRule(FailureClass.KEY_INVALID, words=("invalid token",)),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("30003", "20012")),
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("50505", "60000")),
        *OPENAI_ERRORS,
    ),
    page="https://docs.siliconflow.cn (2026; most codes from third parties)",
)
