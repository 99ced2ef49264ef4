"""Server-sent events, read incrementally from bytes. Pure.

Promises: whatever way the bytes are cut, the same events come out. Lines may end in LF, CRLF or CR, a BOM may lead,
comments and unknown fields are skipped, data lines of one event are joined by LF. Text stays bytes, so a cut inside a
UTF-8 character does no harm. A last event without its blank line is given by ``close``. A line over 1 MiB or an event
over 4 MiB raises ``SseTooLargeError``; the parser is of no use afterwards.
"""

from typing import NamedTuple

MAX_LINE = 1 << 20
MAX_EVENT = 4 << 20
_BOM = b"\xef\xbb\xbf"


class SseTooLargeError(ValueError):
    """A line or an event is larger than any honest provider sends."""


class SseEvent(NamedTuple):
    """One event: its data and, rarely, its name. A tuple because one is made for every chunk of every stream."""

    data: bytes
    name: bytes = b""


class SseParser:
    """Feed bytes, take events."""

    __slots__ = ("_data", "_held", "_name", "_pieces", "_size", "_skip_lf", "_started")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the unfinished line; joined once, when its end comes
        self._held = 0
        self._data: list[bytes] = []
        self._size = 0
        self._name = b""
        self._skip_lf = False
        self._started = False

    @property
    def idle(self) -> bool:
        """Whether nothing is left of what came before."""
        return not (self._pieces or self._data or self._skip_lf or self._name)

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes and return the events that they complete, oldest first.

        Raises:
            SseTooLargeError: a line or an event passes its limit.

        """
        if (
            chunk[-2:] == b"\n\n"
            and not self._pieces
            and not self._data
            and not self._skip_lf
            and not self._name
            and len(chunk) <= MAX_LINE
            and chunk[:6] == b"data: "
            and b"\r" not in chunk
        ):
            self._started = True
            if chunk.find(b"\n") == len(chunk) - 2:
                return [SseEvent(chunk[6:-2])]
            parts = chunk[:-2].split(b"\n\n")
            if all(part[:6] == b"data: " and b"\n" not in part for part in parts):
                return [SseEvent(part[6:]) for part in parts]
        return self._feed_slowly(chunk) if chunk else []

    def _feed_slowly(self, chunk: bytes) -> list[SseEvent]:
        if self._skip_lf:
            self._skip_lf = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if not self._started:
            chunk = b"".join((*self._pieces, chunk))
            self._pieces, self._held = [], 0
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._hold(chunk)
                return []
            self._started = True
            chunk = chunk.removeprefix(_BOM)
        if b"\n" not in chunk and b"\r" not in chunk:
            self._hold(chunk)
            return []
        text = b"".join((*self._pieces, chunk)) if self._pieces else chunk
        self._pieces, self._held = [], 0
        if text[-1:] == b"\r":
            # The LF of a CRLF may come with the next bytes; the line is over either way.
            self._skip_lf = True
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._hold(lines.pop())
        return self._read_lines(lines)

    def _hold(self, rest: bytes) -> None:
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
            if self._held > MAX_LINE:
                raise SseTooLargeError(f"a line of the event stream is over {MAX_LINE} bytes")

    def _read_lines(self, lines: list[bytes]) -> list[SseEvent]:
        events = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(SseEvent(b"\n".join(self._data), self._name))
                    self._data, self._size = [], 0
                self._name = b""
                continue
            if len(line) > MAX_LINE:
                raise SseTooLargeError(f"a line of the event stream is over {MAX_LINE} bytes")
            field, _, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if field == b"data":
                self._size += len(value) + 1
                if self._size > MAX_EVENT:
                    raise SseTooLargeError(f"an event is over {MAX_EVENT} bytes")
                self._data.append(value)
            elif field == b"event":
                self._name = value
        return events

    def close(self) -> list[SseEvent]:
        """Return what the last bytes held although no blank line followed them."""
        rest = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        return self._read_lines([rest, b""] if rest else [b""])
