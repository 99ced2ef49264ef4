"""The event stream parser: any cut of the bytes gives the same events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.sse import MAX_EVENT, MAX_LINE, SseEvent, SseParser, SseTooLargeError

TABLE: list[tuple[bytes, list[SseEvent]]] = [
    (b"", []),
    (b"data: a\n\n", [SseEvent(b"a")]),
    (b"data:a\n\n", [SseEvent(b"a")]),
    (b"data:  a\n\n", [SseEvent(b" a")]),
    (b"data: a\n\ndata: b\n\n", [SseEvent(b"a"), SseEvent(b"b")]),
    (b"data: a\ndata: b\n\n", [SseEvent(b"a\nb")]),
    (b"data: a\r\n\r\ndata: b\r\n\r\n", [SseEvent(b"a"), SseEvent(b"b")]),
    (b"data: a\r\rdata: b\r\r", [SseEvent(b"a"), SseEvent(b"b")]),
    (b"data: a\r\n\ndata: b\n\r\n", [SseEvent(b"a"), SseEvent(b"b")]),
    (b"data: a", [SseEvent(b"a")]),
    (b"data: a\n", [SseEvent(b"a")]),
    (b"data: a\r", [SseEvent(b"a")]),
    (b": keep-alive\n\n\n\ndata: a\n\n", [SseEvent(b"a")]),
    (b":\ndata: a\n: note\n\n", [SseEvent(b"a")]),
    (b"event: error\ndata: a\n\ndata: b\n\n", [SseEvent(b"a", b"error"), SseEvent(b"b")]),
    (b"event: error\n\ndata: b\n\n", [SseEvent(b"b")]),
    (b"id: 1\nretry: 10\nfoo: x\nbar\ndata: a\n\n", [SseEvent(b"a")]),
    (b"data\n\n", [SseEvent(b"")]),
    (b"\xef\xbb\xbfdata: a\n\n", [SseEvent(b"a")]),
    (b"\xef\xbb\xbf", []),
    ("data: 你好\n\n".encode(), [SseEvent("你好".encode())]),
    (b"\n\n\ndata: a\n\n", [SseEvent(b"a")]),
    (b"data: [DONE]\n\n", [SseEvent(b"[DONE]")]),
    (b"\xef\xbbdata: a\n\n", []),
]


def parse(raw: bytes, cuts: list[int]) -> list[SseEvent]:
    parser, events, last = SseParser(), [], 0
    for cut in [*sorted(each for each in cuts if each < len(raw)), len(raw)]:
        events += parser.feed(raw[last:cut])
        last = cut
    return events + parser.close()


@pytest.mark.parametrize(("raw", "events"), TABLE)
def test_bytes_become_events(raw: bytes, events: list[SseEvent]) -> None:
    assert parse(raw, []) == events


@pytest.mark.parametrize(("raw", "events"), TABLE)
def test_one_byte_at_a_time_gives_the_same_events(raw: bytes, events: list[SseEvent]) -> None:
    assert parse(raw, list(range(len(raw)))) == events


LINES = st.sampled_from(
    [
        b"data: x",
        b"data:",
        b"data: \xe4\xbd\xa0",
        b'data: {"a":1}',
        b": c",
        b"event: error",
        b"id: 1",
        b"",
        b"",
        b"junk",
    ]
)
STREAMS = st.builds(
    lambda bom, lines, last: (b"\xef\xbb\xbf" if bom else b"") + b"".join(a + b for a, b in lines) + last,
    st.booleans(),
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=20),
    st.sampled_from([b"", b"data: tail", b": c"]),
)


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
def test_any_cut_gives_the_same_events(raw: bytes, cuts: list[int]) -> None:
    assert parse(raw, cuts) == parse(raw, [])


@given(STREAMS)
def test_events_agree_with_a_parser_that_sees_the_whole(raw: bytes) -> None:
    text = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = []
    for block in text.split(b"\n\n"):
        lines = [each for each in block.split(b"\n") if each.partition(b":")[0] == b"data"]
        values = [each.partition(b":")[2].removeprefix(b" ") for each in lines]
        if values:
            expected.append(b"\n".join(values))
    assert [each.data for each in parse(raw, [])] == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_rubbish_raises_nothing(raw: bytes, cuts: list[int]) -> None:
    assert parse(raw, cuts) == parse(raw, [])


@pytest.mark.parametrize("step", [1000, 1 << 16, 3 << 20])
def test_a_line_over_its_limit_is_refused_however_it_comes(step: int) -> None:
    raw = b"data: " + b"x" * (MAX_LINE + 10) + b"\n\n"
    with pytest.raises(SseTooLargeError):
        parse(raw, list(range(0, len(raw), step)))


def test_an_event_over_its_limit_is_refused() -> None:
    line = b"data: " + b"x" * 900_000 + b"\n"
    with pytest.raises(SseTooLargeError):
        parse(line * (MAX_EVENT // 900_000 + 1), [len(line)])


def test_a_large_event_within_the_limits_comes_whole() -> None:
    parser, line = SseParser(), b"data: " + b"x" * 900_000 + b"\n"
    events = [event for _ in range(4) for event in parser.feed(line)] + parser.feed(b"\n")
    assert [len(each.data) for each in events] == [3_600_003]


def test_endless_comments_are_not_kept() -> None:
    parser = SseParser()
    for _ in range(2_000):
        assert parser.feed(b": " + b"k" * 4_000 + b"\n") == []
    assert parser.feed(b"data: a\n\n") == [SseEvent(b"a")]
