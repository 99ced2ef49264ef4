"""The record of a call, field by field: it is made by position, so each field is asked for by its name here."""

from dataclasses import replace

from smartoken.billing.prices import Charge
from smartoken.catalog.offers import Model, Price
from smartoken.errors import UpstreamCutError
from smartoken.gateway.call import Attempt, EndReason, Outcome, Plan, Target
from smartoken.gateway.settle import Bill, Settler, Tariffs
from smartoken.operations.served import ServedModel
from smartoken.providers.setup import UpstreamKey
from smartoken.store.vault import Secret
from smartoken.tokens import TokenUsage, UsageSource
from smartoken.usage.records import COLUMNS
from unit.gateway.test_passage import CALL, CALLER, OFFER, Clock

SERVED = replace(OFFER, cost=Price("CNY", ()), fx_id="fx_1")
MODEL = ServedModel(Model("test/alpha", "Alpha", "test", "test", 32_768, 4_096), None, "v7", (SERVED,))
ATTEMPT = Attempt("up:test/alpha", "up", "main", 3)
TARGET = Target(SERVED, UpstreamKey("k", "main", Secret("s")), {})
CALLED = CALL._replace(
    caller=replace(CALLER, key=replace(CALLER.key, owner="Ada", workflow="w")),
    request=CALL.request._replace(user="u", model="alias"),
    now_ms=11,
    started=1.5,
    ip="192.0.2.1",
)
OUTCOME = Outcome(
    end=EndReason.UPSTREAM_CUT, status=200, error=UpstreamCutError("It broke off."), evidence="seen", target=TARGET,
    usage=TokenUsage(21, 22, 13, 4, 5, UsageSource.MIXED, suspect=True), model_served="alpha-7", attempts=[ATTEMPT],
    ttft_ms=9,
)  # fmt: skip
BILL = Bill(Charge(31, (("input", 4, 5),)), Charge(32, ()), 33, 34, 35, [["fund", 33]], ["window"])


def record_of(call, plan, outcome, bill):
    return Settler(None, Tariffs(None), Clock(), None, None)._record(call, plan, outcome, bill)


def test_every_field_of_a_record_is_what_its_name_says():
    found = record_of(CALLED, Plan(MODEL, (TARGET,), (), None), OUTCOME, BILL)
    assert found._asdict() == {
        "id": "call_1", "created_ms": 11, "account_id": "acct_1", "key_id": "key_1", "environment": "test",
        "owner": "Ada", "workflow": "w", "user": "u", "model_asked": "alias", "model": "test/alpha",
        "model_served": "alpha-7", "provider": "up", "offer": "up:test/alpha", "stream": True, "status": 200,
        "error_code": "upstream_cut", "end_reason": "upstream_cut", "prompt_tokens": 21, "cached_tokens": 13,
        "cache_write_tokens": 4, "completion_tokens": 22, "reasoning_tokens": 5, "usage_source": "mixed",
        "suspect": True, "charge_nano": 33, "bound_nano": 34, "overrun_nano": 35, "cost_nano": 32,
        "cost_currency": "CNY", "fx_id": "fx_1", "price_version": "v7",
        "price_lines": [{"what": "input", "tokens": 4, "rate": 5}], "ttft_ms": 9, "total_ms": 3500,
        "attempts": [ATTEMPT.row()], "evidence": "seen", "client_ip": "192.0.2.1", "fund_lines": [["fund", 33]],
        "windows": ["window"], "transfer_id": None,
    }  # fmt: skip
    assert tuple(found._asdict()) == COLUMNS
    assert [type(each) for each in (found.end_reason, found.usage_source)] == [str, str]


def test_what_is_not_known_of_a_refused_call_is_none():
    found = record_of(CALLED, None, Outcome(end=EndReason.REFUSED, status=402), Bill(Charge(0, ()), None, 0))
    assert len(found) == len(COLUMNS)
    assert (found.model, found.price_version, found.suspect, found.end_reason) == ("alias", "", False, "refused")
    unknown = (
        "model_served", "provider", "offer", "error_code", "prompt_tokens", "cached_tokens", "cache_write_tokens",
        "completion_tokens", "reasoning_tokens", "usage_source", "cost_nano", "cost_currency", "fx_id", "ttft_ms",
        "evidence", "transfer_id",
    )  # fmt: skip
    assert [name for name in unknown if getattr(found, name) is not None] == []
