"""SenseNova's token service. Codes measured by third parties in September 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import OPENAI_ERRORS, VENDOR, ErrorRule, Switch

SENSENOVA = replace(
    VENDOR,
    id="sensenova",
    switch=Switch(
        translated=True, effort_field="reasoning_effort", source="models.dev snapshot (2026-09-30): effort words only"
    ),
    errors=(
        # All of these are rates; insufficient_quota does not mean an empty account.
        ErrorRule(FailureClass.OWN_RATE_LIMIT, status=(429,), codes=("insufficient_quota", "quota_exceeded_error")),
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("modelaccounttpmratelimitexceeded", "ratelimitexceeded.*")),
        *OPENAI_ERRORS,
    ),
    page="https://platform.sensenova.cn (2026; codes measured by third parties 2026-09)",
)
