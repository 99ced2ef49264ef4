"""Two workers over one store: what one worker's breaker did, the other follows; drills are kept and exported."""

import asyncio
import itertools

import pytest

from smartoken.errors import FailureClass, NotFoundError, PermissionDeniedError
from smartoken.gateway.breaker_news import BreakerNews
from smartoken.gateway.metrics import Metrics
from smartoken.operations import drills, transitions
from smartoken.operations.rights import Actor, ActorKind
from smartoken.routing.breakers import OPEN_S, TRIP_FAILURES, Breakers

PAIR = ("up1:alpha", "pkey_1")
TERMS = {"model": "Test/Alpha", "fault": "cut", "percent": 50, "live": None}
RESULT = {
    "passed": True, "why_not": [], "ended": "finished", "primary": "up1:alpha", "calls": 2, "answered": 1,
    "broken_calls": 1, "eligible": 0, "eligible_answered": 0, "after_content": 1, "ended_honestly": 1,
    "attempts": 2, "broken_attempts": 1, "charged_usd": "0.000010", "errors_to_clients": {"upstream_cut": 1},
    "failed_attempts_by_cause": {"cut": 1}, "primary_back_after_s": 0.1, "cost_of_failed_attempts": {"USD": "0.000004"},
    "ttft_ms": {"p50": {"without_fault": 1.0, "with_fault": 2.0, "added": 1.0},
                "p95": {"without_fault": 3.0, "with_fault": None, "added": None}},
    "rows": [{"call": "call_1", "end": "upstream_cut", "status": 200, "offer": "up1:alpha", "charge_usd": "0.000010",
              "fault": "after content",
              "attempts": [{"offer": "up1:alpha", "failure": "cut", "why": None}]}],
}  # fmt: skip


class Worker:
    """A worker's breakers and its news."""

    def __init__(self, office, name, *, alone=False):
        self.name = name
        self.breakers, self.metrics = Breakers(), Metrics()
        db, numbers = office.db, itertools.count()

        async def tell(rows, now_ms):
            await db.write(transitions.publish, rows, now_ms)

        async def hear(since_ms, worker, now_ms):
            return await db.read(transitions.since, since_ms, worker, now_ms)

        self.new_id = lambda: f"event_{name}_{next(numbers):08d}"
        self.news = BreakerNews(self.breakers, self.metrics, office.clock, tell, None if alone else hear)

    async def exchange(self):
        await self.news.exchange(self.name, self.new_id)

    def trip(self, now):
        for _ in range(TRIP_FAILURES):
            self.breakers.failed(PAIR, FailureClass.CUT, now, None)


async def test_a_breaker_that_opened_in_one_worker_is_open_in_the_other_and_closes_there_too(office):
    here, there = Worker(office, "here"), Worker(office, "there")
    now = office.clock.monotonic()
    here.trip(now)
    await here.exchange()
    await there.exchange()
    assert there.breakers.wait(*PAIR, now) == pytest.approx(OPEN_S, abs=0.1)
    here.breakers.succeeded(*PAIR)
    office.clock.advance(1)
    await here.exchange()
    await there.exchange()
    assert there.breakers.wait(*PAIR, office.clock.monotonic()) == 0


async def test_what_was_heard_is_not_told_again_and_not_counted_twice(office):
    here, there = Worker(office, "here"), Worker(office, "there")
    here.trip(office.clock.monotonic())
    for _ in range(3):
        await here.exchange()
        await there.exchange()
    stored = office.db.run_read(lambda conn: conn.exec_driver_sql("SELECT worker FROM breaker_events").scalars().all())
    assert stored == ["here"]
    assert there.metrics.snapshot({})["counters"] == []
    assert here.metrics.snapshot({})["counters"] == [["smartoken_breaker_transitions", ["open", "cut"], 1]]


async def test_a_breaker_closed_by_a_later_answer_is_not_opened_again_by_old_news(office):
    here, there = Worker(office, "here"), Worker(office, "there")
    here.trip(office.clock.monotonic())
    await here.exchange()
    await there.exchange()
    there.breakers.succeeded(*PAIR)
    office.clock.advance(1)
    await there.exchange()
    assert there.breakers.wait(*PAIR, office.clock.monotonic()) == 0


def test_a_worker_alone_still_tells_operators(office, room):
    only = Worker(office, "only", alone=True)
    only.trip(office.clock.monotonic())
    asyncio.run(only.exchange())
    (row,) = room.ask("GET", "/api/v1/admin/routes/transitions").body["data"]
    assert (row["offer"], row["state"], row["cause"], row["open_s"]) == ("up1:alpha", "open", "cut", OPEN_S)


def test_a_drill_is_kept_with_its_date_and_exported_as_evidence(room):
    kept = room.write(drills.keep, TERMS, RESULT)
    listed = room.ask("GET", "/api/v1/admin/drills?model=test/alpha").body["data"]
    assert [each["id"] for each in listed] == [kept["id"]]
    assert listed[0]["result"]["rows"] == []
    assert room.ask("GET", f"/api/v1/admin/drills/{kept['id']}").body["result"] == RESULT
    page = room.ask("GET", f"/api/v1/admin/drills/{kept['id']}/evidence").raw.decode()
    assert "**Passed**" in page
    assert "| call_1 | after content | upstream_cut | up1:alpha | up1:alpha (cut) | 0.000010 |" in page
    assert "| first token, p50 | 1.0 | 2.0 | 1.0 |" in page
    assert "| first token, p95 | 3.0 | unknown | unknown |" in page
    assert "| cost of failed attempts | USD: 0.000004 |" in page
    with pytest.raises(NotFoundError):
        room.read(drills.one, "drill_of_nobody")


def test_only_those_who_may_run_drills_keep_one(room):
    member = Actor(ActorKind.MEMBER, "alice", "acct_own")
    with pytest.raises(PermissionDeniedError):
        room.office.db.run_write(drills.keep, room.work(member), TERMS, RESULT)
    refused = room.ask("POST", "/api/v1/admin/drills", {"model": "test/alpha", "fault": "cut"})
    assert (refused.status, refused.body["error"]["code"]) == (400, "invalid_request")
    assert room.ask("POST", "/api/v1/admin/drills", {"model": "a", "fault": "wings"}).status == 400
