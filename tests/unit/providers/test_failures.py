"""Reading errors: safe messages, waiting times, bodies of any kind."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.errors import FailureClass
from smartoken.providers.failures import MAX_MESSAGE, classify, clean, judge, read_error
from smartoken.providers.registry import DIALECTS, dialect

CLEANED = [
    ("plain text", "plain text"),
    ("a\r\nb\x00c\x1b[31m", "a b c [31m"),
    ("key sk-abcdef0123456789 is bad", "key [removed] is bad"),
    ("Your api key: ****abcd is invalid", "Your api key: [removed] is invalid"),
    ("Authorization: Bearer abc.def", "Authorization: [removed]"),
    ("bce-v3/ALTAK-made-up/123 unknown", "[removed] unknown"),
    ("id 0123456789abcdef0123456789abcdef0123", "id [removed]"),
    ("Your account 2100000000 has not", "Your account [id] has not"),
    ('File "/srv/app/llama_cpp/server.py", line 3', 'File "[path]", line 3'),
    ("see https://help.aliyun.com/zh/model-studio", "see https://help.aliyun.com/zh/model-studio"),
    ("evil \u202etxt", "evil txt"),
    ("您的账户已欠费", "您的账户已欠费"),
    (
        "exceeded model token limit: 262144 (requested: 558009)",
        "exceeded model token limit: 262144 (requested: 558009)",
    ),
]


@pytest.mark.parametrize(("text", "shown"), CLEANED)
def test_a_message_is_safe_to_show(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(max_size=4_000))
def test_a_message_is_short_and_printable_whatever_comes(text: str) -> None:
    shown = clean(text)
    assert len(shown) <= MAX_MESSAGE
    assert not any(ord(each) < 32 or ord(each) == 127 for each in shown)


@given(st.sampled_from(sorted(DIALECTS)), st.integers(100, 599), st.binary(max_size=200))
def test_any_body_has_a_class(dialect_id: str, status: int, body: bytes) -> None:
    failure = classify(dialect(dialect_id), status, {}, body)
    assert isinstance(failure.kind, FailureClass)
    assert failure.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**6) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "param", "base_resp", "status_code"]), inner
        )
    ),
    max_leaves=10,
)


@given(st.sampled_from(sorted(DIALECTS)), st.integers(400, 599), JSON)
def test_any_json_has_a_class(dialect_id: str, status: int, body: object) -> None:
    failure = classify(dialect(dialect_id), status, {}, orjson.dumps(body))
    assert isinstance(failure.kind, FailureClass)
    assert len(failure.message) <= MAX_MESSAGE


DATE = "Sun, 20 Sep 2026 06:32:01 GMT"
RESET = b'{"error":{"code":"1308","message":"used up, 2026-09-20 15:32:01 \xe5\x90\x8e continues"}}'
WAITS = [
    ({"retry-after": "30"}, b"", 30.0),
    ({"retry-after": "1.5"}, b"", 1.5),
    ({"retry-after": "-3"}, b"", None),
    ({"retry-after": "soon"}, b"", None),
    ({"retry-after": "99999999999"}, b"", None),
    ({"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT", "date": DATE}, b"", None),
    ({"retry-after": "Sun, 20 Sep 2026 06:33:01 GMT", "date": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, b"", None),
    ({"retry-after": "Sun, 20 Sep 2026 06:33:01 +999999999999", "date": DATE}, b"", None),
    ({}, b"", None),
    ({"retry-after": "Sun, 20 Sep 2026 06:33:01 GMT", "date": DATE}, b"", 60.0),
    ({"retry-after": "Sun, 20 Sep 2026 06:33:01 GMT"}, b"", None),
    ({"retry-after": "Sun, 20 Sep 2026 06:30:01 GMT", "date": DATE}, b"", 0.0),
    ({"date": DATE}, RESET, 3_600.0),  # 15:32:01 in Beijing is 07:32:01 UTC
    ({}, RESET, None),
    ({"date": DATE}, RESET.replace(b"2026-09-20", b"2026-99-20"), None),
]


@pytest.mark.parametrize(("headers", "body", "wait"), WAITS)
def test_the_time_to_wait(headers: dict[str, str], body: bytes, wait: float | None) -> None:
    assert classify(dialect("zhipu"), 429, headers, body).retry_after_s == wait


BODIES = [
    ({"error": {"message": "m", "code": "c"}}, "m"),
    ({"error": "m"}, "m"),
    ({"error": "short", "message": "long"}, "long"),
    ({"code": 1, "message": "m", "data": None}, "m"),
    ({"object": "error", "message": "m"}, "m"),
    ({"detail": "m"}, "m"),
    ({"error": {"msg": "m"}}, "m"),
    ("m", "m"),
    ({"base_resp": {"status_code": 7, "status_msg": "m"}}, "m"),
    ({"choices": [], "base_resp": {"status_code": 7, "status_msg": "m"}}, "m"),
]


@pytest.mark.parametrize(("payload", "message"), BODIES)
def test_an_error_is_found_in_every_shape(payload: object, message: str) -> None:
    said = read_error(payload)
    assert said is not None
    assert said.message == message


@pytest.mark.parametrize(
    "payload",
    [
        None,
        7,
        [],
        {},
        {"choices": []},
        {"choices": [{}], "message": "text of an answer"},
        {"choices": [{}], "error": None},
        {"choices": [{}], "base_resp": {"status_code": 0}},
    ],
)
def test_an_answer_is_no_error(payload: object) -> None:
    assert read_error(payload) is None


def test_the_code_of_the_provider_is_kept() -> None:
    said = read_error({"error": {"message": "no (1008)", "code": "402", "type": "x"}})
    assert judge(dialect("minimax"), said, 402).upstream_code == "1008"


def test_a_failure_without_a_text_says_the_status() -> None:
    assert classify(dialect("openai"), 503, {}, b"").message == "the provider answered 503 without a text"


def test_html_is_not_shown() -> None:
    assert "<" not in classify(dialect("openai"), 502, {}, b"<html><h1>Bad gateway</h1></html>").message


def test_a_request_that_is_repeated_in_its_refusal_is_still_a_refused_request() -> None:
    said = {"detail": [{"loc": ["body", "top_p"], "msg": "too large", "input": "x" * 300_000}]}
    failure = classify(dialect("openai"), 422, {}, orjson.dumps(said))
    assert failure.kind is FailureClass.REQUEST_FAULT
    assert failure.param == "top_p"
    assert len(failure.message) <= MAX_MESSAGE
