r"""The journal: what this worker has begun and finished, on disk before the money's database knows it.

One append-only file a worker, in preallocated segments. Four kinds of record::

    D  a call is about to be dispatched; carries everything that its usage record needs
    S  the request may have reached a provider
    P  a checkpoint: output counted so far
    F  the call is over; written before its last bytes go to the client

A record is ``\n`` + kind (1 byte) + length (4) + CRC-32 of kind and payload (4) + payload (JSON). A process that is
killed loses nothing that was appended, since appending is a write to the page cache; a machine that loses power loses
at most the last sync window, about five milliseconds. A torn or damaged record is passed over, the newline before each
record is where reading finds its feet again.

Fails closed: when no segment can be preallocated (a full disk), ``room_for_new`` turns false and nothing new is
admitted, while the room kept in reserve still takes the final records of calls under way.
"""

import mmap
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DISPATCH, SENT, PROGRESS, FINAL = b"D", b"S", b"P", b"F"
KINDS = (DISPATCH, SENT, PROGRESS, FINAL)
SEGMENT_BYTES = 8 * 1024 * 1024
RESERVE_BYTES = 2 * 1024 * 1024  # of the last segment, kept for finals when no further one can be had
MAX_PAYLOAD = 1024 * 1024
_HEAD = struct.Struct("<cII")
_SUFFIX = ".journal"


class JournalFullError(OSError):
    """Not even the reserve has room for the record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read back."""

    kind: bytes
    payload: bytes


class _Segment:
    """A preallocated file mapped into memory."""

    __slots__ = ("fd", "map", "number", "open_calls", "path", "position", "size")

    def __init__(self, path: Path, number: int, size: int, preallocate: Callable[[int, int], None]) -> None:
        self.path = path
        self.number = number
        self.size = size
        self.position = 0
        self.open_calls = 0
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            preallocate(self.fd, size)
            self.map = mmap.mmap(self.fd, size)
        except OSError:
            os.close(self.fd)
            path.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        self.map.close()
        os.close(self.fd)


class Journal:
    """The journal of one worker; appended from the event loop, synced from a thread of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        preallocate: Callable[[int, int], None],
        datasync: Callable[[int], None],
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        sync_every_s: float = 0.005,
    ) -> None:
        """Open the journal in an empty folder that this process holds; raises ``OSError`` if there is no room."""
        self._folder = folder
        self._preallocate = preallocate
        self._datasync = datasync
        self._segment_bytes = segment_bytes
        self._reserve = min(reserve_bytes, segment_bytes // 2)
        self._sync_every_s = sync_every_s
        self._segments: list[_Segment] = []
        self._spare: _Segment | None = None
        self._number = 0
        self._homes: dict[str, _Segment] = {}  # call -> the segment of its D
        self._dirty = False
        self._lock = threading.Lock()  # guards the list of segments against the sync thread
        self._stop = threading.Event()
        self.sync_failures = 0
        self._current = self._new_segment()
        self._segments.append(self._current)
        self._prepare_spare()
        self._thread = threading.Thread(target=self._sync_loop, name="journal-sync", daemon=True)
        self._thread.start()

    def _new_segment(self) -> _Segment:
        self._number += 1
        path = self._folder / f"{self._number:08d}{_SUFFIX}"
        return _Segment(path, self._number, self._segment_bytes, self._preallocate)

    def _prepare_spare(self) -> None:
        if self._spare is None:
            try:
                self._spare = self._new_segment()
            except OSError:
                self._spare = None

    @property
    def room_for_new(self) -> bool:
        """Whether a new call may be admitted: its final record is sure to find room."""
        if self._spare is not None:
            return True
        self._prepare_spare()
        return self._spare is not None or self._current.size - self._current.position > self._reserve

    @property
    def open_calls(self) -> int:
        """How many calls were dispatched and not yet forgotten."""
        return len(self._homes)

    def dispatch(self, call_id: str, payload: bytes) -> None:
        """Append a D record; the call's segment lives until ``forget``."""
        segment = self._append(DISPATCH, payload)
        segment.open_calls += 1
        self._homes[call_id] = segment

    def note(self, kind: bytes, payload: bytes) -> None:
        """Append an S, P or F record. Raises ``JournalFullError`` when even the reserve is used up."""
        self._append(kind, payload)

    def _append(self, kind: bytes, payload: bytes) -> _Segment:
        need = 1 + _HEAD.size + len(payload)
        if len(payload) > MAX_PAYLOAD:
            raise JournalFullError(f"a journal record of {len(payload)} bytes is over the limit")
        segment = self._current
        if segment.position + need > segment.size:
            segment = self._roll()
        head = _HEAD.pack(kind, len(payload), zlib.crc32(payload, kind[0]))
        start = segment.position
        # The whole record is laid down in one slice assignment: a reader sees all of it or a torn one.
        segment.map[start : start + need] = b"\n" + head + payload
        segment.position = start + need
        self._dirty = True
        return segment

    def _roll(self) -> _Segment:
        self._prepare_spare()
        spare = self._spare
        if spare is None:
            raise JournalFullError("no journal segment could be preallocated; is the disk full?")
        with self._lock:
            self._segments.append(spare)
        self._current, self._spare = spare, None
        self._prepare_spare()
        self._drop_settled()
        return spare

    def forget(self, call_ids: list[str]) -> None:
        """Let go of calls whose records are committed elsewhere; segments without open calls are removed."""
        for each in call_ids:
            segment = self._homes.pop(each, None)
            if segment is not None:
                segment.open_calls -= 1
        self._drop_settled()

    def _drop_settled(self) -> None:
        # Only from the front: a later segment may hold the F of a call whose D is in an earlier one.
        while len(self._segments) > 1 and self._segments[0].open_calls <= 0:
            with self._lock:
                gone = self._segments.pop(0)
                gone.close()
            gone.path.unlink(missing_ok=True)

    def sync(self) -> None:
        """Put everything appended so far on the disk; called by the sync thread."""
        if not self._dirty:
            return
        self._dirty = False
        with self._lock:
            for segment in self._segments[-2:]:
                self._datasync(segment.fd)

    def _sync_loop(self) -> None:
        while not self._stop.wait(self._sync_every_s):
            try:
                self.sync()
            except OSError:
                self.sync_failures += 1

    def close(self, *, remove: bool) -> None:
        """Stop syncing; ``remove`` deletes the segments when every call in them is settled elsewhere."""
        self._stop.set()
        self._thread.join()
        if not remove:
            self._dirty = True
            self.sync()
        for segment in (*self._segments, *([self._spare] if self._spare is not None else [])):
            segment.close()
            if remove:
                segment.path.unlink(missing_ok=True)
        self._segments.clear()
        self._spare = None


def read_segment(raw: bytes) -> Iterator[Record]:
    """Yield the whole records of a segment's bytes; damaged ones are passed over, zeros end it."""
    position = 0
    while True:
        position = raw.find(b"\n", position)
        if position < 0 or position + 1 + _HEAD.size > len(raw):
            return
        kind, length, checksum = _HEAD.unpack_from(raw, position + 1)
        start = position + 1 + _HEAD.size
        payload = raw[start : start + length]
        whole = kind in KINDS and length <= MAX_PAYLOAD and len(payload) == length
        if whole and zlib.crc32(payload, kind[0]) == checksum:
            yield Record(kind, payload)
            position = start + length
        else:
            position += 1


def read_folder(folder: Path) -> Iterator[Record]:
    """Yield the records of all segments of a worker that is gone, in the order in which they were written."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        yield from read_segment(path.read_bytes())
