"""What a caller without money is told: code, status, scope and figures."""

from datetime import UTC, datetime

import pytest

from smartoken.billing.admission import Refusal, Verdict
from smartoken.billing.budgets import Budget, windows_of
from smartoken.billing.refusals import refused
from smartoken.billing.windows import Period, ZoneSince
from smartoken.errors import error_body

WINDOWS = windows_of(
    [Budget("key", "key_1", Period.DAY, 10**9), Budget("account", "acct_1", Period.TOTAL, 10**10)],
    [ZoneSince("UTC", datetime(2020, 1, 1, tzinfo=UTC))],
    datetime(2026, 11, 3, 12, tzinfo=UTC),
)
DAY, TOTAL = (each.row for each in WINDOWS)
CASES = [
    (
        Verdict(Refusal.SPENT, DAY, 10**9, 10**9, 0),
        402,
        "budget_exceeded",
        {
            "limit_source": "key:day",
            "scope": "key",
            "period": "day",
            "limit": "1.00",
            "used": "1.00",
            "held": "0.00",
            "available": "0.00",
            "resets_at": "2026-11-04T00:00:00+00:00",
        },
        "The key budget (day) of USD 1.00 is spent.",
    ),
    (
        Verdict(Refusal.TOO_LARGE, TOTAL, 10**10, 9_900_000_000, 40_000_000),
        402,
        "request_exceeds_budget",
        {
            "limit_source": "account:total",
            "scope": "account",
            "period": "total",
            "limit": "10.00",
            "used": "9.90",
            "held": "0.04",
            "available": "0.06",
            "resets_at": None,
        },
        "This call could cost USD 0.25; the account budget (total) has USD 0.06 left.",
    ),
    (
        Verdict(Refusal.BALANCE, None, 5 * 10**9, 4_900_000_000, 0),
        402,
        "insufficient_balance",
        {"limit_source": "balance", "scope": "balance", "limit": "5.00", "used": "4.90", "available": "0.10"},
        "This call could cost USD 0.25; the balance that may pay for it has USD 0.10 left.",
    ),
    (
        Verdict(Refusal.HELD, DAY, 10**9, 0, 900_000_000),
        429,
        "in_flight_budget_exhausted",
        {"limit_source": "key:day", "scope": "key", "held": "0.90", "available": "0.10", "retry_after_s": 1.0},
        "The key budget (day) could pay USD 0.25 for this call, but calls under way hold it.",
    ),
    (
        Verdict(Refusal.HELD, None, 10**9, 0, 2 * 10**9),
        429,
        "in_flight_budget_exhausted",
        {"limit_source": "balance", "scope": "balance", "held": "2.00", "available": "0.00", "retry_after_s": 1.0},
        "The balance could pay USD 0.25 for this call, but calls under way hold it.",
    ),
]


@pytest.mark.parametrize(("found", "status", "code", "members", "message"), CASES)
def test_a_refusal_names_scope_limit_used_held_reset_and_remedy(found, status, code, members, message):
    error = refused(found, 250_000_000, WINDOWS)
    shown = error_body(error, "call_1")["error"]
    assert (error.status, shown["code"], shown["message"]) == (status, code, message)
    assert {name: shown[name] for name in members} == members
    assert shown["needed"] == "0.25"
    assert shown["remedy"]
    assert shown["billed"] is False
    assert ("retry_after_s" in shown) is (status == 429)
    assert ("resets_at" in shown) is (found.row is not None)
