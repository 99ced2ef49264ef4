"""Fallback drills: real calls through the real gateway while its primary offer is broken on purpose.

The drill has a relay and breakers of its own, so that what it breaks rests nowhere else; money, records and the
directory are the gateway's. Calls are made as one key, by default the demo's for ``sandbox/*``. Live traffic is only
broken by whoever types the model's name, for a bounded time, in the worker that answers.
"""

import asyncio
import statistics
from dataclasses import dataclass, replace
from typing import Any

import orjson

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.gateway.call import Target
from smartoken.gateway.faults import AFTER_CONTENT, Breakage, BrokenUpstream, Fault
from smartoken.gateway.metrics import Metrics
from smartoken.gateway.pipeline import chat
from smartoken.gateway.plan import resolve
from smartoken.gateway.relay import Relay
from smartoken.gateway.reply import Message, Reply
from smartoken.gateway.request import Request
from smartoken.gateway.resources import Gateway
from smartoken.gateway.upstreams import Upstreams
from smartoken.identity.facts import Caller
from smartoken.money import amount_text
from smartoken.operations import demo
from smartoken.operations.directory import Directory
from smartoken.providers.upstream import Upstream
from smartoken.usage.records import CallRecord

BASELINE_CALLS = 5
RECOVERY_S, RECOVERY_STEP_S = 12.0, 0.25
_DONE = b"data: [DONE]\n\n"
_OK = 200
_SHOWN = ("offer", "failure", "why")
_FAILED_HONESTLY = ("upstream_cut", "stalled")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a drill is to do."""

    model: str
    breakage: Breakage
    calls: int = 20
    concurrency: int = 4
    max_tokens: int = 64
    stream: bool = True
    key: str | None = None  # id of an API key; None: the demo's
    prompt: str = "Say hello to the fleet and count slowly to twenty."


@dataclass(slots=True)
class Told:
    """What one client was told."""

    status: int = 0
    body: bytes = b""
    ttft_ms: float | None = None
    total_ms: float = 0.0
    record: CallRecord | None = None

    @property
    def answered(self) -> bool:
        """Whether it got a whole answer."""
        if self.status != _OK:
            return False
        return self.body.endswith(_DONE) if b"data: " in self.body else b'"choices"' in self.body

    @property
    def honest(self) -> bool:
        """Whether an answer that broke off says so."""
        streamed = b'"finish_reason":"error"' in self.body and not self.body.endswith(_DONE)
        return streamed or self.status >= 400  # noqa: PLR2004 - HTTP's own


class Trusted:
    """Stands in for the authenticator: every call of the drill is this key's."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, key: str, directory: Directory, ip: str | None, now: tuple[int, float]) -> Caller:  # noqa: ARG002 - the shape of an authenticator
        """Return the drill's caller."""
        return self._caller


def caller_of(directory: Directory, terms: Terms) -> Caller:
    """Return the key that the drill calls with.

    Raises:
        InvalidRequestError: none is named, and the model is not of the sandbox; or it is a production key.
        NotFoundError: it is not in use.

    """
    callers = [each.caller for each in directory.keys.values()]
    if terms.key is None:
        found = next((each for each in callers if each.account.slug == demo.ACCOUNT), None)
        if found is None or not terms.model.lower().startswith("sandbox/"):
            raise InvalidRequestError(
                "`key` must name the API key that the drill calls with; only sandbox/* is drilled with the demo's.",
                param="key",
                remedy="Create a key for drills with a small budget: smartoken key create ACCOUNT drill --budget 0.10",
            )
        return found
    found = next((each for each in callers if each.key.id == terms.key), None)
    if found is None:
        raise NotFoundError(f"There is no key {terms.key[:80]!r} in use.", param="key")
    if found.key.environment == "production":
        raise InvalidRequestError("`key` is a production key; drills are made with a key of their own.", param="key")
    return found


class Drill:
    """One drill under way."""

    def __init__(self, gateway: Gateway, client: Upstream, terms: Terms) -> None:
        self._terms = terms
        directory = gateway.directory.current
        self._caller = caller_of(directory, terms)
        model = resolve(directory, terms.model, self._caller.account.id).model
        lane = directory.lane(model)
        self._offers = [share.offer for tier in lane.route.tiers for share in tier.shares]
        self.primary = self._offers[0] if self._offers else ""
        self._broken = BrokenUpstream(client, terms.breakage)
        self._client = client
        self.breaking = False
        upstreams = Upstreams(client, gateway.clock)
        upstreams.detour = self._detour
        self._gateway = replace(
            gateway,
            upstreams=upstreams,
            relay=Relay(upstreams, gateway.clock, gateway.till, gateway.logbook),
            authenticator=Trusted(self._caller),  # type: ignore[arg-type] # what a gateway needs of it: ``caller``
            metrics=Metrics(),
        )

    def _detour(self, target: Target) -> Upstream:
        return self._broken if self.breaking and target.offer.offer.id == self.primary else self._client

    async def _call(self) -> Told:
        terms, told = self._terms, Told()
        loop = asyncio.get_running_loop()
        body = {
            "model": terms.model,
            "messages": [{"role": "user", "content": terms.prompt}],
            "max_tokens": terms.max_tokens,
            "stream": terms.stream,
        }
        messages = [{"type": "http.request", "body": orjson.dumps(body), "more_body": False}]
        started = loop.time()

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                told.status = message["status"]
                return
            if told.ttft_ms is None and b'"content":"' in message["body"]:
                told.ttft_ms = (loop.time() - started) * 1000
            told.body += message["body"]

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer drill")],
            "client": None,
        }
        reply = Reply(send)
        await chat(self._gateway, Request(scope, receive), reply)
        told.total_ms = (loop.time() - started) * 1000
        call_id = next((value.decode() for name, value in reply.headers if name == b"x-request-id"), "")
        told.record = self._gateway.settler.recent(call_id) or await self._gateway.stored_call(
            self._caller.account.id, call_id
        )
        return told

    async def _many(self, calls: int) -> list[Told]:
        gate = asyncio.Semaphore(self._terms.concurrency)

        async def one() -> Told:
            async with gate:
                return await self._call()

        return list(await asyncio.gather(*(one() for _ in range(calls))))

    async def _recovered_s(self) -> float | None:
        """Return when the primary answered again by real calls alone; None: not within the time that is waited."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while loop.time() - started < RECOVERY_S:
            told = await self._call()
            if told.answered and told.record is not None and told.record.offer == self.primary:
                return round(loop.time() - started, 2)
            await asyncio.sleep(RECOVERY_STEP_S)
        return None

    async def run(self) -> dict[str, Any]:
        """Run it; returns the result as it is stored."""
        baseline = await self._many(min(BASELINE_CALLS, self._terms.calls))
        self.breaking = True
        told = await self._many(self._terms.calls)
        self.breaking = False
        recovered = await self._recovered_s()
        upstreams = self._gateway.upstreams
        rows = upstreams.pools.breakers.rows(self._gateway.clock.monotonic())
        back = max((each.wait_s for each in rows if each.offer in ("", self.primary)), default=0.0)
        return {
            **judged(self._terms, self.primary, baseline, told),
            "fallbacks": [each for each in self._offers if each != self.primary],
            "key": self._caller.key.id,
            "broken_attempts": self._broken.injected,
            "primary_back_after_s": recovered,
            "primary_rests_s": None if recovered is not None else round(back, 1),
        }


def _median(figures: list[float]) -> float | None:
    return round(statistics.median(figures), 1) if figures else None


def _added(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else round(after - before, 1)


def judged(terms: Terms, primary: str, baseline: list[Told], told: list[Told]) -> dict[str, Any]:
    """Return the figures of a drill and whether it passed.

    It passes when every call whose fault showed before content was answered, every other one ended honestly, and
    none ended as if it were whole.
    """
    late = terms.stream and terms.breakage.fault in AFTER_CONTENT
    eligible = [each for each in told if not (late and _broke_late(each))]
    others = [each for each in told if late and _broke_late(each)]
    errors: dict[str, int] = {}
    causes: dict[str, int] = {}
    for each in told:
        record = each.record
        if not each.answered:
            code = (record.error_code if record is not None else None) or str(each.status)
            errors[code] = errors.get(code, 0) + 1
        for attempt in record.attempts if record is not None else ():
            if attempt["failure"] is not None:
                causes[attempt["failure"]] = causes.get(attempt["failure"], 0) + 1
    answered = sum(each.answered for each in eligible)
    first = _median([each.ttft_ms for each in told if each.ttft_ms is not None])
    first_before = _median([each.ttft_ms for each in baseline if each.ttft_ms is not None])
    whole, whole_before = (_median([each.total_ms for each in some]) for some in (told, baseline))
    records = [each.record for each in told if each.record is not None]
    return {
        "passed": answered == len(eligible) and all(each.honest for each in others),
        "primary": primary,
        "calls": len(told),
        "answered": sum(each.answered for each in told),
        "eligible": len(eligible),
        "eligible_answered": answered,
        "ended_honestly": sum(each.honest for each in others),
        "errors_to_clients": errors,
        "attempts": sum(len(each.attempts) for each in records),
        "failed_attempts_by_cause": causes,
        "ttft_ms": {"without_fault": first_before, "with_fault": first, "added": _added(first, first_before)},
        "total_ms": {"without_fault": whole_before, "with_fault": whole, "added": _added(whole, whole_before)},
        "charged_usd": amount_text(sum(each.charge_nano for each in records)),
        "rows": [
            {
                "call": each.id,
                "end": each.end_reason,
                "status": each.status,
                "offer": each.offer,
                "attempts": [
                    {name: tried.get(name) for name in ("offer", "failure", "why")} for tried in each.attempts
                ],
                "charge_usd": amount_text(each.charge_nano),
            }
            for each in records
        ],
    }


def _broke_late(told: Told) -> bool:
    """Whether the fault showed after content had reached the client."""
    return told.record is not None and told.record.end_reason in _FAILED_HONESTLY


FAULTS = tuple(each.value for each in Fault)
