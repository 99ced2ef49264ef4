"""The probe's calls and verdicts, against a made-up vendor that keeps or breaks the dialect's claims."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from contract.dialects.models import ALWAYS_ON, EFFORTS, HYBRID, PLAIN, offer
from contract.dialects.wires import WIRES, Wire, sse
from smartoken.catalog.offers import Model
from smartoken.providers.probe import CHECKS, ClaimResult, judge
from smartoken.providers.probe_calls import MAX_CALLS, ProbeCall, cost_bound_nano, probe_calls, token_bound
from smartoken.providers.registry import DIALECTS, dialect

EVERY = sorted(DIALECTS)


def _error(message: str) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": "invalid_request_error"}})


def _thinks(dialect_id: str, body: dict[str, Any], model: Model) -> bool:
    if body.get("enable_thinking") is False or (body.get("thinking") or {}).get("type") == "disabled":
        return False
    return model.reasoning.supported


def _refusal(dialect_id: str, call: ProbeCall) -> tuple[int, bytes] | None:
    if call.wrong_key:
        return 401, _error("no such key")
    if call.body["model"] == "no-such-model-of-ours":
        return 404, _error("The model no-such-model-of-ours does not exist")
    if call.name.startswith("rule_"):
        return 400, _error(f"invalid {call.name}")
    if call.name == "thinking_forced":
        return 400, _error("invalid thinking")
    lost = any(each.get("tool_calls") and not each.get("reasoning_content") for each in call.body["messages"])
    if lost and dialect(dialect_id).replays_reasoning:
        return 400, _error("The reasoning_content must be passed back")
    return None


def vendor(dialect_id: str, call: ProbeCall, model: Model, wire: Wire) -> tuple[int, bytes]:
    """Answer as the vendor's wire says."""
    refused = _refusal(dialect_id, call)
    if refused is not None:
        return refused
    body = call.body
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    calls = bool(body.get("tools")) and body["messages"][-1]["role"] == "user"
    thinks = _thinks(dialect_id, body, model)
    if dialect_id == "minimax" and body.get("reasoning_split") is not False:
        wire = replace(wire, thinks_in_content=False)
    if body.get("tool_stream"):
        wire = replace(wire, lump=False)
    if body.get("stream"):
        return 200, sse(wire.payloads(thinks=thinks, calls=calls, asked=asked))
    answer = wire.answer(thinks=thinks, calls=calls)
    if call.name.startswith("limit_"):
        answer["choices"][0]["finish_reason"] = "length"
        answer["usage"] |= {
            "completion_tokens": 8 if call.expect == "limit" else 90,
            "completion_tokens_details": None,
        }
    if body.get("response_format"):
        answer["choices"][0]["message"]["content"] = '{"ready": true}'
    return 200, orjson.dumps(answer)


def verdicts(dialect_id: str, model: Model, wire: Wire) -> dict[str, ClaimResult]:
    spoken = dialect(dialect_id)
    calls = probe_calls(spoken, model, offer("kimi-k3" if dialect_id == "moonshot" else "up-model"))
    return {each.name: judge(spoken, each, *vendor(dialect_id, each, model, wire)) for each in calls}


@pytest.mark.parametrize("model", [PLAIN, HYBRID, EFFORTS, ALWAYS_ON])
@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_vendor_that_is_as_described_keeps_every_claim(dialect_id: str, model: Model) -> None:
    broken = {name: each for name, each in verdicts(dialect_id, model, WIRES[dialect_id]).items() if not each.holds}
    assert broken == {}


@pytest.mark.parametrize("model", [PLAIN, HYBRID, EFFORTS, ALWAYS_ON])
@pytest.mark.parametrize("dialect_id", EVERY)
def test_a_probe_is_small_and_its_cost_is_known_before(dialect_id: str, model: Model) -> None:
    spoken = dialect(dialect_id)
    calls = probe_calls(spoken, model, offer())
    assert 8 <= len(calls) <= MAX_CALLS
    assert len({each.name for each in calls}) == len(calls)
    assert all(each.claim and each.expect in CHECKS for each in calls)
    prompt, output = token_bound(spoken, calls)
    assert prompt < 30_000
    assert output < 10_000
    assert cost_bound_nano(spoken, calls, 300_000, 1_200_000) < 50_000_000  # $0.05 at a small model's rates


BROKEN = [
    ("deepseek", {"usage_at": "tail"}, "stream"),
    ("deepseek", {"usage_at": "tail"}, "stream_unasked"),
    ("qwen", {"usage_at": "finish"}, "stream"),
    ("qwen", {"usage_at": "finish"}, "stream_unasked"),
    ("moonshot", {"usage_at": "finish"}, "stream"),
    ("zhipu", {"usage_at": "tail"}, "stream"),
    ("xiaomi", {"always_usage": False}, "stream_unasked"),
    ("volcengine", {"thinks_in_content": True}, "thinking_on"),
]


@pytest.mark.parametrize(("dialect_id", "change", "claim"), BROKEN)
def test_a_vendor_that_differs_breaks_the_claim(dialect_id: str, change: dict[str, Any], claim: str) -> None:
    result = verdicts(dialect_id, HYBRID, replace(WIRES[dialect_id], **change))[claim]
    assert result.holds is False
    assert result.seen
    assert result.expected


def _call(dialect_id: str, name: str, model: Model = HYBRID) -> ProbeCall:
    return next(each for each in probe_calls(dialect(dialect_id), model, offer()) if each.name == name)


def test_an_accepted_tool_turn_breaks_the_claim_that_it_is_refused() -> None:
    raw = orjson.dumps(WIRES["deepseek"].answer())
    assert judge(dialect("deepseek"), _call("deepseek", "tool_turn"), 200, raw).holds is False


def test_a_limit_that_does_not_hold_breaks_the_claim() -> None:
    raw = orjson.dumps(WIRES["deepseek"].answer(finish="length"))  # 25 tokens against a limit of 8
    assert judge(dialect("deepseek"), _call("deepseek", "limit_max_tokens"), 200, raw).holds is False


def test_thinking_that_does_not_stop_breaks_the_claim() -> None:
    raw = orjson.dumps(WIRES["qwen"].answer(thinks=True))
    assert judge(dialect("qwen"), _call("qwen", "thinking_off"), 200, raw).holds is False


@pytest.mark.parametrize(
    ("status", "body"), [(429, b"{}"), (503, b""), (402, b"{}"), (401, b"{}"), (500, b"Internal Server Error")]
)
def test_a_call_that_could_not_be_made_tells_nothing(status: int, body: bytes) -> None:
    assert judge(dialect("deepseek"), _call("deepseek", "answer"), status, body).holds is None


def test_the_wrong_key_call_is_judged_by_its_401() -> None:
    call = _call("deepseek", "wrong_key")
    assert call.wrong_key
    assert judge(dialect("deepseek"), call, 401, _error("no such key")).holds is True
    assert judge(dialect("deepseek"), call, 400, _error("bad")).holds is False


def test_a_continuation_goes_to_its_own_path() -> None:
    assert _call("deepseek", "continue").path == "/beta/chat/completions"
    assert _call("deepseek", "continue").body["messages"][-1] == {"role": "assistant", "content": "rea", "prefix": True}
    assert _call("moonshot", "continue").body["messages"][-1]["partial"] is True


@pytest.mark.parametrize("raw", [b"", b"not json", b"data: nonsense\n\n", b"[1]"])
@pytest.mark.parametrize("name", ["answer", "stream"])
def test_rubbish_breaks_the_claim_without_an_error(name: str, raw: bytes) -> None:
    assert judge(dialect("openai"), _call("openai", name), 200, raw).holds is False
