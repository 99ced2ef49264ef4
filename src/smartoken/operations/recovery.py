"""What a worker that died left in its journal, made into records and settled like any others.

A call with a final record is settled by it. One that was sent is settled by its last checkpoint, as ``recovered``:
what the client had received by then, never more than the call held. One that was only begun charges nothing and is
recorded as ``unknown_dispatch``. Settlement is keyed by call id, so replaying a journal twice has no effect.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from smartoken.billing.grants import burn
from smartoken.billing.journal import DISPATCH, FINAL, PROGRESS, SENT, Record
from smartoken.money import charge_nano
from smartoken.tokens import UsageSource
from smartoken.usage.records import CallRecord

RATES = ("input", "cached_input", "cache_write", "output")
_BYTES_A_TOKEN = 4  # a prompt is journalled as its upper bound, in bytes; this is what bytes come to on average


@dataclass(slots=True)
class _Trace:
    """What the journal says of one call."""

    begun: dict[str, Any] | None = None
    sent: bool = False
    progress: dict[str, Any] | None = None
    final: list[Any] | None = None


@dataclass(slots=True)
class Recovered:
    """The records that a journal comes to, and how many of each kind they are."""

    records: list[CallRecord] = field(default_factory=list)
    final: int = 0
    checkpoint: int = 0
    unknown: int = 0


def recovered(journal: Iterable[Record], now_ms: int) -> Recovered:
    """Return the records of a journal's calls, in the order in which they began."""
    traces: dict[str, _Trace] = {}
    for each in journal:
        entry = orjson.loads(each.payload)
        trace = traces.setdefault(entry["id"], _Trace())
        if each.kind == DISPATCH:
            trace.begun = entry
        elif each.kind == SENT:
            trace.sent = True
        elif each.kind == PROGRESS:
            trace.progress = entry
        elif each.kind == FINAL:
            trace.final = entry["record"]
    found = Recovered()
    for trace in traces.values():
        if trace.final is not None:
            found.records.append(CallRecord(*trace.final))
            found.final += 1
        elif trace.begun is not None:
            record = _from_checkpoint(trace.begun, trace, now_ms)
            found.records.append(record)
            found.checkpoint += trace.sent or trace.progress is not None
            found.unknown += not (trace.sent or trace.progress is not None)
    return found


def _rates(tiers: list[list[Any]], prompt: int, output: int) -> dict[str, int]:
    for up_to_prompt, up_to_output, *rates in tiers:
        if (up_to_prompt is None or prompt <= up_to_prompt) and (up_to_output is None or output <= up_to_output):
            return dict(zip(RATES, rates, strict=True))
    return dict(zip(RATES, tiers[-1][2:], strict=True))


def _from_checkpoint(begun: dict[str, Any], trace: _Trace, now_ms: int) -> CallRecord:
    sent = trace.sent or trace.progress is not None
    last = trace.progress or {"out": 0, "bound": begun["bound"], "funds": begun["funds"]}
    prompt = -(-begun["prompt"] // _BYTES_A_TOKEN) if sent else None
    output = last["out"] if sent else None
    price_lines: list[dict[str, Any]] = []
    charge = 0
    if prompt is not None and output:  # nothing reached the client: nothing is charged
        rates = _rates(begun["tariff"][0], prompt, output)
        lines = (("input", prompt, rates["input"]), ("output", output, rates["output"]))
        price_lines = [{"what": what, "tokens": tokens, "rate": rate} for what, tokens, rate in lines]
        charge = min(charge_nano((tokens, rate) for _, tokens, rate in lines), last["bound"])
    shares: dict[str, int] = dict(last["funds"])
    paid, _ = burn(list(shares), shares, charge)
    key_id, environment, owner, workflow = begun["key"]
    return CallRecord(
        id=begun["id"],
        created_ms=begun["at"],
        account_id=begun["account"],
        key_id=key_id,
        environment=environment,
        owner=owner,
        workflow=workflow,
        user=begun["user"],
        model_asked=begun["asked"],
        model=begun["model"],
        model_served=None,
        provider=begun["provider"],
        offer=begun["offer"],
        stream=begun["stream"],
        status=500,
        error_code="internal_error",
        end_reason="recovered" if sent else "unknown_dispatch",
        prompt_tokens=prompt,
        cached_tokens=0 if sent else None,
        cache_write_tokens=0 if sent else None,
        completion_tokens=output,
        reasoning_tokens=None,
        usage_source=UsageSource.RECOVERED.value if sent else None,
        suspect=False,
        charge_nano=charge,
        bound_nano=last["bound"],
        overrun_nano=0,
        cost_nano=None,
        cost_currency=None,
        fx_id=None,
        price_version=begun["version"],
        price_lines=price_lines,
        ttft_ms=None,
        total_ms=max(0, now_ms - begun["at"]),
        attempts=[],
        evidence="journal checkpoint" if sent else "journal: begun, not known to be sent",
        client_ip=begun["ip"],
        fund_lines=[[fund, nano] for fund, nano in paid],
        windows=begun["windows"] if charge else [],
        transfer_id=None,
    )
