"""Alibaba's DashScope in compatible mode: recordings of vercel/ai, help.aliyun.com error-code page (October 2026)."""

import re
from dataclasses import replace
from typing import Any

from smartoken.sandbox.poses.pose import (
    OPENAI,
    Json,
    Kind,
    Scene,
    Wording,
    said_off,
    thinks_if_asked,
)
from smartoken.sandbox.poses.rules import functions_only, model_of, one_of, refuse
from smartoken.sandbox.script import Choice, Counts, ToolCall

_OPEN_WEIGHTS = re.compile(r"(qwen/)?(qwen3-\d|qwen3-next|qwq|qvq)")  # think by default, and only in streams
_ALWAYS = re.compile(r"qwq|qvq|-thinking")
_BY_DEFAULT = re.compile(r"qwen3\.8|qwen3\.\d-\d+b|deepseek-v4|glm-5|kimi-|minimax-")  # also hosted models


def _answer_id(digits: str, _created: int) -> str:
    return f"chatcmpl-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _chunk(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "choices": choices,
        "object": "chat.completion.chunk",
        "usage": usage,
        "created": scene.created,
        "system_fingerprint": None,
        "model": scene.model,
        "id": scene.id,
    }


def _choice(_scene: Scene, index: int, delta: Json, finish: str | None) -> Json:
    calls = delta.get("tool_calls")
    if calls and "role" not in delta and "content" not in delta:
        return {"delta": delta, "index": index}  # the last fragment has no finish_reason key
    if "role" in delta:
        return {"delta": delta, "index": index, "logprobs": None, "finish_reason": finish}
    return {"finish_reason": finish, "logprobs": None, "delta": delta, "index": index}


def _opening(scene: Scene) -> Json:
    if scene.thinking:
        return {"content": None, "role": "assistant", "reasoning_content": ""}
    return {"content": "", "role": "assistant"}


def _think(_scene: Scene, text: str) -> Json:
    return {"content": None, "reasoning_content": text}


def _say(scene: Scene, text: str) -> Json:
    return {"content": text, "reasoning_content": None} if scene.thinking else {"content": text}


def _open_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": ""}
    fragment = {"index": place, "id": call_id, "type": "function", "function": function}
    return {"content": None, "tool_calls": [fragment], "role": "assistant"}


def _call_part(_scene: Scene, place: int, part: str) -> Json:
    fragment = {"index": place, "id": "", "type": "function", "function": {"arguments": part}}
    return {"content": None, "tool_calls": [fragment]}


def _last_part(_scene: Scene, place: int) -> Json:
    return {"tool_calls": [{"function": {"arguments": ""}, "index": place, "id": "", "type": "function"}]}


def _closing(scene: Scene) -> Json:
    return {"content": "", "reasoning_content": None} if scene.thinking else {"content": ""}


def _call_id(scene: Scene, place: int, _name: str) -> str:
    return f"call_{scene.hex[:22]}{place:02x}"


def _message(_scene: Scene, said: Choice, calls: list[Json]) -> Json:
    body: Json = {"content": "".join(said.text), "role": "assistant"}
    if said.thinking:
        body["reasoning_content"] = "".join(said.thinking)
    if calls:
        body["tool_calls"] = calls
    return body


def _whole_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"arguments": "".join(call.arguments), "name": call.name}
    return {"function": function, "id": call_id, "index": place, "type": "function"}


def _whole_choice(_scene: Scene, index: int, body: Json, finish: str) -> Json:
    return {"message": body, "finish_reason": finish, "index": index, "logprobs": None}


def _completion(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "choices": choices,
        "object": "chat.completion",
        "usage": usage,
        "created": scene.created,
        "system_fingerprint": None,
        "model": scene.model,
        "id": scene.id,
    }


def _usage(scene: Scene, counts: Counts) -> Json:
    body: Json = {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
    }
    if scene.thinking:
        body["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    body["prompt_tokens_details"] = {"cached_tokens": counts.cached}
    if counts.cache_write:
        body["prompt_tokens_details"] |= {"cache_creation_input_tokens": counts.cache_write, "cache_type": "ephemeral"}
    return body


def _thinks(body: Json) -> bool:
    model = model_of(body)
    if _ALWAYS.search(model):
        return True
    if "-instruct" in model:
        return False
    if _OPEN_WEIGHTS.match(model) or _BY_DEFAULT.match(model):
        return not said_off({**body, "thinking": None})
    return thinks_if_asked({**body, "thinking": None, "reasoning_effort": None})


def _only_in_streams(body: Json) -> None:
    if _OPEN_WEIGHTS.match(model_of(body)) and _thinks(body) and not body.get("stream"):
        raise refuse("parameter.enable_thinking must be set to false for non-streaming calls", "enable_thinking")


def _tool_choice(body: Json) -> None:
    if isinstance(body.get("tool_choice"), str) and body["tool_choice"] not in {"auto", "none"}:
        raise refuse("tool_choice is one of the strings that should be [none, auto]", "tool_choice")


def _no_thinking_from_a_beginning(body: Json) -> None:
    """Refuse what help.aliyun.com says partial mode lacks; the words are composed."""
    if body["messages"][-1].get("partial") is True and _thinks(body):
        raise refuse("partial mode does not support thinking", "messages")


def _error(message: str, kind: str, code: str, **more: Any) -> tuple[Json, str]:
    return {"error": {"message": "{message}", "type": kind, "param": None, "code": code}, **more}, message


def _flat(status: int, code: str, message: str, kind: str | None = None) -> Wording:
    return Wording(
        status, {"error": {"code": code, "param": None, "message": "{message}", "type": kind or code}}, message
    )


_IN_DEBT = (
    "Access denied, please make sure your account is in good standing. For details, see: "
    "https://help.aliyun.com/zh/model-studio/error-code#overdue-payment"
)

QWEN = replace(
    OPENAI,
    dialect="qwen",
    answer_id=_answer_id,
    chunk=_chunk,
    choice=_choice,
    opening=_opening,
    think=_think,
    say=_say,
    open_call=_open_call,
    call_part=_call_part,
    last_part=_last_part,
    closing=_closing,
    call_id=_call_id,
    message=_message,
    whole_call=_whole_call,
    whole_choice=_whole_choice,
    completion=_completion,
    usage=_usage,
    thinks=_thinks,
    prefix_field="partial",
    rules=(
        functions_only,
        one_of("enable_thinking", (True, False), "parameter.enable_thinking must be a boolean"),
        _tool_choice,
        _only_in_streams,
        _no_thinking_from_a_beginning,
    ),
    errors={
        Kind.BROKE: (
            Wording(400, *_error(_IN_DEBT, "Arrearage", "Arrearage", request_id="{uuid}")),
            _flat(429, "PostpaidBillOverdue", "The postpaid bill is overdue."),
        ),
        Kind.INVALID_KEY: (
            Wording(401, *_error("Incorrect API key provided.", "invalid_request_error", "invalid_api_key")),
        ),
        Kind.LACKS_MODEL: (
            _flat(
                403,
                "AllocationQuota.FreeTierOnly",
                "The free tier of the model has been exhausted. If you want to continue access the model on a paid "
                'basis, please disable the "use free tier only" mode.',
            ),
            _flat(403, "AccessDenied.Unpurchased", "Access to model denied."),
        ),
        Kind.RATE: (
            _flat(429, "limit_requests", "You exceeded your current requests list."),
            _flat(
                429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details"
            ),
        ),
        Kind.RAMP: (_flat(429, "limit_burst_rate", "Request rate increased too quickly."),),
        Kind.OVERLOAD: (
            _flat(503, "ModelUnavailable", "Model service is unavailable."),
            _flat(500, "internal_error", "An internal error has occured, please try again later."),
        ),
        Kind.REFUSAL: (
            Wording(
                400,
                {
                    "error": {
                        "code": "data_inspection_failed",
                        "param": None,
                        "message": "{message}",
                        "type": "data_inspection_failed",
                    },
                    "id": "{id}",
                },
                "Input data may contain inappropriate content.",
            ),
        ),
        Kind.TOO_LONG: (
            _flat(
                400, "invalid_parameter_error", "Range of input length should be [1, 129024]", "invalid_request_error"
            ),
        ),
        Kind.MODEL_MISSING: (
            _flat(
                404,
                "model_not_found",
                "The model {model} does not exist or you do not have access to it.",
                "invalid_request_error",
            ),
        ),
        Kind.BAD_PARAM: (_flat(400, "invalid_parameter_error", "Invalid parameter.", "invalid_request_error"),),
    },
    stream_errors={
        Kind.REFUSAL: {
            "error": {
                "code": "data_inspection_failed",
                "param": None,
                "message": "Output data may contain inappropriate content.",
                "type": "data_inspection_failed",
            }
        }
    },
)
