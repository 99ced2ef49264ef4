"""The usage record: one a call, also for calls that failed or were cut. Pure.

The fields are the columns of the table ``calls``, in its order. Counts are ``None`` where nothing is known, never 0
instead. ``charge_nano`` is what the customer paid; ``price_lines`` is how it was worked out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from smartoken.money import amount_text, rate_text


class CallRecord(NamedTuple):
    """One call as it is kept; a tuple, because one is made for every call."""

    id: str
    created_ms: int
    account_id: str
    key_id: str
    environment: str
    owner: str | None
    workflow: str | None
    user: str | None
    model_asked: str
    model: str
    model_served: str | None
    provider: str | None
    offer: str | None
    stream: bool
    status: int
    error_code: str | None
    end_reason: str
    prompt_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str | None
    suspect: bool
    charge_nano: int
    bound_nano: int
    overrun_nano: int
    cost_nano: int | None
    cost_currency: str | None
    fx_id: str | None
    price_version: str
    price_lines: list[dict[str, Any]]
    ttft_ms: int | None
    total_ms: int
    attempts: list[dict[str, Any]]
    evidence: str | None
    client_ip: str | None
    fund_lines: list[list[Any]]  # what each fund paid, in burn order
    windows: list[str]  # the budget windows that the charge counts in, fixed at admission
    transfer_id: str | None  # the spend that the charge is part of; None: nothing was charged


COLUMNS = CallRecord._fields
OUTRUN = "cancelled: another attempt spoke first"  # what is said of an attempt that was outrun


def shown_lines(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how a charge was worked out as it is shown; a line names its attempt where several made the answer."""
    return [
        {"what": line["what"], "tokens": line["tokens"], "usd_per_1m": rate_text(line["rate"])}
        | ({"attempt": line["attempt"]} if "attempt" in line else {})
        for line in lines
    ]


def attempts_told(attempts: Iterable[Mapping[str, Any]], *, costs: bool = False) -> list[dict[str, Any]]:
    """Return attempts as they are shown; what one cost us is not the customer's to know."""
    told = []
    for each in attempts:
        shown = {name: value for name, value in each.items() if name != "cost"}
        if costs and "cost" in each:
            shown["cost"] = {"amount": amount_text(each["cost"]["nano"]), "currency": each["cost"]["currency"]}
        told.append(shown)
    return told


def told_by_each(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a call once for each attempt that told a part of its answer, with its counts and cost; mostly as it is."""
    parts = [each for each in row["attempts"] if "usage" in each and each["message"] != OUTRUN]
    if not parts[1:]:  # one attempt told all of it
        return [dict(row)]
    found = []
    for each in parts:
        used, cost = each["usage"], each.get("cost", {})
        counts = {name: used[name] for name in ("prompt_tokens", "cached_tokens", "completion_tokens")}
        facts = {"provider": each["provider"], "offer": each["offer"], "attempts": [each], **counts}
        priced = {"cost_nano": cost.get("nano"), "cost_currency": cost.get("currency")}
        found.append({**row, **facts, **priced, "model_served": row["model_served"] if each is parts[-1] else None})
    return found
