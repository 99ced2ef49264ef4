"""A running sandbox, and a peer that reads it naively over a raw socket."""

from collections.abc import AsyncIterator

import pytest

from smartoken.sandbox import Sandbox
from unit.sandbox.naive import Peer


class FixedClock:
    def now(self):
        raise NotImplementedError

    def now_ns(self):
        return 1_800_000_000_000_000_000

    def monotonic(self):
        return 0.0


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
async def sandbox(clock) -> AsyncIterator[Sandbox]:
    running = Sandbox(seed=7, clock=clock)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def peer(sandbox):
    return Peer(sandbox.port)
