"""A whole answer put together from a streamed one, for models that think only while they stream. Pure.

What comes out is what ``answers`` would have read from a body: the same members, the same judgements. A stream that
broke off, or an error within it, is a failure, and the pieces before it are no answer.
"""

from typing import Any

from smartoken.errors import FailureClass
from smartoken.providers.answers import KEPT_MESSAGE, KEPT_TOP, Answer, read_answer
from smartoken.providers.dialect import Dialect
from smartoken.providers.failures import Failure
from smartoken.providers.registry import dialect
from smartoken.providers.streams import StreamEvent, StreamReader
from smartoken.tokens import TokenUsage

_PLAIN = dialect("openai")  # what a reader of streams gives out is OpenAI's
_TEXTS = ("content", "reasoning_content", "refusal")


class _Gathered:
    """One choice, as far as it came."""

    __slots__ = ("calls", "finish", "kept", "logprobs", "texts")

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.calls: dict[int, dict[str, Any]] = {}
        self.kept: dict[str, Any] = {}
        self.logprobs: dict[str, list[Any]] = {}
        self.finish: str | None = None

    def take(self, choice: dict[str, Any]) -> None:
        """Add what one chunk says of the choice."""
        for name, value in choice["delta"].items():
            if name in _TEXTS and isinstance(value, str):
                self.texts.setdefault(name, []).append(value)
            elif name == "tool_calls":
                for each in value:
                    self._take_call(each)
            elif name in KEPT_MESSAGE:
                self.kept[name] = value
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict):
            for name, rows in logprobs.items():
                if isinstance(rows, list):
                    self.logprobs.setdefault(name, []).extend(rows)
        self.finish = choice.get("finish_reason") or self.finish

    def _take_call(self, fragment: dict[str, Any]) -> None:
        blank = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        call = self.calls.setdefault(fragment.get("index", 0), blank)
        function = fragment.get("function") or {}
        call["id"] = fragment.get("id") or call["id"]
        call["type"] = fragment.get("type") or call["type"]
        call["function"]["name"] = function.get("name") or call["function"]["name"]
        call["function"]["arguments"] += function.get("arguments") or ""

    def whole(self, finish: str | None) -> dict[str, Any]:
        """Return the choice as a body has it."""
        message: dict[str, Any] = {name: "".join(pieces) for name, pieces in self.texts.items()}
        message.update(self.kept)
        if self.calls:
            message["tool_calls"] = [self.calls[index] for index in sorted(self.calls)]
        return {"message": message, "logprobs": self.logprobs or None, "finish_reason": self.finish or finish}


class Collector:
    """Takes a stream's bytes as they come, and gives the whole answer."""

    __slots__ = ("_choices", "_failure", "_most", "_reader", "_size", "_top", "_usage", "done")

    def __init__(self, spoken: Dialect, most_bytes: int) -> None:
        self._reader = StreamReader(spoken)
        self._most = most_bytes
        self._size = 0
        self._top: dict[str, Any] = {}
        self._choices: dict[int, _Gathered] = {}
        self._usage: TokenUsage | None = None
        self._failure: Failure | None = None
        self.done = False

    def take(self, piece: bytes) -> list[dict[str, Any]]:
        """Take bytes, empty ones when they have ended; return the deltas among them."""
        self._size += len(piece)
        if self._size > self._most:
            self._fail(Failure(FailureClass.BAD_ANSWER, f"the provider's answer is larger than {self._most} bytes"))
        if self.done:
            return []
        deltas = []
        for each in self._reader.feed(piece) if piece else self._reader.close():
            deltas += self._take(each)
        return deltas

    def _fail(self, failure: Failure) -> None:
        self._failure = self._failure or failure
        self.done = True

    def _take(self, event: StreamEvent) -> list[dict[str, Any]]:
        if event.usage is not None:
            self._usage = event.usage
        if event.failure is not None:
            self._fail(event.failure)
        self.done = self.done or event.done
        if event.chunk is None:
            return []
        for name in ("id", "model", "created", *KEPT_TOP):
            if event.chunk.get(name):
                self._top.setdefault(name, event.chunk[name])
        choices = event.chunk["choices"]
        for each in choices:
            self._choices.setdefault(each["index"], _Gathered()).take(each)
        return [each["delta"] for each in choices]

    def answer(self, finish: str | None = None) -> Answer:
        """Return the whole answer; ``finish`` for choices that were ended here, before the provider did."""
        if self._failure is not None:
            return Answer({}, self._usage, self._failure)
        choices = [self._choices[index].whole(finish) for index in sorted(self._choices)]
        return read_answer(_PLAIN, {**self._top, "choices": choices})._replace(usage=self._usage)
