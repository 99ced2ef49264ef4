"""Workers and the store about money: what is leased, given back, and settled when a worker was taken for dead."""

import asyncio
import contextlib
import time
from datetime import timedelta
from types import SimpleNamespace

import orjson
import pytest

from contract.operations.rooms import call_record
from smartoken.billing import queries as money
from smartoken.billing.budgets import Budget, BudgetWindow
from smartoken.billing.journal import FINAL, read_folder
from smartoken.billing.ledger import Stamp, grant, wallet
from smartoken.billing.wallet import Ask, add_fund_row, post
from smartoken.billing.windows import TOTAL, Period
from smartoken.gateway.cashier import Cashier
from smartoken.identity import queries as identity
from smartoken.operations import bank
from smartoken.operations.demo import Making, account_row
from smartoken.operations.limits import set_budgets
from smartoken.operations.money_view import open_windows
from smartoken.operations.opening import open_money
from smartoken.store import revisions
from smartoken.store.database import StoreUnavailableError
from smartoken.usage.queries import stored_ids

PAID_IN = 1_000


def open_account(conn, now_ms):
    row = account_row(Making(now_ms * 1_000_000, lambda size: b"\1" * size, b"pepper"), "acme", "Acme")
    identity.insert_account(conn, row)
    stamp = Stamp(f"open:{row['id']}", now_ms, actor="test", reason="opening balance")
    open_money(conn, row["id"], PAID_IN, 0, stamp)
    return row["id"]


class Line:
    """The way to a store, which can be cut."""

    def __init__(self, db):
        self._db, self.up, self.sqlite = db, True, db.sqlite

    async def read(self, fn, *args):
        if not self.up:
            raise StoreUnavailableError("cut")
        return await self._db.read(fn, *args)

    async def write(self, fn, *args):
        if not self.up:
            raise StoreUnavailableError("cut")
        return await self._db.write(fn, *args)


class Branch:
    """A store with one account, and the cashiers of some workers over it."""

    def __init__(self, db, clock, folder):
        self.db, self.clock, self.folder = db, clock, folder
        self.account = db.run_write(open_account, clock.now_ms())
        self.wallet = wallet(self.account)
        self.line, self.made = Line(db), 0
        self.cashiers = []

    async def cashier(self, workers=2):
        made = Cashier(self.line, self.clock, self.folder, workers)
        self.cashiers.append(made)
        await made.open()
        return made

    def row(self, row=None):
        return self.db.run_read(money.read_rows, [row or self.wallet])[row or self.wallet]

    async def lease(self, cashier, need):
        grown = await cashier.grow(self.account, [Ask(self.wallet, need)], ())
        for each in grown:
            cashier.till.book.granted(each.facts, each.amount, self.clock.now_ms())
        return grown[0].amount

    def call(self, cashier, bound, charge):
        """Hold, settle, and return the record that waits to be stored."""
        book = cashier.till.book
        hold = book.admit(bound, (), book.leases([self.wallet]), self.clock.now_ms(), in_order=False)
        paid = book.settle(hold, charge)
        self.made += 1
        lines = [list(line) for line in paid.lines]
        return call_record(self.made, self.account, "key_1", charge_nano=paid.paid, fund_lines=lines)


@pytest.fixture
async def branch(db, manual_clock, tmp_path):
    made = Branch(db, manual_clock, tmp_path)
    yield made
    for each in made.cashiers:
        await each.close(settled=False)


async def test_what_was_charged_is_not_leased_again_before_its_record_is_stored(branch):
    cashier = await branch.cashier(workers=1)
    assert await branch.lease(cashier, 0) == PAID_IN
    record = branch.call(cashier, 600, 600)
    await cashier.store(())  # the leases go to the store, the record waits for the next flush
    assert await branch.lease(cashier, 0) == 0
    assert cashier.till.book.lease(branch.wallet).free == PAID_IN - 600
    await cashier.store([record])
    row = branch.row()
    assert (row["used_nano"], row["held_nano"]) == (600, PAID_IN - 600)
    assert await branch.lease(cashier, 0) == 0


async def test_a_record_that_the_store_refuses_keeps_no_other_out_and_money_is_paid_for_both(branch, caplog):
    cashier = await branch.cashier(workers=1)
    await branch.lease(cashier, 0)
    records = [branch.call(cashier, 300, 200), branch.call(cashier, 300, 250)]
    records[0] = records[0]._replace(user="nul\0", completion_tokens=2**70)
    await cashier.store(records)
    assert branch.row()["used_nano"] == 450
    assert "the store refused a record" in caplog.text
    stored = branch.db.run_read(stored_ids, [each.id for each in records])
    assert len(stored) == 2


async def test_a_journal_with_such_a_record_is_replayed_all_the_same(branch):
    cashier = await branch.cashier(workers=1)
    await branch.lease(cashier, 0)
    record = branch.call(cashier, 300, 200)._replace(user="half \udc00", prompt_tokens=2**63)
    payload = orjson.dumps({"id": record.id, "record": [*record._replace(user=None)]})
    cashier.journal.note(FINAL, payload.replace(b"null", b'"nul\\u0000"', 1))
    await cashier.close(settled=False)
    branch.cashiers.clear()
    await branch.cashier(workers=1)
    assert branch.db.run_read(stored_ids, [record.id]) == {record.id}
    assert branch.row()["used_nano"] == 200


async def test_a_worker_alone_leases_all_and_one_of_two_what_it_needs(branch):
    first, second = await branch.cashier(), await branch.cashier()
    assert await branch.lease(first, 300) == 300
    assert await branch.lease(second, 701) == 0
    assert await branch.lease(second, 700) == 700
    assert branch.row()["held_nano"] == PAID_IN


def budget_of(account, limit):
    row = {"id": "budget_1", "scope": "account", "scope_id": account, "period": "total"}
    return {**row, "limit_nano": limit, "created_ms": 0}


async def test_a_worker_that_has_not_heard_of_a_lowered_budget_opens_its_window_with_the_lowered_limit(branch):
    cashier = await branch.cashier()
    stale = BudgetWindow(Budget("account", branch.account, Period.TOTAL, 500), TOTAL)
    branch.db.run_write(identity.insert_budget, budget_of(branch.account, 200))
    grown = await cashier.grow(branch.account, [Ask(stale.row, 300)], [stale])
    assert [(each.facts.limit, each.amount) for each in grown] == [(200, 0)]
    grown = await cashier.grow(branch.account, [Ask(stale.row, 200)], [stale])
    assert [(each.facts.limit, each.amount) for each in grown] == [(200, 200)]


async def test_budgets_that_are_set_at_the_same_time_are_set_one_after_the_other(branch):
    def setting(period):
        def run(conn):
            work = SimpleNamespace(now_ms=branch.clock.now_ms(), id=lambda kind: f"{kind}_{period}")
            set_budgets(conn, work, ("account", branch.account), [{"period": period, "limit": "5.00"}])
            time.sleep(0.05)  # whoever comes in between does not see it yet

        return run

    periods = ["day", "week", "day", "month", "day"]
    await asyncio.gather(*(branch.db.write(setting(each)) for each in periods))
    assert len(branch.db.run_read(identity.budgets_of, "account", branch.account)) == 1


async def test_a_budget_that_was_taken_away_and_is_set_again_counts_with_its_new_limit(branch):
    cashier = await branch.cashier()
    window = BudgetWindow(Budget("account", branch.account, Period.TOTAL, 500), TOTAL)
    branch.db.run_write(identity.insert_budget, budget_of(branch.account, 500))
    await cashier.grow(branch.account, [Ask(window.row, 0)], [window])
    work = SimpleNamespace(now_ms=branch.clock.now_ms(), id=lambda kind: f"{kind}_2")
    for wanted in ([], [{"period": "total", "limit": "0.0000001"}]):
        branch.db.run_write(set_budgets, work, ("account", branch.account), wanted)
    assert branch.row(window.row)["limit_nano"] == 100


@pytest.mark.parametrize("first", ["opening", "lowering"])
async def test_a_budget_that_changes_while_its_window_is_opened_counts_in_it(branch, first):
    """Two transactions at once: whichever comes first, the window has the newer limit."""
    window = BudgetWindow(Budget("account", branch.account, Period.TOTAL, 500), TOTAL)
    branch.db.run_write(identity.insert_budget, budget_of(branch.account, 500))

    def opening(conn):
        open_windows(conn, branch.account, [window])
        time.sleep(0.3)

    def lowering(conn):
        work = SimpleNamespace(now_ms=branch.clock.now_ms())
        set_budgets(conn, work, ("account", branch.account), [{"period": "total", "limit": "0.0000002"}])
        time.sleep(0.3)

    order = (opening, lowering) if first == "opening" else (lowering, opening)
    one = asyncio.create_task(branch.db.write(order[0]))
    await asyncio.sleep(0.1)
    await asyncio.gather(one, branch.db.write(order[1]))
    assert branch.row(window.row)["limit_nano"] == 200


async def test_what_lies_idle_goes_back_for_others(branch):
    first, second = await branch.cashier(), await branch.cashier()
    await branch.lease(first, PAID_IN)
    await first.store([branch.call(first, 400, 100)])
    assert await branch.lease(second, 500) == 0
    branch.clock.advance(5)
    await first.look()
    assert branch.row()["held_nano"] == 0
    assert await branch.lease(second, 900) == 900


async def test_a_worker_that_was_alone_shares_once_another_node_joins(branch):
    first = await branch.cashier(workers=1)
    assert await branch.lease(first, 0) == PAID_IN
    second = await branch.cashier(workers=1)
    await first.clear_silent()
    await second.clear_silent()
    await first.look()
    if branch.db.sqlite:
        assert branch.row()["held_nano"] == PAID_IN, "a file has one process"
    else:
        assert await branch.lease(second, 600) == 600
        assert await branch.lease(first, 400) == 400


async def test_a_lease_of_a_grant_that_expired_goes_back_also_from_a_worker_alone(branch):
    now = branch.clock.now_ms()
    book = f"grant:{branch.account}:g1"

    def give(conn):
        fund = {
            "id": book, "account_id": branch.account, "kind": "grant", "grant_id": "g1", "priority": 10,
            "effective_ms": None, "expires_ms": now + 60_000, "promotional": True, "models": ["*"], "category": None,
            "campaign_id": None, "rules_version": None, "closed": False, "created_ms": now,
        }  # fmt: skip
        money.insert_fund(conn, fund)
        stamp = Stamp("grant:g1", now, actor="test", reason="welcome")
        add_fund_row(conn, book, branch.account)
        post(conn, grant(stamp, branch.account, "g1", 500), branch.account)

    branch.db.run_write(give)
    cashier = await branch.cashier(workers=1)
    grown = await cashier.grow(branch.account, [Ask(book, 0), Ask(branch.wallet, 0)], ())
    for each in grown:
        cashier.till.book.granted(each.facts, each.amount, branch.clock.now_ms())
    branch.clock.advance(30)
    await cashier.look()
    assert branch.row(book)["held_nano"] == 500, "it may still be spent"
    branch.clock.advance(31)
    await cashier.look()
    assert branch.row(book)["held_nano"] == 0
    assert branch.row()["held_nano"] == PAID_IN


async def test_a_silent_worker_loses_its_leases_after_a_minute_in_which_it_could_be_heard(branch):
    silent, alive = await branch.cashier(), await branch.cashier()
    await branch.lease(silent, 300)
    for _ in range(12):
        assert await alive.clear_silent() == []
        branch.clock.advance(4.9)
    branch.clock.advance(1.3)
    assert await alive.clear_silent() == [silent.home.epoch]
    assert branch.row()["held_nano"] == 0


async def test_silence_while_the_store_is_out_of_reach_is_not_counted(branch):
    silent, alive = await branch.cashier(), await branch.cashier()
    await branch.lease(silent, 300)
    await alive.clear_silent()
    branch.clock.advance(59)
    branch.line.up = False
    with pytest.raises(StoreUnavailableError):
        await alive.clear_silent()
    branch.line.up = True
    await alive.clear_silent()
    branch.clock.advance(59)
    assert await alive.clear_silent() == []
    branch.clock.advance(2)
    assert await alive.clear_silent() == [silent.home.epoch]


async def test_a_sign_of_life_at_the_last_moment_keeps_the_leases(branch):
    worker = await branch.cashier()
    await branch.lease(worker, 300)
    seen = branch.db.run_read(money.epochs_seen)
    branch.clock.advance(61)
    await worker.store(())
    assert branch.db.run_write(bank.clear_silent, seen) == []
    assert branch.row()["held_nano"] == 300


async def test_a_worker_taken_for_dead_settles_late_and_passes_no_limit(branch):
    dead, other = await branch.cashier(), await branch.cashier()
    await branch.lease(dead, 600)
    record = branch.call(dead, 600, 500)
    branch.db.run_write(bank.end, dead.home.epoch)
    await branch.lease(other, 800)
    await other.store([branch.call(other, 800, 800)])
    await dead.store([record])
    row = branch.row()
    assert (row["used_nano"], row["held_nano"]) == (PAID_IN, 0)
    assert branch.db.run_read(money.house_balances)["house:overrun", "USD"] == -300
    assert branch.db.run_read(money.has_transfer, f"late:{record.id}")
    with pytest.raises(bank.EpochGoneError):
        await branch.lease(dead, 1)


async def test_a_worker_taken_for_dead_begins_again_once_its_calls_are_settled(branch):
    worker = await branch.cashier()
    await branch.lease(worker, 400)
    record = branch.call(worker, 400, 100)
    branch.db.run_write(bank.end, worker.home.epoch)
    await worker.store(())
    assert worker.till.closed() is not None
    await worker.look()
    assert worker.till.closed() is not None, "a charge still waits for its record"
    await worker.store([record])
    await worker.look()
    assert worker.till.closed() is None
    assert await branch.lease(worker, 900) == 900
    assert branch.row()["used_nano"] == 100


async def test_a_journal_that_comes_back_after_its_leases_were_given_up_is_settled_late(branch):
    gone = await branch.cashier()
    await branch.lease(gone, 600)
    record = branch.call(gone, 600, 500)
    branch.db.run_write(bank.end, gone.home.epoch)
    other = await branch.cashier()
    await branch.lease(other, PAID_IN)
    await other.store([branch.call(other, PAID_IN, 900)])
    gone.logbook.final(record)
    with contextlib.suppress(OSError):
        gone.journal.close(remove=False)
    found = branch.db.run_write(bank.replay, gone.home.epoch, list(read_folder(gone.home.path)), branch.clock.now_ms())
    assert found.final == 1
    row = branch.row()
    assert (row["used_nano"], row["held_nano"]) == (900, 100), "what the other still leases is not taken"
    assert branch.db.run_read(money.house_balances)["house:overrun", "USD"] == -500


def test_a_clock_that_is_set_back_over_midnight_finds_the_day_as_it_was_spent(branch_of_days):
    branch, place_now = branch_of_days
    first = place_now()
    book = branch.cashiers[0].till.book
    (day,) = first.windows
    assert day.window.end - branch.clock.now() == timedelta(minutes=30)
    hold = book.admit(700, first.window_leases, first.fund_leases, branch.clock.now_ms(), in_order=False)
    assert book.settle(hold, 700).windows == (day.row,)
    branch.clock.advance(hours=1)
    (following,) = place_now().windows
    assert following.row != day.row
    assert following.window.start == day.window.end
    branch.clock.advance(hours=-1)
    again = place_now()
    assert again.windows == (day,)
    assert book.available(again.window_leases, again.fund_leases) == 100, "the day is not spent twice"
    assert book.idle(branch.clock.now_ms() - 3_600_000) == (), "a lease from the future is not idle"


@pytest.fixture
async def branch_of_days(branch):
    """A branch whose account may spend 800 a day, half an hour before the day ends, and what binds it."""
    budget = {"id": "b1", "scope": "account", "scope_id": branch.account, "period": "day", "limit_nano": 800}

    def set_budget(conn):
        identity.insert_budget(conn, {**budget, "created_ms": 0})
        revisions.bump(conn, "money")

    branch.db.run_write(set_budget)
    branch.clock.advance(hours=11, minutes=30)
    cashier = await branch.cashier(workers=1)
    caller = SimpleNamespace(key=SimpleNamespace(id="key_1", account_id=branch.account))

    def place_now():
        return cashier.till._place(SimpleNamespace(caller=caller, now=branch.clock.now()), "m/any")

    place = place_now()
    asks = [Ask(each.row, 0) for each in place.all]
    for each in await cashier.grow(branch.account, asks, place.windows):
        cashier.till.book.granted(each.facts, each.amount, branch.clock.now_ms())
    return branch, place_now
