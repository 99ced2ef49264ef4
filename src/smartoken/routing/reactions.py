"""What the gateway does about an upstream's failure: (class, where in the answer, what the route has left) to action.

Pure data. The relay, the breakers and the errors that clients see all read this one table; docs/routing.md prints it.
"""

from enum import StrEnum
from typing import NamedTuple

from smartoken.errors import FailureClass


class Position(StrEnum):
    """Where in the answer the failure came."""

    BEFORE_SENT = "before_sent"  # no byte of the request can have left
    BEFORE_CONTENT = "before_content"  # nothing but comments reached the client
    AFTER_CONTENT = "after_content"


class Left(StrEnum):
    """What may still be tried."""

    OFFERS = "offers"  # another key or offer that keeps the policies
    NOTHING = "nothing"


class Action(StrEnum):
    """What is done."""

    NEXT = "next"  # the next key or offer is tried
    TELL = "tell"  # the client is told what is wrong with its request
    GIVE_UP = "give_up"  # the client is told that nobody could answer
    END_HONESTLY = "end_honestly"  # an error event, no [DONE]


class Billed(StrEnum):
    """What the customer pays."""

    NOTHING = "nothing"
    DELIVERED = "delivered"  # what reached it, by the provider's count or ours


class KeyState(StrEnum):
    """How a provider's key is shown."""

    WELL = "well"
    BROKE = "broke"
    INVALID = "invalid"
    LACKS_MODEL = "lacks_model"
    COOLING = "cooling"


class BreakerNote(StrEnum):
    """What the breaker of (offer, key) makes of it."""

    NOTHING = "nothing"
    COUNTS = "counts"  # one of N of M
    RESTS_KEY = "rests_key"  # the key, at every offer, at once
    RESTS_PAIR = "rests_pair"  # the key at this offer, at once


class Reaction(NamedTuple):
    """One row of the table."""

    action: Action
    billed: Billed
    code: str | None  # of the error that the client sees; None: it sees another provider's answer
    status: int | None  # None: after content there is no status code
    key: KeyState
    breaker: BreakerNote


KEY_STATES = {
    FailureClass.KEY_BROKE: KeyState.BROKE,
    FailureClass.KEY_INVALID: KeyState.INVALID,
    FailureClass.KEY_LACKS_MODEL: KeyState.LACKS_MODEL,
    FailureClass.OWN_RATE_LIMIT: KeyState.COOLING,
    FailureClass.RAMP_TOO_FAST: KeyState.COOLING,
    FailureClass.WINDOW_USED_UP: KeyState.COOLING,
}
_NOTES = {
    FailureClass.KEY_BROKE: BreakerNote.RESTS_KEY,
    FailureClass.KEY_INVALID: BreakerNote.RESTS_KEY,
    FailureClass.KEY_LACKS_MODEL: BreakerNote.RESTS_PAIR,
    FailureClass.OWN_RATE_LIMIT: BreakerNote.RESTS_KEY,
    FailureClass.RAMP_TOO_FAST: BreakerNote.RESTS_KEY,
    FailureClass.WINDOW_USED_UP: BreakerNote.RESTS_KEY,
    FailureClass.PROVIDER_CAPACITY: BreakerNote.COUNTS,
    FailureClass.CONNECT: BreakerNote.COUNTS,
    FailureClass.TIMEOUT: BreakerNote.COUNTS,
    FailureClass.CUT: BreakerNote.COUNTS,
    FailureClass.BAD_ANSWER: BreakerNote.COUNTS,
    FailureClass.REFUSAL: BreakerNote.NOTHING,
    FailureClass.CONTEXT_LENGTH: BreakerNote.NOTHING,
    FailureClass.REQUEST_FAULT: BreakerNote.NOTHING,
}
# The request itself is at fault, or a provider's policy refused it: another provider is never tried in silence.
_TOLD = {
    FailureClass.REFUSAL: ("content_filtered", 400),
    FailureClass.CONTEXT_LENGTH: ("context_length_exceeded", 400),
    FailureClass.REQUEST_FAULT: ("invalid_request", 400),
}
# Waiting may help: the client is told 503 with Retry-After instead of 502.
MAY_RECOVER = frozenset(
    {
        FailureClass.OWN_RATE_LIMIT,
        FailureClass.RAMP_TOO_FAST,
        FailureClass.PROVIDER_CAPACITY,
        FailureClass.WINDOW_USED_UP,
        FailureClass.CONNECT,
        FailureClass.TIMEOUT,
        FailureClass.CUT,
        FailureClass.BAD_ANSWER,
    }
)


def told_to_client(kind: FailureClass) -> bool:
    """Whether the failure is the client's to mend."""
    return kind in _TOLD


def counts_against(kind: FailureClass) -> bool:
    """Whether the failure is one of the N of M that open a breaker."""
    return _NOTES[kind] is BreakerNote.COUNTS


def _last_word(kind: FailureClass) -> tuple[str, int]:
    """Return code and status of a call whose every attempt failed so."""
    if kind is FailureClass.TIMEOUT:
        return "upstream_timeout", 504
    return "upstream_unavailable", 503 if kind in MAY_RECOVER else 502


def react(kind: FailureClass, position: Position, left: Left, *, next_after_refusal: bool = False) -> Reaction:
    """Return what is done about a failure; ``next_after_refusal`` is the route's, for refusals alone."""
    key, note = KEY_STATES.get(kind, KeyState.WELL), _NOTES[kind]
    if position is Position.AFTER_CONTENT:
        code = _TOLD[kind][0] if kind in _TOLD else "upstream_cut"
        if kind is FailureClass.TIMEOUT:
            code = "upstream_timeout"
        return Reaction(Action.END_HONESTLY, Billed.DELIVERED, code, None, key, note)
    elsewhere = left is Left.OFFERS
    if kind in _TOLD:
        if elsewhere and kind is FailureClass.REFUSAL and next_after_refusal:
            return Reaction(Action.NEXT, Billed.NOTHING, None, None, key, note)
        code, status = _TOLD[kind]
        return Reaction(Action.TELL, Billed.NOTHING, code, status, key, note)
    if elsewhere:
        return Reaction(Action.NEXT, Billed.NOTHING, None, None, key, note)
    code, status = _last_word(kind)
    return Reaction(Action.GIVE_UP, Billed.NOTHING, code, status, key, note)
