"""What leaves the routes of routes, named routes and drills."""

from typing import Any

from pydantic import Field

from smartoken.control.answers import Answer


class RouteAnswer(Answer):
    """A model's route in force; ``origin`` is `published` or `set-up`."""

    model: str
    origin: str
    route: dict[str, Any]
    not_set_up: list[str]


class RouteRows(Answer):
    """Routes in force."""

    rows: list[RouteAnswer] = Field(alias="data")


class RoutePublicationAnswer(Answer):
    """A publication or draft."""

    id: str
    model: str
    state: str
    route: dict[str, Any] | None
    note: str
    undoes: str | None
    created_at: str
    created_by: str
    published_at: str | None
    published_by: str | None


class ChangedField(Answer):
    """One field that would change."""

    name: str
    before: Any
    after: Any


class RouteDiffAnswer(Answer):
    """What publishing would change."""

    id: str
    model: str
    changes: list[ChangedField]
    before: dict[str, Any]
    after: dict[str, Any]


class NamedRouteAnswer(Answer):
    """A named route; a removed one stands for no model."""

    name: str
    account_id: str
    version: int
    model: str | None
    fallbacks: list[str]
    changed_at: str
    changed_by: str


class NamedRouteRows(Answer):
    """Named routes, or the versions of one."""

    rows: list[NamedRouteAnswer] = Field(alias="data")


class PlaceAnswer(Answer):
    """An offer in the order of attempts; lower scores come first."""

    offer: str
    provider: str
    priority: int
    strategy: str
    score: float | None
    why: str


class ExcludedAnswer(Answer):
    """An offer that would not be tried."""

    offer: str
    because: str
    why: str
    back_in_s: float | None


class SimulationAnswer(Answer):
    """Why a call would go where it goes."""

    model: str
    origin: str
    order: list[PlaceAnswer]
    excluded: list[ExcludedAnswer]
    last_resort: bool
    warnings: list[str]
    options: dict[str, Any]


class BreakerAnswer(Answer):
    """Something that rests, or is on trial."""

    offer: str | None
    key: str
    state: str
    key_state: str
    cause: str
    back_in_s: float


class BreakerRows(Answer):
    """Everything that rests in the worker that answers."""

    rows: list[BreakerAnswer] = Field(alias="data")


class TransitionAnswer(Answer):
    """A breaker's change of state."""

    id: str
    at: str
    worker: str
    offer: str | None
    key: str
    state: str
    cause: str
    open_s: float


class KeyTestAnswer(Answer):
    """What one real call with a provider key came to."""

    provider: str
    key: str
    offer: str
    ok: bool
    status: int | None
    failure: str | None
    message: str | None
    first_byte_ms: int | None
    total_ms: int
    usage: dict[str, int] | None
    cost: str | None
    currency: str | None


class DrillAnswer(Answer):
    """A drill: what was asked for, and what came of it."""

    id: str
    at: str
    model: str
    actor: str
    state: str  # running, finished, stopped, cut_short, failed or lost
    passed: bool | None  # null while it is running
    terms: dict[str, Any]
    result: dict[str, Any]
