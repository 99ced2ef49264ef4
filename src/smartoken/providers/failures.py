"""What an upstream's error means: (dialect, status, body) to a failure class. Pure.

The body is read in every shape that providers use: OpenAI's envelope, a bare object, a JSON string, MiniMax's
``base_resp``, plain text. The dialect's table is tried row by row; what it does not know is decided by status. The
message is safe to show: at most 300 characters, without control characters, key-like words and file paths.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

import orjson

from smartoken.errors import FailureClass
from smartoken.providers.dialect import Dialect, ErrorRule
from smartoken.providers.read_json import read_json

MAX_MESSAGE = 300
MAX_READ = 1 << 20  # servers in Python say what was wrong by repeating the whole request
MAX_SAID = 65_536
_BRACKETED = re.compile(r"\((\d{3,5})\)\s*$|^\[(\d{3,5})\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_KEYLIKE = re.compile(
    r"(?i)bearer\s+\S+|\b(?:sk|ak|pk|ark|bce-v3)[-_/][^\s,;'\"]{6,}|\S*\*{2,}\S*|[A-Za-z0-9_\-+]{32,}"
)
_LONG_NUMBER = re.compile(r"\b\d{9,}\b")
_PATH = re.compile(r"(?<![\w:/.])/(?:[\w.\-]+/)+[\w.\-]*")
_PARAM = re.compile(r"^[A-Za-z_][\w.\[\]]{0,63}$")
_RESET = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)")
_BEIJING = timezone(timedelta(hours=8))
_NAMED = (
    "tool_choice", "max_completion_tokens", "max_tokens", "temperature", "top_p", "presence_penalty",
    "frequency_penalty", "response_format", "enable_thinking", "thinking_budget", "reasoning_effort", "thinking",
    "top_logprobs", "logprobs", "stream_options", "tools", "messages", "stop", "seed",
)  # fmt: skip
_BY_STATUS: Mapping[int, FailureClass] = {
    401: FailureClass.KEY_INVALID,
    402: FailureClass.KEY_BROKE,
    403: FailureClass.KEY_LACKS_MODEL,
    408: FailureClass.TIMEOUT,
    413: FailureClass.CONTEXT_LENGTH,
    425: FailureClass.PROVIDER_CAPACITY,
    429: FailureClass.OWN_RATE_LIMIT,
    451: FailureClass.REFUSAL,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed. ``status`` is None where no HTTP status was seen, as inside a stream."""

    kind: FailureClass
    message: str
    upstream_code: str | None = None
    status: int | None = None
    retry_after_s: float | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What a body said, whatever its shape."""

    codes: tuple[str, ...] = ()
    message: str = ""
    param: Any = None
    is_json: bool = True


def clean(text: str) -> str:
    """Make an upstream's text safe to show: no control characters, keys, long ids or paths; at most 300 characters."""
    text = _CONTROL.sub(" ", text[: MAX_MESSAGE * 8])
    text = _LONG_NUMBER.sub("[id]", _PATH.sub("[path]", _KEYLIKE.sub("[removed]", text)))
    text = " ".join(text.split())
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "\u2026"


def _word(value: Any) -> str | None:
    if isinstance(value, str) and value:
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _from_error(error: Mapping[str, Any]) -> _Said:
    found = error.get("message") or error.get("msg") or error.get("detail") or ""
    message = (found if isinstance(found, str) else orjson.dumps(found).decode())[:MAX_SAID]
    bracketed = _BRACKETED.search(message)
    number = next((each for each in bracketed.groups() if each), None) if bracketed else None
    codes = (number, _word(error.get("code")), _word(error.get("type")))
    return _Said(tuple(each for each in codes if each), message, error.get("param"))


def read_error(payload: Any) -> _Said | None:
    """Read an error out of a decoded body; None when the body is no error."""
    if isinstance(payload, str):
        return _Said(message=payload)
    if not isinstance(payload, dict):
        return None
    base = payload.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in (0, None):
        return _Said((str(base["status_code"]),), str(base.get("status_msg") or ""))
    error = payload.get("error")
    if isinstance(error, dict):
        return _from_error(error)
    if isinstance(error, str) and error:
        return replace(_from_error(payload), message=str(payload.get("message") or error))
    if payload.get("choices"):
        return None
    if isinstance(payload.get("message"), str) or payload.get("object") == "error" or "detail" in payload:
        return _from_error(payload)
    return None


def _matches(rule: ErrorRule, said: _Said, status: int | None) -> bool:
    if rule.status and status not in rule.status:
        return False
    if rule.codes and not any(fnmatchcase(code.lower(), glob) for code in said.codes for glob in rule.codes):
        return False
    text = f"{said.message} {said.param}".lower()
    return not rule.words or any(word in text for word in rule.words)


def _by_status(status: int | None, *, is_json: bool) -> FailureClass:
    if status is None or HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return FailureClass.PROVIDER_CAPACITY
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FailureClass.PROVIDER_CAPACITY
    if status < HTTPStatus.BAD_REQUEST or not is_json:  # redirects are not followed; a page of HTML is no answer
        return FailureClass.BAD_ANSWER
    return FailureClass.REQUEST_FAULT


def _param_of(said: _Said) -> str | None:
    if isinstance(said.param, str) and _PARAM.match(said.param):
        return said.param
    return next((name for name in _NAMED if re.search(rf"\b{name}\b", said.message, re.ASCII)), None)


def _retry_after(headers: Mapping[str, str], message: str, kind: FailureClass) -> float | None:
    """Return seconds to wait: Retry-After, or for a spent window the reset time in the text against Date.

    Headers have lower-case names. The clock is the upstream's own Date header, so no clock is needed here.
    """
    given = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,7}(\.\d+)?", given):
        return float(given)
    try:
        now = parsedate_to_datetime(headers.get("date", ""))
        then = parsedate_to_datetime(given) if given else None
    except (ValueError, OverflowError):  # the latter for a year that no date has
        return None
    if then is None and kind is FailureClass.WINDOW_USED_UP:
        reset = _RESET.search(message)
        try:
            then = datetime(*(int(each) for each in reset.groups()), tzinfo=_BEIJING) if reset else None  # type: ignore[misc,arg-type] # six groups of digits
        except ValueError:
            return None
    if then is None:
        return None
    aware = [each if each.tzinfo else each.replace(tzinfo=UTC) for each in (then, now)]
    return max(0.0, (aware[0] - aware[1]).total_seconds())


def judge(dialect: Dialect, said: Any, status: int | None, headers: Mapping[str, str] | None = None) -> Failure:
    """Classify what ``read_error`` found."""
    row = next((rule for rule in dialect.errors if _matches(rule, said, status)), None)
    kind = row.kind if row is not None else _by_status(status, is_json=said.is_json)
    param = None
    if kind is FailureClass.REQUEST_FAULT:
        param = row.param if row is not None and row.param else _param_of(said)
    message = said.message
    if isinstance(said.param, str) and said.param and not _PARAM.match(said.param):
        message = f"{message}: {said.param}"  # MiMo puts its reason there
    return Failure(
        kind=kind,
        message=clean(message) or f"the provider answered {status or 'with an error'} without a text",
        upstream_code=clean(said.codes[0])[:80] if said.codes else None,
        status=status,
        retry_after_s=_retry_after(headers or {}, said.message, kind),
        param=param,
    )


def classify(dialect: Dialect, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Classify an error answer. ``headers`` have lower-case names; only the first MiB of the body is read."""
    try:
        payload = read_json(body[:MAX_READ])
    except orjson.JSONDecodeError:
        text = body[:MAX_READ].decode("utf-8", "replace")
        said = _Said(message="" if "<" in text[:200] else text[:MAX_SAID], is_json=False)
    else:
        said = read_error(payload) or _Said(is_json=isinstance(payload, dict))
    return judge(dialect, said, status, headers)
