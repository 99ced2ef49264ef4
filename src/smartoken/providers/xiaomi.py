"""Xiaomi MiMo. Facts of platform.xiaomimimo.com and recordings of 2026; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import OPENAI_ERRORS, VENDOR, ErrorRule, Switch, UsageShape

XIAOMI = replace(
    VENDOR,
    id="xiaomi",
    accepts_include_usage=False,  # not needed: the usage chunk comes asked or not
    switch=Switch(translated=True, name="thinking", source="https://platform.xiaomimimo.com/docs (2026)"),
    usage=UsageShape(unasked=True),  # always a tail chunk with empty choices (recorded 2026-08)
    # https://platform.xiaomimimo.com error codes (2026)
    errors=(
        # The reason stands in `param`, the message says only "Param Incorrect" (recorded, since 2026-05-12).
        ErrorRule(FailureClass.REQUEST_FAULT, status=(400,), words=("reasoning_content",), param="messages"),
        ErrorRule(FailureClass.KEY_BROKE, status=(402,)),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, status=(403,)),  # region or risk control
        ErrorRule(
            FailureClass.REQUEST_FAULT, status=(404,), words=("modal", "image", "audio", "video"), param="messages"
        ),
        *OPENAI_ERRORS,
    ),
    replays_reasoning=True,
    page="https://platform.xiaomimimo.com (2026)",
)
