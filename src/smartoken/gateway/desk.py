"""What operators may ask of a running worker: how its upstreams fare, one real call with a key, a drill."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from smartoken.errors import InvalidRequestError, NotFoundError, UpstreamUnavailableError
from smartoken.gateway.call import Target
from smartoken.gateway.drill import Drill, Terms, primary_of
from smartoken.gateway.faults import Breakage, Fault
from smartoken.gateway.plan import resolve
from smartoken.gateway.pools import Fares
from smartoken.gateway.resources import Gateway
from smartoken.money import amount_text
from smartoken.operations.directory import Directory, ServedOffer
from smartoken.providers.answers import read_answer_bytes
from smartoken.providers.failures import Failure, classify
from smartoken.providers.registry import dialect
from smartoken.providers.setup import UpstreamKey
from smartoken.providers.upstream import Upstream, UpstreamError
from smartoken.routing.breakers import Row
from smartoken.routing.routes import View

_MAX_BYTES = 1024 * 1024
_OK = 200
LONGEST_LIVE_S = 60.0
CLOSING_S = 5.0
BUSY = {"passed": False, "ended": "failed", "why_not": ["another drill had just begun in this worker"]}
Finish = Callable[[dict[str, Any]], Awaitable[object]]
_logger = logging.getLogger(__name__)
TEST_TOKENS = 16


@dataclass(slots=True)
class _Tried:
    status: int | None = None
    failure: Failure | None = None
    usage: dict[str, int] | None = None
    first_byte_ms: int | None = None


class Desk:
    """One worker's."""

    def __init__(self, gateway: Gateway, client: Upstream, longest_drill_s: float = 300.0) -> None:
        self._gateway = gateway
        self._longest_drill_s = longest_drill_s
        self._client = client
        self._drills: dict[str, Drill] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def view(self, directory: Directory) -> View:
        """Return how all offers fare right now."""
        offers = {each.offer.id: each for model in directory.models.values() for each in model.offers}
        return Fares(self._gateway.upstreams.pools, offers, 0)

    def breakers(self) -> list[Row]:
        """Return what rests."""
        return self._gateway.upstreams.pools.breakers.rows(self._gateway.clock.monotonic())

    def _key_of(self, directory: Directory, provider: str, name: str) -> tuple[ServedOffer, UpstreamKey]:
        setup = directory.providers.get(provider)
        key = next((each for each in setup.keys if each.name == name), None) if setup is not None else None
        if key is None:
            raise NotFoundError(f"There is no key {name[:80]!r} of a provider {provider[:80]!r}.", param="name")
        offers = [
            each
            for model in directory.models.values()
            for each in model.offers
            if each.provider.id == provider and each.offer.status == "current"
        ]
        if not offers:
            raise InvalidRequestError(f"No model is offered at {provider[:80]}, so nothing can be called.", param="id")
        return min(offers, key=_price_of), key

    async def test_key(self, directory: Directory, provider: str, name: str) -> dict[str, Any]:
        """Make one real, short, unstreamed call with a key, at the provider's cheapest offer; nobody is charged.

        An answer wakes the key from its rest.
        """
        offer, key = self._key_of(directory, provider, name)
        body = {
            "model": offer.offer.upstream_model,
            "messages": [{"role": "user", "content": "Say OK."}],
            dialect(offer.provider.dialect).limits[0].name: TEST_TOKENS,
        }
        target = Target(offer, key, body)
        tried, clock = _Tried(), self._gateway.clock
        started = clock.monotonic()
        try:
            await self._try_once(target, tried, started)
        except UpstreamError as error:
            tried.failure = Failure(error.kind, str(error))
        if tried.failure is None:
            self._gateway.upstreams.succeeded(target, None, started)
        cost = offer.cost
        spent = None
        if cost is not None and tried.usage is not None:
            band = cost.bands[0]
            pico = tried.usage["prompt_tokens"] * band.input + tried.usage["completion_tokens"] * band.output
            spent = amount_text(-(-pico // 1000))
        return {
            "provider": provider,
            "key": name,
            "offer": offer.offer.id,
            "ok": tried.failure is None,
            "status": tried.status,
            "failure": tried.failure.kind.value if tried.failure is not None else None,
            "message": tried.failure.message if tried.failure is not None else None,
            "first_byte_ms": tried.first_byte_ms,
            "total_ms": int((clock.monotonic() - started) * 1000),
            "usage": tried.usage,
            "cost": spent,
            "currency": cost.currency if cost is not None and spent is not None else None,
        }

    async def _try_once(self, target: Target, tried: _Tried, started: float) -> None:
        spoken = dialect(target.offer.provider.dialect)
        response = await self._gateway.upstreams.send(target)
        try:
            tried.status = response.status
            tried.first_byte_ms = int((self._gateway.clock.monotonic() - started) * 1000)
            raw = await response.read(_MAX_BYTES)
        finally:
            response.abort()
        if tried.status != _OK:
            tried.failure = classify(spoken, tried.status, response.headers, raw)
            return
        answer = read_answer_bytes(spoken, raw)
        tried.failure = answer.failure
        if answer.usage is not None:
            tried.usage = {"prompt_tokens": answer.usage.prompt, "completion_tokens": answer.usage.completion}

    def check_drill(self, terms: Mapping[str, Any]) -> tuple[str, str, float]:
        """Return the model that a drill is about, the offer that it would break, and how long it may last.

        Raises:
            UpstreamUnavailableError: another one is under way in this worker.
            InvalidRequestError, NotFoundError: the terms are not possible.

        """
        model = resolve(self._gateway.directory.current, terms["model"]).model
        primary = primary_of(self._gateway.directory.current, model)
        if terms["live"] is None:
            drill = Drill(self._gateway, self._client, self._terms(terms))
            if self._drills:
                raise UpstreamUnavailableError("Another drill is under way in this worker.", retry_after_s=30)
            return model.model.id, drill.primary, self._longest_s(terms)
        if terms["live"] != model.model.id:
            raise InvalidRequestError(
                f"`live` must be the model's name, {model.model.id}, typed out: its customers meet the fault.",
                param="live",
            )
        return model.model.id, primary, min(terms["seconds"], LONGEST_LIVE_S)

    async def drill(self, terms: Mapping[str, Any], name: str = "") -> dict[str, Any]:
        """Run a drill with calls of its own and return what came of it."""
        drill = self._drills[name] = Drill(self._gateway, self._client, self._terms(terms))
        try:
            return await drill.run()
        finally:
            del self._drills[name]

    def start_drill(self, name: str, terms: Mapping[str, Any], finish: Finish) -> None:
        """Let a drill run by itself; ``finish`` is told what came of it."""

        async def run() -> None:
            try:
                result = BUSY if self._drills else await self.drill(terms, name)
            except Exception:  # the edge of a task: whatever went wrong, the drill has to have an end
                _logger.exception("drill %s failed", name)
                result = {"passed": False, "ended": "failed", "why_not": ["the gateway failed; its log says how"]}
            await finish(result)

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, name: str) -> None:
        """End a drill of this worker early; none of another."""
        if name in self._drills:
            self._drills[name].stop()

    async def close(self) -> None:
        """End the drills under way, and let them be kept."""
        for each in self._drills.values():
            each.stop()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSING_S)

    def _longest_s(self, terms: Mapping[str, Any]) -> float:
        return min(terms["longest_s"] or self._longest_drill_s, self._longest_drill_s)

    def _terms(self, terms: Mapping[str, Any]) -> Terms:
        return Terms(
            model=terms["model"],
            breakage=breakage(terms),
            calls=terms["calls"],
            baseline=terms["baseline"],
            concurrency=terms["concurrency"],
            max_tokens=terms["max_tokens"],
            stream=terms["stream"],
            key=terms["key"],
            longest_s=self._longest_s(terms),
        )


def breakage(terms: Mapping[str, Any]) -> Breakage:
    """Return the fault that terms ask for."""
    return Breakage(Fault(terms["fault"]), terms["percent"], terms["delay_ms"] / 1000, terms["longest_wait_ms"] / 1000)


def _price_of(offer: ServedOffer) -> int:
    """Return what to compare offers by: the cheapest output; unknown prices come last."""
    return offer.cost.bands[0].output if offer.cost is not None and offer.cost.bands else 1 << 62
