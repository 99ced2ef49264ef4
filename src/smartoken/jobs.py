"""Jobs: what has to happen by itself, as actor ``system``, through the same operations that people use.

Each worker knows every job; the row of a job says when it is due, and of several workers the one that moves the row on
runs it. So a job runs once an interval, wherever, and is taken up by another worker when one dies. A run that fails is
noted with its error, logged, told to the staff once a day, and tried again at its next time; money is never at stake,
since each job's work is a transaction that can be repeated.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smartoken.money import amount_text
from smartoken.operations import alerts, checks, claims, expiry, job_rows
from smartoken.operations.office import Office, Work
from smartoken.operations.rights import SYSTEM

_logger = logging.getLogger(__name__)
TICK_S = 1.0
MINUTE_S, HOUR_S = 60, 3600
Noted = Callable[[str, bool], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """What jobs work with: the office, and the data dir of this node for what lies beside the store."""

    office: Office
    data_dir: Path


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again; ``run`` returns in words what it did."""

    name: str
    every_s: int
    run: Callable[[Bench, Work], Awaitable[str]]


async def _collect(bench: Bench, work: Work) -> str:
    """Take what is owed as it becomes free."""
    taken = await bench.office.write(expiry.collect, work)
    return f"took {amount_text(taken)}"


async def _expire(bench: Bench, work: Work) -> str:
    """Move what is left of grants that have ended to breakage."""
    ended, nano = await bench.office.write(expiry.expire, work)
    return f"ended {ended} grants with {amount_text(nano)}"


async def _alert(bench: Bench, work: Work) -> str:
    """Tell of budgets that reached 50, 80 or 100 %."""
    return f"told {await bench.office.write(alerts.tell_reached, work)} alerts"


async def _prune(bench: Bench, work: Work) -> str:
    """Forget what is kept for a while only."""
    answers, secrets = await bench.office.write(expiry.prune, work)
    return f"forgot {answers} answers, {secrets} ended secrets"


async def _campaign(bench: Bench, work: Work) -> str:
    """Note what campaigns the clock began or ended, and give grants for first calls."""
    given = await bench.office.write(claims.tick, work)
    return f"gave {len(given)} grants"


def _checking(name: str) -> Callable[[Bench, Work], Awaitable[str]]:
    async def check(bench: Bench, work: Work) -> str:
        result = await bench.office.db.read(checks.examine, name, work.now_ms)
        await bench.office.write(checks.note, work, result)
        return f"compared {result.compared}, {len(result.drifts)} differences"

    return check


async def _check_journal(bench: Bench, work: Work) -> str:
    """Compare the journals of this node with the ledger."""
    ids = await asyncio.to_thread(checks.journalled, bench.data_dir, work.now_ms)
    result = await bench.office.db.read(checks.examine_journal, ids)
    await bench.office.write(checks.note, work, result)
    return f"compared {result.compared}, {len(result.drifts)} differences"


JOBS: tuple[Job, ...] = (
    Job("collect", 5, _collect),
    Job("alerts", 5, _alert),
    Job("expire", 10, _expire),
    Job("campaigns", 30, _campaign),
    Job("prune", HOUR_S, _prune),
    *(Job(f"check:{each.name}", each.every_ms // 1000, _checking(each.name)) for each in checks.CHECKS),
    Job("check:journal", HOUR_S, _check_journal),
)


class Jobs:
    """The loop of one worker."""

    def __init__(self, bench: Bench, jobs: Sequence[Job] = JOBS, noted: Noted | None = None) -> None:
        self._bench = bench
        self._jobs = jobs
        self._noted = noted
        self._next: dict[str, float] = {}  # when this worker looks at a job again, on its monotonic clock

    async def run(self) -> None:
        """Do what is due, each second, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> list[str]:
        """Run the jobs that are due and that no other worker takes; returns their names."""
        office = self._bench.office
        done = []
        for each in self._jobs:
            now_s = office.clock.monotonic()
            if self._next.get(each.name, 0) > now_s:
                continue
            self._next[each.name] = now_s + each.every_s
            try:
                taken = await office.write(job_rows.claim, office.work(SYSTEM), each.name, each.every_s)
                if taken:
                    done.append(each.name)
                    await self._do(each)
            except Exception:  # the job loop: the store is away, or a result could not be noted
                _logger.exception("the job %s could not be run or noted; it is tried again", each.name)
        return done

    async def _do(self, job: Job) -> None:
        office = self._bench.office
        try:
            words, well = await job.run(self._bench, office.work(SYSTEM)), True
        except Exception as problem:  # the job loop: one that fails must not stop the others
            _logger.exception("the job %s failed", job.name)
            words, well = f"{type(problem).__name__}: {problem}", False
        if self._noted is not None:
            self._noted(job.name, well)
        await office.write(job_rows.end, office.work(SYSTEM), job.name, (well, words))
