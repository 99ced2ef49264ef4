"""Moonshot's Kimi: recordings of 2026-08 (kimi-k3, kimi-k2.5) and platform.kimi.com/docs/api/errors."""

import re
from dataclasses import replace

from smartoken.sandbox.poses.pose import OPENAI, Json, Kind, Scene, UsagePlace, Wording, said_off
from smartoken.sandbox.poses.pose import usage as openai_usage
from smartoken.sandbox.poses.rules import between, effort, lost_thinking, model_of, refuse, thinking_type
from smartoken.sandbox.script import Choice, Counts, ToolCall

LEAST_OF_MANY = 0.3  # the temperature that several choices ask for at least
_OLDEST = re.compile(r"moonshot-v1")
_K3 = re.compile(r"kimi-k3")


def _chunk(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    body: Json = {
        "id": scene.id,
        "object": "chat.completion.chunk",
        "created": scene.created,
        "model": scene.model,
        "choices": choices,
    }
    if usage is not None:
        body["usage"] = usage
    return body


def _choice(_scene: Scene, index: int, delta: Json, finish: str | None) -> Json:
    return {"index": index, "delta": delta, "finish_reason": finish}


def _end_of_thinking(_scene: Scene) -> Json:
    return {"reasoning_content": ""}


def _call_id(scene: Scene, place: int, name: str) -> str:
    return f"functions.{name}:{place}" if "old-ids" in scene.odd else f"{name}_{place}"


def _open_call(scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    fragment: Json = {} if "indexless" in scene.odd else {"index": place}
    fragment |= {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    return {"tool_calls": [fragment]}


def _message(_scene: Scene, said: Choice, calls: list[Json]) -> Json:
    body: Json = {"role": "assistant", "content": "".join(said.text)}
    if said.thinking:
        body["reasoning_content"] = "".join(said.thinking)
    if calls:
        body["tool_calls"] = calls
    return body


def _whole_choice(_scene: Scene, index: int, body: Json, finish: str) -> Json:
    return {"index": index, "message": body, "finish_reason": finish}


def _completion(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {**_chunk(scene, choices, usage), "object": "chat.completion"}


def _usage(scene: Scene, counts: Counts) -> Json:
    whole = openai_usage(scene, counts)
    body = {name: whole[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    if "old-usage" in scene.odd:
        return {**body, "cached_tokens": counts.cached}
    return {
        **body,
        "cached_tokens": counts.cached,
        "completion_tokens_details": whole["completion_tokens_details"],
        "prompt_tokens_details": whole["prompt_tokens_details"],
    }


def _thinks(body: Json) -> bool:
    return not _OLDEST.match(model_of(body)) and not said_off({**body, "enable_thinking": None})


def _sampling(body: Json) -> None:
    """Hold to what k2.5 and later fix; the oldest take temperature up to 1, and no low one for several choices."""
    temperature = body.get("temperature")
    if _OLDEST.match(model_of(body)):
        between("temperature", 0, 1, "invalid temperature: must be in [0, 1]")(body)
        if temperature is not None and temperature < LEAST_OF_MANY and (body.get("n") or 1) > 1:
            raise refuse("invalid n: only 1 is allowed for a temperature below 0.3", "n")
        return
    fixed = {"temperature": 1, "top_p": 0.95, "presence_penalty": 0, "frequency_penalty": 0}
    for param, only in fixed.items():
        if body.get(param) is not None and body[param] != only:
            raise refuse(f"invalid {param}: only {only} is allowed for this model", param)


def _tool_choice(body: Json) -> None:
    if body.get("tool_choice") == "required" and _thinks(body) and not _K3.match(model_of(body)):
        raise refuse("tool_choice 'required' is incompatible with thinking enabled", "tool_choice")


def _always_thinking(body: Json) -> None:
    if "k2.7-code" in model_of(body) and (body.get("thinking") or {}).get("type") == "disabled":
        raise refuse("invalid thinking: only type=enabled is allowed for this model", "thinking")


def _echo(body: Json) -> None:
    place = lost_thinking(body)
    if _thinks(body) and place is not None:
        raise refuse(
            f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {place}",
            "messages",
        )


def _case(status: int, kind: str, message: str) -> Wording:
    return Wording(status, {"error": {"message": "{message}", "type": kind}}, message)


MOONSHOT = replace(
    OPENAI,
    dialect="moonshot",
    chunk=_chunk,
    choice=_choice,
    end_of_thinking=_end_of_thinking,
    call_id=_call_id,
    open_call=_open_call,
    message=_message,
    whole_choice=_whole_choice,
    completion=_completion,
    usage=_usage,
    usage_place=UsagePlace.CHOICE_AND_TAIL,
    thinks=_thinks,
    prefix_field="partial",
    rules=(
        thinking_type("enabled", "disabled", required=False),
        effort("low", "medium", "high", "max"),
        _sampling,
        _tool_choice,
        _always_thinking,
        _echo,
    ),
    errors={
        Kind.BROKE: (
            _case(
                429,
                "exceeded_current_quota_error",
                "Your account is suspended, please check your plan and billing details",
            ),
        ),
        Kind.INVALID_KEY: (
            _case(401, "invalid_authentication_error", "Invalid Authentication"),
            _case(401, "incorrect_api_key_error", "Incorrect API key provided"),
        ),
        Kind.LACKS_MODEL: (_case(404, "resource_not_found_error", "Not found the model {model} or Permission denied"),),
        Kind.RATE: (
            _case(
                429, "rate_limit_reached_error", "Your account reached max request, please try again after 1 seconds"
            ),
        ),
        Kind.OVERLOAD: (
            _case(429, "engine_overloaded_error", "The engine is currently overloaded, please try again later"),
            _case(500, "server_error", "The server had an error"),
        ),
        Kind.REFUSAL: (_case(400, "content_filter", "The request was rejected because it was considered high risk"),),
        Kind.TOO_LONG: (
            _case(
                400,
                "invalid_request_error",
                "Invalid request: Your request exceeded model token limit: 262144 (requested: 558009)",
            ),
        ),
        Kind.MODEL_MISSING: (
            _case(404, "resource_not_found_error", "Not found the model {model} or Permission denied"),
        ),
        Kind.BAD_PARAM: (_case(400, "invalid_request_error", "Invalid request"),),
    },
    stream_errors={
        Kind.OVERLOAD: {"error": {"message": "Stream failed", "type": "server_error", "code": "stream_failure"}}
    },
)
