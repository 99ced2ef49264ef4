"""One attempt: a request goes to one target, and its answer is read and passed on as it comes.

Every event is parsed and written anew: no upstream byte reaches a client as it came. A stream that breaks off never
ends as if it were whole. When the client leaves, the upstream call is cancelled, or read to its end, as the offer's
policy says; either way the outcome carries the usage.
"""

from smartoken.clock import Clock
from smartoken.gateway.call import Call, EndReason, Target
from smartoken.gateway.endings import AttemptFailedError, no_content
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.meter import Meter
from smartoken.gateway.passage import Passage
from smartoken.gateway.purse import Purse
from smartoken.gateway.relayed import Relayed
from smartoken.gateway.reply import Reply
from smartoken.gateway.stream import END_OF_FINISH, LIMITED_BY_BUDGET
from smartoken.gateway.till import Till
from smartoken.gateway.upstreams import Upstreams
from smartoken.providers.answers import Answer, read_answer_bytes
from smartoken.providers.collect import Collector
from smartoken.providers.failures import MAX_READ, Failure, classify
from smartoken.providers.registry import dialect
from smartoken.providers.response import HttpResponse
from smartoken.providers.streams import StreamReader
from smartoken.providers.upstream import UpstreamError, UpstreamResponse

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = MAX_READ
DRAIN_S = 60.0
MAX_DRAINING = 64
_OK = 200


class Attempts:
    """Makes attempts; one a worker."""

    __slots__ = ("_clock", "_draining", "_logbook", "_till", "_upstreams", "open")

    def __init__(self, upstreams: Upstreams, clock: Clock, till: Till, logbook: Logbook) -> None:
        self._upstreams = upstreams
        self._clock = clock
        self._till = till
        self._logbook = logbook
        self._draining = 0
        self.open: dict[Reply, float] = {}  # streams under way -> when the client last heard something

    def client_left(self, relayed: Relayed) -> None:
        """Cancel what comes for a client that is gone, unless its offer's policy reads it to the end."""
        target = relayed.outcome.target
        if target is not None and target.offer.offer.cancel == "drain" and self._draining < MAX_DRAINING:
            return
        if relayed.response is not None:
            relayed.response.abort()

    async def make(self, call: Call, target: Target, reply: Reply, relayed: Relayed) -> None:
        """Make one attempt; on return the outcome is complete.

        Raises:
            AttemptFailedError: another target may be tried.

        """
        if len(relayed.outcome.attempts) > 1:
            relayed.meter = Meter()  # what an earlier attempt sent was never passed on
        try:
            self._logbook.sent(call.id)
            response = relayed.response = await self._upstreams.send(target)
            relayed.sent = True
            relayed.outcome.attempts[-1].status = response.status
            if reply.gone and target.offer.offer.cancel != "drain":
                response.abort()
            if response.status != _OK:
                body = await response.read(MAX_ERROR_BYTES)
                spoken = dialect(target.offer.provider.dialect)
                raise AttemptFailedError(classify(spoken, response.status, response.headers, body))
            if call.request.stream:
                await self._stream(call, target, (reply, relayed), response)
            else:
                await self._whole(call, target, relayed, response)
        except UpstreamError as error:
            relayed.sent = relayed.sent or error.sent
            if not reply.gone:
                raise AttemptFailedError(Failure(error.kind, str(error), None, None, None, None)) from error
            relayed.outcome.end, relayed.outcome.status = EndReason.CLIENT_LEFT, 499
            relayed.outcome.usage = relayed.meter.counted(target.body) if relayed.sent else None

    async def _whole(self, call: Call, target: Target, relayed: Relayed, response: UpstreamResponse) -> None:
        outcome = relayed.outcome
        if target.body.get("stream") is True:
            answer = await self._collected(call, target, relayed, response)
        else:
            raw = await response.read(MAX_ANSWER_BYTES)
            answer = read_answer_bytes(dialect(target.offer.provider.dialect), raw)
        if answer.failure is not None:
            raise AttemptFailedError(answer.failure)
        meter, choices = relayed.meter, answer.body["choices"]
        meter.reported = answer.usage
        for choice in choices:
            if answer.usage is None:
                meter.see(choice["message"])
            elif "reasoning_content" in choice["message"]:
                meter.thinking = True
        finish: str = choices[-1]["finish_reason"]
        if not answer.has_content and finish == "stop" and not (answer.usage is not None and answer.usage.completion):
            raise no_content()
        self._upstreams.remember(call, answer.tool_call_ids, answer.reasoning_text)
        if len(choices) < call.request.n:
            outcome.target = target._replace(warnings=(*target.warnings, f"n-{call.request.n}-answered-{len(choices)}"))
        outcome.model_served = answer.body.get("model")
        outcome.body = answer.body
        outcome.usage = meter.usage(target.body, target.offer.offer.context)
        outcome.thinking = meter.thinking
        outcome.end = END_OF_FINISH.get(finish, EndReason.COMPLETED)
        outcome.status = _OK

    async def _collected(self, call: Call, target: Target, relayed: Relayed, response: UpstreamResponse) -> Answer:
        """Read a stream to its end for a client that wants it whole; ended with ``length`` when the money ends."""
        collector = Collector(dialect(target.offer.provider.dialect), MAX_ANSWER_BYTES)
        purse = Purse(call, relayed.held, self._till, self._logbook)
        meter = relayed.meter
        finish = None
        while not collector.done:
            piece = await response.chunk()
            for delta in collector.take(piece):
                meter.see(delta)
            if piece and not await purse.covers(meter):
                finish, relayed.outcome.evidence = "length", LIMITED_BY_BUDGET
                break
        relayed.meter = Meter()  # the whole answer is counted anew
        answer = collector.answer(finish)
        if finish is not None:
            answer.body["limited_by"] = "budget"
        return answer

    async def _stream(
        self, call: Call, target: Target, under_way: tuple[Reply, Relayed], response: UpstreamResponse
    ) -> None:
        reply, relayed = under_way
        stream = relayed.opens(call, target, relayed.outcome, reply)
        purse = Purse(call, relayed.held, self._till, self._logbook)
        relayed.meter = stream.meter
        reader = StreamReader(dialect(target.offer.provider.dialect))
        if isinstance(response, HttpResponse):
            response.passage = Passage(reader, stream, purse, reply, self._clock).noting(self.open).take
        drain_until: float | None = None
        try:
            while not stream.done:
                piece = await response.chunk()
                now = self._clock.monotonic()
                await stream.take(reader.feed(piece) if piece else reader.close(), now)
                if not piece:
                    break
                if stream.begun and not (purse.plainly_covers(stream.meter, now) or await purse.covers(stream.meter)):
                    await stream.end_for_money()
                    break
                if reply.gone:
                    if drain_until is None:
                        drain_until = now + DRAIN_S
                        self._draining += 1
                    elif now > drain_until:
                        response.abort()
                elif stream.begun:
                    self.open[reply] = now
        except UpstreamError as error:
            stream.broken(error)
        finally:
            if drain_until is not None:
                self._draining -= 1
        await stream.finish()
        self._upstreams.remember(call, reader.tool_call_ids, reader.reasoning_text)
        relayed.stream = stream
