"""Two workers over one store: what one worker's breaker did, the other follows; drills are kept and exported."""

import asyncio
import itertools
from functools import partial
from types import SimpleNamespace

import pytest

from smartoken.errors import FailureClass, NotFoundError, PermissionDeniedError
from smartoken.gateway.breaker_news import BreakerNews
from smartoken.gateway.live_drills import Doors, LiveDrills
from smartoken.gateway.metrics import Metrics
from smartoken.operations import drills, transitions
from smartoken.operations.rights import SYSTEM, Actor, ActorKind
from smartoken.providers.upstream import UpstreamError
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


def kept_drill(room, **more):
    row = room.write(drills.begin, {**TERMS, **more}, "up1:alpha", 60_000)
    return room.write(drills.finish, row["id"], RESULT)


def test_a_drill_is_kept_with_its_date_and_exported_as_evidence(room):
    kept = kept_drill(room)
    listed = room.ask("GET", "/api/v1/admin/drills?model=test/alpha").body["data"]
    assert [each["id"] for each in listed] == [kept["id"]]
    assert (listed[0]["state"], listed[0]["passed"], listed[0]["result"]["rows"]) == ("finished", True, [])
    assert room.ask("GET", f"/api/v1/admin/drills/{kept['id']}").body["result"] == RESULT
    page = room.ask("GET", f"/api/v1/admin/drills/{kept['id']}/evidence").raw.decode()
    assert "**Passed**" in page
    assert "| call_1 | after content | upstream_cut | up1:alpha | up1:alpha (cut) | 0.000010 |" in page
    assert "| first token, p50 | 1.0 | 2.0 | 1.0 |" in page
    assert "| first token, p95 | 3.0 | unknown | unknown |" in page
    assert "| cost of failed attempts | USD: 0.000004 |" in page
    exported = room.ask("GET", f"/api/v1/admin/drills/{kept['id']}/evidence?form=json")
    assert exported.headers["content-disposition"] == f'attachment; filename="{kept["id"]}.json"'
    assert exported.body == room.ask("GET", f"/api/v1/admin/drills/{kept['id']}").body
    with pytest.raises(NotFoundError):
        room.read(drills.one, "drill_of_nobody")


def test_a_running_drill_is_listed_and_stopped_and_what_came_of_it_is_written_once(room):
    row = room.write(drills.begin, TERMS, "up1:alpha", 60_000)
    (listed,) = room.ask("GET", "/api/v1/admin/drills?state=running").body["data"]
    assert (listed["id"], listed["state"], listed["passed"]) == (row["id"], "running", None)
    assert "**Still running**" in room.ask("GET", f"/api/v1/admin/drills/{row['id']}/evidence").raw.decode()
    assert room.ask("POST", f"/api/v1/admin/drills/{row['id']}/stop").status == 200
    (found,) = room.office.db.run_read(drills.running, room.work().now_ms)
    assert (found.id, found.stopped) == (row["id"], True)
    assert room.write(drills.finish, row["id"], RESULT)["passed"]
    assert room.write(drills.finish, row["id"], {**RESULT, "passed": False})["passed"]
    assert room.ask("POST", f"/api/v1/admin/drills/{row['id']}/stop").status == 400
    assert room.ask("GET", "/api/v1/admin/drills?state=running").body["data"] == []


class LiveWorker:
    """A worker that takes part in drills of live traffic over the store."""

    def __init__(self, office, room, name):
        self.upstreams = SimpleNamespace(detour=None)
        gateway = SimpleNamespace(clock=office.clock, upstreams=self.upstreams)
        doors = Doors(
            partial(office.db.read, drills.running),
            partial(office.db.write, drills.report),
            lambda drill: office.db.write(drills.conclude, room.work(SYSTEM), drill),
        )
        self.drills = LiveDrills(gateway, None, SimpleNamespace(stop=lambda _: None), doors, name)

    async def meets(self, target):
        """Make one attempt at an offer as this worker would."""
        if self.upstreams.detour is None or self.upstreams.detour(target) is None:
            return "well"
        with pytest.raises(UpstreamError):
            await self.upstreams.detour(target).request(None, "POST", "/", [], b"")
        return "broken"


TARGET = SimpleNamespace(offer=SimpleNamespace(offer=SimpleNamespace(id="up1:alpha"),
                                               provider=SimpleNamespace(dialect="openai")))  # fmt: skip
LIVE = {"model": "test/alpha", "fault": "refused", "percent": 100, "live": "test/alpha", "delay_ms": 1,
        "longest_wait_ms": 1}  # fmt: skip


async def test_every_worker_breaks_live_traffic_and_the_first_that_looks_afterwards_keeps_all_counts(office, room):
    here, there = LiveWorker(office, room, "here"), LiveWorker(office, room, "there")
    row = room.write(drills.begin, LIVE, "up1:alpha", 10_000)
    for each in (here, there):
        await each.drills.look()
    assert [await each.meets(TARGET) for each in (here, here, there)] == ["broken"] * 3
    office.clock.advance(11)
    for each in (here, there):
        await each.drills.look()
    assert [await each.meets(TARGET) for each in (here, there)] == ["well", "well"]
    assert room.read(drills.one, row["id"])["state"] == "running"  # records of its calls may be under way
    office.clock.advance(drills.SETTLING_MS / 1000)
    for each in (there, here):
        await each.drills.look()
    found = room.read(drills.one, row["id"])
    assert found["state"] == "finished"
    told = {name: found["result"][name] for name in ("workers", "attempts_at_primary", "broken_attempts", "primary")}
    assert told == {"workers": 2, "attempts_at_primary": 3, "broken_attempts": 3, "primary": "up1:alpha"}
    await here.drills.look()
    assert room.read(drills.one, row["id"]) == found


async def test_a_drill_whose_worker_was_lost_has_an_end_too(office, room):
    other = LiveWorker(office, room, "other")
    row = room.write(drills.begin, TERMS, "up1:alpha", 10_000)
    office.clock.advance(10 + drills.LOST_MS / 1000)
    await other.drills.look()
    found = room.read(drills.one, row["id"])
    assert (found["state"], found["passed"]) == ("lost", False)


def test_only_those_who_may_run_drills_keep_one(room):
    member = Actor(ActorKind.MEMBER, "alice", "acct_own")
    with pytest.raises(PermissionDeniedError):
        room.office.db.run_write(drills.begin, room.work(member), TERMS, "up1:alpha", 1000)
    refused = room.ask("POST", "/api/v1/admin/drills", {"model": "test/alpha", "fault": "cut"})
    assert (refused.status, refused.body["error"]["code"]) == (400, "invalid_request")
    assert room.ask("POST", "/api/v1/admin/drills", {"model": "a", "fault": "wings"}).status == 400
