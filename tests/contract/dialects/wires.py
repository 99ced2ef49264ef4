"""What each vendor puts on the wire, in the shapes of the recorded and documented samples, with texts of our own.

A ``Wire`` says how a vendor dresses the same conversation; ``stream`` and ``answer`` write it down. The fakes know
nothing of the code under test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

CONTENT = ("The ", "capital is ", "Paris.")
THOUGHT = ("The user ", "asks for ", "a capital.")
ARGUMENTS = ('{"city": "Par', 'is"}')
PROMPT, COMPLETION, CACHED, REASONING = 40, 25, 16, 9


@dataclass(frozen=True)
class Wire:
    """One vendor's habits."""

    model: str = "model-1"
    answer_id: str = "chatcmpl-1"
    has_object: bool = True
    role_each: bool = False
    filler: Any = ...  # what `content` is while thinking: ... absent, None, ""
    thought_filler: Any = ...  # what `reasoning_content` is while answering
    finish_absent: bool = False  # no finish_reason key until the end
    usage_null: bool = False
    usage_at: str = "tail"  # tail | finish | choice
    always_usage: bool = False
    thinks_in_content: bool = False
    cached_style: str = "details"  # details | deepseek | kimi
    has_reasoning_count: bool = True
    late_id: Any = ...  # the id of later tool fragments
    late_name: Any = ...
    lump: bool = False  # the tool call in one chunk
    tool_id: str = "call_a1"
    top: dict[str, Any] = field(default_factory=dict)
    delta_extra: dict[str, Any] = field(default_factory=dict)
    comments: bool = False

    def usage(self, *, reasoning: int = 0) -> dict[str, Any]:
        counts: dict[str, Any] = {
            "prompt_tokens": PROMPT,
            "completion_tokens": COMPLETION,
            "total_tokens": PROMPT + COMPLETION,
        }
        if self.cached_style == "kimi":
            counts["cached_tokens"] = CACHED
        else:
            counts["prompt_tokens_details"] = {"cached_tokens": CACHED}
        if self.cached_style == "deepseek":
            counts |= {"prompt_cache_hit_tokens": CACHED, "prompt_cache_miss_tokens": PROMPT - CACHED}
        if self.has_reasoning_count:
            counts["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        return counts

    def frame(self, choices: list[dict[str, Any]], kind: str = "chat.completion.chunk") -> dict[str, Any]:
        frame: dict[str, Any] = {
            "id": self.answer_id,
            "created": 1_790_000_000,
            "model": self.model,
            "choices": choices,
        }
        if self.has_object:
            frame["object"] = kind
        return frame | self.top

    def chunk(self, delta: dict[str, Any], finish: str | None = None, usage: Any = None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "delta": delta | self.delta_extra}
        if self.role_each:
            choice["delta"].setdefault("role", "assistant")
        if finish is not None or not self.finish_absent:
            choice["finish_reason"] = finish
        frame = self.frame([choice])
        if usage is not None and self.usage_at == "choice":
            choice["usage"] = usage
        elif usage is not None:
            frame["usage"] = usage
        elif self.usage_null:
            frame["usage"] = None
        return frame

    def thinking(self, text: str) -> dict[str, Any]:
        delta: dict[str, Any] = {"reasoning_content": text}
        return delta if self.filler is ... else delta | {"content": self.filler}

    def text(self, text: str) -> dict[str, Any]:
        delta: dict[str, Any] = {"content": text}
        return delta if self.thought_filler is ... else delta | {"reasoning_content": self.thought_filler}

    def tool_fragments(self) -> list[dict[str, Any]]:
        head = {"index": 0, "id": self.tool_id, "type": "function"}
        if self.lump:
            return [head | {"function": {"name": "weather", "arguments": "".join(ARGUMENTS)}}]
        fragments: list[dict[str, Any]] = [head | {"function": {"name": "weather", "arguments": ""}}]
        for piece in ARGUMENTS:
            later: dict[str, Any] = {"index": 0, "function": {"arguments": piece}}
            if self.late_id is not ...:
                later |= {"id": self.late_id, "type": "function"}
            if self.late_name is not ...:
                later["function"]["name"] = self.late_name
            fragments.append(later)
        return fragments

    def payloads(
        self, *, thinks: bool = False, calls: bool = False, finish: str = "stop", asked: bool = True
    ) -> list[dict[str, Any]]:
        """Return the decoded events of a stream, without [DONE]."""
        chunks: list[dict[str, Any]] = []
        if not self.role_each and not self.thinks_in_content:
            chunks.append(self.chunk({"role": "assistant", **self.text("")}))
        if thinks and self.thinks_in_content:
            pieces = ["<thi", "nk>\n" + THOUGHT[0], THOUGHT[1], THOUGHT[2] + "</th", "ink>\n"]
            chunks += [self.chunk(self.text(each)) for each in pieces]
        elif thinks:
            chunks += [self.chunk(self.thinking(each)) for each in THOUGHT]
        if calls:
            chunks += [self.chunk({"tool_calls": [each]}) for each in self.tool_fragments()]
        else:
            chunks += [self.chunk(self.text(each)) for each in CONTENT]
        usage = self.usage(reasoning=REASONING if thinks else 0)
        ending = "tool_calls" if calls else finish
        inside = usage if self.usage_at in ("finish", "choice") else None
        chunks.append(self.chunk({"content": ""} if self.usage_at != "choice" else {}, ending, inside))
        if self.usage_at == "tail" and (asked or self.always_usage):
            chunks.append(self.frame([]) | {"usage": usage})
        if self.usage_at == "choice" and asked:
            chunks.append(self.frame([]) | {"usage": usage})
        return chunks

    def answer(self, *, thinks: bool = False, calls: bool = False, finish: str = "stop") -> dict[str, Any]:
        """Return a whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": "" if calls else "".join(CONTENT)}
        if thinks and self.thinks_in_content:
            message["content"] = f"<think>\n{''.join(THOUGHT)}</think>\n{message['content']}"
        elif thinks:
            message["reasoning_content"] = "".join(THOUGHT)
        if calls:
            function = {"name": "weather", "arguments": "".join(ARGUMENTS)}
            message["tool_calls"] = [{"index": 0, "id": self.tool_id, "type": "function", "function": function}]
        choice = {"index": 0, "message": message | self.delta_extra, "finish_reason": "tool_calls" if calls else finish}
        frame = self.frame([choice], "chat.completion")
        return frame | {"usage": self.usage(reasoning=REASONING if thinks else 0)}


def sse(payloads: Sequence[dict[str, Any]], *, done: bool = True) -> bytes:
    """Write events as a stream."""
    events = [b"data: " + orjson.dumps(each) + b"\n\n" for each in payloads]
    return b"".join(events) + (b"data: [DONE]\n\n" if done else b"")


PLAIN = Wire()
WIRES: dict[str, Wire] = {
    "openai": PLAIN,
    "deepseek": Wire(
        model="deepseek-flash",
        answer_id="cca85624-4056-401f-b220-d77601d1f70d",
        filler=None,
        thought_filler=None,
        usage_null=True,
        usage_at="finish",
        cached_style="deepseek",
        tool_id="call_00_9V0vrf86",
        top={"system_fingerprint": "fp_eaab8d114b"},
        comments=True,
    ),
    "qwen": Wire(
        model="qwen3-max",
        filler=None,
        thought_filler=None,
        usage_null=True,
        late_id="",
        top={"system_fingerprint": None},
    ),
    "moonshot": Wire(model="kimi-k3", usage_at="choice", cached_style="kimi", tool_id="weather_0"),
    "zhipu": Wire(
        model="glm-5",
        answer_id="20260331220108527fb37f4c4c4549",
        has_object=False,
        role_each=True,
        finish_absent=True,
        usage_at="finish",
        lump=True,
        has_reasoning_count=False,
        top={"request_id": "20260331220108527fb37f4c4c4549"},
    ),
    "volcengine": Wire(
        model="doubao-seed-2-0-mini-260215",
        role_each=True,
        filler="",
        finish_absent=True,
        usage_null=True,
        late_id="",
        late_name="",
        top={"service_tier": "default"},
    ),
    "minimax": Wire(
        model="MiniMax-M3",
        role_each=True,
        usage_null=True,
        thinks_in_content=True,
        has_reasoning_count=False,
        top={"input_sensitive": False, "output_sensitive": False, "base_resp": {"status_code": 0, "status_msg": ""}},
        delta_extra={"name": "MiniMax AI", "audio_content": ""},
    ),
    "xiaomi": Wire(model="mimo-v2.6-pro", late_id=None, late_name=None, always_usage=True),
}
for _id in ("tencent", "baidu", "stepfun", "siliconflow", "longcat", "sensenova"):
    WIRES[_id] = replace(PLAIN, model=f"{_id}-model")
