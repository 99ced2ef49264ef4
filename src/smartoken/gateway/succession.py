"""Step 3's money, and the models that are tried after the first: each priced, planned and admitted anew.

What the first model held is given back before the next one holds; a call is never in two holds. A model that the key
may not use, that no offer answers or that the money does not cover is passed over, and the call's evidence says so.
What is said of it is the last model's error. Nothing is tried after a request fault or a refusal.
"""

import logging
from typing import NamedTuple

from smartoken.errors import InternalError, LedgerUnavailableError, SmartokenError
from smartoken.gateway.call import Call, EndReason, Outcome, Plan
from smartoken.gateway.plan import plan_call
from smartoken.gateway.reply import Reply
from smartoken.gateway.resources import Gateway
from smartoken.gateway.stream import printable
from smartoken.gateway.till import Held

_UNANSWERED = (EndReason.UPSTREAM_ERROR, EndReason.ZERO_OUTPUT)
_logger = logging.getLogger(__name__)
_TOLD = b"x-smartoken-max-tokens"


class Tried(NamedTuple):
    """One model's try: how it was planned, what it holds (None: nothing any more), how it ended."""

    plan: Plan
    held: Held | None
    outcome: Outcome


def unanswered(outcome: Outcome) -> bool:
    """Whether every offer failed before any content, by no fault of the request."""
    return outcome.error is not None and outcome.usage is None and outcome.end in _UNANSWERED


async def hold(gateway: Gateway, call: Call, plan: Plan, reply: Reply) -> Held:
    """Step 3: the money for the call, and the journal's note that it begins."""
    price = plan.model.price
    assert price is not None  # noqa: S101 - a model without a price is never planned
    held = await gateway.till.hold(call, plan, gateway.tariffs.at(price, call.now))
    try:
        gateway.logbook.dispatched(call, plan, held)
    except OSError:
        gateway.till.book.release(held.hold)
        raise LedgerUnavailableError("The journal cannot be written; nothing was started.", retry_after_s=5) from None
    if held.plan.told is not None:
        reply.headers.append((_TOLD, str(held.plan.told).encode()))
    return held


async def _relayed(gateway: Gateway, call: Call, reply: Reply, following: tuple[Plan, Held, Outcome]) -> Outcome:
    plan, held, before = following
    try:
        return await gateway.relay.run(call, plan, reply, held, before)
    except Exception:  # the process edge of one call: the hold is this model's, so it ends here
        _logger.exception("call %s failed inside the gateway", call.id)
        return Outcome(error=InternalError("The gateway failed; nothing was charged."))


async def next_model(gateway: Gateway, call: Call, tried: Tried, reply: Reply) -> Tried:
    """Try the models named after the first until one answers; whatever goes wrong in here is settled as ours."""
    passed_over: list[str] = []
    for name in tried.plan.then:
        if reply.gone or not unanswered(tried.outcome):
            break
        if tried.held is not None:
            gateway.till.book.release(tried.held.hold)
            gateway.logbook.stored([call.id])  # its next entry in the journal takes the place of this one
            tried = tried._replace(held=None)
            reply.headers[:] = [each for each in reply.headers if each[0] != _TOLD]
        try:
            plan = plan_call(call, gateway.directory.current, gateway.upstreams, name)
            held = await hold(gateway, call, plan, reply)
        except SmartokenError as error:
            passed_over.append(f"{name[:100]}: {error.code}")
            continue
        if not reply.begun:
            reply.headers.append((b"x-smartoken-warning", printable(f"{plan.model.model.id} was tried instead")))
        tried = Tried(plan, held, await _relayed(gateway, call, reply, (plan, held, tried.outcome)))
    if passed_over:
        before = tried.outcome.evidence
        tried.outcome.evidence = "; ".join(([before] if before else []) + [f"not tried: {', '.join(passed_over)}"])
    return tried
