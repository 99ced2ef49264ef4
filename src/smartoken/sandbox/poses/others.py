"""The vendors that stay close to OpenAI's form: their error envelopes, their usage and their few rules.

TokenHub: cloud.tencent.com/document/product/1823 (2026). Baidu v2, StepFun, MiMo: recorded error bodies. SiliconFlow:
its own envelope without ``error``. LongCat: little is known. Their streams were not seen recorded, MiMo's tail apart.
"""

import re
from dataclasses import replace

from smartoken.sandbox.poses.deepseek import LOST_THINKING
from smartoken.sandbox.poses.pose import (
    OPENAI,
    Json,
    Kind,
    RefusedError,
    Scene,
    UsagePlace,
    Wording,
    said_off,
)
from smartoken.sandbox.poses.rules import effort, functions_only, lost_thinking, model_of, one_of, thinking_type
from smartoken.sandbox.script import ToolCall


def _hub(status: int, kind: str, code: str, message: str) -> Wording:
    error = {"type": kind, "code": code, "message": "{message}", "source": "gateway", "request_id": "{uuid}"}
    return Wording(status, {"error": error}, message)


TENCENT = replace(
    OPENAI,
    dialect="tencent",
    rules=(functions_only, thinking_type("enabled", "disabled", "adaptive")),
    errors={
        Kind.BROKE: (
            _hub(402, "permission_error", "401007", "endpoint is inactive: FREE_QUOTA_EXHAUSTED"),
            _hub(402, "permission_error", "401008", "endpoint is inactive: ARREARS"),
            _hub(402, "permission_error", "403004", "plan has no balance"),
        ),
        Kind.INVALID_KEY: (_hub(401, "authentication_error", "401002", "invalid api key"),),
        Kind.LACKS_MODEL: (_hub(403, "permission_error", "403001", "no permission for model {model}"),),
        Kind.RATE: (_hub(429, "rate_limit_error", "429001", "rate limit exceeded on dimension: rpm"),),
        Kind.OVERLOAD: (_hub(502, "upstream_error", "502001", "upstream service is unavailable"),),
        Kind.REFUSAL: (_hub(451, "content_filter_error", "451001", "content was filtered by safety policy"),),
        Kind.TOO_LONG: (_hub(400, "invalid_request_error", "400001", "input exceeds the maximum context length"),),
        Kind.MODEL_MISSING: (_hub(404, "invalid_request_error", "404001", "model {model} not found"),),
        Kind.BAD_PARAM: (_hub(400, "invalid_request_error", "400001", "invalid parameter"),),
    },
)


def _qianfan(status: int, code: str, message: str, kind: str) -> Wording:
    return Wording(status, {"error": {"code": code, "message": "{message}", "type": kind}, "id": "as-{hex10}"}, message)


BAIDU = replace(
    OPENAI,
    dialect="baidu",
    answer_id=lambda digits, _created: f"as-{digits[:10]}",
    rules=(functions_only, one_of("enable_thinking", (True, False), "enable_thinking must be a boolean")),
    errors={
        Kind.INVALID_KEY: (_qianfan(401, "invalid_iam_token", "IAM token is invalid", "invalid_request_error"),),
        Kind.LACKS_MODEL: (_qianfan(401, "invalid_model", "No permission to use the model", "invalid_request_error"),),
        Kind.RATE: (
            _qianfan(429, "rpm_rate_limit_exceeded", "Rate limit reached for RPM", "rate_limit_exceeded"),
            _qianfan(429, "tpm_rate_limit_exceeded", "Rate limit reached for TPM", "rate_limit_exceeded"),
        ),
        Kind.OVERLOAD: (
            _qianfan(429, "cluster_rpm_rate_limit_exceeded", "Cluster is busy", "rate_limit_exceeded"),
            _qianfan(500, "dispatch_internal_error", "Dispatch internal error", "internal_error"),
        ),
        Kind.REFUSAL: (_qianfan(403, "system_unsafe", "the content is unsafe", "access_denied"),),
        Kind.TOO_LONG: (
            _qianfan(400, "tokens_too_long", "Prompt tokens too long", "invalid_request_error"),
            _qianfan(400, "characters_too_long", "the max length of input is exceeded", "invalid_request_error"),
        ),
        Kind.MODEL_MISSING: (_qianfan(400, "invalid_model", "The model {model} is invalid", "invalid_request_error"),),
        Kind.BAD_PARAM: (_qianfan(400, "invalid_argument", "invalid argument", "invalid_request_error"),),
    },
)


def _step(status: int, kind: str, message: str) -> Wording:
    return Wording(status, {"error": {"message": "{message}", "type": kind}}, message)


STEPFUN = replace(
    OPENAI,
    dialect="stepfun",
    thinks=lambda body: not said_off(body),
    rules=(functions_only, effort("low", "medium", "high")),
    errors={
        Kind.BROKE: (_step(402, "insufficient_balance", "Your balance is insufficient"),),
        Kind.INVALID_KEY: (_step(401, "invalid_api_key", "Incorrect API key provided"),),
        Kind.LACKS_MODEL: (_step(403, "permission_denied", "No permission for the model {model}"),),
        Kind.RATE: (_step(429, "rate_limit_exceeded", "Rate limit reached"),),
        Kind.OVERLOAD: (_step(503, "server_error", "The service is busy"),),
        Kind.REFUSAL: (_step(451, "censorship_blocked", "The content was blocked"),),
        Kind.TOO_LONG: (_step(400, "request_params_invalid", "The maximum context length is exceeded"),),
        Kind.MODEL_MISSING: (_step(404, "model_not_found", "The model {model} does not exist"),),
        Kind.BAD_PARAM: (_step(400, "request_params_invalid", "A parameter is invalid"),),
    },
)


def _flow(status: int, code: int, message: str) -> Wording:
    return Wording(status, {"code": code, "message": "{message}", "data": None}, message)


_BY_DEFAULT = re.compile(r"deepseek-v4|glm-5|kimi-|minimax-|qwen3", re.IGNORECASE)


def _flow_thinks(body: Json) -> bool:
    if _BY_DEFAULT.search(model_of(body)):
        return body.get("enable_thinking") is not False
    return body.get("enable_thinking") is True


SILICONFLOW = replace(
    OPENAI,
    dialect="siliconflow",
    thinks=_flow_thinks,
    rules=(functions_only, one_of("enable_thinking", (True, False), "enable_thinking must be a boolean")),
    errors={
        Kind.BROKE: (
            Wording(403, {"code": 30001, "message": "{message}"}, "Sorry, your account balance is insufficient"),
            Wording(402, {"code": 30001, "message": "{message}"}, "Sorry, your account balance is insufficient"),
        ),
        Kind.INVALID_KEY: (
            Wording(401, {"code": 30014, "message": "Token is invalid."}),
            Wording(401, "Invalid token"),
        ),
        Kind.LACKS_MODEL: (_flow(403, 30003, "Model disabled."),),
        Kind.RATE: (_flow(429, 50603, "Request was rejected due to rate limiting."),),
        Kind.OVERLOAD: (_flow(503, 50505, "Model service overloaded. Please try again later."),),
        Kind.REFUSAL: (_flow(451, 20045, "The content was refused."),),
        Kind.TOO_LONG: (_flow(400, 20015, "length of prompt_tokens must be less than max_seq_len."),),
        Kind.MODEL_MISSING: (_flow(400, 20012, "Model does not exist. Please check it carefully."),),
        Kind.BAD_PARAM: (_flow(400, 20015, "The parameter is invalid. Please check it again."),),
    },
)


def _mimo_open(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": ""}
    return {"tool_calls": [{"index": place, "id": call_id, "type": "function", "function": function}]}


def _mimo_part(_scene: Scene, place: int, part: str) -> Json:
    function = {"name": None, "arguments": part}
    return {"tool_calls": [{"index": place, "id": None, "type": "function", "function": function}]}


def _mimo_echo(body: Json) -> None:
    if not said_off(body) and lost_thinking(body) is not None:
        raise RefusedError(Kind.BAD_PARAM, "Param Incorrect", LOST_THINKING.replace("`", ""))


def _mimo(status: int, message: str, code: str) -> Wording:
    return Wording(status, {"error": {"message": "{message}", "param": "{param}", "code": code}}, message)


XIAOMI = replace(
    OPENAI,
    dialect="xiaomi",
    usage_place=UsagePlace.TAIL_ALWAYS,
    open_call=_mimo_open,
    call_part=_mimo_part,
    closing=lambda _scene: {"role": None, "content": None, "reasoning_content": None, "tool_calls": None},
    thinks=lambda body: not said_off(body),
    rules=(functions_only, thinking_type("enabled", "disabled"), _mimo_echo),
    errors={
        Kind.BROKE: (_mimo(402, "Insufficient account balance", "402"),),
        Kind.INVALID_KEY: (_mimo(401, "Invalid API Key", "401"),),
        Kind.LACKS_MODEL: (_mimo(403, "Access denied", "403"),),
        Kind.RATE: (_mimo(429, "Too many requests", "429"),),
        Kind.OVERLOAD: (_mimo(503, "Service unavailable", "503"),),
        Kind.TOO_LONG: (_mimo(400, "The maximum context length is exceeded", "400"),),
        Kind.MODEL_MISSING: (_mimo(400, "Not supported model {model}", "400"),),
        Kind.BAD_PARAM: (_mimo(400, "Param Incorrect", "400"),),
    },
)

LONGCAT = replace(
    OPENAI,
    dialect="longcat",
    rules=(functions_only,),
    errors={
        Kind.BROKE: (
            Wording(
                402,
                {"error": {"message": "{message}", "type": "insufficient_quota", "code": "insufficient_quota"}},
                "Insufficient token quota",
            ),
        ),
    },
)
