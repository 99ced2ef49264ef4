"""One attempt's stream on its way to the client: hold back until content, pass on, end honestly.

Chunks before the first content (a role, an empty delta) are held, so that another offer may still answer. After that
nothing is held but the end: the usage chunk and ``[DONE]`` wait for settlement.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from smartoken.errors import FailureClass, UpstreamCutError, UpstreamTimeoutError
from smartoken.gateway.call import Call, EndReason, Outcome, Target
from smartoken.gateway.endings import AttemptFailedError, no_content, request_error
from smartoken.gateway.meter import Meter
from smartoken.gateway.reply import Reply, event
from smartoken.providers.failures import Failure
from smartoken.providers.moulds import Mould, mould_of
from smartoken.providers.streams import StreamEvent
from smartoken.providers.upstream import UpstreamError
from smartoken.routing.reactions import told_to_client

END_OF_FINISH = {
    "stop": EndReason.COMPLETED,
    "tool_calls": EndReason.COMPLETED,
    "function_call": EndReason.COMPLETED,
    "length": EndReason.LENGTH,
    "content_filter": EndReason.CONTENT_FILTER,
}
LIMITED_BY_BUDGET = "limited_by:budget"  # evidence of an answer that ended because its money did
_CLOSERS = frozenset({"length", "content_filter"})  # ends that may honestly come without content


def announce(reply: Reply, outcome: Outcome) -> None:
    """Set the headers that are known once an upstream has begun to answer; too late when headers went out before."""
    target = outcome.target
    if reply.begun or target is None:
        return
    if outcome.show_providers:
        reply.headers.append((b"x-smartoken-provider", target.offer.provider.id.encode()))
    reply.headers.append((b"x-smartoken-attempts", str(len(outcome.attempts)).encode()))
    if outcome.model_served:
        reply.headers.append((b"x-smartoken-model-served", printable(outcome.model_served)))
    if target.warnings:
        reply.headers.append((b"x-smartoken-warning", printable("; ".join(target.warnings))))


@lru_cache(maxsize=1024)
def printable(text: str) -> bytes:
    """Return text as a header value: visible ASCII only, bounded, so that no upstream can inject a header."""
    return "".join(each if " " <= each <= "~" else "?" for each in text[:200]).encode()


class AnswerStream:
    """The passage of one upstream stream; ``outcome`` is complete after ``finish``."""

    __slots__ = (
        "_call",
        "_choices",
        "_finish",
        "_finished",
        "_held",
        "_id",
        "_model",
        "_mould",
        "_outcome",
        "_plain",
        "_reply",
        "_target",
        "_thought",
        "begun",
        "created",
        "done",
        "meter",
    )

    def __init__(self, call: Call, target: Target, outcome: Outcome, reply: Reply) -> None:
        self._call = call
        self._target = target
        self._outcome = outcome
        self._reply = reply
        self._held: list[bytes] = []
        self._finished: set[int] = set()
        self._choices: set[int] = set()
        self._id = call.id
        self._model = call.request.model
        self._finish: str | None = None
        self._mould: Mould | None = None  # of the last event written, where it was a plain text; made when asked for
        self._plain: tuple[bytes, str, str] | None = None  # that event, its text and what that is named
        self._thought = False  # whether that text is thinking
        self.meter = Meter()
        self.begun = False  # content has been passed on
        self.created = 0  # as the provider said it when content began
        self.done = False

    @property
    def complete(self) -> bool:
        """Whether every choice that was begun has said why it ended."""
        return bool(self._finished) and self._finished >= self._choices

    async def take(self, events: Sequence[StreamEvent], now: float) -> None:
        """Pass on a batch of events that came at the monotonic time ``now``.

        Raises:
            AttemptFailedError: a failure arrived before any content.

        """
        out: list[bytes] = []
        self._mould = self._plain = None
        for each in events:
            if each.usage is not None:
                self.meter.reported = each.usage
            if each.failure is not None:
                if not self.begun:
                    raise AttemptFailedError(each.failure)
                self._fail(each.failure)
                break
            if each.chunk is not None:
                written = self._write(each.chunk, each.finish)
                if not self.begun and each.has_content:
                    self.created = each.chunk["created"]
                    self._begin(int((now - self._call.started) * 1000))
                    out.extend(self._held)
                    self._held.clear()
                (out if self.begun else self._held).append(written)
                if each.text is not None and self.begun and len(events) == 1:
                    self._thought = each.thought
                    self._plain = (written, each.text, "reasoning_content" if each.thought else "content")
            if each.done:
                self.done = True
        if out and not self._reply.gone:
            await self._reply.chunk(out[0] if len(out) == 1 else b"".join(out))

    def moulded(self, text: str) -> bytes:
        """Return what to send for an event that is the last one with this text; nothing where that is not sure."""
        mould = self._mould
        if mould is None and self._plain is not None:
            mould, self._plain = mould_of(*self._plain), None
            self._mould = mould
        return b"" if mould is None else mould.before + orjson.dumps(text) + mould.after

    def saw(self, text: str) -> None:
        """Count a text that was sent in the mould of the last event."""
        if self._thought:
            self.meter.see_thought(text)
        else:
            self.meter.see_text(text)

    def _write(self, chunk: dict[str, Any], finish: str | None) -> bytes:
        if self._outcome.model_served is None:
            self._outcome.model_served = chunk.get("model")
        chunk["id"] = self._id
        chunk["model"] = self._model
        for choice in chunk["choices"]:
            index = choice.get("index", 0)
            self._choices.add(index)
            delta = choice.get("delta")
            if delta:
                self.meter.see(delta)
            if finish is not None and choice.get("finish_reason"):
                self._finished.add(index)
                self._finish = choice["finish_reason"]
        return event(chunk)

    def _begin(self, elapsed_ms: int) -> None:
        self.begun = True
        self._outcome.ttft_ms = self._outcome.attempts[-1].ttft_ms = elapsed_ms
        announce(self._reply, self._outcome)

    def _fail(self, failure: Failure) -> None:
        """Note a failure that came after content: the truth goes out, what was sent is billed."""
        self.done = True
        outcome, attempt = self._outcome, self._outcome.attempts[-1]
        attempt.failure, attempt.message, attempt.upstream_code = failure.kind, failure.message, failure.upstream_code
        if told_to_client(failure.kind):
            outcome.error = request_error(failure)
            refused = failure.kind is FailureClass.REFUSAL
            outcome.end = EndReason.CONTENT_FILTER if refused else EndReason.UPSTREAM_CUT
        elif failure.kind is FailureClass.TIMEOUT:
            outcome.error = UpstreamTimeoutError("The provider fell silent in the middle of its answer.")
            outcome.end = EndReason.STALLED
        else:
            outcome.error = UpstreamCutError(f"The provider's answer broke off: {failure.message}")
            outcome.end = EndReason.UPSTREAM_CUT

    def broken(self, error: UpstreamError) -> None:
        """Take note that the bytes ended in an error.

        Raises:
            AttemptFailedError: no content had been passed on.

        """
        if self.complete or self._reply.gone:
            return  # everything was said before the connection broke, or nobody is listening
        failure = Failure(error.kind, str(error), None, self._outcome.attempts[-1].status, None, None)
        if not self.begun:
            raise AttemptFailedError(failure) from error
        self._fail(failure)

    async def finish(self) -> None:
        """Complete the outcome once no more bytes will come.

        Raises:
            AttemptFailedError: the stream ended without content.

        """
        outcome = self._outcome
        outcome.thinking = self.meter.thinking
        outcome.status = 200
        if outcome.error is not None:
            outcome.usage = self._usage()
            return
        if self.complete:
            if not self.begun:
                await self._release_empty()
            outcome.usage = self._usage()
            outcome.end = END_OF_FINISH.get(self._finish or "stop", EndReason.COMPLETED)
            return
        if self._reply.gone:
            outcome.end, outcome.status = EndReason.CLIENT_LEFT, 499
            outcome.usage = self._usage()
            return
        failure = Failure(FailureClass.CUT, "The stream ended without a finish reason.", None, 200, None, None)
        if not self.begun:
            raise AttemptFailedError(failure)
        self._fail(failure)
        outcome.usage = self._usage()

    async def end_for_money(self) -> None:
        """End the answer here, because no more money can be held for it: ``length``, and whose limit it was."""
        self.done = True
        choices: list[dict[str, Any]] = [
            {"index": index, "delta": {}, "logprobs": None, "finish_reason": "length"}
            for index in sorted(self._choices - self._finished)
        ]
        self._finished |= self._choices
        self._finish = "length"
        self._outcome.evidence = LIMITED_BY_BUDGET
        if not self._reply.gone:
            chunk = {"id": self._call.id, "object": "chat.completion.chunk", "created": self._call.created}
            await self._reply.chunk(
                event({**chunk, "model": self._call.request.model, "choices": choices, "limited_by": "budget"})
            )

    async def _release_empty(self) -> None:
        """Pass on an answer that ended without content, when it says why; an unexplained one counts as a failure."""
        reported = self.meter.reported
        if self._finish not in _CLOSERS and not (reported is not None and reported.completion):
            raise no_content()
        announce(self._reply, self._outcome)
        self.begun = True
        if not self._reply.gone:
            await self._reply.chunk(b"".join(self._held))

    def _usage(self) -> Any:
        return self.meter.usage(self._target.body, self._target.offer.offer.context)


class RemainderStream(AnswerStream):
    """The passage of the rest of an answer that another provider began: no second role, the same time of making."""

    __slots__ = ()

    def __init__(self, created: int, call: Call, target: Target, outcome: Outcome, reply: Reply) -> None:
        super().__init__(call, target, outcome, reply)
        self.created = created
        self._choices.add(0)

    def _write(self, chunk: dict[str, Any], finish: str | None) -> bytes:
        kept = []
        for choice in chunk["choices"]:
            delta = {name: each for name, each in choice["delta"].items() if name != "role" and each != ""}
            if delta or choice.get("finish_reason"):
                kept.append({**choice, "delta": delta})
        if not kept:
            return b""
        chunk["choices"], chunk["created"] = kept, self.created
        return super()._write(chunk, finish)

    async def _release_empty(self) -> None:
        """Pass on the end of an answer whose text was complete already."""
        self.begun = True
        if not self._reply.gone:
            await self._reply.chunk(b"".join(self._held))
