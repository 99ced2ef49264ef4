"""Step 4: try the targets in order until one answers; pass its answer on as it comes.

Falls back while no content has reached the client, never after. Every event is parsed and written anew: no upstream
byte reaches a client as it came. A stream that breaks off never ends as if it were whole. When the client leaves, the
upstream call is cancelled, or read to its end, as the offer's policy says; either way the outcome carries the usage.
"""

import asyncio
from functools import partial

from smartoken.clock import Clock
from smartoken.errors import FailureClass, InvalidRequestError, LimitError, SmartokenError
from smartoken.gateway.call import Attempt, Call, EndReason, Outcome, Part, Plan, Target, Wish
from smartoken.gateway.endings import AttemptFailedError, failed_everywhere, no_content
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.meter import Meter
from smartoken.gateway.passage import Passage
from smartoken.gateway.purse import Purse
from smartoken.gateway.queue import Queue, Retries
from smartoken.gateway.race import Race, Runner, adopt
from smartoken.gateway.relayed import Relayed
from smartoken.gateway.reply import Reply
from smartoken.gateway.seams import NO_MONEY, NOBODY, Story, charge_of, join, obstacle_of, remainder_of, wanted
from smartoken.gateway.stream import END_OF_FINISH, LIMITED_BY_BUDGET, AnswerStream, RemainderStream
from smartoken.gateway.till import Held, Till
from smartoken.gateway.upstreams import Upstreams
from smartoken.providers.answers import Answer, read_answer_bytes
from smartoken.providers.collect import Collector
from smartoken.providers.failures import MAX_READ, Failure, classify
from smartoken.providers.registry import dialect
from smartoken.providers.response import HttpResponse
from smartoken.providers.streams import StreamReader
from smartoken.providers.upstream import UpstreamError, UpstreamResponse
from smartoken.routing.hedges import Hedges
from smartoken.routing.reactions import told_to_client
from smartoken.usage.records import OUTRUN

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = MAX_READ
DRAIN_S = 60.0
MAX_DRAINING = 64
_OK = 200


Failed = tuple[str, Failure]  # a provider and how it failed


def _ends(next_after_refusal: bool, failure: Failure) -> bool:
    """Whether a first attempt's failure is the client's to be told, whatever a second one would say."""
    return told_to_client(failure.kind) and not (next_after_refusal and failure.kind is FailureClass.REFUSAL)


def _beside(call: Call) -> str:
    return f"{call.id} beside"


class Relay:
    """Sends calls upstream; one a worker."""

    __slots__ = (
        "_clock",
        "_draining",
        "_hedges",
        "_logbook",
        "_open",
        "_retries",
        "_running",
        "_stopping",
        "_till",
        "_upstreams",
    )

    def __init__(self, upstreams: Upstreams, clock: Clock, till: Till, logbook: Logbook) -> None:
        self._upstreams = upstreams
        self._clock = clock
        self._till = till
        self._logbook = logbook
        self._draining = 0
        self._stopping = False
        self._retries = Retries()
        self._hedges = Hedges()
        self._running: dict[str, Relayed] = {}
        self._open: dict[Reply, float] = {}  # streams under way -> when the client last heard something

    @property
    def streams(self) -> int:
        """How many streams are under way."""
        return len(self._open)

    async def run(self, call: Call, plan: Plan, reply: Reply, held: Held, before: Outcome | None = None) -> Outcome:
        """Relay the call; the outcome says how it ended, errors included. Raises nothing of the upstream's.

        ``before`` is the outcome of another model that nobody answered; its attempts stay on the call.
        """
        relayed = Relayed(held)
        if before is not None:
            relayed.outcome.attempts, relayed.outcome.evidence = before.attempts, before.evidence
            relayed.sent = True
        reply.on_gone = lambda: self._client_left(relayed)
        self._running[call.id] = relayed
        if call.request.stream:
            self._open[reply] = call.started
        try:
            await self._attempts(call, plan, reply, relayed)
        finally:
            del self._running[call.id]
            self._open.pop(reply, None)
            relayed.close()
        return relayed.outcome

    def stop(self) -> None:
        """End every call under way now, honestly: what was sent is settled, the client is told that it broke off."""
        self._stopping = True
        for relayed in self._running.values():
            if relayed.response is not None:
                relayed.response.abort()

    def silent_for(self, seconds: float) -> list[Reply]:
        """Return the open streams whose client heard nothing for so long, and count them as told now."""
        now = self._clock.monotonic()
        silent = [reply for reply, heard in self._open.items() if now - heard >= seconds and not reply.gone]
        for reply in silent:
            self._open[reply] = now
        return silent

    def _client_left(self, relayed: Relayed) -> None:
        target = relayed.outcome.target
        if target is not None and target.offer.offer.cancel == "drain" and self._draining < MAX_DRAINING:
            return
        if relayed.response is not None:
            relayed.response.abort()

    async def _attempts(self, call: Call, plan: Plan, reply: Reply, relayed: Relayed) -> None:
        outcome = relayed.outcome
        outcome.show_providers = plan.show_providers
        failures: list[Failed] = []
        limit = relayed.held.plan.send_limit
        queue = Queue(plan, self._upstreams.pools, self._retries)
        races = plan.options.hedge and call.request.stream and len(plan.targets) > 1
        for planned in queue:
            if reply.gone or self._stopping:
                break
            target = planned
            if not target.body:
                try:
                    target = self._upstreams.prepared(planned, Wish(call, plan.model, plan.thinking, limit))
                except InvalidRequestError:
                    continue  # this provider cannot take a parameter that the first one could
            elif limit is not None and call.request.limit is None:
                target = self._upstreams.limited(target, call, limit)
            provider = target.offer.provider.id
            outcome.target = target
            attempt = Attempt(target.offer.offer.id, provider, target.key.name, self._elapsed_ms(call), why=target.why)
            outcome.attempts.append(attempt)
            pools = self._upstreams.pools
            pools.begin(target.offer, target.key)
            try:
                if races:
                    races = False
                    target, attempt = await self._raced(call, plan, target, (reply, relayed, failures), queue)
                else:
                    await self._attempt(call, target, reply, relayed)
            except AttemptFailedError as failed:
                self._note_failure(target, attempt, failed.failure)
                failures.append((provider, failed.failure))
                pause = queue.failed(target, failed.failure)
                if pause is None:
                    break
                if pause:
                    await asyncio.sleep(pause)
                continue
            finally:
                pools.end(target.offer, target.key)
                attempt.ended_ms = self._elapsed_ms(call)
                relayed.close()
            self._note_end(call, target, attempt, outcome)
            if attempt.failure is not None and relayed.stream is not None and wanted(call):
                await self._go_on(call, plan, (reply, relayed), queue)
            return
        if reply.gone:
            outcome.end, outcome.status = EndReason.CLIENT_LEFT, 499
        else:
            failed_everywhere(outcome, plan, failures)

    async def _raced(
        self, call: Call, plan: Plan, target: Target, under_way: tuple[Reply, Relayed, list[Failed]], queue: Queue
    ) -> tuple[Target, Attempt]:
        """Make the first attempt, and one beside it if it is silent for too long; return the one that spoke.

        What is returned, or failed, is still open in the caller's books; the other one is closed here.

        Raises:
            AttemptFailedError: none spoke.

        """
        reply, relayed, failures = under_way
        outcome, hedges, options = relayed.outcome, self._hedges, plan.options
        model, offer = plan.model.model.id, target.offer.offer.id
        race = Race()
        first = spoke = Runner(target, outcome.attempts[-1], relayed)
        race.enter(first)
        worth = max(1, relayed.held.hold.nano)
        hedges.earn(model, options.hedge_extra_percent, worth)
        wait_ms = hedges.after_ms(offer, options.hedge_after_ms)
        first.task = asyncio.get_running_loop().create_task(self._attempt(call, target, reply, relayed))
        try:
            if await race.listen(first, wait_ms / 1000) and hedges.spend(model, worth):
                started = await self._beside(call, plan, (reply, relayed), queue, race)
                if not started:
                    hedges.give_back(model, worth)
            spoke = await race.over(partial(_ends, options.next_after_refusal))
        finally:
            await race.end()
            relayed.opens = AnswerStream
            reply.on_gone = lambda: self._client_left(relayed)
            self._running.pop(_beside(call), None)
            for each in race.runners:
                if each is not spoke:
                    self._upstreams.pools.end(each.target.offer, each.target.key)
                    each.attempt.ended_ms = self._elapsed_ms(call)
                    each.relayed.close()
        if spoke is not first:
            adopt(relayed, spoke.relayed)
            outcome.attempts.remove(spoke.attempt)
            outcome.attempts.append(spoke.attempt)
        for each in race.runners:
            if each.failure is not None and each is not spoke:
                self._note_failure(each.target, each.attempt, each.failure)
                failures.append((each.target.offer.provider.id, each.failure))
            elif each is not spoke:
                self._outrun(outcome, each)
            elif each.attempt.ttft_ms is not None:
                hedges.note(each.target.offer.offer.id, each.attempt.ttft_ms - each.attempt.started_ms)
        if spoke.failure is not None:
            outcome.attempts.sort(key=lambda each: each.started_ms)
            raise AttemptFailedError(spoke.failure)
        return spoke.target, spoke.attempt

    async def _beside(self, call: Call, plan: Plan, under_way: tuple[Reply, Relayed], queue: Queue, race: Race) -> bool:
        """Start a second attempt, if an offer is left that takes the call and the money for both can be held."""
        reply, relayed = under_way
        first, planned = race.runners[0], queue.beside()
        if planned is None:
            return False
        try:
            narrowed = plan._replace(targets=(planned,))
            held = await self._till.again(relayed.held, call, narrowed, relayed.held.hold.nano)
            target = self._upstreams.prepared(planned, Wish(call, plan.model, plan.thinking, held.plan.send_limit))
        except SmartokenError:
            queue.put_back(planned)
            return False
        if race.winner is not None or first.task is None or first.task.done() or reply.gone or self._stopping:
            queue.put_back(planned)
            return False
        now_ms, attempts = self._elapsed_ms(call), relayed.outcome.attempts
        why = f"beside one that was silent for {now_ms - first.attempt.started_ms} ms"
        attempt = Attempt(
            target.offer.offer.id, target.offer.provider.id, target.key.name, now_ms, why=why, beside=True
        )
        outcome = Outcome(target=target, attempts=[*attempts, attempt], show_providers=plan.show_providers)
        outcome.evidence = relayed.outcome.evidence
        attempts.insert(-1, attempt)  # the last one is who speaks
        second = Runner(target, attempt, Relayed(held, outcome))
        race.enter(second)
        self._upstreams.pools.begin(target.offer, target.key)
        self._running[_beside(call)] = second.relayed
        reply.on_gone = partial(race.each, self._client_left)
        second.task = asyncio.get_running_loop().create_task(self._attempt(call, target, reply, second.relayed))
        return True

    def _outrun(self, outcome: Outcome, runner: Runner) -> None:
        """Note an attempt that was cancelled because another one spoke first, and what it may have cost."""
        attempt, target, meter = runner.attempt, runner.target, runner.relayed.meter
        attempt.message = OUTRUN
        attempt.usage = meter.usage(target.body, target.offer.offer.context)
        place = outcome.attempts.index(attempt) + 1
        outcome.lost = (*outcome.lost, Part(place, target, attempt.usage, meter.thinking))
        self._upstreams.abandoned(target)
        if attempt.ended_ms is not None:
            self._hedges.note(target.offer.offer.id, attempt.ended_ms - attempt.started_ms)

    async def _go_on(self, call: Call, plan: Plan, under_way: tuple[Reply, Relayed], queue: Queue) -> None:
        """Let other offers tell the rest of an answer that broke off after content, where that is safe (seams.py)."""
        reply, relayed = under_way
        whole, model = relayed.outcome, plan.model.model
        story = Story()
        story.take(call, model, whole, relayed.meter)
        if relayed.stream is not None:
            relayed.opens = partial(RemainderStream, relayed.stream.created)
        while not (story.over or reply.gone or self._stopping):
            able = (each for each in queue if obstacle_of(model, each.offer) is None)
            planned = None if queue.used_up else next(able, None)
            if planned is None:
                story.end(NOBODY)
                break
            rest = remainder_of(call, model, planned.offer, story)
            target = await self._admitted_again(rest, plan._replace(targets=(planned,)), relayed, story)
            told = None if target is None else await self._remainder(rest, target, under_way)
            if told is not None:
                if told.end is EndReason.LENGTH and relayed.held.plan.told is not None:
                    told.evidence = LIMITED_BY_BUDGET  # its provider was told how much the money buys
                join(whole, told, story)
                if whole.attempts[-1].failure is None:
                    story.end()
                elif not story.over:
                    story.take(call, model, whole, relayed.meter)
        whole.evidence = story.told(whole.evidence)

    async def _admitted_again(self, rest: Call, plan: Plan, relayed: Relayed, story: Story) -> Target | None:
        """Hold the money for the rest of an answer and return the target to send it to; None when it may not be."""
        try:
            spent = charge_of(story.parts, relayed.held.tariffs[0]).nano
            again = await self._till.again(relayed.held, rest, plan, spent)
            target = self._upstreams.continuing(plan.targets[0], Wish(rest, plan.model, None, again.plan.send_limit))
        except InvalidRequestError:
            return None
        except LimitError:
            story.end(NO_MONEY)
            return None
        except SmartokenError as error:
            story.end(error.code)
            return None
        again.before = story.pieces
        relayed.held = again
        return target._replace(why=f"goes on after {len(story.said)} characters")

    async def _remainder(self, rest: Call, target: Target, under_way: tuple[Reply, Relayed]) -> Outcome | None:
        """Make one attempt at the rest of an answer; None when it failed before it said anything."""
        reply, relayed = under_way
        whole, pools = relayed.outcome, self._upstreams.pools
        provider = target.offer.provider.id
        attempt = Attempt(target.offer.offer.id, provider, target.key.name, self._elapsed_ms(rest), why=target.why)
        whole.attempts.append(attempt)
        told = relayed.outcome = Outcome(target=target, attempts=whole.attempts, show_providers=whole.show_providers)
        pools.begin(target.offer, target.key)
        try:
            await self._attempt(rest, target, reply, relayed)
        except AttemptFailedError as failed:
            self._note_failure(target, attempt, failed.failure)
            return None
        finally:
            relayed.outcome = whole
            pools.end(target.offer, target.key)
            attempt.ended_ms = self._elapsed_ms(rest)
            relayed.close()
        self._note_end(rest, target, attempt, told)
        return told

    def _note_end(self, call: Call, target: Target, attempt: Attempt, outcome: Outcome) -> None:
        """Let the breakers know of an attempt whose answer reached the client, whole or not."""
        if attempt.failure is not None:
            self._upstreams.failed(target, Failure(attempt.failure, attempt.message or ""))
        elif outcome.error is not None or (outcome.end is EndReason.CLIENT_LEFT and outcome.ttft_ms is None):
            self._upstreams.abandoned(target)
        else:
            first = attempt.ttft_ms
            ttft_ms = None if first is None else first - attempt.started_ms
            self._upstreams.succeeded(target, ttft_ms, call.started + attempt.started_ms / 1000)

    def _elapsed_ms(self, call: Call) -> int:
        return int((self._clock.monotonic() - call.started) * 1000)

    def _note_failure(self, target: Target, attempt: Attempt, failure: Failure) -> None:
        attempt.failure, attempt.message = failure.kind, failure.message
        attempt.status, attempt.upstream_code = failure.status or attempt.status, failure.upstream_code
        attempt.retry_after_s = failure.retry_after_s
        if target.path is not None and failure.kind is FailureClass.KEY_LACKS_MODEL:
            self._upstreams.abandoned(target)  # what another path lacks says nothing of the usual one
        else:
            self._upstreams.failed(target, failure)

    async def _attempt(self, call: Call, target: Target, reply: Reply, relayed: Relayed) -> None:
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
                await self._stream(call, target, reply, relayed)
            else:
                await self._whole(call, target, relayed)
        except UpstreamError as error:
            relayed.sent = relayed.sent or error.sent
            if not reply.gone:
                raise AttemptFailedError(Failure(error.kind, str(error), None, None, None, None)) from error
            relayed.outcome.end, relayed.outcome.status = EndReason.CLIENT_LEFT, 499
            relayed.outcome.usage = relayed.meter.counted(target.body) if relayed.sent else None

    async def _whole(self, call: Call, target: Target, relayed: Relayed) -> None:
        outcome, response = relayed.outcome, relayed.response
        assert response is not None  # noqa: S101 - set by the only caller
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

    async def _stream(self, call: Call, target: Target, reply: Reply, relayed: Relayed) -> None:
        outcome, response = relayed.outcome, relayed.response
        assert response is not None  # noqa: S101 - set by the only caller
        stream = relayed.opens(call, target, outcome, reply)
        purse = Purse(call, relayed.held, self._till, self._logbook)
        relayed.meter = stream.meter
        reader = StreamReader(dialect(target.offer.provider.dialect))
        if isinstance(response, HttpResponse):
            response.passage = Passage(reader, stream, purse, reply, self._clock).noting(self._open).take
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
                    self._open[reply] = now
        except UpstreamError as error:
            stream.broken(error)
        finally:
            if drain_until is not None:
                self._draining -= 1
        await stream.finish()
        self._upstreams.remember(call, reader.tool_call_ids, reader.reasoning_text)
        relayed.stream = stream
