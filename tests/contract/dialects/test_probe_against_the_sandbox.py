"""The probe meets the sandbox posing as each vendor, rightly and with one claim broken.

The sandbox was written from the same facts by another reading of them: where the two disagree, one of them is wrong.
"""

import asyncio
from http.client import HTTPConnection
from typing import Any

import orjson
import pytest

from smartoken.catalog.files import load_catalog
from smartoken.providers.probe import ClaimResult, judge
from smartoken.providers.probe_calls import MAX_CALLS, ProbeCall, probe_calls
from smartoken.providers.registry import dialect
from smartoken.sandbox import Sandbox

# dialect -> offers of the catalog to probe
OFFERS = {
    "openai": ["openrouter:deepseek-flash", "antgroup:ling-2.6-1t"],
    "deepseek": ["deepseek:deepseek-flash", "deepseek:deepseek-v4-pro"],
    "qwen": ["alibaba:qwen3.8-max", "alibaba:qwen-plus", "alibaba:qwen3-max"],
    "moonshot": ["moonshot:kimi-k3", "moonshot:kimi-k2.7-code", "moonshot:kimi-k2.6"],
    "zhipu": ["zhipu:glm-5.3-flash", "zhipu:glm-5.2", "zhipu:glm-4.6"],
    "volcengine": ["volcengine:doubao-seed-2.0-mini", "volcengine:doubao-seed-2.1-pro"],
    "minimax": ["minimax:minimax-m3", "minimax:minimax-m2.5"],
    "tencent": ["tencent:hy3"],
    "baidu": ["baidu:ernie-5.1"],
    "stepfun": ["stepfun:step-3.7-flash"],
    "siliconflow": ["siliconflow:deepseek-v4-flash-2604"],
    "xiaomi": ["xiaomi:mimo-v2.6-flash"],
    "longcat": ["longcat:longcat-2.0"],
}
RIGHT = [(dialect_id, offer_id) for dialect_id, offers in OFFERS.items() for offer_id in offers]
CATALOG = load_catalog()


def post(port: int, path: str, call: ProbeCall) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        key = "made-up-invalid" if call.wrong_key else "made-up"
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        connection.request("POST", path, orjson.dumps(call.body), headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


async def probed(dialect_id: str, offer_id: str, wrong: str = "") -> dict[str, ClaimResult]:
    spoken, offer = dialect(dialect_id), CATALOG.offers[offer_id]
    calls = probe_calls(spoken, CATALOG.models[offer.model], offer)
    assert len(calls) <= MAX_CALLS
    sandbox = Sandbox()
    port = await sandbox.start(host="127.0.0.1", port=0)
    results: dict[str, ClaimResult] = {}
    try:
        for call in calls:
            path = f"/{'wrong' if wrong else 'as'}/{dialect_id}{call.path or spoken.chat_path}"
            path += f"?wrong={wrong}" if wrong else ""
            status, headers, raw = await asyncio.to_thread(post, port, path, call)
            results[call.name] = judge(spoken, call, status, raw, headers)
    finally:
        await sandbox.stop()
    return results


@pytest.mark.parametrize(("dialect_id", "offer_id"), RIGHT)
async def test_a_right_pose_keeps_every_claim(dialect_id: str, offer_id: str) -> None:
    results = await probed(dialect_id, offer_id)
    assert {name: each for name, each in results.items() if each.holds is not True} == {}


# What is broken, and a call that must say so.
EVERYWHERE = [
    ("usage_place", "stream"),
    ("usage_missing", "stream"),
    ("usage_names", "counts"),
    ("cached_field", "cache_second"),
    ("finish_reason", "answer"),
    ("errors", "wrong_key"),
    ("auth", "wrong_key"),
    ("model_missing", "wrong_model"),
]
BROKEN: list[tuple[str, str, str]] = [
    *((dialect_id, wrong, name) for dialect_id in OFFERS for wrong, name in EVERYWHERE),
    ("deepseek", "limit_field", "limit_max_tokens"),
    ("moonshot", "limit_field", "limit_max_completion_tokens"),
    ("deepseek", "reasoning_field", "thinking_on"),
    ("qwen", "reasoning_field", "thinking_on"),
    ("moonshot", "reasoning_field", "thinking_on"),
    ("stepfun", "reasoning_field", "effort_high"),
    ("deepseek", "thinking_switch", "thinking_off"),
    ("qwen", "thinking_switch", "thinking_off"),
    ("xiaomi", "thinking_switch", "thinking_off"),
    ("deepseek", "thinking_default", "thinking_default"),
    ("minimax", "thinking_default", "thinking_default"),
    ("deepseek", "rules", "tool_turn"),
    ("moonshot", "rules", "rule_temperature"),
    ("zhipu", "rules", "rule_temperature"),
    ("zhipu", "tool_lump", "tool_stream"),
]


@pytest.mark.parametrize(("dialect_id", "wrong", "name"), BROKEN)
async def test_a_broken_claim_is_found(dialect_id: str, wrong: str, name: str) -> None:
    results = await probed(dialect_id, OFFERS[dialect_id][0], wrong)
    assert results[name].holds is False, results[name]


async def test_a_provider_that_cannot_answer_tells_nothing() -> None:
    call = probe_calls(dialect("deepseek"), *_of("deepseek:deepseek-flash"))[0]
    for status in (429, 503):
        assert judge(dialect("deepseek"), call, status, b"{}").holds is None


def _of(offer_id: str) -> tuple[Any, Any]:
    offer = CATALOG.offers[offer_id]
    return CATALOG.models[offer.model], offer
