"""Every vendor that the sandbox can pose as, and each with one claim broken on purpose, for the probe's tests.

``/as/qwen/...`` poses rightly, ``/wrong/qwen/...`` wrongly; ``?wrong=NAME`` in the path or in the model name picks the
claim, and without it the place of usage is broken.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from smartoken.sandbox.poses.deepseek import DEEPSEEK
from smartoken.sandbox.poses.minimax import MINIMAX
from smartoken.sandbox.poses.moonshot import MOONSHOT
from smartoken.sandbox.poses.others import BAIDU, LONGCAT, SILICONFLOW, STEPFUN, TENCENT, XIAOMI
from smartoken.sandbox.poses.pose import OPENAI, OPENAI_ERRORS, Json, Kind, Pose, Scene, UsagePlace, Wording
from smartoken.sandbox.poses.qwen import QWEN
from smartoken.sandbox.poses.volcengine import VOLCENGINE
from smartoken.sandbox.poses.zhipu import ZHIPU
from smartoken.sandbox.script import Choice, Counts

# A vendor that tells no difference says the nearest thing that it knows.
_NEAREST: Mapping[Kind, Kind] = MappingProxyType(
    {Kind.LACKS_MODEL: Kind.MODEL_MISSING, Kind.RAMP: Kind.RATE, Kind.WINDOW: Kind.RATE}
)


def _completed(pose: Pose) -> Pose:
    """Give a vendor words for every kind; what no source shows is said as OpenAI says it."""
    if pose is OPENAI:
        return pose
    nearest = {kind: pose.errors[near] for kind, near in _NEAREST.items() if near in pose.errors}
    return replace(pose, errors={**OPENAI_ERRORS, **nearest, **pose.errors})


POSES: Mapping[str, Pose] = MappingProxyType(
    {
        pose.dialect: _completed(pose)
        for pose in (
            OPENAI,
            DEEPSEEK,
            QWEN,
            MOONSHOT,
            ZHIPU,
            VOLCENGINE,
            MINIMAX,
            TENCENT,
            BAIDU,
            STEPFUN,
            SILICONFLOW,
            XIAOMI,
            LONGCAT,
        )
    }
)


def _usage_place(pose: Pose) -> Pose:
    asked = pose.usage_place is UsagePlace.TAIL_ASKED
    return replace(pose, usage_place=UsagePlace.FINISH if asked else UsagePlace.TAIL_ASKED)


def _without(usage: Json, *words: str) -> Json:
    return {
        name: _without(value, *words) if isinstance(value, dict) else value
        for name, value in usage.items()
        if not any(word in name for word in words)
    }


def _cached_field(pose: Pose) -> Pose:
    def usage(scene: Scene, counts: Counts) -> Json:
        return {**_without(pose.usage(scene, counts), "cache"), "cache_tokens_read": counts.cached}

    return replace(pose, usage=usage)


def _reasoning_count(pose: Pose) -> Pose:
    def usage(scene: Scene, counts: Counts) -> Json:
        body = pose.usage(scene, counts)
        visible = counts.completion - counts.reasoning
        return {**body, "completion_tokens": visible, "total_tokens": counts.prompt + visible}

    return replace(pose, usage=usage)


def _renamed(delta: Json) -> Json:
    return {("thoughts" if name.startswith("reasoning") else name): value for name, value in delta.items()}


def _reasoning_field(pose: Pose) -> Pose:
    def think(_scene: Scene, text: str) -> Json:
        return {"role": "assistant", "content": "", "thoughts": text}

    def message(scene: Scene, said: Choice, calls: list[Json]) -> Json:
        body = _renamed(pose.message(scene, replace(said, thinking=()), calls))
        return {**body, "thoughts": "".join(said.thinking)} if said.thinking else body

    return replace(pose, think=think, message=message, tags_thinking=lambda _scene: False)


def _thinking_default(pose: Pose) -> Pose:
    def thinks(body: Json) -> bool:
        switches = ("thinking", "enable_thinking", "reasoning_effort")
        bare = all(body.get(name) is None for name in switches)
        return pose.thinks(body) != bare

    return replace(pose, thinks=thinks)


def _finish_words(pose: Pose) -> Pose:
    return replace(pose, finishes={**pose.finishes, "stop": "end", "length": "cut_off", "tool_calls": "tools"})


def _errors(pose: Pose) -> Pose:
    body: Any = {"detail": "{message}"}
    return replace(pose, errors={kind: (Wording(400, body, "It did not work."),) for kind in Kind})


def _auth(pose: Pose) -> Pose:
    wording = Wording(403, {"error": {"message": "{message}"}}, "Forbidden")
    return replace(pose, errors={**pose.errors, Kind.INVALID_KEY: (wording,)})


def _model_missing(pose: Pose) -> Pose:
    wording = Wording(500, OPENAI_ERRORS[Kind.OVERLOAD][0].body, "Internal error")
    return replace(pose, errors={**pose.errors, Kind.MODEL_MISSING: (wording,)})


def _usage_names(pose: Pose) -> Pose:
    def usage(_scene: Scene, counts: Counts) -> Json:
        return {"input_tokens": counts.prompt, "output_tokens": counts.completion}

    return replace(pose, usage=usage)


def _limit_field(pose: Pose) -> Pose:
    return replace(pose, limit_fields=("max_output_tokens",))


WRONGS: Mapping[str, Callable[[Pose], Pose]] = MappingProxyType(
    {
        "usage_place": _usage_place,
        "usage_missing": lambda pose: replace(pose, usage_place=UsagePlace.NEVER),
        "usage_names": _usage_names,
        "cached_field": _cached_field,
        "reasoning_count": _reasoning_count,
        "reasoning_field": _reasoning_field,
        "thinking_switch": lambda pose: replace(pose, thinks=lambda _body: True),
        "thinking_default": _thinking_default,
        "limit_field": _limit_field,
        "finish_reason": _finish_words,
        "errors": _errors,
        "auth": _auth,
        "model_missing": _model_missing,
        "rules": lambda pose: replace(pose, rules=()),
        "done": lambda pose: replace(pose, done=False),
        "tool_lump": lambda pose: replace(pose, lumps_calls=lambda _scene: True),
    }
)
DEFAULT_WRONG = "usage_place"


def wronged(pose: Pose, claim: str) -> Pose:
    """Return the pose with one claim broken.

    Raises:
        KeyError: no such claim.

    """
    return WRONGS[claim or DEFAULT_WRONG](pose)
