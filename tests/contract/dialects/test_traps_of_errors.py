"""Traps of naive pass-through, by number: what providers say when they fail."""

from typing import Any

import orjson
import pytest

from contract.dialects.trapped import F, chunk, kind_of, read, sent, texts
from contract.dialects.wires import WIRES, sse
from smartoken.errors import FailureClass
from smartoken.providers.answers import read_answer
from smartoken.providers.failures import classify
from smartoken.providers.registry import dialect
from smartoken.providers.streams import StreamReader


def test_trap_01_dashscope_says_broke_with_400() -> None:
    assert kind_of("qwen", 400, {"error": {"code": "Arrearage", "message": "in debt"}}) is F.KEY_BROKE


def test_trap_02_zhipu_says_broke_with_429() -> None:
    assert kind_of("zhipu", 429, {"error": {"code": "1113", "message": "in debt"}}) is F.KEY_BROKE


def test_trap_03_moonshot_has_three_kinds_of_429() -> None:
    kinds = ["exceeded_current_quota_error", "engine_overloaded_error", "rate_limit_reached_error"]
    found = [kind_of("moonshot", 429, {"error": {"type": each, "message": "no"}}) for each in kinds]
    assert found == [F.KEY_BROKE, F.PROVIDER_CAPACITY, F.OWN_RATE_LIMIT]


@pytest.mark.parametrize(
    ("dialect_id", "kind"), [("qwen", F.OWN_RATE_LIMIT), ("sensenova", F.OWN_RATE_LIMIT), ("openai", F.KEY_BROKE)]
)
def test_trap_04_insufficient_quota_is_a_rate_at_dashscope_and_sensenova(dialect_id: str, kind: FailureClass) -> None:
    assert kind_of(dialect_id, 429, {"error": {"code": "insufficient_quota", "message": "quota"}}) is kind


@pytest.mark.parametrize(("number", "kind"), [(1008, F.KEY_BROKE), (1002, F.OWN_RATE_LIMIT), (1027, F.REFUSAL)])
@pytest.mark.parametrize("choices", [None, []])
def test_trap_05_minimax_fails_with_200(number: int, kind: FailureClass, choices: Any) -> None:
    body = {"choices": choices, "usage": None, "base_resp": {"status_code": number, "status_msg": "no"}}
    answer = read_answer(dialect("minimax"), body)
    assert answer.failure is not None
    assert answer.failure.kind is kind
    assert answer.usage is None
    reader = StreamReader(dialect("minimax"))
    assert [each.failure.kind for each in reader.feed(orjson.dumps(body)) + reader.close() if each.failure] == [kind]
    assert [each.failure.kind for each in read("minimax", body) if each.failure] == [kind]


@pytest.mark.parametrize("status", [402, 429, 500])
def test_trap_06_minimax_1008_is_broke_whatever_the_status(status: int) -> None:
    assert kind_of("minimax", status, {"error": {"type": "api_error", "message": "no money (1008)"}}) is F.KEY_BROKE


@pytest.mark.parametrize(
    ("dialect_id", "word", "finish", "failure"),
    [
        ("deepseek", "insufficient_system_resource", None, F.PROVIDER_CAPACITY),
        ("zhipu", "network_error", None, F.PROVIDER_CAPACITY),
        ("zhipu", "sensitive", "content_filter", None),
        ("zhipu", "model_context_window_exceeded", "length", None),
        ("openai", "error", None, F.PROVIDER_CAPACITY),
        ("openai", "something_new", "stop", None),
    ],
)
def test_trap_22_foreign_finish_reasons_are_translated_or_failures(
    dialect_id: str, word: str, finish: str | None, failure: FailureClass | None
) -> None:
    events = read(dialect_id, chunk({"content": "Hi"}), chunk({}, word))
    assert [each.finish for each in events if each.finish] == ([finish] if finish else [])
    assert [each.failure.kind for each in events if each.failure] == ([failure] if failure else [])
    assert events[-1].done is (failure is None)
    body = WIRES[dialect_id].answer(finish=word)
    answer = read_answer(dialect(dialect_id), body)
    assert answer.finish == finish
    assert (answer.failure.kind if answer.failure else None) == failure


@pytest.mark.parametrize(
    ("dialect_id", "error", "kind"),
    [
        ("qwen", {"code": "data_inspection_failed", "message": "inappropriate"}, F.REFUSAL),
        ("zhipu", {"code": "1305", "message": "busy"}, F.PROVIDER_CAPACITY),
        (
            "moonshot",
            {"message": "Stream failed", "type": "server_error", "code": "stream_failure"},
            F.PROVIDER_CAPACITY,
        ),
    ],
)
def test_trap_23_an_error_event_after_200_is_a_failure(
    dialect_id: str, error: dict[str, Any], kind: FailureClass
) -> None:
    reader = StreamReader(dialect(dialect_id))
    raw = sse([chunk({"content": "Half"})], done=False) + b"event: error\n" + sse([{"error": error}])
    events = reader.feed(raw) + reader.close()
    assert texts(events) == "Half"
    assert [each.failure.kind for each in events if each.failure] == [kind]
    assert not any(each.done for each in events)


def test_trap_24_siliconflow_errors_have_no_error_object() -> None:
    assert (
        kind_of("siliconflow", 400, {"code": 20012, "message": "Model does not exist", "data": None})
        is F.KEY_LACKS_MODEL
    )
    assert kind_of("siliconflow", 401, "Invalid token") is F.KEY_INVALID
    failure = classify(dialect("siliconflow"), 400, {}, b'{"code":20015,"message":"length","data":null}')
    assert (failure.kind, failure.message, failure.upstream_code) == (F.REQUEST_FAULT, "length", "20015")


@pytest.mark.parametrize("dialect_id", ["tencent", "stepfun"])
def test_trap_25_451_is_a_refusal(dialect_id: str) -> None:
    assert kind_of(dialect_id, 451, {"error": {"message": "no", "type": "x"}}) is F.REFUSAL


@pytest.mark.parametrize(
    ("dialect_id", "body"),
    [
        ("qwen", {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided."}}),
        ("moonshot", {"error": {"type": "invalid_authentication_error", "message": "Invalid Authentication"}}),
        ("minimax", {"error": {"type": "authorized_error", "message": "invalid api key (2049)"}}),
        ("siliconflow", {"code": 30014, "message": "Token is invalid."}),
        ("zhipu", {"error": {"code": "1000", "message": "no"}}),
    ],
)
def test_trap_27_a_key_of_another_region_or_plan_is_an_invalid_key(dialect_id: str, body: dict[str, Any]) -> None:
    assert kind_of(dialect_id, 401, body) is F.KEY_INVALID


def test_trap_34_ark_takes_endpoint_ids_and_model_not_open_is_no_missing_model() -> None:
    assert sent("volcengine", upstream="ep-20261101-abcde")["model"] == "ep-20261101-abcde"
    assert (
        kind_of("volcengine", 404, {"error": {"code": "ModelNotOpen", "message": "activate it"}}) is F.KEY_LACKS_MODEL
    )
