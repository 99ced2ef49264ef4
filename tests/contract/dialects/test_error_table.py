"""What each provider's error means: (dialect, status, body) to a class. Bodies as recorded or documented, own texts."""

import json

import pytest

from smartoken.errors import FailureClass
from smartoken.providers.failures import classify
from smartoken.providers.registry import DIALECTS, dialect

F = FailureClass


def err(message: str, code: str | int | None = None, kind: str | None = None, param: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def ali(code: str, message: str = "made up") -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "type": code}, "request_id": "r-1"}).encode()


def kimi(kind: str, message: str = "made up") -> bytes:
    return json.dumps({"error": {"message": message, "type": kind}}).encode()


def glm(code: str | int, message: str = "文字") -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False).encode()


def ark(code: str, kind: str = "BadRequest") -> bytes:
    return json.dumps(
        {"error": {"code": code, "message": "made up. Request id: 0217", "param": "", "type": kind}}
    ).encode()


def mmx(number: int, kind: str = "bad_request_error") -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": f"made up ({number})"}}).encode()


def hub(code: str, kind: str = "api_error") -> bytes:
    return json.dumps({"error": {"type": kind, "code": code, "message": "made up", "source": "gateway"}}).encode()


def step(kind: str) -> bytes:
    return json.dumps({"error": {"message": "made up", "type": kind}}).encode()


def flow(code: int, message: str = "made up") -> bytes:
    return json.dumps({"code": code, "message": message, "data": None}).encode()


HTML = b"<html><body>404 Not Found</body></html>"
DS = "invalid_request_error"

ROWS: list[tuple[str, int, bytes, FailureClass]] = [
    ("deepseek", 402, err("Insufficient Balance", DS, "unknown_error"), F.KEY_BROKE),
    ("deepseek", 400, err("Content Exists Risk", DS, DS), F.REFUSAL),
    (
        "deepseek",
        400,
        err("The `reasoning_content` in the thinking mode must be passed back.", DS, DS),
        F.REQUEST_FAULT,
    ),
    ("deepseek", 400, err("Model Not Exist", DS, DS), F.KEY_LACKS_MODEL),
    ("deepseek", 400, err("This model's maximum context length is 1000000 tokens.", DS, DS), F.CONTEXT_LENGTH),
    ("deepseek", 400, err("unknown variant `namespace`, expected `function`", DS, DS), F.REQUEST_FAULT),
    ("deepseek", 401, err("Authentication Fails, Your api key: ****abcd is invalid", DS), F.KEY_INVALID),
    ("deepseek", 422, err("temperature is out of range", DS), F.REQUEST_FAULT),
    ("deepseek", 429, err("Too many requests", DS), F.OWN_RATE_LIMIT),
    ("deepseek", 429, b"", F.OWN_RATE_LIMIT),
    ("deepseek", 500, b"", F.PROVIDER_CAPACITY),
    ("deepseek", 503, err("busy", DS), F.PROVIDER_CAPACITY),
    ("qwen", 400, ali("Arrearage", "Access denied, your account must be in good standing."), F.KEY_BROKE),
    ("qwen", 400, ali("data_inspection_failed"), F.REFUSAL),
    ("qwen", 400, ali("DataInspectionFailed"), F.REFUSAL),
    ("qwen", 400, ali("invalid_parameter_error", "Range of input length should be [1, 129024]"), F.CONTEXT_LENGTH),
    ("qwen", 400, ali("invalid_parameter_error", "parameter.enable_thinking must be set to false"), F.REQUEST_FAULT),
    ("qwen", 401, ali("invalid_api_key"), F.KEY_INVALID),
    ("qwen", 403, ali("AllocationQuota.FreeTierOnly"), F.KEY_LACKS_MODEL),
    ("qwen", 403, ali("AccessDenied.Unpurchased"), F.KEY_LACKS_MODEL),
    ("qwen", 403, ali("Model.AccessDenied"), F.KEY_LACKS_MODEL),
    ("qwen", 403, ali("Workspace.AccessDenied"), F.KEY_LACKS_MODEL),
    ("qwen", 404, ali("model_not_found"), F.KEY_LACKS_MODEL),
    ("qwen", 404, ali("model_not_supported"), F.KEY_LACKS_MODEL),
    ("qwen", 429, ali("limit_requests"), F.OWN_RATE_LIMIT),
    ("qwen", 429, ali("Throttling.RateQuota"), F.OWN_RATE_LIMIT),
    ("qwen", 429, ali("insufficient_quota", "You exceeded your current quota"), F.OWN_RATE_LIMIT),
    ("qwen", 429, ali("Throttling.AllocationQuota"), F.OWN_RATE_LIMIT),
    ("qwen", 429, ali("limit_burst_rate"), F.RAMP_TOO_FAST),
    ("qwen", 429, ali("Throttling.BurstRate"), F.RAMP_TOO_FAST),
    ("qwen", 429, ali("PostpaidBillOverdue"), F.KEY_BROKE),
    ("qwen", 429, ali("PrepaidBillOverdue"), F.KEY_BROKE),
    ("qwen", 429, ali("CommodityNotPurchased"), F.KEY_BROKE),
    ("qwen", 500, ali("InternalError.Algo", "list index out of range"), F.REQUEST_FAULT),
    ("qwen", 500, ali("internal_error"), F.PROVIDER_CAPACITY),
    ("moonshot", 429, kimi("engine_overloaded_error"), F.PROVIDER_CAPACITY),
    ("moonshot", 429, kimi("exceeded_current_quota_error"), F.KEY_BROKE),
    ("moonshot", 429, kimi("rate_limit_reached_error"), F.OWN_RATE_LIMIT),
    ("moonshot", 429, kimi("", "account suspended due to insufficient balance"), F.KEY_BROKE),
    (
        "moonshot",
        404,
        kimi("resource_not_found_error", "Not found the model x or Permission denied"),
        F.KEY_LACKS_MODEL,
    ),
    ("moonshot", 400, kimi(DS, "invalid temperature: only 1 is allowed for this model"), F.REQUEST_FAULT),
    ("moonshot", 400, kimi(DS, "tool_choice 'required' is incompatible with thinking enabled"), F.REQUEST_FAULT),
    ("moonshot", 400, kimi("content_filter", "rejected because considered high risk"), F.REFUSAL),
    ("moonshot", 400, kimi(DS, "Your request exceeded model token limit: 262144"), F.CONTEXT_LENGTH),
    ("moonshot", 401, kimi("invalid_authentication_error"), F.KEY_INVALID),
    ("moonshot", 401, kimi("incorrect_api_key_error"), F.KEY_INVALID),
    ("moonshot", 402, kimi("membership", "membership expired"), F.KEY_BROKE),
    ("moonshot", 403, kimi("access", "usage limit for this billing cycle"), F.WINDOW_USED_UP),
    ("moonshot", 403, kimi("access", "only available for Coding Agents"), F.KEY_LACKS_MODEL),
    ("moonshot", 500, kimi("unexpected_output"), F.PROVIDER_CAPACITY),
    ("zhipu", 429, glm("1113", "您的账户已欠费"), F.KEY_BROKE),
    ("zhipu", 429, glm(1113), F.KEY_BROKE),
    ("zhipu", 429, glm("1302"), F.OWN_RATE_LIMIT),
    ("zhipu", 429, glm("1305"), F.PROVIDER_CAPACITY),
    ("zhipu", 429, glm("1312"), F.PROVIDER_CAPACITY),
    ("zhipu", 429, glm("1308"), F.WINDOW_USED_UP),
    ("zhipu", 429, glm("1310"), F.WINDOW_USED_UP),
    ("zhipu", 429, glm("1309"), F.KEY_BROKE),
    ("zhipu", 429, glm("1311"), F.KEY_LACKS_MODEL),
    ("zhipu", 400, glm("1301"), F.REFUSAL),
    ("zhipu", 400, glm("1261", "Prompt 超长"), F.CONTEXT_LENGTH),
    ("zhipu", 400, glm("1210"), F.REQUEST_FAULT),
    ("zhipu", 400, glm("1211"), F.KEY_LACKS_MODEL),
    ("zhipu", 401, glm("1000"), F.KEY_INVALID),
    ("zhipu", 403, glm("1220"), F.KEY_LACKS_MODEL),
    ("zhipu", 500, glm("1234"), F.PROVIDER_CAPACITY),
    ("zhipu", 529, err("[1305][busy]", "1305", "overloaded_error"), F.PROVIDER_CAPACITY),
    ("volcengine", 403, ark("AccountOverdueError", "Forbidden"), F.KEY_BROKE),
    ("volcengine", 429, ark("RateLimitExceeded.EndpointTPMExceeded"), F.OWN_RATE_LIMIT),
    ("volcengine", 429, ark("ModelAccountTpmRateLimitExceeded"), F.OWN_RATE_LIMIT),
    ("volcengine", 429, ark("AccountRateLimitExceeded"), F.OWN_RATE_LIMIT),
    ("volcengine", 429, ark("InflightBatchsizeExceeded"), F.OWN_RATE_LIMIT),
    ("volcengine", 429, ark("ServerOverloaded"), F.PROVIDER_CAPACITY),
    ("volcengine", 429, ark("RequestBurstTooFast"), F.RAMP_TOO_FAST),
    ("volcengine", 429, ark("QuotaExceeded"), F.KEY_LACKS_MODEL),
    ("volcengine", 429, ark("SetLimitExceeded"), F.KEY_LACKS_MODEL),
    ("volcengine", 404, ark("ModelNotOpen", "NotFound"), F.KEY_LACKS_MODEL),
    ("volcengine", 404, ark("InvalidEndpointOrModel.NotFound", "NotFound"), F.KEY_LACKS_MODEL),
    ("volcengine", 400, ark("InputTextSensitiveContentDetected"), F.REFUSAL),
    ("volcengine", 400, ark("OutputTextSensitiveContentDetected.PolicyViolation"), F.REFUSAL),
    ("volcengine", 400, ark("OutofContextError"), F.CONTEXT_LENGTH),
    ("volcengine", 400, ark("MissingParameter.messages"), F.REQUEST_FAULT),
    ("volcengine", 401, ark("AuthenticationError", "Unauthorized"), F.KEY_INVALID),
    ("volcengine", 500, ark("InternalServiceError"), F.PROVIDER_CAPACITY),
    ("minimax", 402, mmx(1008, "insufficient_balance_error"), F.KEY_BROKE),
    ("minimax", 429, mmx(1008, "rate_limit_error"), F.KEY_BROKE),
    ("minimax", 500, mmx(1008, "api_error"), F.KEY_BROKE),
    ("minimax", 200, b'{"choices":null,"base_resp":{"status_code":1008,"status_msg":"no balance"}}', F.KEY_BROKE),
    ("minimax", 200, b'{"choices":[],"base_resp":{"status_code":1002,"status_msg":"slow"}}', F.OWN_RATE_LIMIT),
    ("minimax", 429, mmx(1002, "rate_limit_error"), F.OWN_RATE_LIMIT),
    ("minimax", 429, mmx(2056, "rate_limit_error"), F.WINDOW_USED_UP),
    ("minimax", 429, b'{"type":"rate_limit_error","message":"made up (2062)","http_code":"429"}', F.OWN_RATE_LIMIT),
    ("minimax", 401, mmx(1004, "authorized_error"), F.KEY_INVALID),
    ("minimax", 401, mmx(2049), F.KEY_INVALID),
    ("minimax", 422, mmx(1026, "unprocessable_entity_error"), F.REFUSAL),
    ("minimax", 422, mmx(1027), F.REFUSAL),
    ("minimax", 400, mmx(1039), F.CONTEXT_LENGTH),
    ("minimax", 400, mmx(2013), F.REQUEST_FAULT),
    ("minimax", 500, mmx(1013), F.PROVIDER_CAPACITY),
    ("tencent", 429, hub("429001", "rate_limit_error"), F.OWN_RATE_LIMIT),
    ("tencent", 402, hub("401007", "permission_error"), F.KEY_BROKE),
    ("tencent", 403, hub("403004", "permission_error"), F.KEY_BROKE),
    ("tencent", 403, hub("403001", "permission_error"), F.KEY_LACKS_MODEL),
    ("tencent", 401, hub("401002"), F.KEY_INVALID),
    ("tencent", 451, hub("451001", "content_filter_error"), F.REFUSAL),
    ("tencent", 502, hub("502001"), F.PROVIDER_CAPACITY),
    ("tencent", 400, hub("400001"), F.REQUEST_FAULT),
    (
        "baidu",
        429,
        err("Rate limit reached for RPM", "rpm_rate_limit_exceeded", "rate_limit_exceeded"),
        F.OWN_RATE_LIMIT,
    ),
    ("baidu", 429, err("busy", "cluster_overloaded"), F.PROVIDER_CAPACITY),
    ("baidu", 401, err("no", "invalid_iam_token"), F.KEY_INVALID),
    ("baidu", 401, err("not opened", "invalid_model"), F.KEY_LACKS_MODEL),
    ("baidu", 403, err("no", "input_unsafe"), F.REFUSAL),
    ("baidu", 400, err("long", "tokens_too_long"), F.CONTEXT_LENGTH),
    ("baidu", 400, err("bad", "malformed_json"), F.REQUEST_FAULT),
    ("baidu", 500, err("oops", "dispatch_internal_error"), F.PROVIDER_CAPACITY),
    ("stepfun", 401, step("invalid_api_key"), F.KEY_INVALID),
    ("stepfun", 402, step("quota"), F.KEY_BROKE),
    ("stepfun", 451, step("censorship"), F.REFUSAL),
    ("stepfun", 429, step("rate_limited"), F.OWN_RATE_LIMIT),
    ("stepfun", 503, step("busy"), F.PROVIDER_CAPACITY),
    ("siliconflow", 400, flow(20012, "Model does not exist."), F.KEY_LACKS_MODEL),
    ("siliconflow", 402, flow(30001), F.KEY_BROKE),
    ("siliconflow", 403, flow(30001), F.KEY_BROKE),
    ("siliconflow", 401, flow(30014), F.KEY_INVALID),
    ("siliconflow", 401, b'"Invalid token"', F.KEY_INVALID),
    ("siliconflow", 403, flow(30003), F.KEY_LACKS_MODEL),
    ("siliconflow", 503, flow(50505), F.PROVIDER_CAPACITY),
    ("xiaomi", 400, err("Param Incorrect", "400", param="The reasoning_content must be passed back."), F.REQUEST_FAULT),
    ("xiaomi", 402, err("balance"), F.KEY_BROKE),
    ("xiaomi", 403, err("not in your region"), F.KEY_LACKS_MODEL),
    ("xiaomi", 404, err("no endpoints support image input"), F.REQUEST_FAULT),
    ("longcat", 402, err("Insufficient token quota"), F.KEY_BROKE),
    ("longcat", 429, err("Insufficient token quota"), F.KEY_BROKE),
    ("sensenova", 429, err("x", "insufficient_quota"), F.OWN_RATE_LIMIT),
    ("sensenova", 429, err("x", "RateLimitExceeded.EndpointRPM"), F.OWN_RATE_LIMIT),
    ("openai", 429, err("x", "insufficient_quota", "insufficient_quota"), F.KEY_BROKE),
    ("openai", 429, err("x", "rate_limit_exceeded", "tokens"), F.OWN_RATE_LIMIT),
    ("openai", 400, err("x", "context_length_exceeded"), F.CONTEXT_LENGTH),
    ("openai", 400, b'{"error":{"code":400,"message":"made up","type":"exceed_context_size_error"}}', F.CONTEXT_LENGTH),
    ("openai", 404, err("The model `x` does not exist", "model_not_found"), F.KEY_LACKS_MODEL),
    ("openai", 404, HTML, F.BAD_ANSWER),
    ("openai", 302, b"", F.BAD_ANSWER),
    ("openai", 400, HTML, F.BAD_ANSWER),
    ("openai", 400, b'{"detail":[{"loc":["body","messages"],"msg":"field required"}]}', F.REQUEST_FAULT),
    ("openai", 500, b"Internal Server Error", F.PROVIDER_CAPACITY),
    ("openai", 408, b"", F.TIMEOUT),
    ("openai", 413, b"", F.CONTEXT_LENGTH),
]


@pytest.mark.parametrize(("dialect_id", "status", "body", "kind"), ROWS)
def test_an_error_has_its_class(dialect_id: str, status: int, body: bytes, kind: FailureClass) -> None:
    failure = classify(dialect(dialect_id), status, {}, body)
    assert failure.kind is kind
    assert failure.status == status
    assert 0 < len(failure.message) <= 300


def test_the_table_has_rows_for_every_dialect() -> None:
    assert {row[0] for row in ROWS} == set(DIALECTS)
    assert len(ROWS) >= 80


@pytest.mark.parametrize("dialect_id", sorted(DIALECTS))
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, F.KEY_INVALID),
        (402, F.KEY_BROKE),
        (429, F.OWN_RATE_LIMIT),
        (451, F.REFUSAL),
        (500, F.PROVIDER_CAPACITY),
        (502, F.PROVIDER_CAPACITY),
        (503, F.PROVIDER_CAPACITY),
        (504, F.PROVIDER_CAPACITY),
        (529, F.PROVIDER_CAPACITY),
    ],
)
def test_a_status_alone_has_a_class(dialect_id: str, status: int, kind: FailureClass) -> None:
    assert classify(dialect(dialect_id), status, {}, b"").kind is kind


@pytest.mark.parametrize(
    ("dialect_id", "body", "param"),
    [
        ("moonshot", kimi(DS, "invalid temperature: only 1 is allowed for this model"), "temperature"),
        ("moonshot", kimi(DS, "tool_choice 'required' is incompatible with thinking enabled"), "tool_choice"),
        ("qwen", ali("invalid_parameter_error", "parameter.enable_thinking must be set to false"), "enable_thinking"),
        ("deepseek", err("The `reasoning_content` must be passed back", DS), "messages"),
        ("xiaomi", err("Param Incorrect", "400", param="The reasoning_content must be passed back."), "messages"),
        ("openai", err("bad value", param="tools[0].type"), "tools[0].type"),
        ("openai", err("something else"), None),
    ],
)
def test_a_request_fault_names_its_parameter(dialect_id: str, body: bytes, param: str | None) -> None:
    assert classify(dialect(dialect_id), 400, {}, body).param == param
