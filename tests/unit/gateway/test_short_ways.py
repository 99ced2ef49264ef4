"""What most requests take is a short way; it comes to what the long one comes to."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.errors import InvalidRequestError
from smartoken.gateway.protocols.body import read_object

DECISIVE = ("model", "messages", "stream", "max_tokens", "max_completion_tokens", "n")
NAMES = st.sampled_from([*DECISIVE, "mode", "m", "user", '"model', "stream_options", "nn"])
VALUES = st.sampled_from(["model", "messages", '"model":', "n", 'say "n" twice: "n"', "\\", "\u00e9", 5, None, True])


def spelled(name, *, escaped):
    """Return a name as JSON, perhaps with its first letter as an escape."""
    text = json.dumps(name)
    return f'"\\u{ord(name[0]):04x}{json.dumps(name[1:])[1:]}' if escaped else text


@given(st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=6))
def test_a_decisive_field_that_stands_twice_is_found_however_the_first_letter_of_others_is_spelled(members):
    text = ", ".join(f"{spelled(name, escaped=escaped)}: {json.dumps(value)}" for name, value, escaped in members)
    raw = f"{{{text}}}".encode()
    plain = [name for name, _, escaped in members if not escaped]
    if any(plain.count(name) > 1 for name in DECISIVE):
        with pytest.raises(InvalidRequestError, match="stands twice"):
            read_object(raw)
        return
    names = [name for name, _, _ in members]
    if all(names.count(name) < 2 for name in DECISIVE):
        assert read_object(raw) == orjson.loads(raw)
