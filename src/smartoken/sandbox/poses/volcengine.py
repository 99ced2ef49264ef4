"""Volcengine Ark (Doubao): recordings of 2025-12 and 2026-04, docs 82379/1494384 and 1299023 (2026)."""

from dataclasses import replace

from smartoken.sandbox.poses.pose import OPENAI, Json, Kind, Scene, Wording, said_off
from smartoken.sandbox.poses.rules import effort, functions_only, one_of, refuse, thinking_type
from smartoken.sandbox.script import Choice, Counts, ToolCall


def _answer_id(digits: str, created: int) -> str:
    return f"02{created * 1000}{digits}{digits}"[:53]


def _chunk(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "choices": choices,
        "created": scene.created,
        "id": scene.id,
        "model": scene.model,
        "service_tier": "default",
        "object": "chat.completion.chunk",
        "usage": usage,
    }


def _choice(_scene: Scene, index: int, delta: Json, finish: str | None) -> Json:
    if finish is None:
        return {"delta": delta, "index": index}
    return {"delta": delta, "finish_reason": finish, "index": index}


def _opening(_scene: Scene) -> None:
    return None


def _think(_scene: Scene, text: str) -> Json:
    return {"content": "", "reasoning_content": text, "role": "assistant"}


def _say(_scene: Scene, text: str) -> Json:
    return {"content": text, "role": "assistant"}


def _open_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"arguments": "", "name": call.name}
    fragment = {"function": function, "id": call_id, "index": place, "type": "function"}
    return {"content": "", "role": "assistant", "tool_calls": [fragment]}


def _call_part(_scene: Scene, place: int, part: str) -> Json:
    fragment = {"function": {"arguments": part, "name": ""}, "id": "", "index": place, "type": "function"}
    return {"content": "", "role": "assistant", "tool_calls": [fragment]}


def _closing(_scene: Scene) -> Json:
    return {"content": "", "role": "assistant"}


def _message(_scene: Scene, said: Choice, calls: list[Json]) -> Json:
    body: Json = {"content": "".join(said.text)}
    if said.thinking:
        body["reasoning_content"] = "".join(said.thinking)
    body["role"] = "assistant"
    if calls:
        body["tool_calls"] = calls
    return body


def _whole_call(_scene: Scene, _place: int, call_id: str, call: ToolCall) -> Json:
    function = {"arguments": "".join(call.arguments), "name": call.name}
    return {"function": function, "id": call_id, "type": "function"}


def _whole_choice(_scene: Scene, index: int, body: Json, finish: str) -> Json:
    return {"finish_reason": finish, "index": index, "logprobs": None, "message": body}


def _completion(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "choices": choices,
        "created": scene.created,
        "id": scene.id,
        "model": scene.model,
        "service_tier": "default",
        "object": "chat.completion",
        "usage": usage,
    }


def _usage(_scene: Scene, counts: Counts) -> Json:
    return {
        "completion_tokens": counts.completion,
        "prompt_tokens": counts.prompt,
        "total_tokens": counts.prompt + counts.completion,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def _thinks(body: Json) -> bool:
    return not said_off({**body, "enable_thinking": None})


def _both_limits(body: Json) -> None:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise refuse(
            "The parameters `max_tokens` and `max_completion_tokens` cannot be set together.", "max_completion_tokens"
        )


def _logprobs(body: Json) -> None:
    if body.get("logprobs") and _thinks(body):
        raise refuse("The parameter `logprobs` is not supported by thinking models.", "logprobs")


def _case(status: int, code: str, message: str, kind: str) -> Wording:
    body: Json = {
        "error": {"code": "{code}", "message": "{message} Request id: {id}", "param": "{param}", "type": kind}
    }
    return Wording(status, body, message, code)


def _limit(code: str) -> Wording:
    return _case(429, code, "A limit of your account has been exceeded.", "TooManyRequests")


VOLCENGINE = replace(
    OPENAI,
    dialect="volcengine",
    answer_id=_answer_id,
    chunk=_chunk,
    choice=_choice,
    opening=_opening,
    think=_think,
    say=_say,
    open_call=_open_call,
    call_part=_call_part,
    closing=_closing,
    message=_message,
    whole_call=_whole_call,
    whole_choice=_whole_choice,
    completion=_completion,
    usage=_usage,
    one_choice=True,
    thinks=_thinks,
    rules=(
        functions_only,
        thinking_type("enabled", "disabled", "auto"),
        effort("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        one_of("stream", (True, False), "The parameter `stream` is not valid."),
        _both_limits,
        _logprobs,
    ),
    errors={
        Kind.BROKE: (
            _case(
                403,
                "AccountOverdueError",
                "The request failed because your account has an overdue balance.",
                "Forbidden",
            ),
        ),
        Kind.INVALID_KEY: (
            _case(
                401,
                "AuthenticationError",
                "The API key or AK/SK in the request is missing or invalid.",
                "Unauthorized",
            ),
        ),
        Kind.LACKS_MODEL: (
            _case(
                404,
                "ModelNotOpen",
                "Your account 2100000000 has not activated the model {model}. "
                "Please activate the model service in the Ark Console.",
                "NotFound",
            ),
            _limit("SetLimitExceeded"),
            _limit("QuotaExceeded"),
        ),
        Kind.RATE: (
            _limit("RateLimitExceeded.EndpointTPMExceeded"),
            _limit("ModelAccountRpmRateLimitExceeded"),
            _limit("AccountRateLimitExceeded"),
        ),
        Kind.RAMP: (_case(429, "RequestBurstTooFast", "Requests are ramping up too fast.", "TooManyRequests"),),
        Kind.OVERLOAD: (
            _case(
                429,
                "ServerOverloaded",
                "The service is currently unable to handle additional requests due to server overload.",
                "TooManyRequests",
            ),
            _case(
                500,
                "InternalServiceError",
                "The service encountered an unexpected internal error.",
                "InternalServerError",
            ),
        ),
        Kind.REFUSAL: (
            _case(
                400,
                "InputTextSensitiveContentDetected",
                "The request failed because the input text may contain sensitive information.",
                "BadRequest",
            ),
        ),
        Kind.TOO_LONG: (
            _case(400, "OutofContextError", "The request exceeds the model's context length.", "BadRequest"),
        ),
        Kind.MODEL_MISSING: (
            _case(
                404,
                "InvalidEndpointOrModel.NotFound",
                "The model or endpoint {model} does not exist or you do not have access to it.",
                "NotFound",
            ),
        ),
        Kind.BAD_PARAM: (
            _case(400, "InvalidParameter", "A parameter specified in the request is not valid.", "BadRequest"),
        ),
    },
)
