"""A streamed answer, chunk by chunk, in one shape. Pure.

Bytes go in as they came, ``StreamEvent``s come out. ``chunk`` is OpenAI's ``chat.completion.chunk`` whatever the
dialect: the role once, in the first delta; reasoning in ``reasoning_content``; ``finish_reason`` null until the end and
of OpenAI's set; tool calls with ids and indices repaired; usage taken out. ``id`` and ``model`` stay as they came, the
gateway sets its own. A vendor's own members do not travel; ``system_fingerprint``, ``service_tier``, ``logprobs``,
``refusal``, ``annotations`` and ``audio`` do.

Ends: [DONE] or the end of bytes after every choice had its finish reason is ``done``. Anything else is a ``failure``:
cut, malformed, too large, or an error that the provider sent as an event after its 200. Nothing follows either.
This file runs once for every chunk of every stream: the plain text delta takes the short way.
"""

from typing import Any, NamedTuple

import orjson

from smartoken.errors import FailureClass
from smartoken.providers import answers, think
from smartoken.providers.dialect import CUMULATIVE_TEXT, REASONING_TAGS, THINK_TAGS, Dialect
from smartoken.providers.failures import Failure, judge, read_error
from smartoken.providers.moulds import Mould, mould_of, text_in
from smartoken.providers.read_json import too_deep
from smartoken.providers.reasoning import fingerprint
from smartoken.providers.sse import MAX_LINE, SseEvent, SseParser, SseTooLargeError
from smartoken.providers.toolcalls import ToolCalls
from smartoken.providers.usage import read_usage
from smartoken.tokens import TokenUsage

_MOULDS = 8  # made in a row without use before no more are made
_AROUND = len(b"data: \n\n")
MOST_CHOICES = 128  # far above any ``n`` that is passed on
MAX_KEPT_REASONING = 1 << 20  # characters kept for replay; a longer text is not kept at all
_TOO_DEEP = "an event of the provider's stream is nested too deeply"
_KEPT_DELTA = ("refusal", "annotations", "audio", "function_call")


class StreamEvent(NamedTuple):
    """What one event of the upstream means; a tuple because one is made per chunk.

    ``chunk`` is None where nothing is to be sent on. ``usage`` is the whole count so far: the last one holds, counts
    are never added. ``finish`` is set with the chunk that carries a finish reason.
    """

    chunk: dict[str, Any] | None = None
    usage: TokenUsage | None = None
    has_content: bool = False
    finish: str | None = None
    failure: Failure | None = None
    done: bool = False
    text: str | None = None  # of a chunk that is one piece of text, or of thinking, and nothing else
    thought: bool = False  # whether that is thinking


_DONE = StreamEvent(done=True)
_NOTHING = StreamEvent()


class _Choice:
    """What is known of one choice while it streams."""

    __slots__ = ("calls", "cumulative", "finished", "splitter", "started", "stripper")

    def __init__(self, repairs: tuple[str, ...]) -> None:
        self.started = False
        self.finished = False
        self.calls: ToolCalls | None = None
        self.cumulative = think.Cumulative() if CUMULATIVE_TEXT in repairs else None
        self.splitter = think.ThinkSplitter() if THINK_TAGS in repairs else None
        self.stripper = think.TagStripper() if REASONING_TAGS in repairs else None


class StreamReader:
    """Reads one stream of one dialect.

    ``created`` (seconds since the epoch) is used where the provider gives no time. After the end ``reasoning_text`` and
    ``tool_call_ids`` are what the reasoning store remembers, empty where the dialect needs no replay.
    """

    def __init__(self, dialect: Dialect, *, created: int = 0) -> None:
        self._dialect = dialect
        self._sse = SseParser()
        self._created = created
        self._object_created = 0
        self._named = ""
        self._model = ""
        self._choices: dict[int, _Choice] = {}
        self._usage: TokenUsage | None = None
        self._over = False
        self._plain: list[bytes] | None = None  # a body that is JSON instead of an event stream
        self._begun = False
        self._received = False
        self._mould: Mould | None = None  # of the last event, where it was a plain text
        self._mould_kept = False  # whether its text is thinking that is kept for replay
        self._keeps_last = False  # whether that of the event read last is
        self._unused = 0  # moulds made since one was of use: some vendors pad each event with noise
        self._thought: list[str] = []
        self._thought_length = 0
        self._keeps_reasoning = dialect.replays_reasoning
        self._repairs = dialect.repairs
        self._reasoning_field, *self._other_reasoning = dialect.reasoning_fields

    @property
    def reasoning_text(self) -> str:
        """The thinking of the first choice, for replay."""
        return "" if self._thought_length > MAX_KEPT_REASONING else "".join(self._thought)

    @property
    def tool_call_ids(self) -> tuple[str, ...]:
        """The fingerprints of the first choice's tool calls, for replay."""
        first = self._choices.get(0)
        if not self._keeps_reasoning or first is None or first.calls is None:
            return ()
        return tuple(fingerprint(call) for call in first.calls.made)

    @property
    def tool_calls(self) -> tuple[dict[str, Any], ...]:
        """The first choice's tool calls, assembled."""
        first = self._choices.get(0)
        return tuple(first.calls.made) if first is not None and first.calls is not None else ()

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Take the next bytes; return what they complete. After the end everything is ignored."""
        self._mould = None
        if self._over:
            return []
        if not self._begun:
            bare = chunk.lstrip()
            if bare[:1] in (b"{", b"["):
                self._plain = []
            self._begun = bool(bare)
        if self._plain is not None:
            self._plain.append(chunk)
            if sum(map(len, self._plain)) > MAX_LINE:
                return [self._fail("the provider sent a large body that is no event stream")]
            return []
        try:
            parsed = self._sse.feed(chunk)
        except SseTooLargeError as error:
            return [self._fail(str(error))]
        if len(parsed) == 1:
            event = self._read(parsed[0])
            if event.text is not None and self._unused < _MOULDS and len(parsed[0].data) + _AROUND == len(chunk):
                self._keep_mould(chunk, event)
            return [event] if event is not _NOTHING else []
        return self._read_all(parsed)

    def _keep_mould(self, chunk: bytes, event: StreamEvent) -> None:
        """Keep the mould of a chunk that is a whole event, for the chunks after it."""
        if event.text is not None and self._sse.idle and chunk[:6] == b"data: " and chunk[-2:] == b"\n\n":
            name = self._reasoning_field if event.thought else "content"
            self._mould, self._mould_kept = mould_of(chunk, event.text, name), event.thought and self._keeps_last
            self._unused += 1

    def more(self, chunk: bytes) -> str | None:
        """Return the text of a chunk that is like the last event but for its text; ``feed`` takes any other.

        Whoever passes it on says so with ``took``.
        """
        mould = self._mould
        if mould is None:
            return None
        text = text_in(mould, chunk)
        if text is not None:
            self._unused = 0
        return text

    def took(self, text: str) -> None:
        """Note that a text of ``more`` was passed on."""
        if self._mould_kept:
            self._keep_thought(text)

    def _keep_thought(self, text: str) -> None:
        self._thought.append(text)
        self._thought_length += len(text)

    def _read_all(self, parsed: list[SseEvent]) -> list[StreamEvent]:
        events = []
        for each in parsed:
            if self._over:
                break
            event = self._read(each)
            if event is not _NOTHING:
                events.append(event)
        return events

    def close(self) -> list[StreamEvent]:
        """Say that the bytes have ended; return what that means: the rest, then done or the failure."""
        if self._over:
            return []
        if self._plain is not None:
            return self._close_plain(b"".join(self._plain))
        try:
            parsed = self._sse.close()
        except SseTooLargeError as error:
            return [self._fail(str(error))]
        events = []
        for each in parsed:
            try:
                orjson.loads(each.data)
            except orjson.JSONDecodeError:
                if each.data != b"[DONE]":
                    break  # the last event itself is cut
            events += self._read_all([each])
        if not self._over:
            events.append(self._end())
        return events

    def _close_plain(self, raw: bytes) -> list[StreamEvent]:
        """Read a body that is no stream: an error with a 200, or a whole answer although a stream was asked."""
        self._over = True
        answer = answers.read_answer_bytes(self._dialect, raw, created=self._created)
        if answer.failure is not None:
            return [StreamEvent(usage=answer.usage, failure=answer.failure)]
        for choice in answer.body["choices"]:
            choice["delta"] = choice.pop("message")
            for place, call in enumerate(choice["delta"].get("tool_calls", ())):
                call["index"] = place
        answer.body.pop("usage", None)
        answer.body["object"] = "chat.completion.chunk"
        return [StreamEvent(answer.body, answer.usage, answer.has_content, answer.finish), _DONE]

    def _fail(self, message: str, kind: FailureClass = FailureClass.BAD_ANSWER) -> StreamEvent:
        self._over = True
        return StreamEvent(failure=Failure(kind, message))

    def _end(self) -> StreamEvent:
        """Judge the end: complete when every choice had its finish reason, else empty or cut."""
        if self._choices and all(each.finished for each in self._choices.values()):
            self._over = True
            return _DONE
        if not self._received:
            return self._fail("the provider's stream was empty")
        return self._fail("the provider's stream ended without a finish reason", FailureClass.CUT)

    def _read(self, event: SseEvent) -> StreamEvent:
        raw = event.data
        if raw == b"[DONE]":
            return self._end()
        try:
            payload = orjson.loads(raw)
        except orjson.JSONDecodeError:
            if raw.strip() == b"[DONE]":
                return self._end()
            return self._fail("an event of the provider's stream is not valid JSON")
        if type(payload) is not dict:
            return self._fail("an event of the provider's stream is not a JSON object")
        choices = payload.get("choices")
        if not choices or "error" in payload or "base_resp" in payload or event.name == b"error":
            if too_deep(raw, payload):
                return self._fail(_TOO_DEEP)
            return self._read_unusual(payload, choices, named_error=event.name == b"error")
        if type(choices) is not list:
            return self._fail("`choices` of a streamed event is not a list")
        self._received = True
        usage = payload.get("usage")
        if usage is not None:
            usage = self._take_usage(usage)
        elif len(choices) == 1:
            plain = self._read_text(payload, choices[0])
            if plain is not None:
                return plain
        if too_deep(raw, payload):
            return self._fail(_TOO_DEEP)
        return self._read_choices(payload, choices, usage)

    def _read_text(self, payload: dict[str, Any], raw: Any) -> StreamEvent | None:
        """Read the chunk that most chunks are, a piece of text and nothing else; None for any other."""
        if self._repairs or type(raw) is not dict or raw.get("finish_reason") is not None:
            return None
        delta, index = raw.get("delta"), raw.get("index")
        if type(index) is not int or type(delta) is not dict or len(delta) != 1:
            return None
        ((name, text),) = delta.items()
        thought = name == self._reasoning_field
        if not (thought or name == "content") or not text or type(text) is not str or index not in self._choices:
            return None
        if raw.get("logprobs") is not None:
            return None
        if thought:
            delta = {"reasoning_content": text}
            self._keeps_last = self._keeps_reasoning and index == 0
            if self._keeps_last:
                self._keep_thought(text)
        read = {"index": index, "delta": delta, "finish_reason": None}
        return StreamEvent(self._frame(payload, [read]), has_content=True, text=text, thought=thought)

    def _read_unusual(self, payload: dict[str, Any], choices: Any, *, named_error: bool) -> StreamEvent:
        """Read an event without choices, or one that may be an error."""
        error = read_error(payload)
        if error is None and named_error:
            error = read_error({"error": payload})
        if error is not None:
            self._over = True
            usage = self._take_usage(payload.get("usage"))
            return StreamEvent(usage=usage, failure=judge(self._dialect, error, None))
        self._received = True
        usage = self._take_usage(payload.get("usage"))
        if choices and type(choices) is list:
            return self._read_choices(payload, choices, usage)
        return StreamEvent(usage=usage) if usage is not None else _NOTHING

    def _take_usage(self, block: Any) -> TokenUsage | None:
        """Return a count only when it says more than the last one: vendors repeat it, and it is never summed."""
        usage = read_usage(self._dialect.usage, block)
        if usage is None or usage == self._usage:
            return None
        if self._usage is not None and usage.total < self._usage.total:
            return None
        self._usage = usage
        return usage

    def _read_choices(self, payload: dict[str, Any], choices: list[Any], usage: TokenUsage | None) -> StreamEvent:
        out: list[dict[str, Any]] = []
        has_content = False
        finish: str | None = None
        for raw in choices:
            if type(raw) is not dict:
                return self._fail("a choice of a streamed event is not an object")
            index = raw.get("index", 0)
            if type(index) is not int or not 0 <= index < MOST_CHOICES:
                index = 0
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice(self._repairs)
            ended, failed = raw.get("finish_reason"), None
            if ended is not None:
                ended, failed = answers.finish_of(self._dialect, ended)
                if "usage" in raw and "choice" in self._dialect.usage.places:
                    usage = self._take_usage(raw["usage"]) or usage
                if failed is not None:
                    self._over = True
                    word = str(raw["finish_reason"])
                    return StreamEvent(
                        usage=usage, failure=Failure(failed, f"the provider ended the stream with {word}", word)
                    )
            delta = self._read_delta(choice, raw.get("delta"), index, payload, ended=ended is not None)
            has_content = has_content or bool(delta)
            if ended is not None:
                if choice.finished:
                    ended = None  # old GLM ends twice
                choice.finished = True
            if not choice.started:
                choice.started = True
                delta = {"role": "assistant", "content": "", **delta}
            elif not delta and ended is None:
                continue
            read: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": ended}
            if raw.get("logprobs") is not None:
                read["logprobs"] = raw["logprobs"]
            out.append(read)
            finish = ended or finish
        if not out:
            return StreamEvent(usage=usage) if usage is not None else _NOTHING
        return StreamEvent(self._frame(payload, out), usage, has_content, finish)

    def _frame(self, payload: dict[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
        created = payload.get("created")
        if type(created) is int and created > 0:
            self._object_created = created
        named = payload.get("model")
        if type(named) is str and named != self._named:  # every chunk repeats it
            self._named, self._model = named, answers.served_name(named)
        chunk = {
            "id": payload.get("id", ""),
            "object": "chat.completion.chunk",
            "created": self._object_created or self._created,
            "model": self._model,
            "choices": choices,
        }
        for name in answers.KEPT_TOP:
            if type(payload.get(name)) is str:
                chunk[name] = payload[name]
        return chunk

    def _read_delta(
        self, choice: _Choice, raw: Any, index: int, payload: dict[str, Any], *, ended: bool
    ) -> dict[str, Any]:
        """Return the delta in OpenAI's words, without role; empty and null members are left out."""
        if type(raw) is not dict:
            raw = {}
        content = raw.get("content")
        if content is not None and type(content) is not str:
            content = answers.text_of(content)
        reasoning = raw.get(self._reasoning_field)
        if not reasoning and (self._other_reasoning or self._repairs):
            reasoning = answers.reasoning_of(self._dialect, raw) if len(raw) > 1 or content is None else None
        elif type(reasoning) is not str:
            reasoning = None
        if self._repairs:
            reasoning, content = self._repair(choice, reasoning or "", content or "", ended=ended)
        delta: dict[str, Any] = {}
        if content:
            delta["content"] = content
        if reasoning:
            delta["reasoning_content"] = reasoning
            if self._keeps_reasoning and index == 0:
                self._keep_thought(reasoning)
        calls = raw.get("tool_calls")
        if calls and type(calls) is list:
            if choice.calls is None:
                choice.calls = ToolCalls()
            chunk_id = str(payload.get("id", ""))
            delta["tool_calls"] = [choice.calls.feed(each, chunk_id) for each in calls if type(each) is dict]
        for name in raw:
            if name in _KEPT_DELTA and raw[name] is not None:
                delta[name] = raw[name]
        return delta

    def _repair(self, choice: _Choice, reasoning: str, content: str, *, ended: bool) -> tuple[str, str]:
        """Run the named repairs that the dialect lists over one piece."""
        if choice.cumulative is not None and content:
            content = choice.cumulative.feed(content)
        if choice.splitter is not None and content:
            thought, content = choice.splitter.feed(content)
            reasoning += thought
        if choice.stripper is not None:
            if reasoning:
                reasoning = choice.stripper.feed(reasoning)
            if content:
                reasoning += choice.stripper.flush()
        if ended:
            if choice.splitter is not None:
                thought, rest = choice.splitter.flush()
                reasoning, content = reasoning + thought, content + rest
            if choice.stripper is not None:
                reasoning += choice.stripper.flush()
        return reasoning, content
