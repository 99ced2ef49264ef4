"""What enters the routes of routes, named routes, drills and tests of provider keys."""

from typing import Any, Literal

from pydantic import Field

from smartoken.control.shapes import Body, Page, QueryShape


class RouteDraft(Body):
    """A draft of a model's route; null goes back to the tiers and shares of the set-up."""

    model: str
    route: dict[str, Any] | None
    note: str | None = None


class RoutePatch(Body):
    """Changes of a draft; what is left out stays."""

    route: dict[str, Any] | None = None
    note: str | None = None


class RoutesQuery(QueryShape):
    """Whose route is asked for; left out: every model's that can be called."""

    model: str | None = None


class RoutePage(Page):
    """A page of publications, of one model or of all."""

    model: str | None = None


class DrillPage(RoutePage):
    """A page of drills, of one model or of all; or those under way."""

    state: Literal["any", "running"] = "any"


class EvidenceForm(QueryShape):
    """In which form evidence is exported."""

    form: Literal["markdown", "json"] = "markdown"


class NamedRoute(Body):
    """What a name stands for. ``account`` is needed by the staff alone."""

    account: str | None = None
    model: str
    fallbacks: list[str] = Field(default_factory=list)


class OfAccount(QueryShape):
    """Whose named routes are meant; a member's own, whatever is asked."""

    account: str | None = None


class Imagined(Body):
    """A call that is only imagined. ``route`` is a draft to try in place of the published one."""

    model: str
    key: str | None = Field(default=None, description="id of an API key: its account's and its own data policy count")
    environment: str = ""
    needs: list[Literal["tools", "vision", "json_schema", "thinking"]] = Field(default_factory=list)
    prompt_tokens: int = Field(default=0, ge=0)
    regions: list[str] = Field(default_factory=list)
    no_training: bool = False
    provider: dict[str, Any] | None = Field(default=None, description="OpenRouter's provider object")
    session: str | None = None
    turn: int = Field(default=0, ge=0, description="which turn of the shares")
    route: dict[str, Any] | None = None


class DrillRun(Body):
    """A drill. Without ``live`` the calls are the drill's own; with it the model's customers meet the fault."""

    model: str
    fault: Literal[
        "refused", "unauthorized", "rate_limited", "arrears", "server_error", "hang", "slow_first_token", "empty",
        "error_on_200", "cut", "stall", "garbled",
    ]  # fmt: skip
    percent: int = Field(default=100, ge=1, le=100, description="of the attempts at the primary offer")
    calls: int = Field(default=20, ge=1, le=500)
    baseline: int = Field(default=20, ge=0, le=500, description="calls without the fault, by turns with the others")
    concurrency: int = Field(default=4, ge=1, le=50)
    max_tokens: int = Field(default=64, ge=1, le=4096)
    stream: bool = True
    key: str | None = Field(default=None, description="id of the API key that calls; sandbox models need none")
    delay_ms: int = Field(default=1000, ge=1, le=30_000, description="of a slow first token")
    longest_wait_ms: int = Field(default=3000, ge=1, le=60_000, description="of a hang or a stall")
    longest_s: float | None = Field(
        default=None, gt=0, le=3600, description="of the whole drill; at most SMARTOKEN_DRILL_LONGEST_S"
    )
    live: str | None = Field(default=None, description="the model's name, typed out: its live traffic is broken")
    seconds: float = Field(default=10.0, gt=0, le=60, description="how long live traffic is broken")
    wait: bool = Field(default=True, description="answer when it is over; else at once, with its id")
