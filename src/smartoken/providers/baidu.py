"""Baidu Qianfan v2 (ERNIE). Facts of its error list (2025-06 to 2026) and recordings; never yet met live."""

from dataclasses import replace

from smartoken.errors import FailureClass
from smartoken.providers.dialect import OPENAI_ERRORS, VENDOR, ErrorRule

BAIDU = replace(
    VENDOR,
    id="baidu",
    # Base URL https://qianfan.baidubce.com/v2, key bce-v3/ALTAK-...; no source was read for its thinking switch, so
    # the client's fields travel as they are.
    errors=(
        ErrorRule(FailureClass.KEY_LACKS_MODEL, status=(401, 403), codes=("invalid_model", "no_parameter_permission")),
        ErrorRule(FailureClass.KEY_INVALID, codes=("invalid_iam_token", "invalid_appid")),
        ErrorRule(FailureClass.CONTEXT_LENGTH, codes=("characters_too_long", "tokens_too_long")),
        ErrorRule(FailureClass.REFUSAL, codes=("*_unsafe",)),
        ErrorRule(FailureClass.PROVIDER_CAPACITY, codes=("cluster_*", "internal_error", "dispatch_internal_error")),
        ErrorRule(FailureClass.OWN_RATE_LIMIT, codes=("rpm_*", "tpm_*", "input_tpm_*", "output_tpm_*", "user_*")),
        ErrorRule(FailureClass.KEY_LACKS_MODEL, status=(400,), codes=("invalid_model",)),
        ErrorRule(FailureClass.REQUEST_FAULT, codes=("malformed_json", "invalid_messages"), param="messages"),
        *OPENAI_ERRORS,
    ),
    page="https://cloud.baidu.com/doc/qianfan-api (2025-06, client list 2026)",
)
