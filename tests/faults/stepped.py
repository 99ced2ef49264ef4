"""The gateway as it is, by a wall clock that a test sets while it runs: as many nanoseconds off as a file says.

python tests/faults/stepped.py FILE WORKERS
"""

import mmap
import os
import struct
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smartoken.serving import serve
from smartoken.settings import Settings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = struct.Struct("=q")


class SteppedClock:
    """The machine's clocks; the wall clock is off by what the file says at the moment."""

    def __init__(self, path):
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), _FORM.size)

    def now(self):
        """The wall clock as aware UTC."""
        return _EPOCH + timedelta(microseconds=self.now_ns() // 1000)

    def now_ns(self):
        """The wall clock in nanoseconds since the epoch."""
        return time.time_ns() + _FORM.unpack_from(self._offset)[0]

    def monotonic(self):
        """Seconds that never step back."""
        return time.monotonic()


def set_clock(path, seconds):
    """Set the clock of whoever runs by this file."""
    if not path.exists():
        path.write_bytes(bytes(_FORM.size))
    with path.open("r+b") as file:
        file.write(_FORM.pack(int(seconds * 1_000_000_000)))


if __name__ == "__main__":
    settings = replace(Settings.from_env(os.environ), workers=int(sys.argv[2]))
    sys.exit(serve(settings, print, SteppedClock(Path(sys.argv[1]))))
