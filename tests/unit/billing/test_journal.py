"""The journal as its reader finds it after every kind of end."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.billing import journal as j

HEAD = 10  # newline, kind, length, checksum


def preallocate(fd, size):
    os.truncate(fd, size)


def fill(journal):
    for _ in range(100):
        journal.note(j.FINAL, b"f" * 200)


def open_journal(folder, **more):
    return j.Journal(folder, preallocate=preallocate, datasync=os.fdatasync, **{"segment_bytes": 4096, **more})


def kinds_and_payloads(folder):
    return [(each.kind, each.payload) for each in j.read_folder(folder)]


def test_records_are_read_back_in_the_order_they_were_written(tmp_path):
    journal = open_journal(tmp_path)
    journal.dispatch("call_1", b'{"call":1}')
    journal.note(j.SENT, b"{}")
    journal.note(j.FINAL, b'{"text":"a\\nb\n"}')
    assert kinds_and_payloads(tmp_path) == [(b"D", b'{"call":1}'), (b"S", b"{}"), (b"F", b'{"text":"a\\nb\n"}')]
    journal.close(remove=False)
    assert len(kinds_and_payloads(tmp_path)) == 3


def test_what_was_appended_is_there_although_nobody_closed_or_synced(tmp_path):
    journal = open_journal(tmp_path, sync_every_s=3600)
    journal.dispatch("call_1", b"x" * 100)
    assert kinds_and_payloads(tmp_path) == [(b"D", b"x" * 100)]
    journal.close(remove=True)


def test_segments_go_only_when_all_their_calls_are_forgotten(tmp_path):
    journal = open_journal(tmp_path)
    for number in range(100):
        journal.dispatch(f"call_{number}", b"p" * 200)
    before = len(list(tmp_path.iterdir()))
    journal.forget([f"call_{number}" for number in range(1, 100)])
    assert len(list(tmp_path.iterdir())) == before, "call 0 still holds the first segment and all behind it"
    journal.forget(["call_0"])
    assert len(list(tmp_path.iterdir())) == 2  # the current one and the spare
    assert journal.open_calls == 0
    journal.close(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_stops_new_calls_but_takes_the_finals(tmp_path):
    left = [2]

    def scarce(fd, size):
        if not left[0]:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        preallocate(fd, size)

    journal = j.Journal(tmp_path, preallocate=scarce, datasync=os.fdatasync, segment_bytes=10_000, reserve_bytes=4_000)
    calls = 0
    while journal.room_for_new:
        journal.dispatch(f"call_{calls}", b"d" * 200)
        calls += 1
    for _ in range(15):
        journal.note(j.FINAL, b"f" * 200)
    with pytest.raises(j.JournalFullError):
        fill(journal)
    written = kinds_and_payloads(tmp_path)
    assert sum(1 for kind, _ in written if kind == b"D") == calls > 30
    assert sum(1 for kind, _ in written if kind == b"F") >= 15
    left[0] = 5
    assert journal.room_for_new, "room comes back with the disk's"
    journal.close(remove=True)


def test_a_record_over_the_limit_is_refused(tmp_path):
    journal = open_journal(tmp_path, segment_bytes=3 * j.MAX_PAYLOAD)
    with pytest.raises(j.JournalFullError):
        journal.note(j.FINAL, b"x" * (j.MAX_PAYLOAD + 1))
    journal.close(remove=True)


RECORDS = st.lists(st.tuples(st.sampled_from(j.KINDS), st.binary(max_size=60)), min_size=1, max_size=12)


def raw_of(records):
    raw = b""
    for kind, payload in records:
        raw += b"\n" + j._HEAD.pack(kind, len(payload), j.zlib.crc32(payload, kind[0])) + payload
    return raw


@given(RECORDS, st.integers(0, 64))
def test_a_torn_tail_costs_only_the_record_that_was_torn(records, cut):
    raw = raw_of(records)
    keep = raw[: max(0, len(raw) - cut)] + bytes(256)
    found = [(each.kind, each.payload) for each in j.read_segment(keep)]
    whole = 0
    size = 0
    for _, payload in records:
        size += HEAD + len(payload)
        whole += size <= len(raw) - cut
    assert found[:whole] == records[:whole]


@given(RECORDS, st.randoms(use_true_random=False))
def test_a_damaged_byte_costs_one_record_and_never_the_rest(records, rng: random.Random):
    raw = bytearray(raw_of(records) + bytes(64))
    place = rng.randrange(len(raw) - 64)
    raw[place] ^= 1 << rng.randrange(8)
    found = [(each.kind, each.payload) for each in j.read_segment(bytes(raw))]
    missing = [each for each in records if each not in found]
    assert len(missing) <= 1


@given(st.binary(max_size=2000))
def test_reading_garbage_never_fails(raw):
    assert all(each.kind in j.KINDS for each in j.read_segment(raw))
