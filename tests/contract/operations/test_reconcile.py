"""Reconciliation over both stores: 200 calls with planted faults, and bills against our own cost side."""

import json

import pytest

from contract.operations.rooms import call_record
from smartoken.billing.prices import tariff
from smartoken.catalog.holidays import is_holiday
from smartoken.money import amount_text
from smartoken.operations.price_store import keep
from smartoken.tokens import TokenUsage

SETUP = """
[[provider]]
id = "up1"
dialect = "openai"
base_url = "http://127.0.0.1:9101/v1"
allow_private = true
keys = [{ name = "main", secret = "made-up" }]

[[model]]
id = "test/alpha"
context = 32768
max_output = 4096
price = { currency = "USD", input = "1.00", output = "2.00" }
[[model.offer]]
provider = "up1"
upstream_model = "alpha-up"
cost = { currency = "CNY", input = "2", cached_input = "0.2", output = "3" }

[[account]]
id = "acme"
[[account.key]]
name = "staging"
environment = "staging"
"""
NOON_MS = 1_793_707_200_000  # 2026-11-03 12:00 UTC, where the clock of these tests stands


@pytest.fixture
def shop(room):
    room.apply(SETUP)
    directory = room.directory
    room.office.db.run_write(keep, directory.prices, directory.revision, room.office.clock.now_ms())
    return room


def a_run(room, count):
    """Calls as a worker would have stored them, one a minute before now, tagged run-1 and so on."""
    directory = room.directory
    served, (entry,) = directory.models["test/alpha"], directory.keys.values()
    key, account = entry.caller.key, entry.caller.account
    made = []
    for number in range(1, count + 1):
        usage = TokenUsage(100 + number, number % 7)
        charged = tariff(served.price, room.office.clock.now(), is_holiday).charge(usage, thinking=False)
        cost = tariff(served.offers[0].cost, room.office.clock.now(), is_holiday).charge(usage, thinking=False)
        lines = [{"what": what, "tokens": tokens, "rate": rate} for what, tokens, rate in charged.lines]
        made.append(
            call_record(
                number, account.id, key.id, user=f"run-{number}", prompt_tokens=usage.prompt,
                completion_tokens=usage.completion, charge_nano=charged.nano, price_version=served.price_version,
                price_lines=lines, created_ms=NOON_MS - 60_000 * (count - number + 1), cost_nano=cost.nano,
                cost_currency="CNY", fx_id=served.offers[0].fx_id,
            )
        )  # fmt: skip
    return made


def expectation(calls):
    return "\n".join(
        json.dumps({
            "user": each.user, "model": "test/alpha", "prompt_tokens": each.prompt_tokens,
            "completion_tokens": each.completion_tokens, "charge_usd": amount_text(each.charge_nano),
        })
        for each in calls
    )  # fmt: skip


def reconciled(room, text, **more):
    answer = room.ask("POST", "/api/v1/admin/reconcile", {"kind": "usage", "text": text, "key": "staging", **more})
    assert answer.status == 200, answer.body
    return answer.body


def test_two_hundred_calls_that_agree_are_all_matched(shop):
    calls = a_run(shop, 200)
    shop.calls(*calls)
    found = reconciled(shop, expectation(calls))
    assert (found["ok"], found["findings"]) == (True, [])
    summary = found["summary"]
    assert (summary["expected"], summary["logged"], summary["matched"]) == (200, 200, 200)
    assert (summary["expected_usd"], summary["drift_percent"]) == (summary["logged_usd"], "0.000")
    (run,) = shop.ask("GET", "/api/v1/admin/reconcile").body["data"]
    assert (run["id"], run["ok"], run["kind"]) == (found["id"], True, "usage")


def test_a_missing_a_doubled_and_a_mispriced_call_among_two_hundred_are_found(shop):
    calls = a_run(shop, 200)
    twice = calls[76]._replace(id="call_" + "d" * 32, created_ms=calls[76].created_ms + 5)
    wrong = calls[120]._replace(charge_nano=calls[120].charge_nano + 1)
    shop.calls(*[each for each in calls if each not in (calls[12], calls[120])], twice, wrong)
    found = reconciled(shop, expectation(calls))
    by_kind = {each["kind"]: each for each in found["findings"]}
    assert not found["ok"]
    assert {kind: each["subject"] for kind, each in by_kind.items()} == {
        "missing": "user run-13", "doubled": "user run-77", "mispriced": "user run-121",
    }  # fmt: skip
    assert by_kind["doubled"]["calls"] == [twice.id]
    assert by_kind["mispriced"]["calls"] == [wrong.id]
    assert found["summary"]["findings"] == {"missing": 1, "doubled": 1, "mispriced": 1}


def test_a_charge_that_does_not_follow_from_its_version_is_found_without_an_expected_charge(shop):
    calls = a_run(shop, 3)
    shop.calls(calls[0], calls[1]._replace(charge_nano=1), calls[2])
    found = reconciled(shop, "\n".join(json.dumps({"id": each.id}) for each in calls))
    (finding,) = found["findings"]
    assert (finding["kind"], finding["calls"]) == ("mispriced", [calls[1].id])
    assert calls[1].price_version in finding["words"]


def test_a_call_that_nobody_expected_is_found_where_the_key_is_named(shop):
    calls = a_run(shop, 5)
    shop.calls(*calls)
    found = reconciled(shop, expectation(calls[:4]))
    assert [(each["kind"], each["subject"]) for each in found["findings"]] == [("unexpected", calls[4].id)]


def test_a_file_that_cannot_be_read_is_refused_with_its_line(shop):
    answer = shop.ask("POST", "/api/v1/admin/reconcile", {"kind": "usage", "text": '{"user": "a"}\n{"model": "b"}'})
    assert (answer.status, answer.body["error"]["param"]) == (400, "text")
    assert "line 2" in answer.body["error"]["message"]


def bill(rows):
    return "date,model,key,input,cached,output,amount,currency\n" + "\n".join(",".join(map(str, row)) for row in rows)


def billed(room, text, **more):
    asked = {"kind": "bill", "provider": "up1", "text": text, "tolerance": "0.5", **more}
    answer = room.ask("POST", "/api/v1/admin/reconcile", asked)
    assert answer.status == 200, answer.body
    return answer.body


def sums(calls):
    # by hand: 2 CNY per 1M in and 3 out are 2,000 and 3,000 nano-CNY a token
    prompt, output = sum(each.prompt_tokens for each in calls), sum(each.completion_tokens for each in calls)
    return prompt, output, amount_text(2_000 * prompt + 3_000 * output)


def test_a_bill_that_agrees_with_our_cost_side_drifts_by_nothing(shop):
    calls = a_run(shop, 20)
    shop.calls(*calls)
    prompt, output, amount = sums(calls)
    found = billed(shop, bill([("2026-11-03", "alpha-up", "main", prompt, 0, output, amount, "CNY")]))
    assert (found["ok"], found["cells"]) == (True, [])
    totals = found["summary"]["totals"]
    assert totals["amount"] == {"ours": amount, "bill": amount, "drift_percent": "0.000"}
    assert any("never tried on a real bill" in each for each in found["notes"])


def test_a_bill_that_drifts_tells_the_day_the_model_and_the_percent(shop):
    calls = a_run(shop, 20)
    shop.calls(*calls, *(each._replace(id=f"call_{number:032x}", created_ms=each.created_ms - 86_400_000)
                         for number, each in enumerate(a_run(shop, 2), 900)))  # fmt: skip
    prompt, output, amount = sums(calls)
    rows = [
        ("2026-11-03", "alpha-up", "main", prompt + 100, 0, output, amount, "CNY"),
        ("2026-11-02", "gamma", "main", 7, 0, 7, "0.01", "CNY"),
    ]
    found = billed(shop, bill(rows))
    cells = {(each["day"], each["model"]): each for each in found["cells"]}
    assert {place: each["kind"] for place, each in cells.items()} == {
        ("2026-11-02", "alpha-up"): "only_ours",
        ("2026-11-02", "gamma"): "only_in_bill",
        ("2026-11-03", "alpha-up"): "drift",
    }
    assert len(cells["2026-11-02", "alpha-up"]["unmatched_calls"]) == 2
    figures = cells["2026-11-03", "alpha-up"]["figures"]["input"]
    assert (figures["ours"], figures["bill"]) == (str(prompt), str(prompt + 100))
    assert figures["drift_percent"] == f"{100 * 100 / prompt:.3f}"


def a_continued_call(room):
    """A call that up1 began, 50 in and 3 out, and another provider ended, 60 in and 4 out."""
    (call,) = a_run(room, 1)
    parts = [("up1", 50, 3), ("up9", 60, 4)]
    attempts = [
        {
            "provider": provider, "offer": f"{provider}:test/alpha", "key": "main", "message": None, "failure": None,
            "usage": {"prompt_tokens": prompt, "cached_tokens": 0, "completion_tokens": output},
            "cost": {"nano": 2_000 * prompt + 3_000 * output, "currency": "CNY"},
        }
        for provider, prompt, output in parts
    ]  # fmt: skip
    rates = {each["what"]: each["rate"] for each in call.price_lines}
    lines = [
        {"what": what, "tokens": tokens, "rate": rates[what], "attempt": place}
        for place, (_, prompt, output) in enumerate(parts, 1)
        for what, tokens in (("input", prompt), ("output", output))
    ]
    charge = -(-sum(each["tokens"] * each["rate"] for each in lines) // 1_000)
    return call._replace(
        provider="up9", offer="up9:test/alpha", prompt_tokens=110, completion_tokens=7, attempts=attempts,
        price_lines=lines, charge_nano=charge, cost_nano=241_000, evidence="continued:1",
    )  # fmt: skip


def test_a_bill_holds_the_parts_that_its_provider_told_of_a_continued_call(shop):
    shop.calls(a_continued_call(shop))
    found = billed(shop, bill([("2026-11-03", "alpha-up", "main", 50, 0, 3, amount_text(109_000), "CNY")]))
    assert (found["ok"], found["cells"]) == (True, [])


def test_a_continued_call_is_not_taken_for_mispriced(shop):
    call = a_continued_call(shop)
    shop.calls(call)
    found = reconciled(shop, expectation([call]))
    assert (found["ok"], found["findings"]) == (True, [])


def test_a_bill_in_another_currency_is_not_compared_by_amount(shop):
    calls = a_run(shop, 2)
    shop.calls(*calls)
    prompt, output, _ = sums(calls)
    found = billed(shop, bill([("2026-11-03", "alpha-up", "main", prompt, 0, output, "1.00", "USD")]))
    assert found["ok"]
    assert "amount" not in found["summary"]["totals"]
    assert any("Amounts were not compared" in each for each in found["notes"])


def test_a_bill_without_its_columns_says_how_to_name_them(shop):
    answer = shop.ask("POST", "/api/v1/admin/reconcile", {"kind": "bill", "provider": "up1", "text": "a,b\n1,2\n"})
    assert answer.status == 400
    assert "--map date=" in answer.body["error"]["message"]


def test_the_books_are_proven_through_the_control_plane(shop):
    found = shop.ask("POST", "/api/v1/admin/reconciliation").body
    assert found["sound"]
    assert {each["check"] for each in found["data"]} >= {"trial_balance", "leases", "journal"}
    assert shop.ask("GET", "/api/v1/admin/reconciliation").body == found
    assert len(shop.ask("GET", "/api/v1/admin/reconciliation?name=leases").body["data"]) == 1


def test_a_tolerance_that_is_none_is_refused(shop):
    for value in ("-1", "much", "101", "NaN", "-Infinity"):
        answer = shop.ask(
            "POST", "/api/v1/admin/reconcile", {"kind": "usage", "text": '{"id": "a"}', "tolerance": value}
        )
        assert (answer.status, answer.body["error"]["param"]) == (400, "tolerance")
