"""What a drill has shown, from what its clients were told: figures, and whether it passed.

A call is *eligible* when no content event had reached its client at the moment when the gateway met the fault: another
offer could take it over, so it has to be answered. Afterwards nobody can, and the end has to be honest. A drill whose
fault struck no call has shown nothing and does not pass, and neither does one that was ended early.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from smartoken.gateway.faults import Strike
from smartoken.money import amount_text
from smartoken.operations.drill_figures import against, compared
from smartoken.usage.records import CallRecord

CONTENT = re.compile(rb'"(?:content|reasoning_content|arguments)":"[^"]')
CONTINUED = "goes on after"  # in the reason of an attempt that goes on where another one broke off
DONE = b"data: [DONE]\n\n"
_OK, _ERRORS = 200, 400


@dataclass(slots=True)
class Told:
    """What one client was told."""

    status: int = 0
    body: bytes = b""
    ttft_ms: float | None = None
    total_ms: float = 0.0
    record: CallRecord | None = None
    early: int = 0  # strikes before content had reached the client
    late: int = 0  # strikes afterwards
    fatal: bool = False  # a late one after which the answer cannot be whole
    discarded: list[bytes] = field(default_factory=list)  # whole answers that the fault took away

    def struck(self, strike: Strike) -> None:
        """Note that the gateway has just met the fault in this client's call."""
        if self.ttft_ms is None:
            self.early += 1
        else:
            self.late += 1
            self.fatal = self.fatal or strike.fatal
        if strike.answer:
            self.discarded.append(strike.answer)

    @property
    def left(self) -> bool:
        """Whether it hung up because the drill was ended, and so was told nothing of the fault."""
        return self.record is not None and self.record.end_reason == "client_left"

    @property
    def answered(self) -> bool:
        """Whether it got a whole answer."""
        if self.status != _OK:
            return False
        return self.body.endswith(DONE) if b"data: " in self.body else b'"choices"' in self.body

    @property
    def honest(self) -> bool:
        """Whether an answer that broke off says so."""
        streamed = b'"finish_reason":"error"' in self.body and not self.body.endswith(DONE)
        return streamed or self.status >= _ERRORS

    @property
    def truthful(self) -> bool:
        """Whether the end is what it looks like, where the fault came after content."""
        if not self.answered:
            return self.honest
        attempts = self.record.attempts if self.record is not None else []
        return not self.fatal or any(CONTINUED in (each.get("why") or "") for each in attempts)


def _first_answered_by(told: Iterable[Told], offer: str) -> list[float]:
    """Return the times to first token of calls that one offer answered at the first attempt."""
    return [
        each.ttft_ms
        for each in told
        if each.ttft_ms is not None
        and each.record is not None
        and each.record.offer == offer
        and len(each.record.attempts) == 1
    ]


def failures(groups: dict[str, list[Told]], ended: str) -> list[str]:
    """Return why a drill does not pass; none when it does."""
    told = {
        "calls that failed although nothing had reached their client": [
            each for each in groups["eligible"] if not each.answered
        ],
        "calls whose answer had begun that did not end honestly": [
            each for each in groups["late"] if not each.truthful
        ],
        "calls that the fault did not touch and that were not answered": [
            each for each in groups["untouched"] if not each.answered
        ],
    }
    why = against(len(groups["eligible"]) + len(groups["late"]), ended)
    return why + [f"{what}: {len(found)}" for what, found in told.items() if found]


def judged(
    primary: str, before: Sequence[Told], told: Sequence[Told], ended: str, cost_of: Callable[[bytes], Any]
) -> dict[str, Any]:
    """Return the figures of a drill and whether it passed; ``cost_of`` prices an answer that was taken away."""
    groups: dict[str, list[Told]] = {"eligible": [], "late": [], "untouched": []}
    hung_up, told = sum(each.left for each in told), [each for each in told if not each.left]
    for each in told:
        groups["late" if each.late else "eligible" if each.early else "untouched"].append(each)
    errors: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    for each in told:
        record = each.record
        if not each.answered:
            errors[(record.error_code if record is not None else None) or str(each.status)] += 1
        tried = record.attempts if record is not None else []
        causes.update(attempt["failure"] for attempt in tried if attempt["failure"] is not None)
    why = failures(groups, ended)
    records = [each.record for each in told if each.record is not None]
    return {
        "passed": not why,
        "why_not": why,
        "ended": ended,
        "primary": primary,
        "calls": len(told),
        "hung_up": hung_up,
        "answered": sum(each.answered for each in told),
        "broken_calls": len(groups["eligible"]) + len(groups["late"]),
        "eligible": len(groups["eligible"]),
        "eligible_answered": sum(each.answered for each in groups["eligible"]),
        "after_content": len(groups["late"]),
        "ended_honestly": sum(each.honest for each in groups["late"]),
        "untouched": len(groups["untouched"]),
        "untouched_answered": sum(each.answered for each in groups["untouched"]),
        "errors_to_clients": dict(errors),
        "attempts": sum(len(each.attempts) for each in records),
        "failed_attempts_by_cause": dict(causes),
        "ttft_ms": compared(
            [each.ttft_ms for each in before if each.ttft_ms is not None],
            [each.ttft_ms for each in told if each.ttft_ms is not None],
        ),
        "total_ms": compared([each.total_ms for each in before], [each.total_ms for each in told]),
        "unaffected_ttft_ms": _unaffected(primary, before, groups["untouched"]),
        "charged_usd": amount_text(sum(each.charge_nano for each in records)),
        "cost_of_failed_attempts": _lost(told, cost_of),
        "rows": [_row(each, each.record) for each in told if each.record is not None],
    }


def _unaffected(primary: str, before: Sequence[Told], untouched: Sequence[Told]) -> dict[str, Any]:
    """Return what the drill adds to calls that its fault does not touch, as the primary answers them."""
    one, two = _first_answered_by(before, primary), _first_answered_by(untouched, primary)
    return {"calls_without": len(one), "calls_with": len(two), **compared(one, two, 3)}


def _lost(told: Sequence[Told], cost_of: Callable[[bytes], Any]) -> dict[str, str]:
    """Return what providers take for attempts that came to nothing, by currency, as far as it is known."""
    lost: Counter[str] = Counter()
    for each in told:
        record = each.record
        if record is not None and each.late and not each.answered and record.cost_nano and record.cost_currency:
            lost[record.cost_currency] += record.cost_nano
        for answer in each.discarded:
            cost = cost_of(answer)
            if cost is not None:
                lost[cost[0]] += cost[1]
    return {currency: amount_text(nano) for currency, nano in sorted(lost.items())}


def _row(told: Told, record: CallRecord) -> dict[str, Any]:
    return {
        "call": record.id,
        "end": record.end_reason,
        "status": record.status,
        "offer": record.offer,
        "fault": "after content" if told.late else "before content" if told.early else None,
        "attempts": [{name: each.get(name) for name in ("offer", "failure", "why")} for each in record.attempts],
        "charge_usd": amount_text(record.charge_nano),
    }
