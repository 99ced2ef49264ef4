"""Checks of the books over both stores: sound books pass, each planted fault is found by the check that it breaks."""

import logging
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from contract.operations.rooms import call_record
from smartoken.billing import queries as money
from smartoken.billing.budgets import Budget, windows_of
from smartoken.billing.ledger import Stamp, wallet
from smartoken.billing.windows import Period, ZoneSince
from smartoken.operations import checks
from smartoken.operations.events import page as event_page
from smartoken.operations.opening import open_money
from smartoken.operations.settlement import Batch, settle

ACCOUNT, KEY, EPOCH = "acct_1", "key_1", "ep_1"
WINDOW = f"window:key:{KEY}:total:0"


def books(conn, now_ms):
    """An account that paid in, a worker with leases, two calls that were charged and one that was not."""
    open_money(conn, ACCOUNT, 1_000_000, 0, Stamp("open:1", now_ms, actor="test", reason="opening balance"))
    row = {"id": WINDOW, "kind": "window", "account_id": ACCOUNT, "scope_id": KEY, "limit_nano": 500_000}
    money.add_rows(conn, [row])
    money.begin_epoch(conn, EPOCH, now_ms)
    paid = [
        call_record(number, ACCOUNT, KEY, charge_nano=charge, fund_lines=[[wallet(ACCOUNT), charge]] if charge else [],
                    windows=[WINDOW] if charge else [], created_ms=now_ms)
        for number, charge in ((1, 1000), (2, 3000), (3, 0))
    ]  # fmt: skip
    for each in (wallet(ACCOUNT), WINDOW):
        money.take_free(conn, each, 50_000)
    money.write_leases(conn, EPOCH, [(wallet(ACCOUNT), 50_000, 0), (WINDOW, 50_000, 0)])
    settle(conn, Batch(paid, EPOCH, [(wallet(ACCOUNT), 46_000, 0), (WINDOW, 46_000, 0)], now_ms))


@pytest.fixture
def kept(room):
    room.office.db.run_write(books, room.office.clock.now_ms())
    return room


def look(room):
    return {each.name: each for each in room.read(checks.examine_all, [])}


def test_sound_books_pass_every_check(kept):
    results = look(kept)
    assert set(results) == {*checks.BY_NAME, "journal"}
    assert {name: each.drifts for name, each in results.items() if each.drifts} == {}
    compared = {name: each.compared for name, each in results.items()}
    assert all(compared[name] > 0 for name in checks.BY_NAME), compared


SPEND = f"spend:call_{1:032x}"
FAULTS = [
    ("trial_balance", "UPDATE postings SET nano = nano + 7 WHERE transfer_id = 'open:1' AND place = 0", "open:1"),
    ("balances", "UPDATE money_rows SET used_nano = used_nano + 1 WHERE id = 'wallet:acct_1'", "used"),
    ("balances", "UPDATE money_rows SET limit_nano = limit_nano - 1 WHERE id = 'wallet:acct_1'", "paid in"),
    ("balances", "UPDATE house_books SET nano = nano + 1 WHERE book = 'house:revenue'", "house:revenue"),
    ("leases", "UPDATE money_rows SET held_nano = held_nano + 1 WHERE id = 'window:key:key_1:total:0'", WINDOW),
    ("leases", "DELETE FROM epochs", EPOCH),
    ("windows", "UPDATE money_rows SET used_nano = used_nano - 1 WHERE id = 'window:key:key_1:total:0'", WINDOW),
    (
        "charges",
        "UPDATE calls SET charge_nano = charge_nano + 1 WHERE transfer_id LIKE 'spend:call_%1'",
        SPEND,
    ),
    ("charges", "UPDATE calls SET overrun_nano = 9", "house:overrun"),
    ("sums_by_hour", "UPDATE usage_hourly SET charge_nano = charge_nano + 1", ACCOUNT),
]


@pytest.mark.parametrize(("name", "fault", "subject"), FAULTS, ids=[f"{row[0]}-{row[2]}" for row in FAULTS])
def test_a_planted_fault_is_found_by_the_check_that_it_breaks(kept, name, fault, subject):
    kept.office.db.run_write(lambda conn: conn.execute(sa.text(fault)))
    drifts = look(kept)[name].drifts
    assert drifts
    assert any(subject in each[0] for each in drifts)


def test_a_drift_is_stored_told_once_and_logged_as_an_error(kept, caplog):
    kept.office.db.run_write(lambda conn: conn.execute(sa.text(FAULTS[1][1])))
    for _ in range(2):
        with caplog.at_level(logging.ERROR):
            results = kept.read(checks.examine_all, [])
            shown = kept.write(checks.note_all, results)
    by_name = {each["check"]: each for each in shown}
    assert not by_name["balances"]["ok"]
    assert by_name["balances"]["drifts"] == [{"subject": "wallet:acct_1 used", "expected": 4000, "found": 4001}]
    assert by_name["leases"]["ok"]
    assert "the books drift: balances" in caplog.text
    told = kept.read(event_page, None, (None, 10), "books.drift")
    assert [each["subject"] for each in told] == ["check:balances"]


def test_a_call_that_only_the_journal_knows_is_a_drift(kept):
    missing = "call_" + "f" * 32
    (result,) = [each for each in kept.read(checks.examine_all, [missing, f"call_{1:032x}"]) if each.name == "journal"]
    assert (result.compared, result.drifts) == (2, ((missing, 1, 0),))


def test_windows_of_budgets_have_the_ids_that_the_check_reads():
    budget = Budget("key", KEY, Period.MONTH, 1)
    at = datetime(2026, 11, 3, tzinfo=UTC)
    (found,) = windows_of([budget], [ZoneSince("UTC", at.replace(year=1970))], at)
    assert found.row.rpartition(":")[2] == str(found.window.start_ms)
