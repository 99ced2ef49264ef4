"""What ``doctor`` makes of facts: the verdict, and a remedy wherever something is wrong."""

from datetime import UTC, date, datetime, timedelta

import pytest

from smartoken.catalog.files import load_catalog
from smartoken.catalog.fx import FxRate, FxTable
from smartoken.commands import findings
from smartoken.commands.findings import Verdict
from smartoken.operations.directory import Directory, ServedModel

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RATE = FxTable((FxRate("CNY/USD", 140_900_000, date(2026, 11, 1), "by hand"),))
GIB = 1024**3

CLOCKS = [
    (NOW, None, "ok"),
    (NOW, NOW + timedelta(seconds=29), "ok"),
    (NOW, NOW - timedelta(seconds=31), "warn"),
    (datetime(2020, 1, 1, tzinfo=UTC), None, "fail"),
]
DISKS = [(0, "fail"), (GIB // 2 - 1, "fail"), (GIB, "warn"), (2 * GIB, "ok")]
RATES = [(date(2026, 11, 1), "ok"), (date(2026, 11, 15), "ok"), (date(2026, 11, 16), "warn")]
HOLIDAYS = [(date(2026, 6, 1), "ok"), (date(2026, 11, 25), "warn"), (date(2027, 1, 1), "warn")]


def sound(finding) -> bool:
    """A finding that is not fine says what to do."""
    return finding.verdict is Verdict.OK or bool(finding.remedy)


@pytest.mark.parametrize(("now", "peer", "verdict"), CLOCKS)
def test_a_clock_is_judged_by_a_providers(now, peer, verdict):
    finding = findings.clock(now, peer)
    assert (finding.verdict, sound(finding)) == (verdict, True)


@pytest.mark.parametrize(("free", "verdict"), DISKS)
def test_a_disk_is_judged_by_the_room_that_is_left(free, verdict):
    finding = findings.disk(free, "data")
    assert (finding.verdict, sound(finding)) == (verdict, True)


@pytest.mark.parametrize(("today", "verdict"), RATES)
def test_an_exchange_rate_is_stale_after_fourteen_days(today, verdict):
    finding = findings.exchange(RATE, today)
    assert (finding.verdict, sound(finding)) == (verdict, True)


def test_a_missing_exchange_rate_is_a_fault():
    assert findings.exchange(FxTable(), NOW.date()).verdict is Verdict.FAIL


JOBS = [
    ([], "ok"),
    ([{"name": "expire", "ok": True, "result": "done", "ended_at": "2026-11-25T00:00:00.000Z"}], "ok"),
    ([{"name": "expire", "ok": None, "result": None, "ended_at": None}], "ok"),
    ([{"name": "expire", "ok": False, "result": "RuntimeError: no", "ended_at": "2026-11-25T00:00:00.000Z"}], "fail"),
]


@pytest.mark.parametrize(("rows", "verdict"), JOBS)
def test_jobs_are_judged_by_their_last_runs(rows, verdict):
    finding = findings.jobs(rows)
    assert (finding.verdict, sound(finding)) == (verdict, True)


BOOKS = [
    ([], "ok"),
    ([{"check": "leases", "ok": True, "drift_count": 0, "at": "2026-11-25T00:00:00Z"}], "ok"),
    ([{"check": "leases", "ok": False, "drift_count": 2, "at": "2026-11-25T00:00:00Z"}], "fail"),
]


@pytest.mark.parametrize(("results", "verdict"), BOOKS)
def test_books_that_drift_are_a_fault_with_a_remedy(results, verdict):
    finding = findings.books(results)
    assert (finding.verdict, sound(finding)) == (verdict, True)


@pytest.mark.parametrize(("today", "verdict"), HOLIDAYS)
def test_unknown_holidays_are_warned_of_before_their_year_begins(today, verdict):
    finding = findings.holidays(load_catalog(), today)
    assert (finding.verdict, sound(finding)) == (verdict, True)


def test_models_that_cannot_be_called_or_have_no_price_are_named():
    model = next(each for each in load_catalog().models.values() if each.price is None)
    served = ServedModel(model, None, "none", (object(),))
    found = findings.prices(Directory(1, {}, {}, {model.id: served}, {}, {}))
    assert [each.verdict for each in found] == [Verdict.WARN, Verdict.WARN]
    assert model.id in found[1].words
    assert all(each.remedy for each in found)
