"""The words of one call, from the checked request to the receipt. Pure.

``Call`` is what the customer asked; ``Plan`` is what we will try, in order; ``Attempt`` is one try at one offer, while
it runs and after; ``Outcome`` is how the call ended; the ``CallRecord`` that ``settle`` writes is its receipt. What is
made for every call and never changes is a tuple: a frozen dataclass takes five times as long to make.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from smartoken.errors import FailureClass, SmartokenError
from smartoken.gateway.protocols.chat import ChatRequest
from smartoken.identity.facts import Caller
from smartoken.operations.directory import ServedModel, ServedOffer
from smartoken.providers.setup import UpstreamKey
from smartoken.routing.routes import Options
from smartoken.tokens import TokenUsage

USUAL = Options()


class EndReason(StrEnum):
    """Why a call ended; the billing matrix has one row for each (docs/billing.md)."""

    COMPLETED = "completed"
    LENGTH = "length"
    CLIENT_LEFT = "client_left"
    UPSTREAM_CUT = "upstream_cut"
    STALLED = "stalled"
    ZERO_OUTPUT = "zero_output"
    CONTENT_FILTER = "content_filter"
    UPSTREAM_ERROR = "upstream_error"
    REFUSED = "refused"
    OUR_FAULT = "our_fault"
    RECOVERED = "recovered"
    UNKNOWN_DISPATCH = "unknown_dispatch"


class Call(NamedTuple):
    """One request of a customer, checked and attributed."""

    id: str
    caller: Caller
    request: ChatRequest
    now: datetime
    now_ms: int  # the same instant, in milliseconds since the epoch
    started: float  # monotonic seconds
    ip: str | None

    @property
    def created(self) -> int:
        """Seconds since the epoch, as OpenAI's ``created`` has it."""
        return self.now_ms // 1000


class Target(NamedTuple):
    """One way to answer the call: an offer, the provider's key to use, and the body to send there."""

    offer: ServedOffer
    key: UpstreamKey
    body: dict[str, Any]
    warnings: tuple[str, ...] = ()
    why: str = ""  # what put it in its place; empty where there was nothing to decide
    path: str | None = None  # from the host on; None: the usual one of the dialect, behind the base URL


class Wish(NamedTuple):
    """What a target's body is to say: the call, the model, and the thinking that a retired name stood for."""

    call: Call
    model: ServedModel
    thinking: bool | None = None
    limit: int | None = None  # output tokens to send as the limit


class Plan(NamedTuple):
    """What will be tried, in order, and on which terms."""

    model: ServedModel
    targets: tuple[Target, ...]
    warnings: tuple[str, ...]  # told in a header: retired name, alias
    limit: int | None  # output tokens that may be produced; None: the model's own maximum
    thinking: bool | None = None  # what a retired name stood for, where the client switches nothing
    show_providers: bool = True  # false: no name of a provider leaves this gateway
    options: Options = USUAL
    then: tuple[str, ...] = ()  # models that are tried when no target of this one answered


@dataclass(slots=True)
class Attempt:
    """One try at one offer; filled while it runs, kept on the call."""

    offer: str
    provider: str
    key: str
    started_ms: int  # since the call began
    status: int | None = None
    failure: FailureClass | None = None
    message: str | None = None
    upstream_code: str | None = None
    retry_after_s: float | None = None
    ttft_ms: int | None = None
    ended_ms: int | None = None
    usage: TokenUsage | None = None  # kept where several attempts told one answer, or one was started beside another
    why: str = ""
    beside: bool = False  # it was started beside another
    cost: tuple[int, str] | None = None  # of one whose usage is kept: nano-units and currency

    def row(self) -> dict[str, Any]:
        """Return what is stored and shown of it."""
        shown = {
            "offer": self.offer,
            "provider": self.provider,
            "key": self.key,
            "started_ms": self.started_ms,
            "ended_ms": self.ended_ms,
            "ttft_ms": self.ttft_ms,
            "status": self.status,
            "failure": self.failure,
            "upstream_code": self.upstream_code,
            "message": self.message,
        }
        if self.why:
            shown["why"] = self.why
        if self.usage is not None:
            shown["usage"] = {
                "prompt_tokens": self.usage.prompt,
                "cached_tokens": self.usage.cached,
                "completion_tokens": self.usage.completion,
                "usage_source": self.usage.source.value,
            }
        if self.beside:
            shown["beside"] = True
        if self.cost is not None:
            shown["cost"] = {"nano": self.cost[0], "currency": self.cost[1]}
        return shown


class Part(NamedTuple):
    """What one attempt contributed to an answer that several offers told."""

    place: int  # of the attempt, from 1
    target: Target
    usage: TokenUsage
    thinking: bool


@dataclass(slots=True)
class Outcome:
    """How the call ended, in the making while the relay runs."""

    end: EndReason = EndReason.OUR_FAULT
    status: int = 500
    error: SmartokenError | None = None
    usage: TokenUsage | None = None  # None: unknown
    evidence: str | None = None
    target: Target | None = None
    model_served: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    ttft_ms: int | None = None
    body: dict[str, Any] | None = None  # a whole answer, when not streamed
    thinking: bool = False  # whether reasoning was seen: some prices depend on it
    show_providers: bool = True
    parts: tuple[Part, ...] = ()  # where several offers told the answer
    lost: tuple[Part, ...] = ()  # attempts that were outrun by another
