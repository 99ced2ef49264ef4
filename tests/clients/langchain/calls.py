"""LangChain's ChatOpenAI as its users use it. Prints one JSON object: what each scene saw."""

import json
import os
import sys
from importlib.metadata import version

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

USER = "langchain-streamed"  # a streamed message carries LangChain's own id, so the call is found by this
ASK = "Say hello to the fleet"


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"21 degrees in {city}"


class Reply(BaseModel):
    """What a structured answer holds."""

    answer: str


def chat(model, **more):
    return ChatOpenAI(
        model=model, base_url=os.environ["GATEWAY_URL"], api_key=os.environ["GATEWAY_KEY"], max_retries=0, **more
    )


def whole():
    answer = chat("one/echo").invoke(ASK)
    return {"id": answer.response_metadata["id"], "text": answer.content, "usage": answer.usage_metadata}


def streamed():
    total = None
    for piece in chat("one/echo", stream_usage=True, extra_body={"user": USER}).stream(ASK):
        total = piece if total is None else total + piece
    return {"user": USER, "text": total.content, "usage": total.usage_metadata}


def tools():
    bound = chat("one/tool-call").bind_tools([get_weather])
    first = bound.invoke(ASK)
    call = first.tool_calls[0]
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    second = bound.invoke([HumanMessage(ASK), first, result])
    return {"name": call["name"], "args": call["args"], "usage": first.usage_metadata, "then": second.content}


def streamed_tools():
    total = None
    for piece in chat("one/tool-call", stream_usage=True).bind_tools([get_weather]).stream(ASK):
        total = piece if total is None else total + piece
    return {"name": total.tool_calls[0]["name"], "args": total.tool_calls[0]["args"], "usage": total.usage_metadata}


def structured():
    return chat("one/json-mode").with_structured_output(Reply, method="json_schema").invoke(ASK).model_dump()


def cut():
    try:
        for _ in chat("one/cut-mid-stream").stream(ASK):
            pass
    except openai.APIError as error:
        return {"kind": type(error).__name__, "code": error.code}
    return {"kind": None}


def unknown():
    try:
        chat("no/such-model").invoke(ASK)
    except openai.NotFoundError as error:
        return {"kind": type(error).__name__, "code": error.code}
    return {"kind": None}


SCENES = [whole, streamed, tools, streamed_tools, structured, cut, unknown]
seen = {scene.__name__: scene() for scene in SCENES}
seen["version"] = version("langchain-openai")
sys.stdout.write(json.dumps(seen))
