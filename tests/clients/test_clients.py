"""LangChain, LiteLLM as a client and the Vercel AI SDK, each in an environment of its own, against the sandbox."""

import json

import pytest

from clients.environments import HERE
from clients.scripts import run_script

pytestmark = pytest.mark.full
SCRIPTS = [("langchain", "calls.py"), ("litellm", "calls.py"), ("vercel", "calls.mjs")]


@pytest.fixture(scope="module", params=SCRIPTS, ids=lambda each: each[0])
def client(request, gateway):
    """The client's name and what each scene of its script saw."""
    return request.param[0], run_script(*request.param, gateway, LITELLM_LOCAL_MODEL_COST_MAP="True")


def tokens(client, usage):
    """Prompt and completion tokens in the client's own names."""
    names = ("input_tokens", "output_tokens") if client == "langchain" else ("prompt_tokens", "completion_tokens")
    return tuple(usage[name] for name in names)


def test_the_version_is_the_pinned_one(client):
    name, seen = client
    if name == "vercel":
        pinned = json.loads((HERE / "vercel" / "package.json").read_text())["dependencies"]["ai"]
        assert seen["version"] == pinned
    else:
        distribution = {"langchain": "langchain-openai"}.get(name, name)
        assert f"\n{distribution}=={seen['version']} " in (HERE / f"{name}.txt").read_text()


@pytest.mark.parametrize("scene", ["whole", "streamed"])
def test_text_and_usage_arrive_and_are_charged(gateway, client, scene):
    name, seen = client
    field = "id" if "id" in seen[scene] else "user"
    (record,) = [each for each in gateway.records() if each[field] == seen[scene][field]]
    assert seen[scene]["text"] == 'You said: "Say hello to the fleet"'
    prompt, completion = tokens(name, seen[scene]["usage"])
    assert (record["prompt_tokens"], record["completion_tokens"]) == (prompt, completion)
    assert record["charge_nano"] == prompt * 1000 + completion * 2000 > 0
    assert record["stream"] == (scene == "streamed")


@pytest.mark.parametrize("scene", ["tools", "streamed_tools"])
def test_tools_are_called_with_arguments_of_the_schema(client, scene):
    _, seen = client
    assert seen[scene]["name"] == "get_weather"
    assert set(seen[scene]["args"]) == {"city"}


def test_tool_calls_have_usage_and_their_results_are_answered(client):
    name, seen = client
    assert all(count > 0 for count in tokens(name, seen["tools"]["usage"]))
    if name != "litellm":
        assert seen["tools"]["then"]


def test_a_structured_answer_is_an_object(client):
    name, seen = client
    assert isinstance(seen["structured"], dict)
    if name != "litellm":  # which asks for any object here, the others for this schema
        assert isinstance(seen["structured"]["answer"], str)


def test_a_cut_stream_is_an_error_that_says_so(client):
    name, seen = client
    assert seen["cut"]["kind"]
    assert ("broke off" if name == "litellm" else "upstream_cut") in json.dumps(seen["cut"])


NOT_FOUND = {"langchain": "OpenAIModelNotFoundError", "litellm": "NotFoundError", "vercel": "AI_APICallError"}


def test_an_unknown_model_is_the_clients_not_found(client):
    name, seen = client
    assert seen["unknown"]["kind"] == NOT_FOUND[name]
    assert ("no/such-model" if name == "litellm" else "model_not_found") in json.dumps(seen["unknown"])
