"""What may be spent: budgets of an account or a key, their figures and their alerts. Pure.

A scope has at most one budget a period. No budget means no limit; a limit of zero blocks, also calls that are free.
A budget hangs on the stable id of the key, so a rotated key keeps it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from smartoken.billing.windows import Period, Window, ZoneSince, window_at, window_id

ALERT_PERCENTS = (50, 80, 100)


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit for one scope and period; ``scope`` is ``account`` or ``key``."""

    scope: str
    scope_id: str
    period: Period
    limit_nano: int


@dataclass(frozen=True, slots=True)
class BudgetWindow:
    """A budget in the window that a call falls into; ``row`` is the id of its row of limit, used and held."""

    budget: Budget
    window: Window

    @property
    def row(self) -> str:
        """The row's id."""
        return window_id(self.budget.scope, self.budget.scope_id, self.window)


@dataclass(frozen=True, slots=True)
class Figures:
    """The three numbers that add up to the limit: used, held by calls under way, and available."""

    limit: int
    used: int
    held: int

    @property
    def available(self) -> int:
        """What a new call may hold; below zero while a lowered limit waits for calls under way."""
        return self.limit - self.used - self.held


def windows_of(budgets: Sequence[Budget], zones: Sequence[ZoneSince], at: datetime) -> tuple[BudgetWindow, ...]:
    """Return the windows that a call at an instant falls into: fixed at its admission, however late it settles."""
    return tuple(BudgetWindow(each, window_at(each.period, zones, at)) for each in budgets)


def alerts(limit: int, used_before: int, used_now: int) -> tuple[int, ...]:
    """Return the percentages of a limit that use has newly reached, lowest first; none for a limit of zero."""
    if limit <= 0:
        return ()
    return tuple(each for each in ALERT_PERCENTS if used_before * 100 < limit * each <= used_now * 100)
