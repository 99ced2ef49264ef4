"""Abilities, members of ``thinking`` and the other edges of what is sent."""

from dataclasses import replace
from typing import Any

import pytest

from contract.dialects.models import ALWAYS_ON, HYBRID, PLAIN, model, offer
from smartoken.catalog.offers import Abilities, Model, Reasoning
from smartoken.errors import InvalidRequestError
from smartoken.providers.dialect import Limit
from smartoken.providers.registry import dialect
from smartoken.providers.requests import limit_covers_reasoning, limit_name, upstream_body
from smartoken.providers.thinking import thinking_on

MESSAGES = [{"role": "user", "content": "Hello"}]
IMAGE = [{"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "x"}}]}]
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def able(**abilities: bool) -> Model:
    return model(Reasoning(), Abilities(**abilities))


LACKS: list[tuple[Model, dict[str, Any], str]] = [
    (able(tools=False), {"tools": TOOLS}, "tools"),
    (able(json_mode=False), {"response_format": {"type": "json_object"}}, "response_format"),
    (able(json_schema=False), {"response_format": {"type": "json_schema"}}, "response_format"),
    (able(vision=False), {"messages": [*MESSAGES, *IMAGE]}, "messages[1].content[1]"),
    (able(), {"tools": [7]}, "tools[0].type"),
]


@pytest.mark.parametrize(("lacking", "asked", "param"), LACKS)
def test_what_the_model_is_known_not_to_do_is_refused(lacking: Model, asked: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        upstream_body(dialect("openai"), lacking, offer(), {"messages": MESSAGES, **asked}, limit=None)
    assert refused.value.param == param


@pytest.mark.parametrize("asked", [{"tools": TOOLS}, {"response_format": {"type": "json_schema"}}, {"messages": IMAGE}])
def test_what_is_unknown_is_the_providers_to_answer(asked: dict[str, Any]) -> None:
    sent = upstream_body(dialect("openai"), PLAIN, offer(), {"messages": MESSAGES, **asked}, limit=None).body
    assert {name: sent[name] for name in asked} == asked


def test_text_parts_reach_a_model_without_eyes() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}, 7]}, 7]
    sent = upstream_body(dialect("openai"), able(vision=False), offer(), {"messages": messages}, limit=None).body
    assert sent["messages"] is messages


def test_members_of_thinking_that_no_switch_takes_are_told() -> None:
    body = {"messages": MESSAGES, "thinking": {"type": "enabled", "keep": "all"}}
    outgoing = upstream_body(dialect("qwen"), HYBRID, offer(), body, limit=None)
    assert outgoing.warnings == ("thinking-members-dropped",)
    assert outgoing.body["enable_thinking"] is True
    assert "thinking" not in outgoing.body


@pytest.mark.parametrize(
    ("dialect_id", "kind", "body", "thinks"),
    [
        ("qwen", PLAIN, {}, False),
        ("qwen", HYBRID, {}, True),
        ("qwen", HYBRID, {"enable_thinking": False}, False),
        ("qwen", HYBRID, {"reasoning_effort": "none"}, False),
        ("qwen", HYBRID, {"thinking_budget": 5}, True),
        ("qwen", ALWAYS_ON, {}, True),
        ("qwen", model(Reasoning(supported=True)), {}, None),
        ("qwen", model(Reasoning(supported=True)), {"thinking": {"type": "enabled"}}, True),
        ("openai", HYBRID, {"thinking": "whatever"}, True),
    ],
)
def test_whether_the_model_will_think(dialect_id: str, kind: Model, body: dict[str, Any], thinks: bool | None) -> None:
    assert thinking_on(dialect(dialect_id), kind, body) is thinks


def test_the_models_own_fact_about_its_limit_wins() -> None:
    known = model(Reasoning(supported=True, limit_covers_reasoning=True))
    assert limit_covers_reasoning(dialect("qwen"), known, {}, 10)
    assert not limit_covers_reasoning(
        dialect("deepseek"), model(Reasoning(supported=True, limit_covers_reasoning=False)), {}, 10
    )


def test_a_limit_above_every_ceiling_keeps_the_first_name() -> None:
    tight = replace(dialect("openai"), limits=(Limit("a", ceiling=5), Limit("b", ceiling=7)))
    assert [limit_name(tight, {}, n).name for n in (5, 6, 8)] == ["a", "b", "a"]


def test_a_client_that_already_used_the_vendors_name_keeps_both_fields() -> None:
    body = {"messages": MESSAGES, "user": "a", "user_id": "b"}
    sent = upstream_body(dialect("deepseek"), PLAIN, offer(), body, limit=None).body
    assert (sent["user"], sent["user_id"]) == ("a", "b")


def test_a_field_sent_as_null_travels_as_null() -> None:
    sent = upstream_body(dialect("openai"), PLAIN, offer(), {"messages": MESSAGES, "stop": None}, limit=None).body
    assert sent["stop"] is None


def test_no_field_touches_the_address_or_the_credentials() -> None:
    body = {"messages": MESSAGES, "api_key": "made-up", "base_url": "http://elsewhere", "extra_headers": {"a": "b"}}
    outgoing = upstream_body(dialect("openai"), PLAIN, offer(), body, limit=None)
    assert outgoing.body["model"] == "up-model"
    assert dialect("openai").auth_headers("k") == (("authorization", "Bearer k"),)
