"""Calls and usage over the control plane: pages, filters, the charge worked out, sums by any group."""

from contract.operations.houses import ALICE, ENVIRONMENT, OTHER, house
from contract.operations.rooms import call_record
from unit.operations.setups import WHOLE

__all__ = ["house"]  # a fixture


def test_pages_of_calls_hold_every_call_once_newest_first(house):
    account, key = house.ids["acme"], house.ids["acme", "key"]
    now = house.office.clock.now_ms()
    house.calls(*(call_record(100 + each, account, key, created_ms=now - each // 3) for each in range(25)))
    seen, path = [], "/api/v1/calls?limit=4&account=acme"
    after = ""
    while after is not None:
        page = house.ask("GET", path + (f"&after={after}" if after else "")).body
        seen += [(each["created_at"], each["id"]) for each in page["data"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 26
    assert seen == sorted(seen, reverse=True)


def test_calls_are_filtered_by_what_is_asked(house):
    account, key = house.ids["acme"], house.ids["acme", "key"]
    now = house.office.clock.now_ms()
    house.calls(
        call_record(
            200, account, key, created_ms=now, status=502, error_code="upstream_cut", end_reason="upstream_cut"
        ),
        call_record(201, account, key, created_ms=now, model="test/beta", user="u-7"),
        call_record(202, account, key, created_ms=now - 86_400_000),
    )

    def found(query):
        rows = house.ask("GET", f"/api/v1/calls?account=acme&{query}").body["data"]
        return sorted(int(each["id"][5:], 16) for each in rows)

    assert found("failed=true") == [200]
    assert found("end_reason=upstream_cut") == [200]
    assert found("model=test/beta") == [201]
    assert found("user=u-7&failed=false") == [201]
    assert 202 not in found("from=2026-11-03")
    assert found("to=2026-11-03") == [202]


def test_a_call_shows_its_row_and_its_charge_worked_out(house):
    call = house.ask("GET", f"/api/v1/calls/{house.ids['acme', 'call']}").body
    assert set(call) >= set(
        "id created_at account key user model_asked model_served provider stream status end_reason prompt_tokens "
        "cached_tokens completion_tokens reasoning_tokens usage_source charge_usd price_version ttft_ms total_ms "
        "attempts".split()
    )
    assert (call["account"], call["key"], call["charge_usd"]) == ("acme", "staging", "0.000001")
    assert call["price_lines"] == [{"what": "input", "tokens": 100, "usd_per_1m": "0.00001"}]


def test_a_site_that_hides_providers_hides_them_from_members_only(house):
    house.apply(WHOLE.replace("show_providers = true", "show_providers = false") + OTHER, ENVIRONMENT)
    path = f"/api/v1/calls/{house.ids['acme', 'call']}"
    assert house.ask("GET", path).body["provider"] == "up1"
    hidden = house.ask("GET", path, token=ALICE)
    assert (hidden.body["provider"], hidden.body["offer"]) == (None, None)
    assert b"up1" not in hidden.raw


GROUPS = ["model", "key", "account", "environment", "owner", "workflow", "user", "provider", "day"]


def test_usage_by_any_group_adds_up_to_the_same_total(house):
    account, key = house.ids["acme"], house.ids["acme", "key"]
    now = house.office.clock.now_ms()
    house.calls(*(call_record(300 + each, account, key, created_ms=now - each * 3_600_000) for each in range(30)))
    for group_by in GROUPS:
        report = house.ask("GET", f"/api/v1/usage?group_by={group_by}&from=2026-11-01&to=2026-11-04").body
        assert report["available"]
        assert all(group_by in each for each in report["data"])
        assert sum(each["calls"] for each in report["data"]) == report["total"]["calls"] == 32
        assert report["total"]["charge_usd"] == "0.000032"


def test_usage_beyond_what_is_kept_is_not_available(house):
    report = house.ask("GET", "/api/v1/usage?from=2025-01-01").body
    assert (report["available"], report["data"], report["total"]) == (False, [], None)
