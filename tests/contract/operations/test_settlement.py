"""A batch of records is stored once, with its sums, however often and with whatever neighbours it comes."""

from contract.operations.rooms import call_record
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
