"""Two attempts at one call: the one whose content comes first speaks to the client, the other is cancelled at once.

The race is decided within one step of the event loop: the first stream that would pass on content claims the client,
and a stream that comes later finds it taken. So the client never hears two, and never a piece of the loser.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

from smartoken.gateway.call import Attempt, Call, Outcome, Target
from smartoken.gateway.endings import AttemptFailedError
from smartoken.gateway.relayed import Relayed
from smartoken.gateway.reply import Reply
from smartoken.gateway.stream import AnswerStream
from smartoken.providers.failures import Failure

_OF_THE_CALL = frozenset({"attempts", "show_providers", "parts", "lost"})


class OutrunError(Exception):
    """Another attempt spoke first."""


class RacingStream(AnswerStream):
    """A passage that has to claim the client before it says anything."""

    __slots__ = ("_claim",)

    def __init__(self, claim: Callable[[], None], call: Call, target: Target, outcome: Outcome, reply: Reply) -> None:
        super().__init__(call, target, outcome, reply)
        self._claim = claim

    def _begin(self, elapsed_ms: int) -> None:
        self._claim()
        super()._begin(elapsed_ms)

    async def _release_empty(self) -> None:
        self._claim()
        await super()._release_empty()


@dataclass(slots=True, eq=False)
class Runner:
    """One of the attempts; ``failure`` once it failed before it spoke."""

    target: Target
    attempt: Attempt
    relayed: Relayed
    task: asyncio.Task[None] | None = None
    failure: Failure | None = None

    def stop(self) -> None:
        """Cancel what it does."""
        if self.task is not None:
            self.task.cancel()
        self.relayed.close()


class Race:
    """Who may speak."""

    __slots__ = ("_heard", "runners", "winner")

    def __init__(self) -> None:
        self._heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.runners: list[Runner] = []
        self.winner: Runner | None = None

    def enter(self, runner: Runner) -> None:
        """Let an attempt take part."""
        self.runners.append(runner)
        runner.relayed.opens = partial(RacingStream, partial(self.claim, runner))

    def each(self, does: Callable[[Relayed], None]) -> None:
        """Do something with every attempt."""
        for runner in self.runners:
            does(runner.relayed)

    def claim(self, runner: Runner) -> None:
        """Let an attempt speak; the others are cancelled.

        Raises:
            OutrunError: another one spoke before.

        """
        if self.winner is None:
            self.winner = runner
            if not self._heard.done():
                self._heard.set_result(None)
            for each in self.runners:
                if each is not runner:
                    each.stop()
        elif self.winner is not runner:
            raise OutrunError

    async def listen(self, runner: Runner, seconds: float) -> bool:
        """Wait until the only attempt speaks, is over, or was silent for so long; whether it was silent."""
        assert runner.task is not None  # noqa: S101 - it was started before
        await asyncio.wait((self._heard, runner.task), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return self.winner is None and not runner.task.done()

    async def over(self, ends: Callable[[Failure], bool]) -> Runner:
        """Return the attempt that speaks for the call, once it is over; the first one if none said a word.

        ``ends`` says which failures of the first one are the call's own, whatever the second would say.

        Raises:
            Exception: what went wrong in this gateway.

        """
        first, running = self.runners[0], list(self.runners)
        while True:
            tasks = {each.task: each for each in running if each.task is not None}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended = [each for task, each in tasks.items() if task in done]
            for each in ended:
                each.failure = _failure_of(each.task)
            running = [each for each in running if each not in ended]
            if self.winner is not None:
                if self.winner in ended:
                    return self.winner
                continue
            silent = next((each for each in ended if each.failure is None), None)  # nobody listens any more
            if silent is not None:
                return silent
            if not running or (first.failure is not None and ends(first.failure)):
                return first

    async def end(self) -> None:
        """Cancel whatever still runs, and wait until it is gone."""
        for each in self.runners:
            if each.task is not None and not each.task.done():
                each.stop()
        await asyncio.gather(*(each.task for each in self.runners if each.task is not None), return_exceptions=True)


def _failure_of(task: asyncio.Task[None] | None) -> Failure | None:
    """Return how an attempt failed before it spoke; None when it did not, or was cancelled."""
    if task is None or task.cancelled():
        return None
    with contextlib.suppress(OutrunError):
        try:
            task.result()
        except AttemptFailedError as failed:
            return failed.failure
    return None


def adopt(relayed: Relayed, winner: Relayed) -> None:
    """Let the call go on with what the winner of a race gathered."""
    for each in fields(Outcome):
        if each.name not in _OF_THE_CALL:
            setattr(relayed.outcome, each.name, getattr(winner.outcome, each.name))
    relayed.held, relayed.meter, relayed.stream = winner.held, winner.meter, winner.stream
    relayed.response, relayed.sent = winner.response, relayed.sent or winner.sent
