"""What the control API says of bodies and queries that it does not take: our words, the field named, nothing echoed."""

from typing import Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from smartoken.control.malformed import malformed
from smartoken.control.shapes import Body, KeyCreate, KeysQuery, Rotation


class Odd(Body):
    """Every kind of check that a shape may have."""

    word: Literal["red", "green"] = "red"
    many: list[str] = Field(default=[], min_length=0, max_length=2)
    text: str = Field(default="ab", min_length=2, max_length=3, pattern="[a-z]+")
    flag: bool = False
    share: float = 0.5
    more: int = Field(default=1, gt=0, lt=10)
    table: dict[str, str] = Field(default={})


WRONG = [
    # shape, what was sent, what is said
    (KeyCreate, {"bogus": 1}, "`bogus` is not known here; see /api/openapi.json."),
    (KeyCreate, [], "The body must be an object."),
    (KeyCreate, {"name": "a\0b"}, "The body holds a NUL or half a surrogate pair"),
    (KeyCreate, {"models": ["\ud800"]}, "The body holds a NUL or half a surrogate pair"),
    (Odd, {"table": {"a\0": "b"}}, "The body holds a NUL or half a surrogate pair"),
    (Odd, {"table": {"\\u0000": 3}}, "`table.\\u0000` must be a string."),
    (KeyCreate, {"name": 7}, "`name` must be a string."),
    (KeyCreate, {"limits": {"rpm": "7"}}, "`limits.rpm` must be a whole number."),
    (KeyCreate, {"limits": {"rpm": 1.5}}, "`limits.rpm` must be a whole number."),
    (KeyCreate, {"limits": []}, "`limits` must be an object."),
    (KeyCreate, {"models": "a"}, "`models` must be a list."),
    (KeyCreate, {"budgets": [{"limit": "1"}]}, "`budgets.0.period` is required."),
    (KeyCreate, {"budgets": [{"limit": "1", "period": "year"}]}, "`budgets.0.period` must be 'total', 'day', 'week'"),
    (KeyCreate, {"policy": {"no_training": "yes"}}, "`policy.no_training` must be true or false."),
    (Rotation, {"overlap_hours": 169}, "`overlap_hours` must be at most 168."),
    (Rotation, {"overlap_hours": -1}, "`overlap_hours` must be at least 0."),
    (KeysQuery, {"limit": "many"}, "`limit` must be a whole number."),
    (KeysQuery, {"after": "x" * 201}, "`after` must have at most 200 characters."),
    (Odd, {"word": "blue"}, "`word` must be 'red' or 'green'."),
    (Odd, {"many": ["a", "b", "c"]}, "`many` must have at most 2 entries."),
    (Odd, {"text": "a"}, "`text` must have at least 2 characters."),
    (Odd, {"text": "AB"}, "`text` is not in the form that is taken here"),
    (Odd, {"flag": 1}, "`flag` must be true or false."),
    (Odd, {"share": "x"}, "`share` must be a number."),
    (Odd, {"more": 0}, "`more` must be more than 0."),
    (Odd, {"more": 10}, "`more` must be less than 10."),
    (Odd, {"table": 3}, "`table` must be an object."),
]


def errors_of(shape: Any, sent: Any) -> list[dict[str, Any]]:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(shape).validate_python(sent)
    return [{**each, "loc": ("body", *each["loc"])} for each in raised.value.errors()]


@pytest.mark.parametrize(("shape", "sent", "said"), WRONG)
def test_what_is_wrong_is_said_in_our_words(shape: Any, sent: Any, said: str) -> None:
    error = malformed(errors_of(shape, sent))
    assert error.message.startswith(said), error.message
    assert "Input should" not in error.message
    assert (error.param is None) is said.startswith("The body")


def test_a_secret_that_was_sent_is_not_repeated() -> None:
    error = malformed(errors_of(KeyCreate, {"name": ["sk-st-secret"]}))
    assert "sk-st-secret" not in error.message


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([{"type": "json_invalid", "loc": ("body", 3)}], "The body is not valid JSON."),
        ([{"type": "missing", "loc": ("body",)}], "The body is empty; send a JSON object."),
        ([{"type": "a_new_check", "loc": ("query", "from")}], "`from` is not what is taken here"),
        ([], "The body is not what is taken here"),
    ],
)
def test_what_has_no_field_or_no_words_of_its_own_is_said_too(found: Any, said: str) -> None:
    assert malformed(found).message.startswith(said)
