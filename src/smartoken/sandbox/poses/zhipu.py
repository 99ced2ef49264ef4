"""Zhipu's GLM: recordings of bigmodel (glm-5, 2026-03) and z.ai (2025-10), docs.bigmodel.cn api-code (2026-09)."""

# ruff: noqa: RUF001 - the vendor writes Chinese punctuation

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from smartoken.sandbox.poses.pose import OPENAI, Json, Kind, Scene, UsagePlace, Wording, said_off
from smartoken.sandbox.poses.rules import between, effort, functions_only, model_of, one_of, refuse, thinking_type
from smartoken.sandbox.script import Choice, Counts, ToolCall

_ALWAYS = re.compile(r"glm-5\.3")
_BEIJING = timedelta(hours=8)


def _answer_id(digits: str, created: int) -> str:
    stamp = datetime.fromtimestamp(created, UTC) + _BEIJING
    return f"{stamp:%Y%m%d%H%M%S}{digits[:16]}"


def _chunk(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    body: Json = {"id": scene.id, "created": scene.created}
    if "no-object" not in scene.odd:  # z.ai leaves it out
        body["object"] = "chat.completion.chunk"
    body |= {"model": scene.model, "choices": choices}
    if usage is not None:
        body["usage"] = usage
    return body


def _choice(scene: Scene, index: int, delta: Json, finish: str | None) -> Json:
    if finish is None and "double-finish" in scene.odd and "tool_calls" in delta:
        finish = "tool_calls"
    if finish is None:
        return {"index": index, "delta": delta}  # absent, not null
    return {"index": index, "finish_reason": finish, "delta": delta}


def _opening(_scene: Scene) -> None:
    return None


def _think(_scene: Scene, text: str) -> Json:
    return {"role": "assistant", "reasoning_content": text}


def _say(_scene: Scene, text: str) -> Json:
    return {"role": "assistant", "content": text}


def _call_id(scene: Scene, place: int, _name: str) -> str:
    return f"call_{scene.hex[:22]}{place:02x}"


def _index(scene: Scene, place: int) -> int:
    return -1 if "minus-one" in scene.odd else place  # glm-4.5-flash


def _open_call(scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": ""}
    return {"tool_calls": [{"id": call_id, "index": _index(scene, place), "type": "function", "function": function}]}


def _call_part(scene: Scene, place: int, part: str) -> Json:
    return {"tool_calls": [{"index": _index(scene, place), "function": {"arguments": part}}]}


def _lumps(scene: Scene) -> bool:
    return scene.body.get("tool_stream") is not True


def _closing(_scene: Scene) -> Json:
    return {"role": "assistant", "content": ""}


def _message(_scene: Scene, said: Choice, calls: list[Json]) -> Json:
    body: Json = {"role": "assistant", "content": "".join(said.text)}
    if said.thinking:
        body["reasoning_content"] = "".join(said.thinking)
    if calls:
        body["tool_calls"] = calls
    return body


def _whole_call(_scene: Scene, place: int, call_id: str, call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": "".join(call.arguments)}
    return {"id": call_id, "index": place, "type": "function", "function": function}


def _whole_choice(_scene: Scene, index: int, body: Json, finish: str) -> Json:
    return {"index": index, "finish_reason": finish, "message": body}


def _completion(scene: Scene, choices: list[Json], usage: Json | None) -> Json:
    body: Json = {"id": scene.id, "request_id": scene.id, "created": scene.created, "model": scene.model}
    body["choices"] = choices
    if usage is not None:
        body["usage"] = usage
    return body


def _usage(_scene: Scene, counts: Counts) -> Json:
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
    }


def _thinks(body: Json) -> bool:
    return bool(_ALWAYS.match(model_of(body))) or not said_off({**body, "enable_thinking": None})


def _sampling(body: Json) -> None:
    for param in ("temperature", "top_p"):
        between(param, 0, 1, f"{param}参数非法：取值范围为(0,1)开区间", open_ends=True)(body)


def _tool_choice(body: Json) -> None:
    if body.get("tool_choice") not in (None, "auto"):
        raise refuse("tool_choice参数非法：仅支持auto", "tool_choice")


def _case(status: int, code: Any, message: str, **more: Any) -> Wording:
    return Wording(status, {"error": {"code": code, "message": "{message}"}, **more}, message)


_BUSY: Json = {"error": {"code": "1305", "message": "该模型当前访问量过大，请您稍后再试"}}
_UNSAFE = "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合"

ZHIPU = replace(
    OPENAI,
    dialect="zhipu",
    answer_id=_answer_id,
    chunk=_chunk,
    choice=_choice,
    opening=_opening,
    think=_think,
    say=_say,
    call_id=_call_id,
    open_call=_open_call,
    call_part=_call_part,
    lumps_calls=_lumps,
    closing=_closing,
    message=_message,
    whole_call=_whole_call,
    whole_choice=_whole_choice,
    completion=_completion,
    usage=_usage,
    usage_place=UsagePlace.FINISH,
    finishes={"content_filter": "sensitive"},
    limit_fields=("max_tokens",),  # max_completion_tokens is unknown, so it limits nothing
    one_choice=True,
    thinks=_thinks,
    rules=(
        functions_only,
        thinking_type("enabled", "disabled", required=False),
        effort("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        one_of("tool_stream", (True, False), "tool_stream参数非法"),
        _sampling,
        _tool_choice,
    ),
    errors={
        Kind.BROKE: (
            _case(429, "1113", "您的账户已欠费，请充值后重试"),
            _case(429, "1113", "Insufficient balance or no resource package. Please recharge."),
            _case(429, 1113, "您的账户已欠费，请充值后重试"),  # the code is a number at times
        ),
        Kind.INVALID_KEY: (_case(401, "1000", "身份验证失败"),),
        Kind.LACKS_MODEL: (_case(429, "1311", "当前订阅套餐暂未开放该模型权限"), _case(403, "1220", "您无权访问")),
        Kind.RATE: (
            _case(429, "1302", "您的账户已达到速率限制，请您控制请求频率"),
            _case(429, "1302", "Rate limit reached for requests"),
            _case(429, "1303", "您当前使用该API的频率过高，请降低频率"),
        ),
        Kind.OVERLOAD: (Wording(429, _BUSY), _case(500, "1234", "网络错误，请联系客服")),
        Kind.WINDOW: (_case(429, "1308", "已达到 5 小时使用上限，2026-09-20 15:32:01 后可继续使用。"),),
        Kind.REFUSAL: (_case(400, "1301", _UNSAFE, contentFilter=[{"level": 1, "role": "user"}]),),
        Kind.TOO_LONG: (_case(400, "1261", "Prompt 超长"),),
        Kind.MODEL_MISSING: (_case(400, "1211", "模型不存在，请检查模型代码。"),),
        Kind.BAD_PARAM: (_case(400, "1210", "API 调用参数有误，请检查文档。"),),
    },
    stream_errors={Kind.OVERLOAD: _BUSY},
    stream_error_event=b"event: error\n",
    done_after_error=True,
)
