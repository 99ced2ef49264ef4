"""A reader that knows nothing of the sandbox: raw sockets, dechunking by hand, SSE by splitting on blank lines."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

HELLO = [{"role": "user", "content": "Hello, world"}]
ECHO = 'You said: "Hello, world"'
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@dataclass
class Answer:
    """What came back: how the connection ended, and every byte."""

    raw: bytes
    reset: bool = False
    timed_out: bool = False

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        rest = self.raw.partition(b"\r\n\r\n")[2]
        return dechunk(rest) if "transfer-encoding" in self.headers else rest

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def whole(self) -> bool:
        """Whether a chunked body came to its end."""
        return self.raw.endswith(b"0\r\n\r\n")

    @property
    def events(self) -> list[Any]:
        found = []
        for block in self.body.split(b"\n\n"):
            data = b"\n".join(line[6:] for line in block.split(b"\n") if line.startswith(b"data: "))
            if data:
                found.append("[DONE]" if data == b"[DONE]" else json.loads(data))
        return found

    def told(self) -> "Told":
        return tell(self.events)


@dataclass
class Told:
    """What a naive reader makes of a stream."""

    text: str = ""
    thinking: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finishes: list[str] = field(default_factory=list)
    usages: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False


def dechunk(rest: bytes) -> bytes:
    out = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            break
        out += rest[:length]
        rest = rest[length + 2 :]
    return out


def tell(events: list[Any]) -> Told:
    told = Told()
    place = 0
    for event in events:
        if event == "[DONE]":
            told.done = True
            continue
        if event.get("usage"):
            told.usages.append(event["usage"])
        for choice in event.get("choices") or ():
            if choice.get("usage"):
                told.usages.append(choice["usage"])
            if choice.get("finish_reason"):
                told.finishes.append(choice["finish_reason"])
            delta = choice["delta"]
            told.text += delta.get("content") or ""
            told.thinking += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                place = call.get("index", place)
                known = told.calls.setdefault(place, {"id": "", "name": "", "arguments": ""})
                known["id"] = known["id"] or call.get("id") or ""
                known["name"] += call["function"].get("name") or ""
                known["arguments"] += call["function"]["arguments"]
    if "<think>" in told.text:
        thinking, _, told.text = told.text.partition("</think>\n")
        told.thinking = thinking.removeprefix("<think>\n").removesuffix("\n")
    return told


def request(path: str, body: Any, *, key: str = "sk-some", method: str = "POST", headers: str = "") -> bytes:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    auth = f"authorization: Bearer {key}\r\n" if key else ""
    lines = f"{method} {path} HTTP/1.1\r\nhost: sandbox\r\n{auth}content-length: {len(payload)}\r\n{headers}\r\n"
    return lines.encode() + payload


class Peer:
    def __init__(self, port: int) -> None:
        self.port = port

    async def exchange(self, sent: bytes, timeout_s: float = 10) -> Answer:
        """Send bytes, read until the sandbox closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = Answer(b"")
        writer.write(sent)
        try:
            async with asyncio.timeout(timeout_s):
                while part := await reader.read(65536):
                    answer.raw += part
        except ConnectionResetError:
            answer.reset = True
        except TimeoutError:
            answer.timed_out = True
        writer.close()
        return answer

    async def chat(
        self, model: str, path: str = "/v1/chat/completions", timeout_s: float = 10, **fields: Any
    ) -> Answer:
        headers = "connection: close\r\n" + fields.pop("headers", "")
        key = fields.pop("key", "sk-some")
        body = {"model": model, "messages": HELLO, **fields}
        return await self.exchange(request(path, body, key=key, headers=headers), timeout_s)

    async def stream(self, model: str, path: str = "/v1/chat/completions", **fields: Any) -> Answer:
        return await self.chat(model, path, stream=True, stream_options={"include_usage": True}, **fields)

    async def pose(self, dialect: str, model: str = "model", **fields: Any) -> Answer:
        return await self.chat(model, f"/as/{dialect}/v1/chat/completions", **fields)
