"""Fallback drills: real calls through the real gateway while its primary offer is broken on purpose.

The drill has a relay and breakers of its own, so that what it breaks rests nowhere else; money, records and the
directory are the gateway's. Calls are made as one key, by default the demo's for ``sandbox/*``. Whatever happens, a
drill is over after ``longest_s``: calls under way then lose their client and are settled as the calls of any other
client who leaves. Drills on live traffic are in ``live_drills.py``.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import orjson

from smartoken.errors import InvalidRequestError, NotFoundError
from smartoken.gateway.call import Target
from smartoken.gateway.faults import Breakage, BrokenUpstream, Strike
from smartoken.gateway.meter import estimate_prompt
from smartoken.gateway.metrics import Metrics
from smartoken.gateway.pipeline import chat
from smartoken.gateway.plan import resolve
from smartoken.gateway.relay import Relay
from smartoken.gateway.reply import Message, Reply
from smartoken.gateway.request import Request
from smartoken.gateway.resources import Gateway
from smartoken.gateway.upstreams import Upstreams
from smartoken.gateway.verdict import CONTENT, Told, judged
from smartoken.identity.facts import ApiKey, Caller
from smartoken.operations import demo
from smartoken.operations.directory import Directory, ServedModel, ServedOffer
from smartoken.providers.answers import read_answer_bytes
from smartoken.providers.registry import dialect
from smartoken.providers.upstream import Upstream

RECOVERY_S, RECOVERY_STEP_S = 12.0, 0.25
MOST_RECOVERY_CALLS = int(RECOVERY_S / RECOVERY_STEP_S)
LEAVING_S = 2.0  # what calls under way have to settle after their client left
_CLIENT: ContextVar[Told | None] = ContextVar("client", default=None)  # whose call this task is


@dataclass(frozen=True, slots=True)
class Terms:
    """What a drill is to do."""

    model: str
    breakage: Breakage
    calls: int = 20
    baseline: int = 20  # calls without the fault by turns with the others, to compare with; at most as many
    concurrency: int = 4
    max_tokens: int = 64
    stream: bool = True
    key: str | None = None  # id of an API key; None: the demo's
    longest_s: float = 300.0  # of the whole drill
    prompt: str = "Say hello to the fleet and count slowly to twenty."


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
                remedy="Make one with a budget: smartoken key create --account ACCOUNT --name drill --budget 0.10",
            )
        return found
    found = next((each for each in callers if each.key.id == terms.key), None)
    if found is None:
        raise NotFoundError(f"There is no key {terms.key[:80]!r} in use.", param="key")
    if found.key.environment == "production":
        raise InvalidRequestError("`key` is a production key; drills are made with a key of their own.", param="key")
    return found


def refuse_tight_limits(key: ApiKey, terms: Terms) -> None:
    """Refuse a key whose own limits would end calls of the drill: those say nothing about a fault.

    Raises:
        InvalidRequestError: which limit, what the drill takes of it, and what to do.

    """
    calls = terms.calls + min(terms.baseline, terms.calls) + MOST_RECOVERY_CALLS
    prompt = estimate_prompt({"messages": [{"role": "user", "content": terms.prompt}]})
    takes = {
        "rpm": (key.rpm, calls, "calls a minute"),
        "tpm": (key.tpm, calls * (prompt + terms.max_tokens), "tokens a minute"),
        "concurrency": (key.concurrency, terms.concurrency, "calls at once"),
    }
    for name, (limit, need, what) in takes.items():
        if 0 < limit < need:
            raise InvalidRequestError(
                f"The key's limit of {limit} {what} (`{name}`) would refuse some of this drill, up to {need} of them.",
                param="key",
                remedy=f"Name a key without this limit or with one of at least {need}, or ask for fewer calls.",
            )


def offers_of(directory: Directory, model: ServedModel) -> list[str]:
    """Return the offers of a model, in the order of its route."""
    return [share.offer for tier in directory.lane(model).route.tiers for share in tier.shares]


def primary_of(directory: Directory, model: ServedModel) -> str:
    """Return the offer that comes first.

    Raises:
        InvalidRequestError: there is none.

    """
    offers = offers_of(directory, model)
    if not offers:
        raise InvalidRequestError(f"{model.model.id} has no offer that could be broken.", param="model")
    return offers[0]


class Drill:
    """One drill under way."""

    def __init__(self, gateway: Gateway, client: Upstream, terms: Terms) -> None:
        self._terms = terms
        directory = gateway.directory.current
        self._caller = caller_of(directory, terms)
        refuse_tight_limits(self._caller.key, terms)
        model = resolve(directory, terms.model, self._caller.account.id).model
        self._offers = offers_of(directory, model)
        self.primary = primary_of(directory, model)
        self._broken = BrokenUpstream(client, terms.breakage, _noted)
        self._client = client
        self._primary_offer = next((each for each in model.offers if each.offer.id == self.primary), None)
        self._stopped = asyncio.Event()
        self._without: list[Told] = []
        self._told: list[Told] = []
        self._open: set[Reply] = set()
        self._recovered: float | None = None
        self.breaking = False
        self._gateway = self._over(gateway, self._detour)
        self._beside = self._over(gateway, None)

    def _over(self, gateway: Gateway, detour: Callable[[Target], Upstream] | None) -> Gateway:
        """Return the gateway with a relay and breakers of its own, and the drill's caller."""
        upstreams = Upstreams(self._client, gateway.clock)
        upstreams.detour = detour
        return replace(
            gateway,
            upstreams=upstreams,
            relay=Relay(upstreams, gateway.clock, gateway.till, gateway.logbook),
            authenticator=Trusted(self._caller),  # type: ignore[arg-type] # what a gateway needs of it: ``caller``
            metrics=Metrics(),
        )

    def stop(self) -> None:
        """End it early; ``run`` returns what there is."""
        self._stopped.set()

    def _detour(self, target: Target) -> Upstream:
        if self.breaking and target.offer.offer.id == self.primary:
            return self._broken.towards(target.offer.provider.dialect)
        return self._client

    async def _call(self, gateway: Gateway) -> Told:
        """Make one call, in a task of its own: what is struck in it is told to its client."""
        terms, told = self._terms, Told()
        _CLIENT.set(told)
        now = gateway.clock.monotonic  # finer than an event loop's own time, which may be whole milliseconds
        body = {
            "model": terms.model,
            "messages": [{"role": "user", "content": terms.prompt}],
            "max_tokens": terms.max_tokens,
            "stream": terms.stream,
        }
        messages = [{"type": "http.request", "body": orjson.dumps(body), "more_body": False}]
        started = now()

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                told.status = message["status"]
                return
            if told.ttft_ms is None and CONTENT.search(message["body"]):
                told.ttft_ms = (now() - started) * 1000
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
        self._open.add(reply)
        try:
            await chat(gateway, Request(scope, receive), reply)
        finally:
            self._open.discard(reply)
        told.total_ms = (now() - started) * 1000
        call_id = next((value.decode() for name, value in reply.headers if name == b"x-request-id"), "")
        told.record = gateway.settler.recent(call_id) or await gateway.stored_call(self._caller.account.id, call_id)
        return told

    async def _calls(self) -> None:
        """Make the calls under the fault, and by turns with them those without it: both meet the same conditions."""
        gate = asyncio.Semaphore(self._terms.concurrency)

        async def one(gateway: Gateway, told: list[Told]) -> None:
            async with gate:
                if not self._stopped.is_set():
                    told.append(await self._call(gateway))

        calls = []
        for number in range(self._terms.calls):
            if number < self._terms.baseline:
                calls.append(one(self._beside, self._without))
            calls.append(one(self._gateway, self._told))
        await asyncio.gather(*calls)

    async def _recovered_s(self) -> float | None:
        """Return when the primary answered again by real calls alone; None: not within the time that is waited."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while loop.time() - started < RECOVERY_S and not self._stopped.is_set():
            told = await self._call(self._gateway)
            if told.answered and told.record is not None and told.record.offer == self.primary:
                return round(loop.time() - started, 2)
            if self._rests_s() > RECOVERY_S - (loop.time() - started):
                return None  # it cannot be back in time
            await asyncio.sleep(RECOVERY_STEP_S)
        return None

    def _rests_s(self) -> float:
        """Return for how long the primary still rests."""
        rows = self._gateway.upstreams.pools.breakers.rows(self._gateway.clock.monotonic())
        return max((each.wait_s for each in rows if each.offer in ("", self.primary)), default=0.0)

    async def _phases(self) -> None:
        self.breaking = True
        await self._calls()
        self.breaking = False
        self._recovered = await self._recovered_s()

    async def run(self) -> dict[str, Any]:
        """Run it; returns the result as it is stored."""
        loop = asyncio.get_running_loop()
        work, stop = loop.create_task(self._phases()), loop.create_task(self._stopped.wait())
        await asyncio.wait({work, stop}, timeout=self._terms.longest_s, return_when=asyncio.FIRST_COMPLETED)
        ended = "finished" if work.done() else "stopped" if stop.done() else "cut_short"
        self.breaking = False
        stop.cancel()
        if not work.done():
            await self._leave(work)
        if work.done() and not work.cancelled():
            work.result()
        return {
            **judged(self.primary, self._without, self._told, ended, self._cost_of),
            "fallbacks": [each for each in self._offers if each != self.primary],
            "key": self._caller.key.id,
            "broken_attempts": self._broken.struck,
            "primary_back_after_s": self._recovered,
            "primary_rests_s": None if self._recovered is not None else round(self._rests_s(), 1),
        }

    async def _leave(self, work: asyncio.Task[None]) -> None:
        """Let every client of the drill hang up, and what is under way settle."""
        self._stopped.set()
        self._broken.end()
        for reply in list(self._open):
            reply.left()
        await asyncio.wait({work}, timeout=LEAVING_S)
        if not work.done():
            work.cancel()
            await asyncio.wait({work})

    def _cost_of(self, answer: bytes) -> tuple[str, int] | None:
        """Return currency and nano of what the primary's provider takes for an answer; None: not known."""
        offer = self._primary_offer
        if offer is None or offer.cost is None:
            return None
        return cost_of(self._gateway, offer, answer)


def _noted(strike: Strike) -> None:
    told = _CLIENT.get()
    if told is not None:
        told.struck(strike)


def cost_of(gateway: Gateway, offer: ServedOffer, answer: bytes) -> tuple[str, int] | None:
    """Return currency and nano of what a provider takes for a whole answer; None: not known."""
    usage = read_answer_bytes(dialect(offer.provider.dialect), answer).usage
    if usage is None or offer.cost is None:
        return None
    return offer.cost.currency, gateway.tariffs.at(offer.cost, gateway.clock.now()).charge(
        usage, thinking=b'"reasoning_content"' in answer
    ).nano
