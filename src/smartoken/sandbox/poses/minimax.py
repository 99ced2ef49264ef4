"""MiniMax: the page "Chat Completions API" of platform.minimax.io (2026-06) and logs quoted by third parties."""

import re
from dataclasses import replace

from smartoken.sandbox.poses.pose import OPENAI, Json, Kind, Scene, Wording
from smartoken.sandbox.poses.rules import between, functions_only, model_of, refuse
from smartoken.sandbox.script import Choice, Counts, ToolCall

_ALWAYS = re.compile(r"minimax-m2|minimax-m3\.1-flash")
_FLAGS: Json = {
    "input_sensitive": False,
    "output_sensitive": False,
    "input_sensitive_type": 0,
    "output_sensitive_type": 0,
    "output_sensitive_int": 0,
}


def _answer_id(digits: str, _created: int) -> str:
    return digits


def _chunk(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "id": scene.id,
        "choices": choices,
        "created": scene.created,
        "model": scene.model,
        "object": "chat.completion.chunk",
        "usage": usage,
        **_FLAGS,
    }


def _choice(_scene: Scene, index: int, delta: Json, finish: str | None) -> Json:
    if finish is None:
        return {"index": index, "delta": delta}
    return {"finish_reason": finish, "index": index, "delta": delta}


def _opening(_scene: Scene) -> None:
    return None


def _details(text: str) -> list[Json]:
    return [
        {
            "type": "reasoning.text",
            "id": "reasoning-text-1",
            "format": "MiniMax-response-v1",
            "index": 0,
            "text": text,
        }
    ]


def _say(_scene: Scene, text: str) -> Json:
    return {"content": text, "role": "assistant", "name": "MiniMax AI", "audio_content": ""}


def _think(scene: Scene, text: str) -> Json:
    body: Json = {"content": "", "role": "assistant", "name": "MiniMax AI", "audio_content": ""}
    if "details-only" not in scene.odd:
        body["reasoning_content"] = text
    return {**body, "reasoning_details": _details(text)}


def _call_id(scene: Scene, place: int, _name: str) -> str:
    return f"call_function_{scene.hex[:12]}_{place + 1}"


def _open_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": ""}
    fragment = {"id": call_id, "type": "function", "function": function, "index": place}
    return {"role": "assistant", "tool_calls": [fragment]}


def _call_part(_scene: Scene, place: int, part: str) -> Json:
    return {"role": "assistant", "tool_calls": [{"function": {"arguments": part}, "index": place}]}


def _message(scene: Scene, said: Choice, calls: list[Json]) -> Json:
    thinking = "".join(said.thinking)
    content = "".join(said.text)
    if said.thinking and _tags(scene):
        content = f"<think>\n{thinking}\n</think>\n{content}"
    body: Json = {"content": content, "role": "assistant", "name": "MiniMax AI"}
    if said.thinking and not _tags(scene):
        if "details-only" not in scene.odd:
            body["reasoning_content"] = thinking
        body["reasoning_details"] = _details(thinking)
    if calls:
        body["tool_calls"] = calls
    body["audio_content"] = ""
    return body


def _whole_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": "".join(call.arguments)}
    return {"id": call_id, "type": "function", "function": function, "index": place}


def _whole_choice(_scene: Scene, index: int, body: Json, finish: str) -> Json:
    return {"finish_reason": finish, "index": index, "message": body}


def _completion(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    return {
        "id": scene.id,
        "choices": choices,
        "created": scene.created,
        "model": scene.model,
        "object": "chat.completion",
        "usage": usage,
        **_FLAGS,
        "base_resp": {"status_code": 0, "status_msg": ""},
    }


def _usage(_scene: Scene, counts: Counts) -> Json:
    return {
        "total_tokens": counts.prompt + counts.completion,
        "total_characters": 0,
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
    }


def _tags(scene: Scene) -> bool:
    return scene.body.get("reasoning_split") is not True


def _thinks(body: Json) -> bool:
    thinking = body.get("thinking")
    off = isinstance(thinking, dict) and thinking.get("type") == "disabled"
    return bool(_ALWAYS.search(model_of(body))) or not off


def _thinking(body: Json) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    if not isinstance(thinking, dict) or thinking.get("type") not in {"adaptive", "disabled"}:
        raise refuse("invalid params, thinking.type must be adaptive or disabled (2013)", "thinking")


def _one_choice(body: Json) -> None:
    if body.get("n") not in {None, 1}:
        raise refuse("invalid params, n must be 1 (2013)", "n")


def _case(status: int, kind: str, message: str) -> Wording:
    error = {"type": kind, "message": "{message}", "http_code": str(status)}
    return Wording(status, {"type": "error", "error": error, "request_id": "{hex}"}, message)


def _in_body(code: int, message: str) -> Wording:
    """Return the older way to fail: HTTP 200, and the number in ``base_resp``."""
    body: Json = {"id": "{hex}", "choices": None, "created": 0, "model": "", "object": "", "usage": None}
    return Wording(200, {**body, "base_resp": {"status_code": code, "status_msg": message}})


MINIMAX = replace(
    OPENAI,
    dialect="minimax",
    answer_id=_answer_id,
    chunk=_chunk,
    choice=_choice,
    opening=_opening,
    think=_think,
    say=_say,
    closing=lambda scene: _say(scene, ""),
    call_id=_call_id,
    open_call=_open_call,
    call_part=_call_part,
    message=_message,
    whole_call=_whole_call,
    whole_choice=_whole_choice,
    completion=_completion,
    usage=_usage,
    tags_thinking=_tags,
    text_on_finish=True,
    one_choice=True,
    thinks=_thinks,
    rules=(
        functions_only,
        between("temperature", 0, 2, "invalid params, temperature (2013)"),
        _thinking,
        _one_choice,
    ),
    errors={
        Kind.BROKE: (
            _case(402, "insufficient_balance_error", "insufficient balance (1008)"),
            _in_body(1008, "insufficient balance"),
            _case(429, "insufficient_balance_error", "insufficient balance (1008)"),
            _case(500, "api_error", "insufficient balance (1008)"),
        ),
        Kind.INVALID_KEY: (
            _case(
                401,
                "authorized_error",
                "login fail: Please carry the API secret key in the 'Authorization' field of the request header (1004)",
            ),
            _case(401, "authorized_error", "invalid api key (2049)"),
            _in_body(1004, "login fail"),
        ),
        Kind.RATE: (
            _case(429, "rate_limit_error", "rate limit, please retry later (1002)"),
            _in_body(1002, "rate limit"),
            Wording(
                429,
                {
                    "type": "rate_limit_error",
                    "message": "已达到 Token Plan 速率限制：请升级 Token Plan 套餐或切换为按量付费 API 使用。 (2062)",  # noqa: RUF001 - recorded
                    "http_code": "429",
                },
            ),
        ),
        Kind.WINDOW: (
            Wording(
                429, {"type": "error", "error": {"type": "rate_limit_error", "message": "usage limit exceeded (2056)"}}
            ),
        ),
        Kind.OVERLOAD: (_case(500, "api_error", "internal error (1013)"), _in_body(1000, "unknown error")),
        Kind.REFUSAL: (
            _case(422, "unprocessable_entity_error", "input contains sensitive content (1026)"),
            _in_body(1026, "input new_sensitive"),
        ),
        Kind.TOO_LONG: (
            _case(400, "bad_request_error", "token limit exceeded (1039)"),
            _in_body(1039, "token limit"),
        ),
        Kind.MODEL_MISSING: (_case(400, "bad_request_error", "invalid params, unknown model '{model}' (2013)"),),
        Kind.BAD_PARAM: (_case(400, "bad_request_error", "invalid params (2013)"), _in_body(2013, "invalid params")),
    },
)
