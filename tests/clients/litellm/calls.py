"""LiteLLM's library as its users use it (not its proxy). Prints one JSON object: what each scene saw."""

import json
import os
import sys
from importlib.metadata import version

import litellm

litellm.suppress_debug_info = True
MESSAGES = [{"role": "user", "content": "Say hello to the fleet"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]


def call(model, **more):
    return litellm.completion(
        model=f"openai/{model}",
        messages=MESSAGES,
        api_base=os.environ["GATEWAY_URL"],
        api_key=os.environ["GATEWAY_KEY"],
        num_retries=0,
        max_retries=0,
        **more,
    )


def counts(usage):
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}


def whole():
    answer = call("one/echo")
    return {"id": answer.id, "text": answer.choices[0].message.content, "usage": counts(answer.usage)}


def streamed():
    text, usage, identity = "", None, None
    for piece in call("one/echo", stream=True, stream_options={"include_usage": True}):
        identity = identity or piece.id
        text += (piece.choices[0].delta.content or "") if piece.choices else ""
        found = getattr(piece, "usage", None)
        usage = counts(found) if found else usage
    return {"id": identity, "text": text, "usage": usage}


def tools():
    answer = call("one/tool-call", tools=TOOLS)
    function = answer.choices[0].message.tool_calls[0].function
    return {
        "finish": answer.choices[0].finish_reason,
        "name": function.name,
        "args": json.loads(function.arguments),
        "usage": counts(answer.usage),
    }


def streamed_tools():
    pieces = list(call("one/tool-call", tools=TOOLS, stream=True))
    function = litellm.stream_chunk_builder(pieces).choices[0].message.tool_calls[0].function
    return {"name": function.name, "args": json.loads(function.arguments)}


def structured():
    return json.loads(call("one/json-mode", response_format={"type": "json_object"}).choices[0].message.content)


def cut():
    try:
        for _ in call("one/cut-mid-stream", stream=True):
            pass
    except Exception as error:  # noqa: BLE001 - LiteLLM has many classes; which one is what the test reads
        return {"kind": type(error).__name__, "text": str(error)}
    return {"kind": None}


def unknown():
    try:
        call("no/such-model")
    except litellm.exceptions.NotFoundError as error:
        return {"kind": type(error).__name__, "text": str(error)}
    return {"kind": None}


SCENES = [whole, streamed, tools, streamed_tools, structured, cut, unknown]
seen = {scene.__name__: scene() for scene in SCENES}
seen["version"] = version("litellm")
sys.stdout.write(f"\n{json.dumps(seen)}\n")
