"""Expected calls against logged ones: tables of files that are read or refused, and of what is found."""

from decimal import Decimal

import pytest

from smartoken.usage.expected import ExpectedError, compare, read_expected

JSONL = '{"user": "run-1", "prompt_tokens": 10, "completion_tokens": 5, "charge_usd": "0.01"}\n\n{"id": "call_2"}\n'
CSV = "user,prompt,completion_tokens,charge,anything\nrun-1,10,5,0.01,x\nrun-2,,,,\n"


def logged(call_id, user=None, **facts):
    plain = {
        "id": call_id, "user": user, "created_ms": 1, "model": "test/alpha", "model_asked": "Test/Alpha", "status": 200,
        "end_reason": "completed", "prompt_tokens": 10, "cached_tokens": 0, "completion_tokens": 5,
        "charge_nano": 10_000_000,
    }  # fmt: skip
    return {**plain, **facts}


def test_json_lines_and_csv_say_the_same():
    one, two = read_expected(JSONL)
    assert (one.line, one.user, dict(one.counts), one.charge_nano) == (
        1, "run-1", {"prompt_tokens": 10, "completion_tokens": 5}, 10_000_000,
    )  # fmt: skip
    assert (two.line, two.place) == (3, ("id", "call_2"))
    three, four = read_expected(CSV)
    assert (three.counts, three.charge_nano) == (one.counts, one.charge_nano)
    assert (four.user, four.counts, four.charge_nano) == ("run-2", {}, None)


WRONG = [
    ("", "expects no call"),
    ('{"model": "x"}', "line 1: a call is named by `id`"),
    ('{"user": "a"}\n{"user": }', "line 2: not JSON"),
    ('{"user": "a", "prompt_tokens": -1}', "line 1: `prompt_tokens` must be a whole number"),
    ('{"user": "a", "prompt_tokens": true}', "line 1: `prompt_tokens` must be a whole number"),
    ('{"user": "a", "charge_usd": "1e-3"}', "line 1: `charge_usd`"),
    ("user,charge\na,cheap\n", "line 2: `charge_usd`"),
    (f'{{"user": "a", "prompt_tokens": {"9" * 5_000}}}', "line 1: not JSON"),
    (f'user,charge\n"{"a" * 140_000}",1\n', "line 1: not CSV"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[each[1] for each in WRONG])
def test_a_wrong_line_is_named_with_the_fix(text, words):
    with pytest.raises(ExpectedError, match=words):
        read_expected(text, "jsonl" if text.startswith("{") else None)


ONE = '{"user": "a", "model": "test/alpha", "prompt_tokens": 10, "charge_usd": "0.01"}'
FOUND = [
    (ONE, [logged("c1", "a")], []),
    (ONE, [], ["missing"]),
    (ONE, [logged("c1", "a"), logged("c2", "a")], ["doubled"]),
    (ONE + "\n" + ONE, [logged("c1", "a"), logged("c2", "a")], []),
    (ONE + "\n" + ONE, [logged("c1", "a")], ["missing"]),
    (ONE, [logged("c1", "a", charge_nano=10_000_001)], ["mispriced"]),
    (ONE, [logged("c1", "a", prompt_tokens=11)], ["miscounted"]),
    (ONE, [logged("c1", "a", prompt_tokens=None)], ["miscounted"]),
    (ONE, [logged("c1", "a", model="test/beta", model_asked="test/beta")], ["other_model"]),
    (ONE, [logged("c1", "a", status=503, charge_nano=0, end_reason="upstream_error")], ["failed"]),
    (ONE, [logged("c1", "a", status=503, charge_nano=0), logged("c2", "a")], []),
    (ONE, [logged("c1", "a"), logged("c2", "b")], ["unexpected"]),
    ('{"id": "c1"}', [logged("c1", "whatever")], []),
    (ONE, [logged("c1", "a", charge_nano=12_000_000), logged("c2", "a")], ["doubled"]),  # the pair that agrees is kept
]


@pytest.mark.parametrize(("text", "calls", "kinds"), FOUND)
def test_each_difference_is_found_and_named(text, calls, kinds):
    findings, _ = compare(read_expected(text), calls, Decimal(0), whole=True)
    assert [each.kind for each in findings] == kinds


def test_a_double_names_the_call_that_is_too_many():
    ((finding,), _) = compare(
        read_expected(ONE), [logged("c1", "a", charge_nano=12_000_000), logged("c2", "a")], Decimal(0), whole=True
    )
    assert finding.calls == ("c1",)
    assert "0.012" in finding.words


def test_a_charge_may_differ_by_the_tolerance_and_no_more():
    for nano, kinds in ((10_050_000, []), (10_050_001, ["mispriced"])):
        findings, _ = compare(read_expected(ONE), [logged("c1", "a", charge_nano=nano)], Decimal("0.5"), whole=True)
        assert [each.kind for each in findings] == kinds


def test_calls_that_nobody_expected_are_told_only_where_all_were_expected():
    findings, _ = compare(read_expected(ONE), [logged("c1", "a"), logged("c2", "b")], Decimal(0), whole=False)
    assert findings == []
