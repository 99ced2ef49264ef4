"""Meituan's LongCat. Little is documented: base URL, prices and one error; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import OPENAI_ERRORS, VENDOR, ErrorRule

LONGCAT = replace(
    VENDOR,
    id="longcat",
    # Base URL https://api.longcat.chat/openai/v1. Its thinking switch has no source: fields travel as they are.
    errors=(
        ErrorRule(FailureClass.KEY_BROKE, words=("insufficient token quota",)),
        *OPENAI_ERRORS,
    ),
    page="https://longcat.chat/platform/docs (2026; the error from third parties)",
)
