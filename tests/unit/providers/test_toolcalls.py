"""Tool-call fragments as vendors send them, and as a client must get them."""

from typing import Any

import pytest

from smartoken.providers.toolcalls import ToolCalls


def part(index: Any = ..., call_id: Any = ..., name: Any = ..., arguments: Any = ..., **more: Any) -> dict[str, Any]:
    fragment: dict[str, Any] = dict(more)
    if index is not ...:
        fragment["index"] = index
    if call_id is not ...:
        fragment["id"] = call_id
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not ...}
    return fragment | {"function": function}


def assembled(fragments: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Assemble as the OpenAI SDKs do: by index, adding texts."""
    calls, made = ToolCalls(), {}
    for each in fragments:
        out = calls.feed(each, "c1")
        call = made.setdefault(out["index"], ["", "", ""])
        call[0] += out.get("id", "")
        call[1] += out["function"].get("name", "")
        call[2] += out["function"]["arguments"]
    inside = [(each["id"], each["function"]["name"], each["function"]["arguments"]) for each in calls.made]
    assert inside == [tuple(made[place]) for place in range(len(made))]
    return inside


ONE = [("a", "f", "{}")]
TWO = [("a", "f", "{1}"), ("b", "g", "{2}")]

TABLE = [
    ("plain", [part(0, "a", "f", ""), part(0, arguments="{"), part(0, arguments="}")], ONE),
    ("empty ids later", [part(0, "a", "f", ""), part(0, "", arguments="{}")], ONE),
    ("null ids and names", [part(0, "a", "f", ""), part(0, None, None, "{}")], ONE),
    ("id repeated", [part(0, "a", "f", "{"), part(0, "a", "f", "}")], ONE),
    ("name repeated", [part(0, "a", "f", "{"), part(0, "", "f", "}")], ONE),
    ("index -1", [part(-1, "a", "f", "{}")], ONE),
    ("index -1 twice", [part(-1, "a", "f", "{1}"), part(-1, "b", "g", "{2}")], TWO),
    ("no index at all", [part(call_id="a", name="f", arguments="{"), part(arguments="}")], ONE),
    ("no index, two", [part(..., "a", "f", "{1}"), part(..., "b", "g", "{2}")], TWO),
    (
        "first without index, later with",
        [part(call_id="a", name="f", arguments=""), part(call_id="b", name="g", arguments=""), part(0, arguments="{1}"),
         part(1, arguments="{2}")],
        TWO,
    ),
    (
        "interleaved",
        [part(0, "a", "f", "{"), part(1, "b", "g", "{"), part(0, arguments="1}"), part(1, arguments="2}")],
        TWO,
    ),
    ("one index for all", [part(0, "a", "f", "{1}"), part(0, "b", "g", "{"), part(0, arguments="2}")], TWO),
    ("from one", [part(1, "a", "f", "{1}"), part(2, "b", "g", "{2}")], TWO),
    ("a string for an index", [part("0", "a", "f", "{}")], ONE),
    ("arguments as an object", [part(0, "a", "f", {"x": 1})], [("a", "f", '{"x":1}')]),
    ("name late", [part(0, "a", arguments=""), part(0, name="f", arguments="{}")], ONE),
    ("no id at all", [part(0, name="f", arguments="{"), part(0, arguments="}")], [("call_c1_0", "f", "{}")]),
    ("id late", [part(0, name="f", arguments="{"), part(0, "z", arguments="}")], [("call_c1_0", "f", "{}")]),
    ("nothing", [{}], [("call_c1_0", "", "")]),
]  # fmt: skip


@pytest.mark.parametrize(("fragments", "calls"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_fragments_are_repaired(fragments: list[dict[str, Any]], calls: list[tuple[str, str, str]]) -> None:
    assert assembled(fragments) == calls


def test_type_is_always_given_once() -> None:
    calls = ToolCalls()
    first, later = calls.feed(part(0, "a", "f", ""), "c"), calls.feed(part(0, arguments="{}", type="function"), "c")
    assert first["type"] == "function"
    assert set(later) == {"index", "function"}


def test_what_was_given_out_does_not_grow_afterwards() -> None:
    calls = ToolCalls()
    first = calls.feed(part(0, "a", "f", "{"), "c")
    calls.feed(part(0, arguments="}"), "c")
    assert first["function"]["arguments"] == "{"
