"""What most answers take is a short way; it comes to what the long one comes to."""

from dataclasses import replace

import orjson
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.answers import MAX_NAME, read_answer, served_name
from smartoken.providers.dialect import OPENAI, VENDOR
from smartoken.providers.usage import MOST, read_usage

ODD = st.sampled_from([None, "", "text", [], [{"text": "part"}], {}, 0, 1, -1, True, 2.5])
COUNTS = st.one_of(st.integers(-2, 300), st.sampled_from([MOST, MOST + 1, None, True, "7", 1.0]))
USAGE = st.one_of(
    ODD,
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": COUNTS,
            "completion_tokens": COUNTS,
            "prompt_tokens_details": st.one_of(
                ODD,
                st.fixed_dictionaries({}, optional={"cached_tokens": COUNTS, "cache_creation_input_tokens": COUNTS}),
            ),
            "completion_tokens_details": st.one_of(ODD, st.fixed_dictionaries({"reasoning_tokens": COUNTS})),
        },
    ),
)
TEXTS = st.sampled_from(["Hello.", "", None, "  ", [{"text": "part"}]])
MESSAGE = st.fixed_dictionaries(
    {"content": TEXTS},
    optional={
        name: st.one_of(ODD, st.just([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]))
        for name in ("role", "tool_calls", "reasoning_content", "reasoning", "refusal", "annotations", "name", "audio")
    },
)
FINISHES = st.sampled_from(["stop", "length", "tool_calls", "eos", "error", "never heard of", "", None, 3])
CHOICE = st.one_of(
    ODD,
    st.fixed_dictionaries(
        {"message": st.one_of(MESSAGE, ODD), "finish_reason": FINISHES},
        optional={"index": ODD, "logprobs": ODD, "usage": USAGE},
    ),
)
PAYLOAD = st.one_of(
    ODD,
    st.fixed_dictionaries(
        {"choices": st.one_of(ODD, st.lists(CHOICE, max_size=2))},
        optional={
            "id": ODD, "model": st.one_of(ODD, st.text(max_size=4)), "created": ODD, "usage": USAGE,
            "service_tier": ODD, "system_fingerprint": ODD, "error": ODD, "base_resp": ODD, "extra": ODD,
        },
    ),
)  # fmt: skip


def long_way(dialect):
    """Return the same dialect with a repair that does nothing, for which nothing is read plainly."""
    return replace(dialect, repairs=("none at all",))


@given(st.sampled_from([OPENAI, VENDOR]), PAYLOAD)
def test_an_answer_is_read_the_same_on_both_ways(dialect, payload):
    raw = orjson.dumps(payload)
    assert read_answer(dialect, orjson.loads(raw)) == read_answer(long_way(dialect), orjson.loads(raw))


@given(USAGE)
def test_counts_are_read_the_same_on_both_ways(block):
    shape = replace(OPENAI.usage, prompt_includes_cached=True)
    apart = replace(shape)
    object.__setattr__(apart, "in_sums", False)  # so that nothing is added up plainly
    assert read_usage(shape, block) == read_usage(apart, block)


@given(st.text(max_size=300))
def test_the_name_of_a_model_is_printable_and_bounded(name):
    assert served_name(name) == "".join(each for each in name[:MAX_NAME] if each.isprintable())
