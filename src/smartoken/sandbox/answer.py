"""One request in, one scripted answer out: the sandbox's whole behaviour without its sockets. Pure.

The same request, seed and ordinal (how many requests came before) always give the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from smartoken.sandbox.cards import HIDDEN, SHOWN, Card, Fault, UnknownCardError, card_for, healed, spared
from smartoken.sandbox.counting import text_of
from smartoken.sandbox.poses.pose import PLAIN, Json, Kind, Pose, RefusedError, Scene, said_off
from smartoken.sandbox.poses.refusals import render, stream_error
from smartoken.sandbox.poses.registry import POSES, wronged
from smartoken.sandbox.script import Asked, Choice, Counts, Script, compose, read_asked
from smartoken.sandbox.shapes import events, whole
from smartoken.sandbox.truth import Received, Truth
from smartoken.sandbox.wire import (
    End,
    Ending,
    Headers,
    Step,
    Stream,
    body_steps,
    bomb_steps,
    plain_steps,
    sliced,
    stream_steps,
)

_JSON = "application/json"
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n"
# A word inside the bearer key makes it fail in one way, so that pools of keys can be tried.
_KEY_WORDS: Mapping[str, Kind] = {
    "invalid": Kind.INVALID_KEY,
    "broke": Kind.BROKE,
    "limited": Kind.RATE,
    "nomodel": Kind.LACKS_MODEL,
}


@dataclass(frozen=True, slots=True)
class Seat:
    """What an answer may depend on besides its request."""

    seed: int
    ordinal: int
    created: int  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Reply:
    """Steps to play, and the truth about them where a model answered."""

    steps: Iterator[Step]
    truth: Truth | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a path leads."""

    pose: Pose
    posing: bool
    rest: str
    claim: str | None  # of the dialect to break


def _place(path: str) -> _Place | None:
    parts = urlsplit(path)
    _, first, *rest = parts.path.split("/")
    if first not in {"as", "wrong"}:
        return _Place(PLAIN, posing=False, rest=parts.path, claim=None)
    pose = POSES.get(rest[0]) if rest else None
    if pose is None:
        return None
    claim = parse_qs(parts.query).get("wrong", [""])[0] if first == "wrong" else None
    return _Place(pose, posing=True, rest="/" + "/".join(rest[1:]), claim=claim)


def _plain(status: int, body: Any, headers: Headers = ()) -> Reply:
    return Reply(plain_steps(status, orjson.dumps(body), _JSON, headers))


def _models(place: _Place, seat: Seat) -> Reply:
    names = SHOWN if not place.posing else {**SHOWN, "model": HIDDEN["model"]}
    owner = place.pose.dialect if place.posing else "sandbox"
    rows = [{"id": name, "object": "model", "created": seat.created, "owned_by": owner} for name in names]
    return _plain(200, {"object": "list", "data": rows})


def _checked(raw: bytes) -> Json:
    """Return the body of a chat request.

    Raises:
        RefusedError: it is no such body.

    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise RefusedError(Kind.BAD_PARAM, "The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise RefusedError(Kind.BAD_PARAM, "The body must be a JSON object.")
    if not isinstance(body.get("model"), str):
        raise RefusedError(Kind.BAD_PARAM, "model must be a string", "model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise RefusedError(Kind.BAD_PARAM, "messages must be a list of objects that is not empty", "messages")
    tools = body.get("tools")
    if tools is not None and (not isinstance(tools, list) or not all(isinstance(each, dict) for each in tools)):
        raise RefusedError(Kind.BAD_PARAM, "tools must be a list of objects", "tools")
    return body


def _check_key(request: Received, *, needed: bool) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if needed and (scheme.lower() != "bearer" or not key):
        raise RefusedError(Kind.INVALID_KEY)
    for word, kind in _KEY_WORDS.items():
        if word in key:
            raise RefusedError(kind)


def _card(body: Json, place: _Place, seat: Seat) -> Card:
    try:
        card = card_for(body["model"], posing=place.posing)
    except UnknownCardError as error:
        raise RefusedError(
            Kind.MODEL_MISSING if error.missing else Kind.BAD_PARAM, "" if error.missing else str(error), "model"
        ) from None
    return healed(card) if spared(card, seat.seed, seat.ordinal) else card


def _pose(place: _Place, claim: str | None) -> Pose:
    if claim is None:
        return place.pose
    try:
        return wronged(place.pose, claim)
    except KeyError:
        raise RefusedError(Kind.BAD_PARAM, f"The sandbox knows no claim `{claim}`.", "model") from None


def _thinks(pose: Pose, card: Card, body: Json) -> bool:
    if card.thinks == "never":
        return card.think > 0
    return pose.thinks(body) or (card.thinks == "always" and not said_off(body))


def _begun(pose: Pose, path: str, body: Json) -> str:
    """Return the beginning that the request gives of the answer, where this vendor goes on from one."""
    last = body["messages"][-1]
    marked = pose.prefix_field and last.get(pose.prefix_field) is True and pose.prefix_path in path
    return text_of(last.get("content")) if marked and last.get("role") == "assistant" else ""


def _digits(seat: Seat, model: str) -> str:
    return blake2b(f"{seat.seed}|{seat.ordinal}|{model}".encode(), digest_size=16).hexdigest()


def _keys(request: Received, body: Json) -> tuple[str, ...]:
    found = (request.headers.get("x-request-id"), body.get("user"), body.get("user_id"))
    return tuple(dict.fromkeys(each for each in found if isinstance(each, str) and each))


def _refused(error: RefusedError, pose: Pose, scene: Scene, card: Card, truth: Truth) -> Iterator[Step]:
    status, body = render(pose, scene, error, card.variant)
    truth.status, truth.failed = card.status or status, str(error.kind)
    headers: Headers = ((pose.request_id_header, scene.id),)
    if card.retry_after:
        headers = (*headers, ("retry-after", card.retry_after))
    return plain_steps(truth.status, orjson.dumps(body), _JSON, headers)


def _fails(card: Card, pose: Pose, scene: Scene, truth: Truth) -> Iterator[Step] | None:
    """Return the answer of a card that fails before it says anything."""
    if card.fail == "redirect":
        truth.status, truth.failed = card.status or 307, card.fail
        return plain_steps(truth.status, b"", "text/plain", (("location", card.to),))
    if card.fail == "html":
        truth.status, truth.failed = card.status or 502, card.fail
        return plain_steps(truth.status, _HTML, "text/html")
    if card.fail or card.status:
        try:
            kind = Kind(card.fail or "overload")
        except ValueError:
            error = RefusedError(Kind.BAD_PARAM, f"The sandbox knows no failure `{card.fail}`.", "model")
            return _refused(error, pose, scene, card, truth)
        return _refused(RefusedError(kind), pose, scene, card, truth)
    match card.fault:
        case Fault.HANG:
            return iter((End(Ending.HANG, "hung"),))
        case Fault.RESET:
            return iter((End(Ending.RESET, "reset"),))
        case Fault.REFUSED:
            return iter((End(Ending.CLOSE, "reset"),))
        case _:
            return None


def _emptied(script: Script) -> Script:
    choices = tuple(Choice((), (), (), "stop") for _ in script.choices)
    return Script(choices, replace(script.counts, completion=0, reasoning=0))


def _told(asked: Asked, card: Card, pose: Pose, scene: Scene, truth: Truth) -> Iterator[Step]:
    """Return the steps of a card that answers, and fill in its truth."""
    script = compose(asked, card, thinks=scene.thinking)
    if card.fault is Fault.EMPTY:
        script = _emptied(script)
    if script.counts.prompt > card.context:
        return _refused(RefusedError(Kind.TOO_LONG), pose, scene, card, truth)
    counts: Counts = script.counts
    truth.prompt, truth.completion, truth.cached = counts.prompt, counts.completion, counts.cached
    truth.cache_write, truth.reasoning, truth.status = counts.cache_write, counts.reasoning, 200
    headers: Headers = ((pose.request_id_header, scene.id),)
    if card.fault is Fault.GZIP_BOMB:
        return bomb_steps(card, headers, stream=asked.stream)
    fault_kind = Kind(card.how) if card.how in set(Kind) else Kind.OVERLOAD
    error = stream_error(pose, scene, fault_kind)
    if not asked.stream:
        body, said = whole(script, pose, scene, card)
        if card.fault in {Fault.ERROR_FIRST, Fault.ERROR_LATE}:
            truth.failed = str(fault_kind)
            return plain_steps(200, orjson.dumps(error), _JSON, headers)
        if card.fault is Fault.GIANT:
            body["choices"][0]["message" if "message" in body["choices"][0] else "delta"]["content"] = "x" * card.size
        if card.fault is Fault.NO_FINISH:
            body["choices"][0]["finish_reason"] = None
        return body_steps(body, said, card, headers)
    if card.fault in {Fault.ERROR_FIRST, Fault.ERROR_LATE}:
        truth.failed = str(fault_kind)
    spoken = pose.stream_error_event + b"data: " + orjson.dumps(error) + b"\n\n"
    if pose.done_after_error:
        spoken += b"data: [DONE]\n\n"
    stream = Stream(events(script, pose, scene, card), pose.preamble, pose.done, spoken)
    return stream_steps(stream, card, headers)


def _chat(request: Received, place: _Place, seat: Seat) -> Reply:
    pose, card = place.pose, Card()
    digits = _digits(seat, "")
    truth = Truth(id=pose.answer_id(digits, seat.created), dialect=pose.dialect)
    scene = Scene(truth.id, seat.created, "", digits)
    try:
        pose = _pose(place, place.claim)
        _check_key(request, needed=pose.needs_key)
        body = _checked(request.raw)
        digits = _digits(seat, body["model"])
        scene = Scene(pose.answer_id(digits, seat.created), seat.created, body["model"], digits)
        truth.id, truth.model, truth.keys = scene.id, scene.model, _keys(request, body)
        card = _card(body, place, seat)
        pose = _pose(place, card.wrong) if card.wrong else pose
        truth.card = card.name if card.name in body["model"] else f"{card.name} as {body['model']}"
        for rule in pose.rules:
            rule(body)
        asked = replace(read_asked(body, pose.limit_fields), begun=_begun(pose, place.rest, body))
        if pose.one_choice:
            asked = replace(asked, n=1)
        truth.stream = asked.stream
        thinks = _thinks(pose, card, body)
        odd = frozenset(card.odd.replace(" ", "+").split("+"))
        scene = replace(scene, asked_usage=asked.include_usage, thinking=thinks, odd=odd, body=body)
        steps = _fails(card, pose, scene, truth) or _told(asked, card, pose, scene, truth)
    except RefusedError as error:
        known = request.body
        truth.keys = truth.keys or _keys(request, known if isinstance(known, dict) else {})
        steps = _refused(error, pose, scene, card, truth)
    return Reply(sliced(steps, card) if card.write_bytes > 0 else steps, truth)


def answer(request: Received, seat: Seat) -> Reply:
    """Decide how a request is answered."""
    place = _place(request.path)
    if place is None:
        return _plain(404, {"error": {"message": "The sandbox does not pose as this vendor.", "code": "not_found"}})
    if place.rest.endswith("/models"):
        return _models(place, seat)
    if not place.rest.endswith("/chat/completions"):
        return _plain(404, {"error": {"message": "The sandbox has no such path.", "code": "not_found"}})
    if request.method != "POST":
        return _plain(405, {"error": {"message": "Use POST.", "code": "method_not_allowed"}})
    return _chat(request, place, seat)
