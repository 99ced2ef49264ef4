"""A batch of records is stored once, with its sums, however often and with whatever neighbours it comes."""

import pytest

from contract.operations.rooms import call_record
from smartoken.store import access_queries
from smartoken.usage.queries import call_by_id, fitted
from smartoken.usage.report_queries import SUMS, sums


def totals(room):
    rows = room.office.db.run_read(sums, "model", None, (0, 2**53))
    return {name: sum(row[name] for row in rows) for name in SUMS}


def a_record(number, **facts):
    return call_record(number, "acct_1", "key_1", **facts)


def test_records_are_stored_once_and_summed_once(room):
    records = [a_record(number, user=f"u{number % 3}") for number in range(10)]
    assert len(room.calls(*records)) == 10
    once = totals(room)
    assert (once["calls"], once["charge_nano"], once["prompt_tokens"]) == (10, 10_000, 1000)
    assert room.calls(*records) == set()
    assert totals(room) == once


def test_a_batch_that_is_partly_known_adds_only_what_is_new(room):
    room.calls(*(a_record(number) for number in range(5)))
    new = room.calls(*(a_record(number) for number in range(3, 8)))
    assert new == {f"call_{number:032x}" for number in range(5, 8)}
    assert totals(room)["calls"] == 8


def test_more_records_than_a_statement_takes_are_all_stored(room):
    records = [a_record(number) for number in range(700)]
    assert len(room.calls(*records)) == 700
    assert totals(room)["calls"] == 700


def test_unknown_counts_and_failures_are_summed_as_what_they_are(room):
    room.calls(
        a_record(1, status=502, prompt_tokens=None, completion_tokens=None, ttft_ms=None, provider=None),
        a_record(2),
    )
    found = totals(room)
    assert (found["calls"], found["errors"], found["prompt_tokens"], found["ttft_count"]) == (2, 1, 100, 1)


def test_an_empty_batch_is_no_work(room):
    assert room.calls() == set()


OTHER_FIGURES = [
    ({"charge_nano": 1001}, ["charge_nano"]),
    ({"completion_tokens": 11}, ["completion_tokens"]),
    ({"prompt_tokens": None}, ["prompt_tokens"]),
    ({"key_id": "key_2"}, ["key_id"]),
    ({"account_id": "acct_2", "charge_nano": 0}, ["account_id", "charge_nano"]),
    ({"model": "test/beta"}, ["model"]),
    ({"end_reason": "completed", "charge_nano": 400, "overrun_nano": 601}, ["charge_nano"]),
]
NO_OTHER_FIGURES = [
    {},
    {"charge_nano": 400, "overrun_nano": 600},  # it was settled late: the rest is the house's
    {"total_ms": 90, "evidence": "again", "status": 500},
    {"usage_source": "recovered", "end_reason": "recovered", "completion_tokens": 3, "charge_nano": 300},
    {"usage_source": None, "end_reason": "unknown_dispatch", "prompt_tokens": None, "charge_nano": 0},
]


def told_conflicts(room):
    found = room.office.db.run_read(access_queries.event_page, None, 10, {"kind": "call.conflict"})
    return [(each["account_id"], each["subject"], each["facts"]["differs_in"]) for each in found]


@pytest.mark.parametrize("at_once", [False, True], ids=["after it was stored", "in the same batch"])
@pytest.mark.parametrize(("facts", "differing"), OTHER_FIGURES)
def test_a_second_record_with_other_figures_is_dropped_and_told_once(room, caplog, facts, differing, at_once):
    first = a_record(1)
    again = first._replace(**facts)
    if at_once:
        assert room.calls(first, again, a_record(2)) == {first.id, a_record(2).id}
    else:
        room.calls(first)
        assert room.calls(again, a_record(2)) == {a_record(2).id}
    once = totals(room)
    assert told_conflicts(room) == [(None, f"call:{first.id}", differing)]
    assert "other figures" in caplog.text
    assert room.calls(again, first) == set()
    assert len(told_conflicts(room)) == 1
    assert room.office.db.run_read(call_by_id, None, first.id).charge_nano == first.charge_nano
    assert totals(room) == once


@pytest.mark.parametrize("facts", NO_OTHER_FIGURES)
def test_a_second_record_that_tells_of_the_same_money_or_guesses_it_is_dropped_without_a_word(room, caplog, facts):
    first = a_record(1)
    room.calls(first)
    assert room.calls(first._replace(**facts)) == set()
    assert told_conflicts(room) == []
    assert not caplog.text


def test_a_record_that_was_cut_to_its_columns_is_the_same_when_it_comes_again_as_it_was(room):
    first = a_record(1, completion_tokens=2**70)
    room.calls(fitted(first))
    assert room.calls(first) == set()
    assert told_conflicts(room) == []


def test_a_final_record_that_follows_a_guess_from_a_checkpoint_is_told(room):
    guessed = a_record(1, usage_source="recovered", end_reason="recovered", charge_nano=300)
    room.calls(guessed)
    room.calls(a_record(1))
    assert told_conflicts(room) == [(None, f"call:{guessed.id}", ["charge_nano"])]


BAD_TEXTS = ["nul\0inside", "half a pair \ud800", "long " * 200]
TEXTS = [
    "user",
    "model_asked",
    "model_served",
    "provider",
    "offer",
    "evidence",
    "owner",
    "workflow",
    "client_ip",
    "fx_id",
]
COUNTS = ["prompt_tokens", "cached_tokens", "completion_tokens", "cost_nano", "ttft_ms", "total_ms"]
POISON = [
    *({name: text} for name in TEXTS for text in BAD_TEXTS),
    *({name: figure} for name in COUNTS for figure in (2**63, -(2**70))),
    *({"attempts": [{"message": text, "n": 2**80}]} for text in BAD_TEXTS),
]


@pytest.mark.parametrize(
    "facts", POISON, ids=lambda facts: f"{next(iter(facts))}-{str(next(iter(facts.values())))[:6]!a}"
)
def test_what_no_column_takes_is_cut_to_what_it_does(room, facts):
    made = fitted(a_record(1, **facts))
    assert len(room.calls(made, a_record(2))) == 2
    stored = room.office.db.run_read(call_by_id, None, made.id)
    assert stored._replace(transfer_id=None) == made._replace(transfer_id=None)


def test_a_record_that_fits_is_kept_as_it_is():
    record = a_record(1, user="Zoë 😀", evidence="x" * 200, attempts=[{"n": 1, "ok": True, "none": None}])
    assert fitted(record) == record
