"""Answers that broke off and are gone on with by another offer: when, with what request, and what the parts add up to.

Pure. It has to be asked for, by the key or by the call. Only text can be gone on with, once some of it was sent: a tool
call, one of several choices or a bound form has no safe middle, and what was only thought is with the provider that
thought it. A stop sequence that would lie over the seam would be overlooked, so such an answer ends honestly instead.
Each part is priced as the call that it was to its provider; the sum is rounded up once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from smartoken.billing.prices import Charge, Tariff
from smartoken.catalog.offers import Model
from smartoken.errors import FailureClass
from smartoken.gateway.call import Call, Outcome, Part, Target
from smartoken.gateway.meter import Meter
from smartoken.money import charge_nano
from smartoken.operations.served import ServedOffer
from smartoken.providers import continuing
from smartoken.providers.registry import dialect
from smartoken.providers.requests import limit_covers_reasoning
from smartoken.routing.preferences import CONTINUATION, PROVIDER
from smartoken.routing.reactions import told_to_client
from smartoken.tokens import TokenUsage

MOST_SEAMS = 2  # of one answer: each pays for the prompt once more
NOBODY = "no other offer can go on with it"
NO_MONEY = "the money for another attempt cannot be held"


def wanted(call: Call) -> bool:
    """Whether the call asks for it, or else its key does."""
    asked = call.request.body.get(PROVIDER)
    said = asked.get(CONTINUATION) if isinstance(asked, dict) else None
    return call.caller.key.options.get(CONTINUATION) is True if said is None else said is True


def obstacle(call: Call, failure: FailureClass, said: str) -> str | None:
    """Return why an answer of which ``said`` was sent may not be gone on with, None when it may."""
    body = call.request.body
    form = body.get("response_format")
    if told_to_client(failure):
        return "the provider finds the request at fault"
    if call.request.n > 1:
        return "it has several choices"
    if body.get("tools") or body.get("functions"):
        return "the call has tools"
    if form is not None and form.get("type") != "text":
        return "the call binds the form of the answer"
    if body["messages"][-1].get("role") == "assistant":
        return "the call's last message is the assistant's own"
    if not said:
        return "only thinking had been sent"
    if _splits_a_stop(body.get("stop"), said):
        return "a stop sequence may lie over the seam"
    return None


def _splits_a_stop(stop: Any, said: str) -> bool:
    stops = [stop] if isinstance(stop, str) else stop or ()
    return any(said.endswith(each[:length]) for each in stops for length in range(1, len(each)))


def obstacle_of(model: Model, offer: ServedOffer) -> str | None:
    """Return why an offer cannot go on from what was said, None when it can."""
    return continuing.obstacle(dialect(offer.provider.dialect), model, offer.offer)


@dataclass(slots=True)
class Story:
    """One answer that several offers tell: what was said so far."""

    said: str = ""
    tokens: int = 0  # by our count, as far as they count against the client's limit
    pieces: int = 0  # of text that were sent
    parts: tuple[Part, ...] = ()
    seams: int = 0
    why: str | None = None  # it is not gone on with
    over: bool = False

    def take(self, call: Call, model: Model, outcome: Outcome, meter: Meter) -> None:
        """Note a part that broke off, and whether the answer may be gone on with."""
        target, attempt = outcome.target, outcome.attempts[-1]
        assert target is not None  # noqa: S101 - it was sent somewhere
        assert attempt.failure is not None  # noqa: S101 - it broke off
        if not self.parts:
            self.parts = tuple(filter(None, (part_of(outcome),)))
        self.said += meter.text
        self.pieces += meter.pieces
        self.tokens += _counted(call, model, target, meter)
        limit = call.request.limit
        why = obstacle(call, attempt.failure, self.said)
        if why is None and limit is not None and self.tokens >= limit:
            why = "its limit may be used up"
        if why is None and self.seams >= MOST_SEAMS:
            why = f"it was gone on with {MOST_SEAMS} times"
        if why is not None:
            self.end(why)

    def end(self, why: str | None = None) -> None:
        """Note that nothing more comes, and why that is so where it is not whole."""
        self.why, self.over = why, True

    def told(self, before: str | None) -> str | None:
        """Return the evidence of the call."""
        found = [before] if before else []
        if self.seams:
            found.append(f"continued:{self.seams}")
        if self.why is not None:
            found.append(f"not continued: {self.why}")
        return "; ".join(found) or None


def _counted(call: Call, model: Model, target: Target, meter: Meter) -> int:
    limit = call.request.limit
    if limit is None:
        return 0
    counted = meter.counted_tokens()
    spoken = dialect(target.offer.provider.dialect)
    if meter.thinking and not limit_covers_reasoning(spoken, model, call.request.body, limit):
        counted -= meter.counted(target.body).reasoning
    return -(-counted * 5 // 4)  # counting errs by up to a fifth, and the client's limit is never passed


def remainder_of(call: Call, model: Model, offer: ServedOffer, story: Story) -> Call:
    """Return the call for the rest of the answer, in the words of the offer's vendor."""
    request = call.request
    body = continuing.continued(dialect(offer.provider.dialect), model, request.body, story.said)
    limit = None if request.limit is None else request.limit - story.tokens
    return call._replace(request=request._replace(body=body, limit=limit))


def part_of(outcome: Outcome) -> Part | None:
    """Return what the last attempt contributed to the answer; None when its usage is not known."""
    if outcome.usage is None or outcome.target is None:
        return None
    outcome.attempts[-1].usage = outcome.usage
    return Part(len(outcome.attempts), outcome.target, outcome.usage, outcome.thinking)


def join(whole: Outcome, rest: Outcome, story: Story) -> None:
    """Add a further part to an answer: the call ends as its last part ended, and used what all of them used.

    Where the last one found fault with its request, that was ours, so the client is told of the cut before it.
    """
    part, failure = part_of(rest), rest.attempts[-1].failure
    if part is None or whole.usage is None:
        return
    story.seams += 1
    whole.parts = story.parts = (*story.parts, part)
    whole.usage += part.usage
    whole.thinking = whole.thinking or rest.thinking
    whole.target = rest.target
    whole.model_served = rest.model_served or whole.model_served
    whole.evidence = "; ".join(filter(None, (whole.evidence, rest.evidence))) or None
    if failure is None or failure is FailureClass.REFUSAL or not told_to_client(failure):
        whole.end, whole.status, whole.error = rest.end, rest.status, rest.error


def charge_of(parts: Sequence[Part], tariff: Tariff) -> Charge:
    """Return what the parts of an answer come to: each by its own lengths, summed exactly, rounded up once."""
    lines = [line for each in parts for line in tariff.charge(each.usage, thinking=each.thinking).lines]
    return Charge(charge_nano([(tokens, rate) for _, tokens, rate in lines]), tuple(lines))


def price_lines(parts: Sequence[Part], charged: Charge) -> list[dict[str, Any]]:
    """Return the lines of such a charge as they are kept: each names its attempt, counted from 1."""
    kept: list[dict[str, Any]] = []
    lines = iter(charged.lines)
    for each in parts:
        for what, tokens, rate in islice(lines, _count_of_lines(each.usage)):
            kept.append({"what": what, "tokens": tokens, "rate": rate, "attempt": each.place})
    return kept


def _count_of_lines(usage: TokenUsage) -> int:
    fresh = usage.prompt - usage.cached - usage.cache_write
    return sum(1 for count in (fresh, usage.cached, usage.cache_write, usage.completion) if count)
