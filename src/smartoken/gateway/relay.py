"""Step 4: try the targets in order until one answers. How one attempt goes stands in ``attempt.py``.

Falls back while no content has reached the client, never after, unless the call asks for the rest of a broken answer to
be told by another offer (``seams.py``). Where its route asks for it, a second attempt starts beside a silent first one
(``race.py``).
"""

import asyncio
from functools import partial

from smartoken.clock import Clock
from smartoken.errors import FailureClass, InvalidRequestError, LimitError, SmartokenError
from smartoken.gateway.attempt import Attempts
from smartoken.gateway.call import Attempt, Call, EndReason, Outcome, Part, Plan, Target, Wish
from smartoken.gateway.endings import AttemptFailedError, failed_everywhere
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.queue import Queue, Retries
from smartoken.gateway.race import Race, Runner, adopt
from smartoken.gateway.relayed import Relayed
from smartoken.gateway.reply import Reply
from smartoken.gateway.seams import NO_MONEY, NOBODY, Story, charge_of, join, obstacle_of, remainder_of, wanted
from smartoken.gateway.stream import LIMITED_BY_BUDGET, AnswerStream, RemainderStream
from smartoken.gateway.till import Held, Till
from smartoken.gateway.upstreams import Upstreams
from smartoken.providers.failures import Failure
from smartoken.routing.hedges import Hedges
from smartoken.routing.reactions import told_to_client
from smartoken.usage.records import OUTRUN

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
        "_hedges",
        "_maker",
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
        self._maker = Attempts(upstreams, clock, till, logbook)
        self._stopping = False
        self._retries = Retries()
        self._hedges = Hedges()
        self._running: dict[str, Relayed] = {}

    async def run(self, call: Call, plan: Plan, reply: Reply, held: Held, before: Outcome | None = None) -> Outcome:
        """Relay the call; the outcome says how it ended, errors included. Raises nothing of the upstream's.

        ``before`` is the outcome of another model that nobody answered; its attempts stay on the call.
        """
        relayed = Relayed(held)
        if before is not None:
            relayed.outcome.attempts, relayed.outcome.evidence = before.attempts, before.evidence
            relayed.sent = True
        reply.on_gone = lambda: self._maker.client_left(relayed)
        self._running[call.id] = relayed
        if call.request.stream:
            self._maker.open[reply] = call.started
        try:
            await self._attempts(call, plan, reply, relayed)
        finally:
            del self._running[call.id]
            self._maker.open.pop(reply, None)
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
        silent = [reply for reply, heard in self._maker.open.items() if now - heard >= seconds and not reply.gone]
        for reply in silent:
            self._maker.open[reply] = now
        return silent

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
                    await self._maker.make(call, target, reply, relayed)
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
        first.task = asyncio.get_running_loop().create_task(self._maker.make(call, target, reply, relayed))
        try:
            if await race.listen(first, wait_ms / 1000) and hedges.spend(model, worth):
                started = await self._beside(call, plan, (reply, relayed), queue, race)
                if not started:
                    hedges.give_back(model, worth)
            spoke = await race.over(partial(_ends, options.next_after_refusal))
        finally:
            await race.end()
            relayed.opens = AnswerStream
            reply.on_gone = lambda: self._maker.client_left(relayed)
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
        reply.on_gone = partial(race.each, self._maker.client_left)
        second.task = asyncio.get_running_loop().create_task(self._maker.make(call, target, reply, second.relayed))
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
            await self._maker.make(rest, target, reply, relayed)
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
