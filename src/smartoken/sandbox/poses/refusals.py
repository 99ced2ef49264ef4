"""An error in a vendor's own words: status and body from the pose's table. Pure."""

from typing import Any

from smartoken.sandbox.poses.pose import Json, Kind, Pose, RefusedError, Scene, Wording


def _filled(value: Any, words: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, words) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, words) for each in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    if value == "{param}":
        return words["param"]
    for name, word in words.items():
        value = value.replace(f"{{{name}}}", str(word or ""))
    return value


def wording(pose: Pose, kind: Kind, variant: int) -> Wording:
    """Return the vendor's wording for a kind; a variant beyond the table is the last."""
    known = pose.errors[kind]
    return known[min(max(variant, 0), len(known) - 1)]


def render(pose: Pose, scene: Scene, error: RefusedError, variant: int = 0) -> tuple[int, Any]:
    """Return HTTP status and JSON body."""
    chosen = wording(pose, error.kind, variant)
    digits = scene.hex
    words: dict[str, Any] = {
        "message": error.message or chosen.message,
        "code": error.code or chosen.code,
        "param": error.param,
        "model": scene.model,
        "id": scene.id,
        "hex10": digits[:10],
        "hex": digits,
        "uuid": f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}",
    }
    return chosen.status, _filled(chosen.body, words)


def stream_error(pose: Pose, scene: Scene, kind: Kind) -> Json:
    """Return the error as an event of a stream that began with 200."""
    if kind in pose.stream_errors:
        return dict(pose.stream_errors[kind])
    body = render(pose, scene, RefusedError(kind))[1]
    return body if isinstance(body, dict) else {"error": {"message": str(body)}}
