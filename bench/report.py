"""The performance report: this gateway beside its floor and its peers, interleaved in one run on one machine.

    python3 dev.py bench [--quick] [--no-peers] [--write] [--against COMMIT]

Cost is the CPU time that the kernel charged to a gateway's threads between two marks of the load, divided by answers or
chunks: it survives a noisy machine, where calls per second do not. A peer that cannot be run is named with the reason.
``--write`` puts the figures into docs/performance.md. ``--against`` starts this gateway as it was at a commit too, and
takes turns with it: what did a change cost, or save? The exit code is 1 if this gateway lost or failed an answer.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tables
from machine import MissingError, Processes, described
from measure import Floor, Load, Row, memory_of_a_stream, rounds
from targets import (
    CHUNKS,
    EARLIER,
    LONG_CHUNKS,
    MONEYLESS,
    ROOT,
    SLOW_CHUNKS,
    STARTERS,
    Target,
    answers,
    earlier,
    provider,
)
from tools import build, spin_ms

PEERS = ("LiteLLM", "Portkey")
CONNECTIONS, STREAMS, OPEN_STREAMS, RATE = 64, 100, 1000, 200
LARGE_BYTES = 300_000
LITELLM_STREAMS = 20  # a hundred at 50 chunks a second are more than a core of it can do
LITELLM_OPEN = 100


@dataclass
class Results:
    """What a run found."""

    machine: str
    spins_ms: tuple[float, float]
    began: float
    lasted_s: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    calls: list[Row] = field(default_factory=list)
    tls: list[Row] = field(default_factory=list)
    large: list[Row] = field(default_factory=list)
    streams: list[Row] = field(default_factory=list)
    long: list[Row] = field(default_factory=list)
    paced: list[Row] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)  # bytes for each open stream
    absent: dict[str, str] = field(default_factory=dict)


class Run:
    """One run over all targets."""

    def __init__(self, processes: Processes, results: Results, options: argparse.Namespace) -> None:
        """Start nothing yet."""
        self._processes = processes
        self._results = results
        self._seconds: float = 1.5 if options.quick else 3.0
        self._rounds = 1 if options.quick else 3
        self._peers: bool = not options.no_peers
        self._starters = dict(STARTERS)
        if options.against is not None:
            self._starters[EARLIER] = earlier(options.against)
        self._targets: dict[str, Target] = {}
        self._floor = Floor(processes, self._targets)

    def open(self) -> None:
        """Start the provider and every target that can run here."""
        upstream = provider(self._processes, self._absent)
        for name, start in self._starters.items():
            if name in PEERS and not self._peers:
                self._absent(name, "left out with --no-peers")
                continue
            self._say(f"starting {name}")
            try:
                found = self._targets[name] = start(self._processes, upstream)
            except MissingError as missing:
                self._absent(name, str(missing))
                continue
            self._results.versions[name] = found.version
            for line in [each for each in found.ports if each != "calls"]:
                wrong = answers(found, line)
                if wrong is not None:
                    del found.ports[line]
                    self._absent(f"{name}, {line}", wrong)

    def _absent(self, name: str, why: str) -> None:
        self._say(f"not measured: {name}: {why}")
        self._results.absent[name] = why

    @staticmethod
    def _say(text: str) -> None:
        print(f"-- {text}", file=sys.stderr, flush=True)

    def _in_turns(self, names: tuple[str, ...], make: Callable[[str], Load]) -> list[Row]:
        loads = [(self._targets[name], make(name)) for name in names if name in self._targets]
        loads = [(target, load) for target, load in loads if load.line in target.ports]
        return rounds(self._floor, loads, self._rounds)

    def measure(self) -> None:
        """Measure everything; memory first, since a heap that other loads have grown would hide what streams need."""
        results, seconds = self._results, self._seconds
        gateways = ("nginx", "bare Python proxy", "SmarToken", MONEYLESS, EARLIER, *PEERS)
        self._say(f"{OPEN_STREAMS} open streams")
        for name in gateways:
            if name in self._targets and "slow" in self._targets[name].ports:
                count = LITELLM_OPEN if name == "LiteLLM" else OPEN_STREAMS
                load = Load("slow", count, seconds, SLOW_CHUNKS, warm_s=max(4.0, seconds))
                results.memory[name] = memory_of_a_stream(self._floor, self._targets[name], load)
        self._say(f"calls over {CONNECTIONS} connections")
        results.calls = self._in_turns(gateways, lambda _: Load("calls", CONNECTIONS, seconds))
        self._say("the same with TLS to the provider")
        own_and_floors = ("nginx", "bare Python proxy", "SmarToken", EARLIER)
        results.tls = self._in_turns(own_and_floors, lambda _: Load("tls", CONNECTIONS, seconds))
        self._say("prompts of 300 KB")
        results.large = self._in_turns(own_and_floors, lambda _: Load("calls", 16, seconds, body_bytes=LARGE_BYTES))
        self._say(f"{STREAMS} streams")

        def streamed(name: str) -> Load:
            return Load("streams", LITELLM_STREAMS if name == "LiteLLM" else STREAMS, max(seconds, 2.0), CHUNKS)

        results.streams = self._in_turns(("direct", *gateways), streamed)
        for row in results.streams:
            row.note = f"{LITELLM_STREAMS} streams" if row.target.name == "LiteLLM" else ""
        self._say("the middle of long streams")
        results.long = self._in_turns(own_and_floors, lambda _: Load("long", STREAMS, max(seconds, 2.0), LONG_CHUNKS))
        self._say(f"{RATE} calls a second")
        with_floor = ("direct", "nginx", "bare Python proxy", "SmarToken", EARLIER, "Portkey")
        results.paced = self._in_turns(with_floor, lambda _: Load("calls", 32, seconds, rate=RATE))


def execute(options: argparse.Namespace) -> Results:
    """Run everything in a folder of its own and end what was started."""
    with tempfile.TemporaryDirectory(prefix="smartoken-bench-") as name:
        folder = Path(name)
        build(folder)
        results = Results(described(), (spin_ms(folder), 0.0), time.time())
        processes = Processes(folder)
        run = Run(processes, results, options)
        try:
            run.open()
            began = time.monotonic()
            run.measure()
            results.lasted_s = time.monotonic() - began
        finally:
            processes.close()
        results.spins_ms = (results.spins_ms[0], spin_ms(folder))
    return results


def main() -> int:
    """Run, print, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it runs, not to quote")
    parser.add_argument("--no-peers", action="store_true", help="without LiteLLM and Portkey, which are installed once")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    parser.add_argument("--against", metavar="COMMIT", help="measure this gateway as it was at a commit, too")
    options = parser.parse_args()
    if options.write and options.against is not None:
        parser.error("--write takes the figures of a run without --against")
    if (os.cpu_count() or 1) < 2:
        print("the bench needs two cores: one for provider and load, one for the gateway", file=sys.stderr)
        return 2
    try:
        results = execute(options)
    except MissingError as missing:
        print(f"cannot measure: {missing}", file=sys.stderr)
        return 2
    text = tables.rendered(results)
    print(text)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(json.dumps(tables.plain(results), indent=1) + "\n")
    if options.write:
        tables.put_into(ROOT / "docs" / "performance.md", text)
    return 1 if tables.own_failures(results) else 0


if __name__ == "__main__":
    sys.exit(main())
