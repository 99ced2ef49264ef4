"""Plain text events are neither parsed nor written anew; what they come to is what parsing and writing come to."""

import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.deepseek import DEEPSEEK
from smartoken.providers.dialect import OPENAI, VENDOR
from smartoken.providers.moulds import mould_of, text_in
from smartoken.providers.streams import StreamReader

LETTERS = st.sampled_from(['"', "\\", "n", "u", "{", "}", ",", ":", "é", "模", "\n", "\x00", " ", "content"])
TEXTS = st.lists(LETTERS, max_size=5).map("".join)
NAMES = st.sampled_from(["content", 'x"', '\\"content', '{"content":"no"}', ',"content":', "role", "refusal", "id"])
SPELLINGS = st.sampled_from(
    [
        orjson.dumps,
        lambda value: json.dumps(value).encode(),
        lambda value: json.dumps(value, indent=None, separators=(",", " : ")).encode(),
        lambda value: json.dumps(value).replace("content", "c\\u006fntent", 1).encode(),
    ]
)


@st.composite
def events(draw):
    """Return the bytes of one event: often a plain text, sometimes nearly one."""
    delta = {"content": draw(TEXTS)}
    delta |= draw(st.just({}) | st.dictionaries(NAMES, TEXTS | st.none(), max_size=2))
    choice = {"index": draw(st.sampled_from([0, 0, 0, 1])), "delta": delta}
    choice["finish_reason"] = draw(st.sampled_from([None] * 6 + ["stop"]))
    payload = {"id": draw(st.sampled_from(["a", "a", "a", 'b"\\'])), "model": "m", "created": 7, "choices": [choice]}
    payload |= draw(st.just({}) | st.dictionaries(NAMES, TEXTS, max_size=1))
    raw = draw(SPELLINGS)(payload)
    return b"data: " + draw(st.sampled_from([raw] * 5 + [raw[:-1], raw + b" "])) + b"\n\n"


def read_plainly(reader, chunk):
    """Return what a chunk comes to on the short way, if it takes it."""
    text = reader.more(chunk)
    if text is None:
        return reader.feed(chunk), None
    return None, text


@given(
    st.sampled_from([OPENAI, VENDOR]), st.lists(st.lists(events(), min_size=1, max_size=2).map(b"".join), max_size=6)
)
def test_a_stream_is_read_the_same_on_both_ways(dialect, chunks):
    long, short = StreamReader(dialect), StreamReader(dialect)
    chunks = [each for chunk in chunks for each in (chunk, chunk.replace(b"\\n", b"again"))]  # alike, as most are
    last = None
    for chunk in chunks:
        expected = long.feed(chunk)
        found, text = read_plainly(short, chunk)
        if text is None:
            assert found == expected
        else:
            assert len(expected) == 1
            assert expected[0].text == text
            frame = last[0].chunk
            assert expected[0].chunk == frame | {"choices": [frame["choices"][0] | {"delta": {"content": text}}]}
        last = expected
    assert short.close() == long.close()


DELTAS = st.dictionaries(st.sampled_from(["content", "reasoning_content", "reasoning", "role"]), TEXTS, max_size=2)


@given(st.sampled_from([OPENAI, DEEPSEEK]), st.lists(DELTAS, max_size=6))
def test_a_plain_delta_is_read_as_any_other(dialect, deltas):
    plainly, at_length = StreamReader(dialect), StreamReader(replace(dialect, repairs=("none at all",)))
    for delta in [{"role": "assistant"}, *deltas]:
        chunk = b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": delta}]}) + b"\n\n"
        expected = [each._replace(text=None, thought=False) for each in at_length.feed(chunk)]
        assert [each._replace(text=None, thought=False) for each in plainly.feed(chunk)] == expected
    assert plainly.reasoning_text == at_length.reasoning_text


@given(TEXTS, TEXTS, st.dictionaries(NAMES, TEXTS, max_size=3))
def test_what_is_written_in_a_mould_is_what_would_be_written(first, second, more):
    def written(text):
        return b"data: " + orjson.dumps({**more, "choices": [{"delta": {"content": text}}]}) + b"\n\n"

    mould = mould_of(written(first), first)
    if mould is not None:
        assert mould.before + orjson.dumps(second) + mould.after == written(second)


PLAIN = b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'


def test_a_plain_event_has_a_mould_and_one_like_it_is_read_by_it():
    mould = mould_of(PLAIN, "x")
    assert text_in(mould, PLAIN.replace(b'"x"', '"模型 \\n"'.encode())) == "模型 \n"


@pytest.mark.parametrize(
    "literal",
    [b'"', b'""', b'"a","b":"c"', b'"a"}', b"1", b"null", b'"\\x"', b'"\xff"', b'"\n"', b'"\\ud800"', b'"a" "b"', b""],
)
def test_what_is_no_text_is_not_read_by_a_mould(literal):
    assert text_in(mould_of(PLAIN, "x"), PLAIN.replace(b'"x"', literal)) is None


@pytest.mark.parametrize(
    "event",
    [
        PLAIN.replace(b'"a"', b'"a\\n"'),  # an escape elsewhere might spell the name
        PLAIN.replace(b'"id"', b'"content"'),  # twice
        b'data: {"a\\"content":"x","choices":[{"index":0,"delta":{"c\\u006fntent":"x"}}]}\n\n',
        PLAIN.replace(b'"x"', b"null"),
        PLAIN.replace(b'"x"', b'"y"'),  # another text than was read
    ],
)
def test_an_event_that_is_not_sure_has_no_mould(event):
    assert mould_of(event, "x") is None


def test_a_vendor_that_pads_its_events_with_noise_costs_a_few_moulds_and_no_more():
    reader = StreamReader(OPENAI)
    reader.feed(b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n')
    for noise in range(20):
        chunk = PLAIN.replace(b'"id"', b'"noise":"%d","id"' % noise)
        assert reader.more(chunk) is None
        assert reader.feed(chunk)[0].text == "x"
    assert reader.more(chunk) is None
