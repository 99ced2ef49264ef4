"""Answers that go on from a given beginning, where the vendor documents such a mark, and only there."""

import pytest

from smartoken.sandbox.counting import pieces
from unit.sandbox.naive import ECHO, HELLO, Peer

MARKS = [
    # dialect, the path behind it, the mark, whether it is looked at
    ("deepseek", "beta", "prefix", True),
    ("deepseek", "v1", "prefix", False),
    ("deepseek", "beta", "partial", False),
    ("moonshot", "v1", "partial", True),
    ("qwen", "v1", "partial", True),
    ("zhipu", "v1", "partial", False),
    ("openai", "v1", "prefix", False),
]


async def said(peer: Peer, dialect, path, last, *, stream=True):
    """Return the answer to a chat whose last message is the assistant's beginning."""
    messages = [*HELLO, {"role": "assistant", **last}]
    body = {"messages": messages, "stream": stream, "stream_options": {"include_usage": True}, "enable_thinking": False}
    return await peer.chat("echo", f"/as/{dialect}/{path}/chat/completions", thinking={"type": "disabled"}, **body)


@pytest.mark.parametrize(("dialect", "path", "mark", "looked_at"), MARKS)
async def test_the_mark_of_the_vendor_is_looked_at_where_it_documents_it(peer: Peer, dialect, path, mark, looked_at):
    told = (await said(peer, dialect, path, {"content": 'You said: "Hel', mark: True})).told()
    assert told.text == ('lo, world"' if looked_at else ECHO)
    assert told.finishes == ["stop"]


@pytest.mark.parametrize("kept", range(len(pieces(ECHO)) + 1))
async def test_from_every_place_the_beginning_and_the_rest_are_the_scripted_answer(peer: Peer, kept):
    begun = "".join(pieces(ECHO)[:kept])
    told = (await said(peer, "moonshot", "v1", {"content": begun, "partial": True})).told()
    assert begun + told.text == ECHO
    assert told.usages[-1]["completion_tokens"] == len(pieces(ECHO)) - kept


async def test_a_whole_answer_goes_on_likewise(peer: Peer):
    answer = await said(peer, "qwen", "v1", {"content": "You said", "partial": True}, stream=False)
    assert answer.json["choices"][0]["message"]["content"] == ECHO.removeprefix("You said")


async def test_a_beginning_that_the_script_does_not_have_is_followed_by_all_of_it(peer: Peer):
    told = (await said(peer, "qwen", "v1", {"content": "Well, ", "partial": True})).told()
    assert told.text == ECHO


async def test_only_the_last_message_can_be_a_beginning(peer: Peer):
    messages = [{"role": "assistant", "content": "You said", "partial": True}, *HELLO]
    told = (await peer.chat("echo", "/as/moonshot/v1/chat/completions", messages=messages, stream=True)).told()
    assert told.text == ECHO


async def test_qwen_does_not_think_from_a_beginning(peer: Peer):
    messages = [*HELLO, {"role": "assistant", "content": "You", "partial": True}]
    answer = await peer.chat("qwen3-8b", "/as/qwen/v1/chat/completions", messages=messages, stream=True)
    assert answer.status == 400
    assert "thinking" in answer.json["error"]["message"]
