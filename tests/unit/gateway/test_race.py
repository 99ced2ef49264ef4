"""Of two attempts at one call exactly one speaks to the client, whatever the order of events."""

import asyncio
from random import Random

import pytest

from smartoken.errors import FailureClass
from smartoken.gateway.call import Attempt, Outcome, Target
from smartoken.gateway.endings import AttemptFailedError
from smartoken.gateway.race import OutrunError, Race, RacingStream, Runner, adopt
from smartoken.gateway.relayed import Relayed
from smartoken.gateway.reply import Reply
from smartoken.gateway.stream import AnswerStream
from smartoken.providers.failures import Failure
from smartoken.providers.streams import StreamEvent
from smartoken.tokens import TokenUsage
from unit.gateway.test_seams import a_call, an_offer

CUT = Failure(FailureClass.CUT, "cut")


class Wire:
    """Keeps what a client would get."""

    def __init__(self):
        self.got = []

    async def send(self, message):
        await asyncio.sleep(0)
        self.got.append(message.get("body", b""))


class Script:
    """An attempt: pauses in steps of the loop, then words or a failure."""

    def __init__(self, name, pause, words, fails=None):
        self.name, self.pause, self.words, self.fails = name, pause, words, fails
        self.response = None

    async def run(self, runner, reply):
        target, outcome = runner.target, runner.relayed.outcome
        stream = runner.relayed.opens(a_call(), target, outcome, reply)
        for _ in range(self.pause):
            await asyncio.sleep(0)
        if self.fails is not None:
            raise AttemptFailedError(self.fails)
        for word in self.words:
            delta = {"content": f"{self.name}{word}"}
            chunk = {"id": "x", "created": 1, "model": self.name, "choices": [{"index": 0, "delta": delta}]}
            await stream.take([StreamEvent(chunk, has_content=True)], 0.0)
            for _ in range(self.pause % 3):
                await asyncio.sleep(0)
        runner.relayed.stream = stream


def a_runner(name):
    attempt = Attempt(f"{name}:test/alpha", name, "main", 0)
    target = Target(an_offer(), None, {"messages": []})
    return Runner(target, attempt, Relayed(None, Outcome(target=target, attempts=[attempt])))


async def raced(first, second, ends=lambda _: False):
    """Race two scripts; return the race, who spoke, and what the client got."""
    wire = Wire()
    reply, race = Reply(wire.send), Race()
    for script in (first, second):
        runner = a_runner(script.name)
        race.enter(runner)
        runner.task = asyncio.create_task(script.run(runner, reply))
    spoke = await race.over(ends)
    await race.end()
    return race, spoke, b"".join(wire.got)


async def test_whatever_the_timing_the_client_hears_one_of_two_and_all_of_it():
    chance, winners = Random(3), set()
    for _ in range(2_000):
        words = [f"-{number};" for number in range(chance.randint(1, 5))]
        scripts = [Script(name, chance.randint(0, 4), words) for name in ("A", "B")]
        race, spoke, got = await raced(*scripts)
        winner, loser = spoke.attempt.provider, {"A": "B", "B": "A"}[spoke.attempt.provider]
        assert got.count(f"{winner}-".encode()) == len(words)
        assert f'"{loser}-'.encode() not in got
        assert race.winner is spoke
        assert all(each.task.done() for each in race.runners)
        winners.add(winner)
    assert winners == {"A", "B"}


FATES = [
    # A's pause and failure, B's, whether A's failure is told at once: who is returned, and whether it failed
    ((1, CUT), (3, None), False, ("B", False)),
    ((3, None), (1, CUT), False, ("A", False)),
    ((1, CUT), (3, CUT), False, ("A", True)),
    ((3, CUT), (1, CUT), False, ("A", True)),
    ((1, CUT), (9, None), True, ("A", True)),
    ((3, CUT), (1, None), True, ("B", False)),  # B spoke before A could tell anything
]


@pytest.mark.parametrize(("first", "second", "told", "expected"), FATES)
async def test_one_that_fails_leaves_the_other_alone_unless_its_failure_is_the_calls_own(first, second, told, expected):
    scripts = [Script(name, pause, ["-1;"], fails) for name, (pause, fails) in (("A", first), ("B", second))]
    _, spoke, _ = await raced(*scripts, lambda _: told)
    assert (spoke.attempt.provider, spoke.failure is not None) == expected


async def test_a_claim_that_comes_later_is_refused_and_the_first_stays():
    race, first, second = Race(), a_runner("A"), a_runner("B")
    race.enter(first)
    race.enter(second)
    race.claim(second)
    race.claim(second)
    with pytest.raises(OutrunError):
        race.claim(first)
    assert race.winner is second
    assert isinstance(first.relayed.opens(a_call(), first.target, Outcome(), Reply(Wire().send)), RacingStream)


async def test_an_answer_that_ends_without_content_has_to_claim_too():
    race, first, second, wire = Race(), a_runner("A"), a_runner("B"), Wire()
    race.enter(first)
    race.enter(second)
    race.claim(second)
    stream = first.relayed.opens(a_call(), first.target, first.relayed.outcome, Reply(wire.send))
    chunk = {"id": "x", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
    await stream.take([StreamEvent(chunk, finish="length")], 0.0)
    with pytest.raises(OutrunError):
        await stream.finish()
    assert wire.got == []


async def test_a_mistake_of_ours_in_one_attempt_is_not_taken_for_its_failure():
    class Broken(Script):
        async def run(self, _runner, _reply):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await raced(Broken("A", 0, []), Script("B", 5, ["-1;"]))


def test_the_call_goes_on_with_what_the_winner_gathered_and_keeps_its_own_attempts():
    call, winner = a_runner("A").relayed, a_runner("B").relayed
    attempts, winner.outcome.usage = call.outcome.attempts, TokenUsage(3, 4)
    winner.outcome.ttft_ms, winner.held, winner.sent = 7, "held by B", True
    adopt(call, winner)
    assert (call.outcome.usage, call.outcome.ttft_ms, call.held, call.sent) == (TokenUsage(3, 4), 7, "held by B", True)
    assert call.outcome.attempts is attempts
    assert call.opens is AnswerStream
