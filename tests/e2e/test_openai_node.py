"""The openai SDK for Node as its users use it; ``tests/clients/node/openai.mjs`` calls, this judges what it saw."""

import json
import subprocess

import pytest

from clients.environments import node, npm_project
from clients.scripts import run_script


@pytest.fixture(scope="module")
def seen(gateway):
    """What each scene of the script saw; all of them run once."""
    return run_script("node", "openai.mjs", gateway)


def charge(usage):
    return usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000


def test_a_whole_answer_has_text_usage_and_its_charge(gateway, seen):
    whole = seen["whole"]
    (record,) = gateway.records(whole["id"])
    assert "Say hello to the fleet" in whole["text"]
    assert (whole["model"], whole["finish"], whole["requestId"]) == ("one/echo", "stop", whole["id"])
    assert whole["usage"]["prompt_tokens"] == record["prompt_tokens"] > 0
    assert whole["usage"]["completion_tokens"] == record["completion_tokens"] > 0
    assert record["charge_nano"] == charge(whole["usage"])
    assert whole["charge"] == whole["usage"]["charge_usd"]


def test_a_stream_is_the_same_text_with_the_same_usage_and_charge(gateway, seen):
    streamed, whole = seen["streamed"], seen["whole"]
    (record,) = gateway.records(streamed["id"])
    assert streamed["text"] == whole["text"]
    assert (streamed["finish"], streamed["roles"], len(streamed["ids"])) == ("stop", 1, 1)
    for name in ("prompt_tokens", "completion_tokens", "total_tokens", "charge_usd"):
        assert streamed["usage"][name] == whole["usage"][name]
    assert record["charge_nano"] == charge(streamed["usage"])


def test_who_did_not_ask_for_usage_sees_none_and_is_charged_the_same(gateway, seen):
    (record,) = gateway.records(seen["streamedWithoutUsage"]["id"])
    assert seen["streamedWithoutUsage"]["usage"] is None
    assert seen["streamedWithoutUsage"]["text"] == seen["whole"]["text"]
    assert record["charge_nano"] == charge(seen["whole"]["usage"])


def test_the_stream_helper_ends_with_the_whole_text(seen):
    assert seen["helper"]["text"] == seen["whole"]["text"]


def test_tools_are_called_and_their_results_answered(seen):
    tools = seen["tools"]
    assert (tools["finish"], tools["name"]) == ("tool_calls", "get_weather")
    assert "city" in json.loads(tools["args"])
    assert tools["then"]["content"]


def test_streamed_tool_calls_assemble_to_valid_arguments(seen):
    tools = seen["streamedTools"]
    assert (tools["finish"], tools["name"], tools["calls"]) == ("tool_calls", "get_weather", 1)
    assert "city" in json.loads(tools["args"])


def test_json_mode_gives_json_and_a_schema_is_followed(seen):
    assert isinstance(json.loads(seen["json"]["text"]), dict)
    assert "answer" in json.loads(seen["schema"]["text"])


def test_thinking_comes_in_its_own_field(seen):
    assert seen["thinking"]["thought"]
    assert seen["thinking"]["text"]


ERRORS = [
    # scene, the SDK's class, status, our code, param
    ("unknownModel", "NotFoundError", 404, "model_not_found", "model"),
    ("badParameter", "BadRequestError", 400, "invalid_request", "temperature"),
    ("overloaded", "InternalServerError", 503, "upstream_unavailable", None),
    ("rateLimited", "InternalServerError", 503, "upstream_unavailable", None),
    ("wrongKey", "AuthenticationError", 401, "invalid_api_key", None),
    ("wholeCut", "InternalServerError", 503, "upstream_unavailable", None),
]


@pytest.mark.parametrize(("scene", "kind", "status", "code", "param"), ERRORS)
def test_errors_arrive_as_the_classes_that_users_catch(seen, scene, kind, status, code, param):
    error = seen[scene]
    assert (error.get("name"), error.get("status"), error.get("code")) == (kind, status, code)
    assert error["param"] == param
    assert error["requestId"].startswith("call_")


@pytest.mark.parametrize("scene", ["cut", "malformed"])
def test_a_broken_stream_throws_instead_of_ending(seen, scene):
    error = seen[scene]
    assert "answered" not in error
    assert error["api"]
    assert error["code"] == "upstream_cut"


def test_the_usage_of_a_call_whose_client_left_is_recorded(gateway, seen):
    (record,) = gateway.records(seen["left"]["id"])
    assert record["end_reason"] == "client_left"
    assert record["completion_tokens"] > 0
    assert record["charge_nano"] > 0


def test_models_are_listed_as_the_sdk_expects(seen):
    assert "one/echo" in seen["models"]["ids"]
    assert "one/unpriced" not in seen["models"]["ids"]
    assert seen["models"]["one"]["price"]["input"] == "1.00"


def test_fifty_calls_at_once_are_all_answered(seen):
    assert seen["many"]["right"] == 50


def test_the_sdk_is_the_version_that_the_lock_names():
    folder = npm_project("node")
    asked = json.loads((folder / "package.json").read_text())["dependencies"]["openai"]
    installed = json.loads((folder / "node_modules" / "openai" / "package.json").read_text())["version"]
    said = subprocess.run([node().node, "--version"], capture_output=True, text=True, check=True).stdout
    assert installed == asked
    assert int(said.removeprefix("v").split(".")[0]) >= 20
