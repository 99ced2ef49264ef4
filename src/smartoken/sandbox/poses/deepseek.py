"""DeepSeek: recordings of vercel/ai (2025-12 to 2026-08) and api-docs.deepseek.com (late October 2026)."""

from dataclasses import replace

from smartoken.sandbox.poses.pose import OPENAI, Json, Kind, Scene, UsagePlace, Wording, said_off
from smartoken.sandbox.poses.pose import usage as openai_usage
from smartoken.sandbox.poses.rules import effort, functions_only, lost_thinking, one_of, refuse, thinking_type
from smartoken.sandbox.script import Choice, Counts, ToolCall

FINGERPRINT = "fp_eaab8d114b_prod0820_fp8_kvcache"
LOST_THINKING = "The `reasoning_content` in the thinking mode must be passed back to the API."


def _answer_id(digits: str, _created: int) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _chunk(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "id": scene.id,
        "object": "chat.completion.chunk",
        "created": scene.created,
        "model": scene.model,
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
        "usage": usage,
    }


def _opening(scene: Scene) -> Json:
    if scene.thinking:
        return {"role": "assistant", "content": None, "reasoning_content": ""}
    return {"role": "assistant", "content": ""}


def _think(_scene: Scene, text: str) -> Json:
    return {"content": None, "reasoning_content": text}


def _say(scene: Scene, text: str) -> Json:
    return {"content": text, "reasoning_content": None} if scene.thinking else {"content": text}


def _closing(scene: Scene) -> Json:
    return {"content": "", "reasoning_content": None} if scene.thinking else {"content": ""}


def _call_id(scene: Scene, place: int, _name: str) -> str:
    return f"call_{place:02d}_{scene.hex[:24]}"


def _message(scene: Scene, said: Choice, calls: list[Json]) -> Json:
    body: Json = {"role": "assistant", "content": "".join(said.text)}
    if scene.thinking:
        body["reasoning_content"] = "".join(said.thinking)
    if calls:
        body["tool_calls"] = calls
    return body


def _whole_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": "".join(call.arguments)}
    return {"index": place, "id": call_id, "type": "function", "function": function}


def _whole_choice(_scene: Scene, index: int, body: Json, finish: str) -> Json:
    return {"index": index, "message": body, "logprobs": None, "finish_reason": finish}


def _usage(scene: Scene, counts: Counts) -> Json:
    return {
        **openai_usage(scene, counts),
        "prompt_cache_hit_tokens": counts.cached,
        "prompt_cache_miss_tokens": counts.prompt - counts.cached,
    }


def _completion(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "id": scene.id,
        "object": "chat.completion",
        "created": scene.created,
        "model": scene.model,
        "choices": choices,
        "usage": usage,
        "system_fingerprint": FINGERPRINT,
    }


def _thinks(body: Json) -> bool:
    return not said_off(body)


def _echo(body: Json) -> None:
    if _thinks(body) and lost_thinking(body) is not None:
        raise refuse(LOST_THINKING)


def _envelope(kind: str) -> Json:
    return {"error": {"message": "{message}", "type": kind, "param": None, "code": "invalid_request_error"}}


DEEPSEEK = replace(
    OPENAI,
    dialect="deepseek",
    answer_id=_answer_id,
    chunk=_chunk,
    opening=_opening,
    think=_think,
    say=_say,
    closing=_closing,
    call_id=_call_id,
    message=_message,
    whole_call=_whole_call,
    whole_choice=_whole_choice,
    completion=_completion,
    usage=_usage,
    usage_place=UsagePlace.FINISH,
    preamble=b": keep-alive\n\n",
    one_choice=True,
    thinks=_thinks,
    prefix_field="prefix",
    prefix_path="/beta/",
    rules=(
        functions_only,
        thinking_type("enabled", "disabled"),
        effort("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"),
        one_of(
            "response_format",
            ({"type": "text"}, {"type": "json_object"}),
            "This response_format type is unavailable now",
        ),
        _echo,
    ),
    errors={
        Kind.BROKE: (Wording(402, _envelope("unknown_error"), "Insufficient Balance"),),
        Kind.INVALID_KEY: (
            Wording(401, _envelope("authentication_error"), "Authentication Fails, Your api key: ****abcd is invalid"),
        ),
        Kind.RATE: (Wording(429, _envelope("rate_limit_error"), "Too many concurrent requests of this account."),),
        Kind.OVERLOAD: (
            Wording(503, _envelope("service_unavailable_error"), "Service is too busy. Please try again later."),
            Wording(500, _envelope("server_error"), "Internal server error"),
        ),
        Kind.REFUSAL: (Wording(400, _envelope("invalid_request_error"), "Content Exists Risk"),),
        Kind.TOO_LONG: (
            Wording(
                400,
                _envelope("invalid_request_error"),
                "This model's maximum context length is 1000000 tokens. Please reduce the length of the messages.",
            ),
        ),
        Kind.MODEL_MISSING: (Wording(400, _envelope("invalid_request_error"), "Model Not Exist"),),
        Kind.BAD_PARAM: (
            Wording(400, _envelope("invalid_request_error"), "Invalid request"),
            Wording(422, _envelope("invalid_request_error"), "Failed to deserialize the JSON body"),
        ),
    },
)
