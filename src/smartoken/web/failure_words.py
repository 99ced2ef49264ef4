"""What each class of upstream failure means, what the gateway does, and what the caller sees. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from smartoken.errors import FailureClass
from smartoken.providers.dialect import Dialect, ErrorRule


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the legend; ``code`` is the error that a caller gets where no other route answers."""

    fault: str  # whose: ours (the operator's key), theirs (the provider), yours (the request)
    means: str
    does: str
    code: str


_NEXT = "tries the next route"
MEANINGS: Mapping[FailureClass, Meaning] = {
    FailureClass.KEY_BROKE: Meaning(
        "operator's key", "the provider account has no money", f"rests this key, {_NEXT}", "upstream_unavailable"
    ),
    FailureClass.KEY_INVALID: Meaning(
        "operator's key", "wrong key, region or plan", f"rests this key, {_NEXT}", "upstream_unavailable"
    ),
    FailureClass.KEY_LACKS_MODEL: Meaning(
        "operator's key", "this key may not call this model", f"rests key and model, {_NEXT}", "upstream_unavailable"
    ),
    FailureClass.OWN_RATE_LIMIT: Meaning(
        "operator's key", "this key is over its rate", f"cools this key, {_NEXT}", "upstream_unavailable"
    ),
    FailureClass.RAMP_TOO_FAST: Meaning(
        "provider", "traffic grew too fast", f"cools this key for seconds, {_NEXT}", "upstream_unavailable"
    ),
    FailureClass.PROVIDER_CAPACITY: Meaning("provider", "overload or a fault of theirs", _NEXT, "upstream_unavailable"),
    FailureClass.WINDOW_USED_UP: Meaning(
        "operator's key", "a plan's window is spent", f"rests this key until the reset, {_NEXT}", "upstream_unavailable"
    ),
    FailureClass.REFUSAL: Meaning(
        "request", "their content policy refused it", "tells you, never retries in silence", "content_filtered"
    ),
    FailureClass.CONTEXT_LENGTH: Meaning(
        "request", "the prompt is too long for this offer", "tells you", "context_length_exceeded"
    ),
    FailureClass.REQUEST_FAULT: Meaning("request", "a field is wrong", "tells you which", "invalid_request"),
    FailureClass.CONNECT: Meaning("provider", "no connection; nothing was sent", _NEXT, "upstream_unavailable"),
    FailureClass.TIMEOUT: Meaning("provider", "no answer in time", _NEXT, "upstream_timeout"),
    FailureClass.CUT: Meaning(
        "provider",
        "the answer broke off",
        f"before the first word {_NEXT}; after it ends with an error",
        "upstream_cut",
    ),
    FailureClass.BAD_ANSWER: Meaning("provider", "not a valid answer", _NEXT, "upstream_unavailable"),
}


def shown_when(rule: ErrorRule) -> str:
    """Return the conditions of a row, as a reader would look for them."""
    parts = []
    if rule.status:
        parts.append("HTTP " + ", ".join(map(str, rule.status)))
    if rule.codes:
        parts.append("code " + ", ".join(f"`{each}`" for each in rule.codes))
    if rule.words:
        parts.append("message with " + " or ".join(f"“{each}”" for each in rule.words))
    return " and ".join(parts) or "anything else"


def own_rules(dialect: Dialect, plain: Dialect) -> list[ErrorRule]:
    """Return the rows that a dialect has beside those of the plain form."""
    return [each for each in dialect.errors if each not in plain.errors]
