"""What runs by itself: once an interval whoever is there, noted with its outcome, never in the way of the others."""

import asyncio
import threading

import pytest

from contract.operations.rooms import call_record
from contract.operations.wallets import book_of, books, lines_of, opened, post, run, wallet_figures
from smartoken.billing import queries as money
from smartoken.billing.wallet import Ask, grow_leases, put_leases
from smartoken.jobs import JOBS, Bench, Job, Jobs
from smartoken.money import parse_amount
from smartoken.operations import job_rows
from smartoken.store import access_queries


@pytest.fixture
def house(room):
    return opened(room)


def jobs_of(room, *jobs, noted=None):
    return Jobs(Bench(room.office, room.folder), jobs or JOBS, noted)


def tick(room, jobs=None):
    """One second of a worker."""
    return asyncio.run((jobs or jobs_of(room)).tick())


def ran(name, words="done"):
    async def work(bench, frame):
        return words

    return Job(name, 60, work)


def test_a_job_runs_once_an_interval_whoever_looks(room):
    first, second = jobs_of(room, ran("a"), ran("b")), jobs_of(room, ran("a"), ran("b"))
    assert tick(room, first) == ["a", "b"]
    assert (tick(room, first), tick(room, second)) == ([], [])
    room.office.clock.advance(61)
    assert (tick(room, second), tick(room, first)) == (["a", "b"], [])
    assert [(each["name"], each["runs"], each["ok"], each["result"]) for each in room.read(job_rows.listed)] == [
        ("a", 2, True, "done"),
        ("b", 2, True, "done"),
    ]


def test_of_workers_that_look_at_once_one_runs_it(room):
    gate, done = threading.Barrier(4), []

    def look():
        gate.wait()
        done.extend(asyncio.run(jobs_of(room, ran("a")).tick()))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert done == ["a"]


def test_a_job_that_fails_is_noted_told_and_stops_no_other(room):
    async def fails(bench, frame):
        raise RuntimeError("no such luck")

    noted = []
    jobs = jobs_of(room, Job("bad", 60, fails), ran("good"), noted=lambda name, well: noted.append((name, well)))
    assert tick(room, jobs) == ["bad", "good"]
    assert noted == [("bad", False), ("good", True)]
    (bad, good) = room.read(job_rows.listed)
    assert (bad["ok"], bad["result"], good["ok"]) == (False, "RuntimeError: no such luck", True)
    room.office.clock.advance(61)
    tick(room, jobs)
    events = room.office.db.run_read(access_queries.event_page, None, 10, {})
    assert [(each["kind"], each["subject"], each["account_id"]) for each in events] == [("job.failed", "job:bad", None)]


def test_every_shipped_job_runs_on_an_empty_store(room):
    assert tick(room) == [each.name for each in JOBS]
    assert [each["result"] for each in room.read(job_rows.listed) if not each["ok"]] == []


def grant(house, amount, **terms):
    answer = post(house, "grants", {"amount": amount, "reason": "welcome", **terms})
    assert answer.status == 201, answer.raw
    house.grants["welcome"] = answer.body["grant"]


def test_a_grant_that_has_ended_goes_to_breakage_and_a_late_refund_after_it(house):
    grant(house, "2.00", expires_at="2026-11-03T13:00:00Z")
    run(house, "spend welcome=0.50")
    house.office.clock.advance(minutes=59)
    tick(house)
    assert books(house)["welcome"] == "1.50"
    house.office.clock.advance(minutes=1)
    tick(house)
    assert books(house) == {"house:promo": "-2.00", "house:revenue": "0.50", "house:breakage": "1.50"}
    run(house, "refund 0.20")
    house.office.clock.advance(11)
    tick(house)
    assert books(house)["house:breakage"] == "1.70"
    assert [(each["kind"], each["amount"], each["balance"]) for each in lines_of(house)] == [
        ("grant", "2.00", "2.00"),
        ("spend", "-0.50", "1.50"),
        ("expiry", "-1.50", "0.00"),
        ("refund", "0.20", "0.20"),
        ("expiry", "-0.20", "0.00"),
    ]
    assert wallet_figures(house)[0] == "0.00"


def test_a_grant_that_calls_still_hold_ends_in_one_piece_once_they_have_settled(house):
    grant(house, "2.00", expires_at="2026-11-03T13:00:00Z")
    book = book_of(house, "welcome")

    def lease(conn):
        money.begin_epoch(conn, "epoch_1", house.office.clock.now_ms())
        grow_leases(conn, "epoch_1", [Ask(book, 1)], 1)

    house.office.db.run_write(lease)
    house.office.clock.advance(hours=2)
    tick(house)
    assert books(house)["welcome"] == "2.00"
    house.office.db.run_write(put_leases, "epoch_1", [(book, 0, 0)])
    house.office.clock.advance(11)
    tick(house)
    assert books(house) == {"house:promo": "-2.00", "house:breakage": "2.00"}


# what is used of a budget of 1.00 after each step, and the percentages that are told then
ALERTS = [("0.49", []), ("0.50", [50]), ("0.79", []), ("0.80", [80]), ("0.99", []), ("1.00", [100]), ("1.00", [])]


def window(house, key_id, period, start):
    return f"window:key:{key_id}:{period}:{start}"


def test_each_threshold_of_a_budget_is_told_once_a_window(house):
    house.ask("PATCH", f"/api/v1/keys/{house.key}", {"budgets": [{"limit": "1.00", "period": "day"}]})
    for start in (1, 2):
        row = window(house, house.key, "day", start)
        facts = {"id": row, "kind": "window", "account_id": house.account, "scope_id": house.key}
        house.office.db.run_write(money.add_rows, [{**facts, "limit_nano": 10**9, "ends_ms": 1_900_000_000_000}])
        before = 0
        for used, percents in ALERTS:
            house.office.db.run_write(money.shift_rows, {row: {"used_nano": parse_amount(used) - before}})
            before = parse_amount(used)
            house.office.clock.advance(6)
            tick(house)
            found = house.ask("GET", "/api/v1/events?kind=budget.alert", token=house.member).body["data"]
            assert [each["facts"]["percent"] for each in found[: len(percents)]] == percents
            assert {each["facts"]["used"] for each in found[: len(percents)]} <= {used}
        assert len(found) == 3 * start
    assert {(each["subject"], each["facts"]["key"]) for each in found} == {(f"key:{house.key}", "=main")}


def test_a_jump_over_several_thresholds_tells_each(house):
    row = window(house, house.key, "total", 0)
    facts = {"id": row, "kind": "window", "account_id": house.account, "scope_id": house.key, "limit_nano": 10**18}
    house.office.db.run_write(money.add_rows, [{**facts, "used_nano": 10**18}])
    tick(house)
    found = house.ask("GET", "/api/v1/admin/events?kind=budget.alert").body["data"]
    assert sorted(each["facts"]["percent"] for each in found) == [50, 80, 100]


def test_the_books_are_checked_and_a_drift_is_told_to_the_staff_alone(house):
    run(house, "deposit 5.00")
    house.calls(call_record(77, house.account, house.key, fund_lines=[[book_of(house, "wallet"), 1000]]))

    def steal(conn):
        money.change_row(conn, book_of(house, "wallet"), {"limit_nano": 1})

    tick(house)
    assert house.ask("GET", "/api/v1/admin/events?kind=books.drift").body["data"] == []
    house.office.db.run_write(steal)
    house.office.clock.advance(hours=2)
    tick(house)
    assert house.ask("GET", "/api/v1/admin/events?kind=books.drift").body["data"] != []
    assert house.ask("GET", "/api/v1/events?kind=books.drift", token=house.member).body["data"] == []


def test_staff_see_the_jobs(house):
    tick(house)
    found = house.ask("GET", "/api/v1/admin/jobs").body["data"]
    assert {each["name"] for each in found} == {each.name for each in JOBS}
    assert house.ask("GET", "/api/v1/admin/jobs", token=house.member).status == 403


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_says_in_a_docstring_or_a_name_what_it_does(job):
    assert job.every_s > 0
    assert job.name.startswith("check:") or job.run.__doc__
