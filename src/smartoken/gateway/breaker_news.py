"""What breakers tell the breakers of other workers: transitions go to the store each second, others' come from there.

A worker alone only writes, so that operators can see what happened. Without a store the breakers of each worker go on
by themselves: they fail open to what each one sees.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from smartoken.clock import Clock
from smartoken.gateway.metrics import Metrics
from smartoken.operations.transitions import row_of
from smartoken.routing.breakers import Breakers, Transition

EVERY_S = 1.0
_OVERLAP_MS = 5_000  # other nodes' clocks may be behind by so much
_MOST_WAITING = 1_000
_logger = logging.getLogger(__name__)
Tell = Callable[[Sequence[Mapping[str, Any]], int], Awaitable[object]]
Hear = Callable[[int, str, int], Awaitable[list[tuple[str, int, Transition]]]]


class BreakerNews:
    """One worker's; ``hear`` is None when there is nobody to hear from."""

    def __init__(self, breakers: Breakers, metrics: Metrics, clock: Clock, tell: Tell, hear: Hear | None) -> None:
        self._breakers = breakers
        self._metrics = metrics
        self._clock = clock
        self._tell = tell
        self._hear = hear
        self._waiting: list[tuple[int, Transition]] = []
        self._heard: dict[str, int] = {}  # event -> when
        self._since_ms = clock.now_ns() // 1_000_000
        breakers.told = self.saw

    def saw(self, change: Transition) -> None:
        """Take note of a change that this worker's own calls made."""
        self._metrics.count("smartoken_breaker_transitions", (change.state.value, change.cause))
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((self._clock.now_ns() // 1_000_000, change))

    async def exchange(self, worker: str, new_id: Callable[[], str]) -> None:
        """Tell what was seen since, and follow what others saw."""
        now_ms = self._clock.now_ns() // 1_000_000
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            await self._tell([row_of(change, new_id(), worker, at_ms) for at_ms, change in waiting], now_ms)
        if self._hear is None:
            return
        for event, at_ms, change in await self._hear(self._since_ms - _OVERLAP_MS, worker, now_ms):
            if event not in self._heard:
                self._heard[event] = at_ms
                self._breakers.take_over(change, self._clock.monotonic(), max(0.0, (now_ms - at_ms) / 1000))
        self._since_ms = now_ms
        kept = now_ms - 4 * _OVERLAP_MS
        self._heard = {event: at_ms for event, at_ms in self._heard.items() if at_ms >= kept}

    async def run(self, worker: str, new_id: Callable[[], str]) -> None:
        """Exchange news each second until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.exchange(worker, new_id)
            except Exception:  # the loop of a worker task: each worker goes on by what it sees itself
                _logger.exception("news of breakers could not be exchanged; this worker goes by what it sees itself")
