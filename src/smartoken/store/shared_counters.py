"""Rate limits shared by workers through Valkey, off the hot path: each worker counts down slabs that it fetched.

A call is counted in memory and never waits for Valkey. When a slab runs low a background task fetches the next, many
names in one round trip. Until the first answer for a name, a worker lends itself its share, ceil(limit / N), and
settles that with the first slab. So the rate holds over all workers: what one used beyond its slab is owed and comes
off the common bucket first; a burst may pass the limit by at most a slab and one call a worker.

Fails open: while Valkey is out of reach each worker enforces its share, ``problem`` says so, and it is tried again
with growing pauses. Money never comes near this.
"""

import asyncio
import logging
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any

from smartoken.store.counters import (
    MAX_NAMES,
    MINUTE_S,
    PLACES,
    REQUESTS,
    TOKENS,
    Limits,
    MemoryCounters,
    Over,
    forget_idle,
)
from smartoken.store.valkey import ValkeyClient, ValkeyError, Word

_logger = logging.getLogger(__name__)
_SCRIPT = (Path(__file__).parent / "take_slabs.lua").read_bytes()
_SCRIPT_NAME = sha1(_SCRIPT, usedforsecurity=False).hexdigest()  # how Valkey names a script
_PREFIX = "smartoken:rate:"
BATCH = 256
GAP_S = 0.005  # between two fetches: what comes meanwhile shares the next one
RENEW_S = 2.0
IDLE_S = 5.0
PLACES_LIVE_MS = 10_000
_HASH_LIVES_MS = 120_000  # after two idle minutes every bucket is full again
_SOONEST_S = 0.05  # a refused caller's least wait, and the least time between two fetches for a name that is used up
_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_SLABS = 8  # a slab is an eighth of a worker's share


class _Slab:
    """What this worker has in hand of one bucket; below zero it owes."""

    __slots__ = ("hand", "lent", "limit", "need", "used", "wait_s")

    def __init__(self) -> None:
        self.limit = 0  # a minute, over all workers; 0: none
        self.hand = 0
        self.lent = 0  # of what is in hand, what Valkey knows nothing of
        self.used = 0  # since the last fetch
        self.need = 1  # the largest amount that was refused since the last fetch
        self.wait_s = _SOONEST_S  # how long a refused caller should wait, as the last answer told

    def lend(self, limit: int, share: int) -> None:
        """Begin with a loan under a new limit."""
        self.limit = limit
        self.hand, self.lent = (self.hand + share - self.lent, share) if limit else (0, 0)

    def take(self, amount: int) -> None:
        """Count an amount down; a negative one gives back."""
        if self.limit:
            self.hand -= amount
            self.used += max(0, amount)

    def ask(self, share: int) -> tuple[int, int]:
        """Return (owed, wanted): what was used beyond what Valkey gave, and what would fill the slab again."""
        if not self.limit:
            return 0, 0
        own = self.hand - self.lent
        # While others may still use what they lent themselves, no more than a slab is asked for.
        usual = 0 if self.lent else min(2 * self.used, share)
        wanted = max(slab_of(share), usual, min(self.need, self.limit)) - max(0, own)
        self.used, self.need = 0, 1
        return max(0, -own), wanted

    def answered(self, owed: int, given: int, left: float) -> None:
        """Take what was given; the loan ends, and what was owed is settled. ``left`` is what all workers have left."""
        if self.limit:
            self.hand += owed + given - self.lent
            self.lent = 0
            self.wait_s = max(_SOONEST_S, (self.need - left) * MINUTE_S / self.limit)


class _Name:
    """What this worker counts of one name."""

    __slots__ = ("ask_after", "at", "inside", "limits", "places", "requests", "tokens")

    def __init__(self) -> None:
        self.limits = Limits()
        self.requests = _Slab()
        self.tokens = _Slab()
        self.inside = 0
        self.places = 0
        self.at = 0.0  # last used
        self.ask_after = 0.0


class _Question:
    """What is asked for one name."""

    __slots__ = ("each", "name", "requests", "tokens")

    def __init__(self, name: str, each: _Name, requests: tuple[int, int], tokens: tuple[int, int]) -> None:
        self.name = name
        self.each = each
        self.requests = requests
        self.tokens = tokens


def slab_of(share: int) -> int:
    """Return the size of a slab."""
    return max(1, share // _SLABS)


class SharedCounters:
    """Counters of one worker that others share; ``run`` must be running as a task."""

    def __init__(self, client: ValkeyClient, worker: str, monotonic: Callable[[], float], workers: int = 1) -> None:
        """Count for the worker of this name, one of ``workers``."""
        self._client = client
        self._worker = worker
        self._clock = monotonic
        self._local = MemoryCounters(monotonic, workers)
        self._names: dict[str, _Name] = {}
        self._stale: dict[str, None] = {}  # in the order in which they asked
        self._wake = asyncio.Event()
        self._renewed_at = monotonic()
        self.problem: str | None = None

    def enter(self, name: str, limits: Limits, tokens: int) -> Over | None:
        """Count one call in, all limits or none; says which limit refuses it."""
        now = self._clock()
        each = self._names.get(name)
        if each is None or each.limits != limits:
            each = self._under(name, limits)
        each.at = now
        over = self._counted_alone(name, each, tokens) if self.problem else self._counted(each, tokens)
        if over is None:
            each.inside += 1
        if now >= each.ask_after and self._low(each) and not self.problem:
            self._ask(name)
        return over

    def leave(self, name: str) -> None:
        """Give a call's place back."""
        each = self._names.get(name)
        if each is not None and each.inside:
            each.inside -= 1

    def adjust(self, name: str, tokens: int) -> None:
        """Correct the tokens that a call was counted with by the difference to what it used."""
        each = self._names.get(name)
        if each is None or not each.limits.tpm:
            return
        if self.problem:
            self._local.adjust(name, tokens)
            return
        each.tokens.take(tokens)
        self._ask(name)

    async def run(self) -> None:
        """Fetch slabs until cancelled."""
        failures = 0
        while True:
            try:
                await self._rest()
                await self._fetch()
            except ValkeyError as error:
                if self.problem is None:
                    _logger.warning("%s; each worker enforces its share of the rate limits until it answers", error)
                self.problem = str(error)
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1
                continue
            if self.problem is not None:
                _logger.warning("Valkey answers again; rate limits are shared")
                self.problem = None
            failures = 0
            await asyncio.sleep(GAP_S)

    async def close(self) -> None:
        """Give back what is in hand, as far as Valkey answers, and close the connection."""
        for each in self._names.values():
            each.inside = 0
        try:
            while self._names and self.problem is None:
                await self._exchange(list(self._names)[:BATCH], giving_back=True)
        except ValkeyError as error:
            self.problem = str(error)
        await self._client.close()

    def _counted(self, each: _Name, tokens: int) -> Over | None:
        """Count a call down from what is in hand."""
        limits, requests, in_hand = each.limits, each.requests, each.tokens
        if limits.concurrency and each.inside >= each.places:
            return Over(PLACES, limits.concurrency, _SOONEST_S if each.inside < limits.concurrency else 1.0)
        if limits.rpm and requests.hand < 1:
            return Over(REQUESTS, limits.rpm, requests.wait_s)
        if limits.tpm and in_hand.hand < min(tokens, slab_of(self._local.share(limits.tpm))):
            in_hand.need = max(in_hand.need, tokens)
            return Over(TOKENS, limits.tpm, in_hand.wait_s)
        requests.take(1)
        in_hand.take(tokens)
        return None

    def _counted_alone(self, name: str, each: _Name, tokens: int) -> Over | None:
        """Count a call by this worker's share."""
        limits = each.limits
        if limits.concurrency and each.inside >= self._local.share(limits.concurrency):
            return Over(PLACES, limits.concurrency, 1.0)
        over = self._local.enter(name, Limits(limits.rpm, limits.tpm), tokens)
        if over is None:
            self._local.leave(name)  # calls at once are counted here
        return over

    def _under(self, name: str, limits: Limits) -> _Name:
        """Return a name's counts under new limits, begun with a loan of this worker's share."""
        each = self._names.get(name)
        if each is None:
            if len(self._names) >= MAX_NAMES:
                forget_idle(self._names, lambda count: count.inside == 0)
            each = self._names[name] = _Name()
        share = self._local.share
        each.limits = limits
        each.requests.lend(limits.rpm, share(limits.rpm))
        each.tokens.lend(limits.tpm, share(limits.tpm))
        each.places = share(limits.concurrency)
        each.ask_after = 0.0
        return each

    def _low(self, each: _Name) -> bool:
        """Whether something that is limited runs out, or was lent and never settled."""
        for slab in (each.requests, each.tokens):
            if slab.limit and (slab.lent or 2 * slab.hand < slab_of(self._local.share(slab.limit))):
                return True
        return each.limits.concurrency > 0 and each.places <= each.inside

    def _ask(self, name: str) -> None:
        self._stale[name] = None
        self._wake.set()

    async def _rest(self) -> None:
        """Wait until a name asks; every two seconds ask for those whose places end or whose slabs lie idle."""
        try:
            async with asyncio.timeout(RENEW_S):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
        now = self._clock()
        if now - self._renewed_at >= RENEW_S:
            self._renewed_at = now
            for name, each in self._names.items():
                if each.places or now - each.at >= IDLE_S:
                    self._stale[name] = None

    async def _fetch(self) -> None:
        names = list(self._stale)[:BATCH]
        if names:
            await self._exchange(names)
        else:
            await self._client.call("PING")  # so that a Valkey that went away is noticed, and one that came back
        if self._stale:
            self._wake.set()

    async def _exchange(self, names: list[str], *, giving_back: bool = False) -> None:
        now = self._clock()
        asked: list[_Question] = []
        commands: list[list[Word]] = [["SCRIPT", "LOAD", _SCRIPT]]  # a restarted server has forgotten it
        for name in names:
            self._stale.pop(name, None)
            each = self._names.get(name)
            if each is not None:
                idle = giving_back or (each.inside == 0 and now - each.at >= IDLE_S)
                asked.append(self._question(name, each, idle=idle))
                commands.append(self._command(asked[-1], idle=idle))
                if idle:
                    del self._names[name]
        if not asked:
            return
        try:
            replies = await self._client.pipeline(commands)
            for question, reply in zip(asked, replies[1:], strict=True):
                self._settle(question, reply)
        except (ValkeyError, TypeError, ValueError) as error:
            # What was asked may or may not have been given; it is asked again when Valkey answers.
            for question in asked:
                self._names.setdefault(question.name, question.each)
                self._stale[question.name] = None
            raise error if isinstance(error, ValkeyError) else ValkeyError("Valkey gave no slabs") from error

    def _question(self, name: str, each: _Name, *, idle: bool) -> _Question:
        requests = each.requests.ask(self._local.share(each.limits.rpm))
        tokens = each.tokens.ask(self._local.share(each.limits.tpm))
        if idle:
            requests = (requests[0], -max(0, each.requests.hand - each.requests.lent))
            tokens = (tokens[0], -max(0, each.tokens.hand - each.tokens.lent))
        return _Question(name, each, requests, tokens)

    def _command(self, question: _Question, *, idle: bool) -> list[Word]:
        each = question.each
        limits = each.limits
        places = 0 if idle else each.inside + max(1, self._local.share(limits.concurrency) // 2)
        return [
            "EVALSHA", _SCRIPT_NAME, 1, f"{_PREFIX}{question.name}", self._worker,
            limits.rpm, *question.requests, limits.tpm, *question.tokens,
            limits.concurrency, each.inside, places, PLACES_LIVE_MS, _HASH_LIVES_MS,
        ]  # fmt: skip

    def _settle(self, question: _Question, reply: list[Any]) -> None:
        requests, requests_left, tokens, tokens_left, places = (int(part) for part in reply)
        each = question.each
        each.requests.answered(question.requests[0], requests, requests_left / 1000)
        each.tokens.answered(question.tokens[0], tokens, tokens_left / 1000)
        each.places = places
        crowded = each.limits.concurrency > 0 and places <= each.inside
        short = crowded or requests < question.requests[1] or tokens < question.tokens[1]
        each.ask_after = self._clock() + _SOONEST_S if short else 0.0
