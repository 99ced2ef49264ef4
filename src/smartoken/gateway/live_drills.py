"""Drills on live traffic in one worker: every worker of every node follows those that the store says are under way.

A worker looks each second. The fault is taken away at its time by the worker's own clock, whether or not the store can
be reached then; before that, when somebody stopped the drill. What a worker counted goes to the store. When the records
of the calls have had time to get there, whoever looks first writes what came of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from smartoken.gateway.call import Target
from smartoken.gateway.desk import Desk, breakage
from smartoken.gateway.faults import BrokenUpstream
from smartoken.gateway.resources import Gateway
from smartoken.operations.drills import Running
from smartoken.providers.upstream import Upstream

EVERY_S = 1.0
_logger = logging.getLogger(__name__)


class Doors(NamedTuple):
    """What the store is asked and told."""

    running: Callable[[int], Awaitable[list[Running]]]  # (now in ms)
    report: Callable[[str, str, Mapping[str, int]], Awaitable[object]]  # (drill, worker, counts)
    conclude: Callable[[str], Awaitable[object]]


class _Followed:
    """A drill that this worker takes part in."""

    def __init__(self, primary: str, upstream: BrokenUpstream) -> None:
        self.primary = primary
        self.upstream = upstream
        self.over = False
        self.told: dict[str, int] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """What was counted so far."""
        return {"attempts": self.upstream.attempts, "struck": self.upstream.struck}


class LiveDrills:
    """One worker's."""

    def __init__(self, gateway: Gateway, client: Upstream, desk: Desk, doors: Doors, worker: str) -> None:
        self._gateway = gateway
        self._client = client
        self._desk = desk
        self._doors = doors
        self._worker = worker
        self._followed: dict[str, _Followed] = {}

    async def look(self) -> None:
        """Begin what began, end what ended, tell what was counted, conclude what is due."""
        now_ms = self._gateway.clock.now_ns() // 1_000_000
        rows = await self._doors.running(now_ms)
        for each in rows:
            if each.live and each.id not in self._followed and now_ms < each.until_ms:
                self._begin(each, now_ms)
            if each.stopped and not each.live:
                self._desk.stop(each.id)
        under_way = {each.id for each in rows if each.live and now_ms < each.until_ms}
        for name in set(self._followed) - under_way:
            self._end(name)
        for name, found in self._followed.items():
            if found.told != found.counts:
                found.told = found.counts
                await self._doors.report(name, self._worker, found.told)
        for each in rows:
            if now_ms >= each.due_ms:
                await self._doors.conclude(each.id)
        known = {each.id for each in rows}
        self._followed = {name: found for name, found in self._followed.items() if name in known or not found.over}

    def _begin(self, row: Running, now_ms: int) -> None:
        self._followed[row.id] = _Followed(row.primary, BrokenUpstream(self._client, breakage(row.terms)))
        asyncio.get_running_loop().call_later(max(0.0, (row.until_ms - now_ms) / 1000), self._end, row.id)
        self._gateway.upstreams.detour = self._detour
        _logger.warning("a drill breaks live traffic at %s (%s)", row.primary, row.id)

    def _end(self, name: str) -> None:
        found = self._followed.get(name)
        if found is None or found.over:
            return
        found.over = True
        found.upstream.end()
        if all(each.over for each in self._followed.values()):
            self._gateway.upstreams.detour = None
        _logger.warning("the drill of live traffic at %s is over here (%s)", found.primary, name)

    def _detour(self, target: Target) -> Upstream:
        for each in self._followed.values():
            if each.primary == target.offer.offer.id and not each.over:
                return each.upstream.towards(target.offer.provider.dialect)
        return self._client

    async def run(self) -> None:
        """Look each second until cancelled; then nothing is broken any more."""
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                try:
                    await self.look()
                except Exception:  # the loop of a worker task: the fault ends by this worker's own clock
                    _logger.exception("drills under way could not be looked up; those known here end at their time")
        finally:
            for name in list(self._followed):
                self._end(name)
            await self._desk.close()
