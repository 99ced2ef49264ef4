"""Whatever befalls: nothing is lost, nothing is doubled, and what was told to a client stays true."""

import time

import pytest

from faults.killing import Rig
from servers import new_database

# Text that was sent after the last checkpoint: 20 tokens apart, and what one read of the upstream may bring.
MOST_UNDERCOUNTED = 20 + 64


def check(report):
    print(report.line(), dict(report.ends), dict(report.refused))
    assert (report.lost, report.ghost, report.wrong, report.beyond) == ([], [], [], [])
    assert (report.double, report.overspend, report.held, report.unbalanced) == (0, 0, 0, 0)
    assert report.undercount <= MOST_UNDERCOUNTED


def test_fifteen_kills_lose_and_double_nothing(tmp_path):
    rig = Rig(tmp_path)
    with rig.load(staying=8):
        for _ in range(15):
            rig.kill()
    report = rig.report()
    check(report)
    assert report.seen > 15, "the load was too thin to mean anything"
    assert report.ends["recovered"] > 0, "no kill hit a call under way"


@pytest.mark.slow
def test_a_hundred_kills_lose_and_double_nothing(tmp_path):
    rig = Rig(tmp_path)
    with rig.load(staying=12, leaving=2, cut=2):
        for _ in range(100):
            rig.kill()
    report = rig.report()
    check(report)
    assert report.ends["recovered"] > 0


def test_clients_that_leave_upstreams_that_break_off_and_a_signal_to_stop_cost_what_was_sent(tmp_path):
    rig = Rig(tmp_path)
    with rig.load(staying=4, leaving=3, cut=3):
        time.sleep(5)
        rig.terminate()
        time.sleep(1)
    report = rig.report()
    check(report)
    assert report.faults["client gone"] > 9, "not every stage was left at"
    assert report.faults["upstream cut"] > 9
    assert {"client_left", "upstream_cut", "completed"} <= set(report.ends)


def test_a_full_disk_starts_nothing_on_money_that_is_not_in_hand_and_loses_nothing(tmp_path):
    rig = Rig(tmp_path)
    with rig.load(staying=4):
        before = len(rig.truth.calls)
        refused = rig.fill_disk(3)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
        assert "retry-after" in refused.headers
        assert len(rig.truth.calls) > before + 8, "calls on money in hand go on"
        time.sleep(2)
    check(rig.report())


def test_a_database_that_crashes_under_load_loses_nothing(tmp_path, servers):
    name = f"crashing-{tmp_path.name}"
    url, _ = servers.start_own_postgres(name)
    with new_database(url) as database:
        rig = Rig(tmp_path, database, workers=2)
        with rig.load(staying=6):
            for _ in range(3):
                rig.crash_database(servers, name)
        check(rig.report())


def test_workers_that_are_killed_one_by_one_lose_and_double_nothing(tmp_path, empty_postgres_url):
    rig = Rig(tmp_path, empty_postgres_url, workers=2)
    with rig.load(staying=6):
        for _ in range(5):
            rig.kill_worker()
        time.sleep(2)
    report = rig.report()
    check(report)
    assert report.ends["recovered"] > 0, "no kill hit a call under way"
