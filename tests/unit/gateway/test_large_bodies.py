"""Bodies of the size of real prompts are judged like small ones, although by other means."""

import pytest

from smartoken.errors import InvalidRequestError
from smartoken.gateway.protocols.body import MAX_DEPTH, MAX_NODES, read_object

LONG = "It was a bright cold day in April. " * 2_000
MESSAGES = f'"messages":[{{"role":"user","content":"{LONG}"}}]'
QUOTING = LONG + '\\"model\\": \\"n\\", \\"stream\\" '


@pytest.mark.parametrize(
    "more",
    ['"model":"m"', '"model":"m","n":1', '"model":"m","tools":[{"n":{"model":"x","messages":[]}}]'],
)
def test_a_large_body_is_read_whatever_its_text_quotes(more: str) -> None:
    raw = f'{{{more},"messages":[{{"role":"user","content":"{QUOTING}"}}]}}'
    assert read_object(raw.encode())["messages"][0]["content"].startswith("It was")


@pytest.mark.parametrize("name", ["model", "messages", "stream", "max_tokens", "max_completion_tokens", "n"])
def test_a_decisive_field_that_stands_twice_in_a_large_body_is_refused(name: str) -> None:
    raw = f'{{"{name}":1,{MESSAGES},"{name}" :2}}' if name != "messages" else f"{{{MESSAGES},{MESSAGES}}}"
    with pytest.raises(InvalidRequestError, match="twice") as caught:
        read_object(raw.encode())
    assert caught.value.param == name


def test_a_large_body_may_not_be_too_deep_or_hold_too_many_values() -> None:
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    with pytest.raises(InvalidRequestError, match="levels deep"):
        read_object(f'{{{MESSAGES},"x":{deep}}}'.encode())
    with pytest.raises(InvalidRequestError, match="values"):
        read_object(f'{{{MESSAGES},"x":[{",".join("0" * (MAX_NODES + 1))}]}}'.encode())
