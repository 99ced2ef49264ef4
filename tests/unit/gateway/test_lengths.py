"""The bytes of a prompt: the short way for plain messages comes to what the long one comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing.bound import text_bytes
from smartoken.gateway.lengths import has_media, plain_bytes
from smartoken.gateway.meter import prompt_text

TEXTS = st.text(st.characters(), max_size=40)  # lone surrogates too, as JSON may spell them
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(("system", "user", "assistant")), "content": TEXTS}), min_size=1
)


@given(MESSAGES)
def test_plain_messages_have_the_bytes_of_their_texts(messages):
    body = {"messages": messages}
    assert plain_bytes(messages) == sum(map(text_bytes, prompt_text(body)))
    assert not has_media(body)


MORE = {
    "parts": {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    "a picture": {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.test/a"}}]},
    "no text": {"role": "assistant", "content": None},
    "a tool call": {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
    "thinking": {"role": "assistant", "content": "hi", "reasoning_content": "hm"},
    "the answer of a tool": {"role": "tool", "content": "42", "tool_call_id": "c1"},
    "a name": {"role": "user", "content": "hi", "name": "anna"},
}


@pytest.mark.parametrize("message", MORE.values(), ids=MORE)
def test_a_message_with_more_than_a_text_takes_the_long_way(message):
    assert plain_bytes([{"role": "user", "content": "hi"}, message]) is None
