"""StepFun. Facts of platform.stepfun.com/docs/guide/exception, 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import OPENAI_ERRORS, VENDOR, ErrorRule, Switch

STEPFUN = replace(
    VENDOR,
    id="stepfun",
    switch=Switch(
        translated=True,
        name=None,  # no switch is documented, only the effort
        effort_field="reasoning_effort",
        source="https://platform.stepfun.com/docs (2026)",
    ),
    errors=(
        ErrorRule(FailureClass.KEY_BROKE, status=(402,)),
        ErrorRule(FailureClass.REFUSAL, status=(451,)),  # for input or output
        *OPENAI_ERRORS,
    ),
    page="https://platform.stepfun.com/docs/guide/exception (2026)",
)
