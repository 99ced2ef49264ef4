"""Several workers of one gateway: processes on one listening socket, watched by the process that was started.

The supervisor forks, holds no connection and no thread of its own, starts a worker that ended again with growing
pauses, and passes a signal to stop on to all. A worker whose supervisor is gone drains and ends. What workers share
besides the store are the counts of ``/metrics``: each writes its own once a second, whoever is asked adds them up.
"""

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from smartoken.store.oscalls import fork

_logger = logging.getLogger(__name__)
FOLDER = "workers"
STARTED_S = 60.0
ENDED_S = 30.0  # from the signal to stop; who still runs then is killed, its calls settle from its journal
STEADY_S = 60.0  # a worker that lived so long begins again with the shortest pause
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LOOK_S = 0.05
_LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's place in the crew."""

    number: int
    first: bool  # the first worker in this place: it greets, if it is number 0
    supervisor_fd: int  # comes to its end when the supervisor is gone
    _ready_fd: int

    def ready(self, lines: list[str]) -> None:
        """Tell the supervisor that calls are answered, and what it should say."""
        os.write(self._ready_fd, orjson.dumps(lines)[:_LONGEST] + b"\n")
        os.close(self._ready_fd)


class Snapshots:
    """The counts of all workers, as files of a folder: one a worker, and those of workers that ended."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def clear(self) -> None:
        """Begin with none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in self._folder.glob("*.json"):
            each.unlink(missing_ok=True)

    def write(self, own: Mapping[str, Any]) -> None:
        """Keep this worker's counts for the others."""
        self._put(self._folder / f"{os.getpid()}.json", own)

    def all(self, own: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the counts of every worker, this one's as they are now, others' at most a second old."""
        found: list[Mapping[str, Any]] = [own]
        for path in sorted(self._folder.glob("*.json")):
            if path.stem != str(os.getpid()):
                with contextlib.suppress(OSError, ValueError):
                    found.append(orjson.loads(path.read_bytes()))
        return found

    def ended(self, pid: int) -> None:
        """Keep what a worker that ended had counted, without what it had open."""
        path = self._folder / f"{pid}.json"
        with contextlib.suppress(OSError, ValueError):
            last = orjson.loads(path.read_bytes())
            self._put(self._folder / f"ended-{pid}-{time.time_ns()}.json", {**last, "gauges": {}})
            path.unlink()

    def _put(self, path: Path, counts: Mapping[str, Any]) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(counts))
        fresh.replace(path)  # whole or not there


@dataclass(slots=True)
class _Place:
    """One worker's place as the supervisor sees it."""

    number: int
    pid: int = 0
    since: float = 0.0
    failures: int = 0
    again_at: float = 0.0
    first: bool = True
    ready_fd: int | None = None
    said: bytes = b""


@dataclass(slots=True)
class Crew:
    """The supervisor. ``work`` runs a worker in its seat and returns the exit code."""

    size: int
    work: Callable[[Seat], int]
    snapshots: Snapshots
    _places: list[_Place] = field(default_factory=list)
    _stopping: list[int] = field(default_factory=list)
    _life: tuple[int, int] = (-1, -1)

    def run(self, opened: Callable[[list[str]], contextlib.AbstractContextManager[object]]) -> int:
        """Keep the workers running until told to stop; ``opened`` is entered once all are ready for the first time."""
        self.snapshots.clear()
        self._life = os.pipe()
        self._places = [_Place(number) for number in range(self.size)]
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._stop)
        for place in self._places:
            self._start(place)
        until = time.monotonic() + STARTED_S
        while not all(each.said.endswith(b"\n") for each in self._places):
            self._look()
            if self._stopping:
                return self._end()
            if time.monotonic() >= until:
                _logger.error("not all workers were ready within %d seconds", STARTED_S)
                self._end()
                return 1
        lines = [line for each in self._places for line in orjson.loads(each.said)]
        with opened(lines):
            while not self._stopping:
                self._look()
            return self._end()

    def _stop(self, sig: int, _frame: FrameType | None) -> None:
        self._stopping.append(sig)

    def _start(self, place: _Place) -> None:
        ready = os.pipe()
        pid = fork()
        if pid == 0:
            code = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor passes it on
                os.close(ready[0])
                os.close(self._life[1])
                code = self.work(Seat(place.number, place.first, self._life[0], ready[1]))
            except BaseException:  # the edge of a process: it must not return into the supervisor's code
                _logger.exception("worker %d failed", place.number)
            finally:
                os._exit(code)
        os.close(ready[1])
        place.pid, place.since, place.ready_fd = pid, time.monotonic(), ready[0]

    def _look(self) -> None:
        """Hear what workers say, and start again those that ended and whose pause is over."""
        waiting = {each.ready_fd: each for each in self._places if each.ready_fd is not None}
        for fd in select.select(list(waiting), [], [], _LOOK_S)[0]:
            self._hear(waiting[fd], fd)
        for place in self._places:
            if place.pid and self._over(place):
                lived = time.monotonic() - place.since
                place.failures = 0 if lived >= STEADY_S else place.failures
                pause = PAUSES_S[min(place.failures, len(PAUSES_S) - 1)]
                place.failures += 1
                place.again_at = time.monotonic() + pause
                _logger.warning("worker %d ended and is started again in %.1f seconds", place.number, pause)
            if not place.pid and not self._stopping and time.monotonic() >= place.again_at:
                self._start(place)

    def _hear(self, place: _Place, fd: int) -> None:
        heard = os.read(fd, _LONGEST)
        if not place.said.endswith(b"\n"):
            place.said += heard
        if not heard or heard.endswith(b"\n"):
            os.close(fd)
            place.ready_fd = None
            place.first = place.first and not heard

    def _over(self, place: _Place) -> bool:
        """Whether a worker ended; its process is collected then."""
        try:
            pid, _status = os.waitpid(place.pid, os.WNOHANG)
        except ChildProcessError:
            pid = place.pid
        if pid:
            self.snapshots.ended(place.pid)
            place.pid = 0
            if place.ready_fd is not None:
                os.close(place.ready_fd)
                place.ready_fd = None
        return bool(pid)

    def _end(self) -> int:
        """Let every worker drain, within half a minute; a second signal ends them at once."""
        passed_on = -1
        until = time.monotonic() + ENDED_S
        while running := [each for each in self._places if each.pid and not self._over(each)]:
            told = min(len(self._stopping), 2)
            for place in running:
                if told > passed_on:
                    os.kill(place.pid, signal.SIGTERM)
                if time.monotonic() >= until:
                    os.kill(place.pid, signal.SIGKILL)
            passed_on = max(told, 1)
            time.sleep(_LOOK_S)
        return 0
