"""A script in a vendor's clothes: the chunks of a stream in order, or the one body of a whole answer. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from smartoken.sandbox.cards import Card, Usage
from smartoken.sandbox.poses.pose import Json, Pose, Scene, UsagePlace
from smartoken.sandbox.script import Choice, Counts, Script, ToolCall, reported
from smartoken.sandbox.truth import NOTHING, Said

THINK_OPEN = "<think>\n"
THINK_CLOSE = ("\n</thi", "nk>\n")  # the tag is split over two chunks, as was recorded


@dataclass(frozen=True, slots=True)
class Event:
    """One chunk of a stream and what it says."""

    chunk: Json
    said: Said = NOTHING
    timed: bool = False  # it carries a token, so the card's pace applies


def _grouped(tokens: tuple[str, ...], step: int) -> list[tuple[str, int]]:
    if step <= 1:
        return [(each, 1) for each in tokens]
    parts = (tokens[place : place + step] for place in range(0, len(tokens), step))
    return [("".join(part), len(part)) for part in parts]


def _usage_body(pose: Pose, scene: Scene, counts: Counts, how: Usage) -> Any:
    body = pose.usage(scene, reported(counts, how))
    if how is Usage.BOOL:
        return {**body, "prompt_tokens": True, "completion_tokens": False}
    if how is Usage.TEXT:
        return {**body, "prompt_tokens": str(counts.prompt), "completion_tokens": "many"}
    return body


@dataclass(frozen=True, slots=True)
class _Teller:
    """Makes the events of one answer; it holds what all of them need."""

    pose: Pose
    scene: Scene
    card: Card
    usage: Any

    def event(self, index: int, delta: Json, said: Said = NOTHING, finish: str | None = None) -> Event:
        finished = self.pose.finishes.get(finish, finish) if finish else None
        choice = self.pose.choice(self.scene, index, delta, finished)
        usage = None
        if finished:
            if self.pose.usage_place is UsagePlace.CHOICE_AND_TAIL and self.usage is not None:
                choice["usage"] = self.usage
                said = Said(said.text, said.thinking, said.arguments, said.tokens, finished, self.usage)
            elif self.pose.usage_place is UsagePlace.FINISH:
                usage = self.usage
            said = Said(said.text, said.thinking, said.arguments, said.tokens, finished, usage or said.usage)
        chunk = self.pose.chunk(self.scene, [choice], usage)
        return Event(chunk, said, timed=said.tokens > 0)

    def thinking(self, index: int, tokens: tuple[str, ...]) -> Iterator[Event]:
        pose, scene = self.pose, self.scene
        if not pose.tags_thinking(scene):
            for text, length in _grouped(tokens, self.card.step):
                yield self.event(index, pose.think(scene, text), Said(thinking=text, tokens=length))
            if pose.end_of_thinking is not None:
                yield self.event(index, pose.end_of_thinking(scene))
            if "leak" in scene.odd:
                for part in THINK_CLOSE:
                    yield self.event(index, pose.think(scene, part))
            return
        start = THINK_OPEN
        for text, length in _grouped(tokens, self.card.step):
            yield self.event(index, pose.say(scene, start + text), Said(thinking=text, tokens=length))
            start = ""
        for part in THINK_CLOSE:
            yield self.event(index, pose.say(scene, part))

    def call(self, index: int, place: int, call: ToolCall) -> Iterator[Event]:
        pose, scene = self.pose, self.scene
        call_id = pose.call_id(scene, place, call.name)
        whole = "".join(call.arguments)
        if pose.lumps_calls(scene):
            said = Said(arguments=whole, tokens=len(call.arguments))
            delta = pose.open_call(scene, place, call_id, call)
            delta["tool_calls"][0]["function"]["arguments"] = whole
            yield self.event(index, delta, said)
            return
        yield self.event(index, pose.open_call(scene, place, call_id, call))
        for text, length in _grouped(call.arguments, self.card.step):
            yield self.event(index, pose.call_part(scene, place, text), Said(arguments=text, tokens=length))
        if pose.last_part is not None:
            yield self.event(index, pose.last_part(scene, place))

    def choice(self, index: int, choice: Choice) -> Iterator[Event]:
        pose, scene = self.pose, self.scene
        opening = pose.opening(scene)
        if opening is not None:
            yield self.event(index, opening)
        if choice.thinking:
            yield from self.thinking(index, choice.thinking)
        texts = _grouped(choice.text, self.card.step)
        last = texts.pop() if texts and pose.text_on_finish and not choice.calls else None
        so_far = ""
        for text, length in texts:
            so_far = so_far + text if "cumulative" in scene.odd else text
            yield self.event(index, pose.say(scene, so_far), Said(text=text, tokens=length))
        for place, call in enumerate(choice.calls):
            yield from self.call(index, place, call)
        if last is None:
            yield self.event(index, pose.closing(scene), finish=choice.finish)
            return
        text, length = last
        shown = so_far + text if "cumulative" in scene.odd else text
        yield self.event(index, pose.say(scene, shown), Said(text=text, tokens=length), choice.finish)


def events(script: Script, pose: Pose, scene: Scene, card: Card) -> Iterator[Event]:
    """Yield the chunks of a stream: choices interleaved, usage where this vendor has it."""
    usage = None if card.usage is Usage.NONE else _usage_body(pose, scene, script.counts, card.usage)
    teller = _Teller(pose, scene, card, None if card.usage is Usage.EARLY else usage)
    if card.usage is Usage.EARLY:
        yield Event(pose.chunk(scene, [], usage), Said(usage=usage))
    if len(script.choices) == 1:
        yield from teller.choice(0, script.choices[0])
    else:
        tellings = [teller.choice(index, each) for index, each in enumerate(script.choices)]
        for row in zip_longest(*tellings):
            yield from (each for each in row if each is not None)
    if usage is None or card.usage is Usage.EARLY:
        return
    tail = pose.usage_place is UsagePlace.TAIL_ALWAYS or (
        scene.asked_usage and pose.usage_place in {UsagePlace.TAIL_ASKED, UsagePlace.CHOICE_AND_TAIL}
    )
    for _ in range(tail + (card.usage is Usage.TWICE)):
        yield Event(pose.chunk(scene, [], usage), Said(usage=usage))


def whole(script: Script, pose: Pose, scene: Scene, card: Card) -> tuple[Json, Said]:
    """Return the body of an answer that is not streamed, and what it says."""
    usage = None if card.usage is Usage.NONE else _usage_body(pose, scene, script.counts, card.usage)
    choices: list[Json] = []
    for index, choice in enumerate(script.choices):
        calls = [
            pose.whole_call(scene, place, pose.call_id(scene, place, call.name), call)
            for place, call in enumerate(choice.calls)
        ]
        finish = pose.finishes.get(choice.finish, choice.finish)
        choices.append(pose.whole_choice(scene, index, pose.message(scene, choice, calls), finish))
    said = Said(
        text="".join(token for each in script.choices for token in each.text),
        thinking="".join(token for each in script.choices for token in each.thinking),
        arguments="".join(token for each in script.choices for call in each.calls for token in call.arguments),
        tokens=script.counts.completion,
        finish=script.choices[-1].finish,
        usage=usage,
    )
    return pose.completion(scene, choices, usage), said
