"""Budgets: the windows that a call falls into, three figures that add up, alerts once each."""

from datetime import UTC, datetime

import pytest

from smartoken.billing.budgets import Budget, Figures, alerts, windows_of
from smartoken.billing.windows import Period, ZoneSince

NOW = datetime(2026, 11, 3, 16, 30, tzinfo=UTC)  # the 4th in Shanghai
ZONES = [ZoneSince("Asia/Shanghai", datetime(2020, 1, 1, tzinfo=UTC))]


def test_a_call_falls_into_one_window_of_each_budget():
    budgets = [
        Budget("key", "key_1", Period.TOTAL, 5),
        Budget("key", "key_1", Period.DAY, 1),
        Budget("account", "acct_1", Period.MONTH, 100),
    ]
    found = windows_of(budgets, ZONES, NOW)
    assert [each.row for each in found] == [
        "window:key:key_1:total:0",
        "window:key:key_1:day:1793721600000",
        "window:account:acct_1:month:1793462400000",
    ]
    assert [each.budget for each in found] == budgets
    assert found[1].window.end == datetime(2026, 11, 4, 16, tzinfo=UTC)
    assert windows_of([], ZONES, NOW) == ()


@pytest.mark.parametrize(
    ("limit", "used", "held", "available"), [(100, 30, 20, 50), (100, 100, 0, 0), (0, 0, 0, 0), (60, 50, 30, -20)]
)
def test_used_held_and_available_add_up_to_the_limit(limit, used, held, available):
    found = Figures(limit, used, held)
    assert found.available == available
    assert found.used + found.held + found.available == found.limit


ALERTS = """
limit before now | reached
  100      0  49 | -
  100     49  50 | 50
  100     50  50 | -
  100     50  79 | -
  100     79  80 | 80
  100      0  85 | 50 80
  100      0 100 | 50 80 100
  100     99 100 | 100
  100    100 130 | -
  100     85  40 | -
  101     50  51 | 50
    3      1   2 | 50
    0      0   5 | -
"""


@pytest.mark.parametrize("row", ALERTS.strip().splitlines()[1:])
def test_an_alert_comes_once_when_its_share_is_reached(row):
    figures, reached = row.split("|")
    limit, before, now = map(int, figures.split())
    assert alerts(limit, before, now) == tuple(map(int, reached.replace("-", "").split()))
