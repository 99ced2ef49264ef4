"""What one call gathers while it is relayed; one more for an attempt that runs beside the first."""

from collections.abc import Callable
from dataclasses import dataclass, field

from smartoken.gateway.call import Outcome
from smartoken.gateway.meter import Meter
from smartoken.gateway.stream import AnswerStream
from smartoken.gateway.till import Held
from smartoken.providers.upstream import UpstreamResponse


@dataclass(slots=True)
class Relayed:
    """What is held, what came, and where it comes from now."""

    held: Held
    outcome: Outcome = field(default_factory=Outcome)
    meter: Meter = field(default_factory=Meter)
    response: UpstreamResponse | None = None
    sent: bool = False  # a request may have reached a provider
    stream: AnswerStream | None = None  # the last one that content came of
    opens: Callable[..., AnswerStream] = AnswerStream  # makes the passage of a stream to the client

    def close(self) -> None:
        """Let go of the upstream's answer, wherever it is."""
        if self.response is not None:
            self.response.abort()
            self.response = None
