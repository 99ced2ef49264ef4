"""The memory of thinking: bounded in time and size, apart by account, known by the whole call."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.reasoning import LOST, ReasoningStore, fingerprint


def call(call_id: str = "call_1", name: str = "f", arguments: Any = '{"a": 1, "b": 2}') -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def turn(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def remembered(text: str = "because", now: float = 0.0, **limits: Any) -> ReasoningStore:
    store = ReasoningStore(**limits)
    store.remember("acct", [fingerprint(call())], text, now)
    return store


def test_thinking_comes_back_on_its_turn() -> None:
    messages, lost = remembered().attach("acct", [{"role": "user", "content": "x"}, turn(call())], 10.0)
    assert messages[1]["reasoning_content"] == "because"
    assert not lost


def test_the_clients_messages_are_not_changed() -> None:
    given_turn = turn(call())
    remembered().attach("acct", [given_turn], 1.0)
    assert "reasoning_content" not in given_turn


@pytest.mark.parametrize(
    ("account", "echoed", "now", "lost"),
    [
        ("acct", call(), 3_599.0, False),
        ("acct", call(), 3_600.0, True),
        ("other", call(), 1.0, True),
        ("acct", call(call_id="call_2"), 1.0, True),
        ("acct", call(name="g"), 1.0, True),
        ("acct", call(arguments='{"a": 2}'), 1.0, True),
        ("acct", call(arguments='{"b":2,"a":1}'), 1.0, False),
        ("acct", call(arguments={"a": 1, "b": 2}), 1.0, False),
    ],
)
def test_a_turn_is_known_by_account_id_name_and_arguments(
    account: str, echoed: dict[str, Any], now: float, lost: bool
) -> None:
    messages, was_lost = remembered().attach(account, [turn(echoed)], now)
    assert was_lost is lost
    assert messages[0]["reasoning_content"] == (LOST if lost else "because")


def test_ids_that_start_again_in_every_conversation_do_not_mix() -> None:
    store = ReasoningStore()
    paris, rome = (
        call("get_weather_0", arguments='{"city":"Paris"}'),
        call("get_weather_0", arguments='{"city":"Rome"}'),
    )
    store.remember("acct", [fingerprint(paris)], "of Paris", 0.0)
    store.remember("acct", [fingerprint(rome)], "of Rome", 1.0)
    assert store.attach("acct", [turn(paris)], 2.0)[0][0]["reasoning_content"] == "of Paris"
    assert store.attach("acct", [turn(rome)], 2.0)[0][0]["reasoning_content"] == "of Rome"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "text"},
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "x", "tool_calls": []},
        {"role": "assistant", "tool_calls": None},
        turn(call(), reasoning_content="the client's own"),
        "not an object",
    ],
)
def test_other_messages_stay_as_they_are(message: Any) -> None:
    messages, lost = remembered().attach("acct", [message], 1.0)
    assert messages == [message]
    assert not lost


def test_an_answer_that_did_not_think_is_not_lost_but_still_needs_a_text() -> None:
    messages, lost = remembered("").attach("acct", [turn(call())], 1.0)
    assert (messages[0]["reasoning_content"], lost) == (LOST, False)


def test_one_call_of_several_is_enough() -> None:
    store = ReasoningStore()
    store.remember("acct", [fingerprint(call("a")), fingerprint(call("b"))], "both", 0.0)
    assert store.attach("acct", [turn(call("x"), call("b"))], 1.0) == (
        [turn(call("x"), call("b"), reasoning_content="both")],
        False,
    )


def test_the_oldest_goes_when_the_space_is_used() -> None:
    store = ReasoningStore(max_bytes=3_000)
    for number in range(3):
        store.remember("acct", [fingerprint(call(str(number)))], "x" * 600, float(number))
    assert store.bytes <= 3_000
    assert store.recall("acct", [call("0")], 3.0) is None
    assert store.recall("acct", [call("2")], 3.0) == "x" * 600


def test_a_text_larger_than_the_space_is_not_kept() -> None:
    store = remembered("x" * 5_000, max_bytes=3_000)
    assert (len(store), store.bytes) == (0, 0)


def test_remembering_again_replaces() -> None:
    store = remembered("first")
    store.remember("acct", [fingerprint(call())], "second", 1.0)
    assert store.recall("acct", [call()], 2.0) == "second"
    store.sweep(3_600.5)
    assert store.recall("acct", [call()], 3_600.5) == "second"


def test_all_space_comes_back() -> None:
    store = remembered("text")
    store.sweep(4_000.0)
    assert (len(store), store.bytes) == (0, 0)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 900), st.floats(0, 100)), max_size=40)
)
def test_the_bounds_hold_whatever_is_remembered(steps: list[tuple[str, int, int, float]]) -> None:
    store, now = ReasoningStore(max_bytes=4_000, lifetime_s=150), 0.0
    for account, number, size, wait in steps:
        now += wait
        store.remember(account, [fingerprint(call(str(number)))], "é" * size, now)
        assert 0 <= store.bytes <= 4_000
        assert store.recall("c", [call(str(number))], now) is None
    store.sweep(now + 1_000)
    assert store.bytes == 0


@pytest.mark.parametrize("odd", [{}, {"function": 3}, {"function": {"arguments": "{not json"}}, {"id": None}])
def test_odd_calls_have_a_fingerprint(odd: dict[str, Any]) -> None:
    assert fingerprint(odd) == fingerprint(dict(odd))
