"""A refusal for money, as the error that the caller sees. Pure.

The body names scope, limit, used, held, when the window resets and the remedy; amounts are decimal strings. A limit
that is spent is 402; money that only waits in calls under way is 429 with Retry-After.
"""

from collections.abc import Sequence

from smartoken.billing.admission import Refusal, Verdict
from smartoken.billing.budgets import BudgetWindow
from smartoken.errors import (
    BudgetExceededError,
    InFlightBudgetError,
    InsufficientBalanceError,
    LimitError,
    RequestExceedsBudgetError,
)
from smartoken.money import amount_text

RETRY_AFTER_S = 1  # calls end and leases return within about this time


def unpayable(model: str, bound: int) -> LimitError:
    """Return the error for a model that no money of the account may pay for, whatever there is of it."""
    return InsufficientBalanceError(
        f"Nothing in this account may pay for `{model}`: the sandbox takes play money only.",
        limit_source="balance",
        remedy="Call the sandbox with the demo key, which `smartoken serve` prints, or call another model.",
        details={"scope": "balance", "available": "0.00", "needed": amount_text(bound)},
    )


def refused(found: Verdict, bound: int, windows: Sequence[BudgetWindow]) -> LimitError:
    """Return the error for a verdict; ``windows`` are those of the call, ``bound`` what it would have to hold."""
    place = next((each for each in windows if each.row == found.row), None)
    left = max(0, found.limit - found.used - found.held)
    details: dict[str, object] = {
        "scope": place.budget.scope if place is not None else "balance",
        "limit": amount_text(found.limit),
        "used": amount_text(found.used),
        "held": amount_text(found.held),
        "available": amount_text(left),
        "needed": amount_text(bound),
    }
    if place is None:
        source = "balance"
    else:
        source = f"{place.budget.scope}:{place.budget.period}"
        details["period"] = place.budget.period.value
        details["resets_at"] = place.window.end.isoformat() if place.window.end is not None else None
    return _error(found, source, bound, details)


def _error(found: Verdict, source: str, bound: int, details: dict[str, object]) -> LimitError:
    need = amount_text(bound)
    what = "balance" if source == "balance" else f"{source.replace(':', ' budget (')})"
    if found.refusal is Refusal.HELD:
        return InFlightBudgetError(
            f"The {what} could pay USD {need} for this call, but calls under way hold it.",
            limit_source=source,
            retry_after_s=RETRY_AFTER_S,
            details=details,
        )
    if found.refusal is Refusal.BALANCE:
        return InsufficientBalanceError(
            f"This call could cost USD {need}; the balance that may pay for it has USD {details['available']} left.",
            limit_source=source,
            details=details,
        )
    if found.refusal is Refusal.SPENT:
        return BudgetExceededError(
            f"The {what} of USD {amount_text(found.limit)} is spent.", limit_source=source, details=details
        )
    return RequestExceedsBudgetError(
        f"This call could cost USD {need}; the {what} has USD {details['available']} left.",
        limit_source=source,
        details=details,
    )
