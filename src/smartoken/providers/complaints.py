"""What providers say when an account is out of money, a key is wrong, a rate is passed or they are busy. Pure.

Fallback drills say it in the provider's place, so that the same tables classify it as on the day it is meant. Each
line: dialect, failure class, status, body. The wordings are those of recordings and vendor pages that the dialects'
files name. A dialect that is not listed speaks as ``openai`` does, but without money as plain HTTP has it: 402.
"""

# ruff: noqa: RUF001 - vendors write Chinese punctuation

from typing import NamedTuple

from smartoken.errors import FailureClass

_TABLE = """
openai      key_broke         429 {"error":{"message":"You exceeded your current quota, please check your plan.",
                                  "type":"insufficient_quota","param":null,"code":"insufficient_quota"}}
openai      own_rate_limit    429 {"error":{"message":"Rate limit reached for requests.","type":"requests",
                                  "param":null,"code":"rate_limit_exceeded"}}
openai      key_invalid       401 {"error":{"message":"Incorrect API key provided.","type":"invalid_request_error",
                                  "param":null,"code":"invalid_api_key"}}
openai      provider_capacity 503 {"error":{"message":"The engine is currently overloaded, please try again later.",
                                  "type":"server_error","param":null,"code":null}}
deepseek    key_broke         402 {"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,
                                  "code":"invalid_request_error"}}
deepseek    own_rate_limit    429 {"error":{"message":"Too many concurrent requests of this account.",
                                  "type":"rate_limit_error","param":null,"code":"invalid_request_error"}}
deepseek    key_invalid       401 {"error":{"message":"Authentication Fails, Your api key: ****abcd is invalid",
                                  "type":"authentication_error","param":null,"code":"invalid_request_error"}}
deepseek    provider_capacity 503 {"error":{"message":"Service is too busy. Please try again later.",
                                  "type":"service_unavailable_error","param":null,"code":"invalid_request_error"}}
qwen        key_broke         400 {"error":{"type":"Arrearage","param":null,"code":"Arrearage",
                                  "message":"Access denied, please make sure your account is in good standing."}}
qwen        key_broke         429 {"error":{"code":"PostpaidBillOverdue","param":null,
                                  "message":"The postpaid bill is overdue.","type":"PostpaidBillOverdue"}}
qwen        own_rate_limit    429 {"error":{"code":"limit_requests","param":null,
                                  "message":"You exceeded your current requests list.","type":"limit_requests"}}
qwen        own_rate_limit    429 {"error":{"code":"insufficient_quota","param":null,
                                  "message":"You exceeded your current quota","type":"insufficient_quota"}}
qwen        key_invalid       401 {"error":{"message":"Incorrect API key provided.","type":"invalid_request_error",
                                  "param":null,"code":"invalid_api_key"}}
qwen        provider_capacity 503 {"error":{"code":"ModelUnavailable","param":null,
                                  "message":"Model service is unavailable.","type":"ModelUnavailable"}}
moonshot    key_broke         429 {"error":{"message":"Your account is suspended, please check your plan",
                                  "type":"exceeded_current_quota_error"}}
moonshot    own_rate_limit    429 {"error":{"message":"Your account reached max request, please try again",
                                  "type":"rate_limit_reached_error"}}
moonshot    key_invalid       401 {"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}
moonshot    provider_capacity 429 {"error":{"message":"The engine is currently overloaded, please try again later",
                                  "type":"engine_overloaded_error"}}
zhipu       key_broke         429 {"error":{"code":"1113","message":"您的账户已欠费，请充值后重试"}}
zhipu       key_broke         429 {"error":{"code":"1113","message":"Insufficient balance or no resource package."}}
zhipu       own_rate_limit    429 {"error":{"code":"1302","message":"您的账户已达到速率限制，请您控制请求频率"}}
zhipu       key_invalid       401 {"error":{"code":"1000","message":"身份验证失败"}}
zhipu       provider_capacity 429 {"error":{"code":"1305","message":"该模型当前访问量过大，请您稍后再试"}}
volcengine  key_broke         403 {"error":{"code":"AccountOverdueError","param":"","type":"Forbidden",
                                  "message":"The request failed because your account has an overdue balance."}}
volcengine  own_rate_limit    429 {"error":{"code":"ModelAccountRpmRateLimitExceeded","param":"",
                                  "message":"A limit of your account has been exceeded.","type":"TooManyRequests"}}
volcengine  key_invalid       401 {"error":{"code":"AuthenticationError","param":"","type":"Unauthorized",
                                  "message":"The API key or AK/SK in the request is missing or invalid."}}
volcengine  provider_capacity 429 {"error":{"code":"ServerOverloaded","param":"","type":"TooManyRequests",
                                  "message":"The service is currently unable to handle additional requests."}}
minimax     key_broke         402 {"type":"error","error":{"type":"insufficient_balance_error",
                                  "message":"insufficient balance (1008)","http_code":"402"}}
minimax     key_broke         200 {"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}
minimax     own_rate_limit    429 {"type":"error","error":{"type":"rate_limit_error",
                                  "message":"rate limit, please retry later (1002)","http_code":"429"}}
minimax     own_rate_limit    200 {"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}}
minimax     key_invalid       401 {"type":"error","error":{"type":"authorized_error",
                                  "message":"invalid api key (2049)","http_code":"401"}}
minimax     provider_capacity 500 {"type":"error","error":{"type":"api_error",
                                  "message":"internal error (1013)","http_code":"500"}}
tencent     key_broke         402 {"error":{"type":"permission_error","code":"401008",
                                  "message":"endpoint is inactive: ARREARS","source":"gateway"}}
tencent     own_rate_limit    429 {"error":{"type":"rate_limit_error","code":"429001",
                                  "message":"rate limit exceeded on dimension: rpm","source":"gateway"}}
tencent     key_invalid       401 {"error":{"type":"authentication_error","code":"401002",
                                  "message":"invalid api key","source":"gateway"}}
tencent     provider_capacity 502 {"error":{"type":"upstream_error","code":"502001",
                                  "message":"upstream service is unavailable","source":"gateway"}}
baidu       key_broke         429 {"error":{"message":"You exceeded your current quota, please check your plan.",
                                  "type":"insufficient_quota","code":"insufficient_quota"}}
baidu       own_rate_limit    429 {"error":{"code":"rpm_rate_limit_exceeded","message":"Rate limit reached for RPM",
                                  "type":"rate_limit_exceeded"}}
baidu       key_invalid       401 {"error":{"code":"invalid_iam_token","message":"IAM token is invalid",
                                  "type":"invalid_request_error"}}
baidu       provider_capacity 429 {"error":{"code":"cluster_rpm_rate_limit_exceeded","message":"Cluster is busy",
                                  "type":"rate_limit_exceeded"}}
stepfun     key_broke         402 {"error":{"message":"Your balance is insufficient","type":"insufficient_balance"}}
stepfun     own_rate_limit    429 {"error":{"message":"Rate limit reached","type":"rate_limit_exceeded"}}
stepfun     key_invalid       401 {"error":{"message":"Incorrect API key provided","type":"invalid_api_key"}}
stepfun     provider_capacity 503 {"error":{"message":"The service is busy","type":"server_error"}}
siliconflow key_broke         403 {"code":30001,"message":"Sorry, your account balance is insufficient"}
siliconflow key_broke         402 {"code":30001,"message":"Sorry, your account balance is insufficient"}
siliconflow own_rate_limit    429 {"code":50603,"message":"Request was rejected due to rate limiting.","data":null}
siliconflow key_invalid       401 {"code":30014,"message":"Token is invalid."}
siliconflow provider_capacity 503 {"code":50505,"message":"Model service overloaded. Please try again later."}
xiaomi      key_broke         402 {"error":{"message":"Insufficient account balance","param":"","code":"402"}}
xiaomi      own_rate_limit    429 {"error":{"message":"Too many requests","param":"","code":"429"}}
xiaomi      key_invalid       401 {"error":{"message":"Invalid API Key","param":"","code":"401"}}
xiaomi      provider_capacity 503 {"error":{"message":"Service unavailable","param":"","code":"503"}}
longcat     key_broke         402 {"error":{"message":"Insufficient token quota","type":"insufficient_quota",
                                  "code":"insufficient_quota"}}
longcat     own_rate_limit    429 {"error":{"message":"Rate limit reached for requests.","type":"requests",
                                  "code":"rate_limit_exceeded"}}
sensenova   key_broke         402 {"error":{"message":"Insufficient balance","type":"insufficient_balance"}}
sensenova   own_rate_limit    429 {"error":{"message":"Too many tokens per minute",
                                  "code":"ModelAccountTpmRateLimitExceeded"}}
"""
USUAL = "openai"


class Complaint(NamedTuple):
    """One wording of an error."""

    status: int
    body: bytes


def _read() -> dict[tuple[str, FailureClass], tuple[Complaint, ...]]:
    """Return the table by (dialect, class); a line that begins with blanks goes on with the body before it."""
    rows: list[list[str]] = []
    for line in _TABLE.strip().splitlines():
        if line[0] == " ":
            rows[-1][3] += line.strip()
        else:
            rows.append(line.split(maxsplit=3))
    found: dict[tuple[str, FailureClass], tuple[Complaint, ...]] = {}
    for spoken, kind, status, body in rows:
        place = (spoken, FailureClass(kind))
        found[place] = (*found.get(place, ()), Complaint(int(status), body.encode()))
    return found


_SAID = _read()
COMPLAINED = (
    FailureClass.KEY_BROKE,
    FailureClass.OWN_RATE_LIMIT,
    FailureClass.KEY_INVALID,
    FailureClass.PROVIDER_CAPACITY,
)


def complaints(dialect_id: str, kind: FailureClass) -> tuple[Complaint, ...]:
    """Return the wordings that a dialect has for one of ``COMPLAINED``; never empty."""
    return _SAID.get((dialect_id, kind)) or _SAID[USUAL, kind]
