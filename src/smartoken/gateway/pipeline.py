"""One chat completion, step by step, on one screen. The steps are in the files they are named after.

Three rules hold throughout. *Whoever starts a paid call settles it*, whatever the client does: once ``relay`` runs,
``settle`` runs, exactly once. *After the first byte there is no status code*: errors leave as protocol events, built
by the same function as error bodies. *Money fails closed, rate limits fail open to a local count.*
"""

import logging
from http import HTTPStatus

import orjson

from smartoken.errors import (
    FailureClass,
    InternalError,
    RateLimitError,
    ShuttingDownError,
    SmartokenError,
    error_body,
)
from smartoken.gateway.admit import UNLIMITED, admit
from smartoken.gateway.authenticate import presented_key
from smartoken.gateway.call import Call, EndReason, Outcome, Plan
from smartoken.gateway.cors import cors_headers
from smartoken.gateway.plan import plan_call
from smartoken.gateway.protocols.chat import read_chat
from smartoken.gateway.reply import Reply, event
from smartoken.gateway.request import ClientLeftError, Request
from smartoken.gateway.resources import Gateway
from smartoken.gateway.settle import usage_object
from smartoken.gateway.stream import announce, printable
from smartoken.gateway.succession import Tried, hold, next_model, unanswered
from smartoken.gateway.till import Held
from smartoken.identity.facts import Caller
from smartoken.money import amount_text
from smartoken.usage.records import CallRecord

_logger = logging.getLogger(__name__)
_PROVIDER_LIMITS = frozenset({FailureClass.OWN_RATE_LIMIT, FailureClass.RAMP_TOO_FAST, FailureClass.WINDOW_USED_UP})
DONE = b"data: [DONE]\n\n"
_new = tuple.__new__  # half the price of a named tuple's own


async def chat(gateway: Gateway, request: Request, reply: Reply) -> None:
    """Answer ``POST /v1/chat/completions``."""
    call_id = gateway.new_call_id()
    reply.headers.append((b"x-request-id", call_id.encode()))
    call: Call | None = None
    plan: Plan | None = None
    held: Held | None = None
    admission = UNLIMITED
    try:
        why = gateway.not_ready()
        if why is not None:
            raise ShuttingDownError(  # noqa: TRY301 - told below like every refusal
                f"This process takes no new calls: {why}.", retry_after_s=2.0
            )
        known = gateway.directory.current
        caller = await identify(gateway, request, reply)
        asked = read_chat(await request.body(gateway.limits.max_body_bytes))
        if gateway.directory.current is not known:  # the key may have been revoked while the body came
            caller = await caller_of(gateway, request)
        call = call_of(gateway, request, caller, call_id, asked)
        plan = plan_call(call, gateway.directory.current, gateway.upstreams)
        if plan.warnings:
            reply.headers.append((b"x-smartoken-warning", printable("; ".join(plan.warnings))))
        admission = admit(call, gateway.counters)
        held = await hold(gateway, call, plan, reply)
    except SmartokenError as error:
        admission.release(0)
        _note_refusal(gateway, call, plan, error)
        await refuse(gateway, reply, call_id, error)
        return
    except ClientLeftError:
        return
    except Exception:  # the process edge: nothing was sent, nothing is held, and the client is told so
        _logger.exception("call %s failed before it was sent", call_id)
        admission.release(0)
        await refuse(gateway, reply, call_id, InternalError("The gateway failed; nothing was charged."))
        return
    gateway.metrics.in_flight += 1
    outcome = Outcome()
    try:
        outcome = await gateway.relay.run(call, plan, reply, held)
        if plan.then and unanswered(outcome):
            plan, held, outcome = await next_model(gateway, call, Tried(plan, held, outcome), reply)
    except Exception:  # the process edge of one call: whatever went wrong is ours, and is settled as ours
        _logger.exception("call %s failed inside the gateway", call_id)
        outcome.error = InternalError("The gateway failed; nothing was charged.")
    finally:
        gateway.metrics.in_flight -= 1
        try:
            record = gateway.settler.settle(call, plan, outcome, held)
        finally:
            if admission is not UNLIMITED:
                admission.release(outcome.usage.total if outcome.usage is not None else None)
        _count(gateway, record, outcome)
    await _last_bytes(gateway, call, outcome, record, reply)


async def identify(gateway: Gateway, request: Request, reply: Reply) -> Caller:
    """Step 1, and the headers that let a browser read the answer if the key allows its origin."""
    caller = await caller_of(gateway, request)
    if request.origin is not None:
        reply.headers.extend(cors_headers(request.origin, caller.key.allowed_origins))
    return caller


async def caller_of(gateway: Gateway, request: Request) -> Caller:
    """Return who is calling, by the directory as it is now."""
    key = presented_key(request.authorization, request.x_api_key)
    now = (gateway.clock.now_ns() // 1_000_000, gateway.clock.monotonic())
    ip = request.address(gateway.trusted_proxies)
    return await gateway.authenticator.caller(key, gateway.directory.current, ip, now)


def call_of(gateway: Gateway, request: Request, caller: Caller, call_id: str, asked: object) -> Call:
    """Put together what is known of the call before anything is decided."""
    now = gateway.clock.now()
    ip = request.address(gateway.trusted_proxies)
    # ``asked`` is a ChatRequest; other protocols follow in issue 7
    return _new(Call, (call_id, caller, asked, now, int(now.timestamp() * 1000), gateway.clock.monotonic(), ip))


async def refuse(gateway: Gateway, reply: Reply, request_id: str, error: SmartokenError) -> None:
    """Send an error as a body with its status."""
    headers = []
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, -int(-error.retry_after_s // 1))).encode()))
    body = orjson.dumps(error_body(error, request_id, gateway.docs_url))
    await reply.whole(error.status, body, headers)


def _note_refusal(gateway: Gateway, call: Call | None, plan: Plan | None, error: SmartokenError) -> None:
    """Count a refusal; record it too when it is clear whose it is and it is not a flood under a rate limit."""
    gateway.metrics.count("smartoken_refusals", (error.code, error.limit_source or ""))
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        gateway.metrics.count("smartoken_rate_limited", ("ours" if isinstance(error, RateLimitError) else "budget",))
    if call is not None and not isinstance(error, RateLimitError):
        outcome = Outcome(end=EndReason.REFUSED, status=error.status, error=error)
        gateway.settler.settle(call, plan, outcome, None)


def _count(gateway: Gateway, record: CallRecord, outcome: Outcome) -> None:
    metrics = gateway.metrics
    figures = metrics.ended(record.model, record.provider or "", record.end_reason)
    metrics.observe("smartoken_call_duration_ms", record.total_ms)
    if record.ttft_ms is not None:
        metrics.observe("smartoken_time_to_first_token_ms", record.ttft_ms)
    if outcome.usage is not None:
        figures[1] += 1
        figures[2] += outcome.usage.prompt
        figures[3] += outcome.usage.completion
        figures[4] += record.charge_nano
    if outcome.parts:
        metrics.count("smartoken_continuations", (record.end_reason,))
    for attempt in outcome.attempts:
        if attempt.beside:
            result = "failed" if attempt.failure is not None else "spoke" if attempt.message is None else "outrun"
            metrics.count("smartoken_second_attempts", (result,))
        if attempt.failure is not None:
            metrics.count("smartoken_attempts_failed", (attempt.provider, attempt.failure.value))
            if attempt.failure in _PROVIDER_LIMITS:
                metrics.count("smartoken_rate_limited", ("provider",))


async def _last_bytes(gateway: Gateway, call: Call, outcome: Outcome, record: CallRecord, reply: Reply) -> None:
    """Send what was held back for settlement: a whole body, or a stream's end."""
    if reply.gone:
        return
    error = outcome.error
    if reply.begun:
        await reply.end(_stream_end(gateway, call, outcome, record))
    elif error is not None:
        reply.headers.append((b"x-smartoken-attempts", str(len(outcome.attempts)).encode()))
        await refuse(gateway, reply, call.id, error)
    elif outcome.body is not None and outcome.usage is not None:
        body = outcome.body
        body["id"], body["model"] = call.id, call.request.model
        charge = amount_text(record.charge_nano)
        body["usage"] = usage_object(outcome.usage, charge)
        announce(reply, outcome)
        await reply.whole(200, orjson.dumps(body), [(b"x-smartoken-charge-usd", printable(charge))])
    else:
        await refuse(gateway, reply, call.id, InternalError("The gateway lost the answer; nothing was charged."))


def _stream_end(gateway: Gateway, call: Call, outcome: Outcome, record: CallRecord) -> bytes:
    chunk = {
        "id": call.id,
        "object": "chat.completion.chunk",
        "created": call.created,
        "model": call.request.model,
        "choices": [],
    }
    if outcome.error is not None:
        body = error_body(outcome.error, call.id, gateway.docs_url, billed=record.charge_nano > 0)
        choices = [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "error"}]
        return event({**chunk, "choices": choices, **body})
    if call.request.wants_usage and outcome.usage is not None:
        usage = usage_object(outcome.usage, amount_text(record.charge_nano))
        return event({**chunk, "usage": usage}) + DONE
    return DONE
