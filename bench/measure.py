"""Loading a target and reading what it cost; targets take turns, so that a change of the machine hits all of them."""

import json
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from machine import LOAD_CORE, Processes, cpu_ns, rss_bytes, stopped
from targets import Target

WARM_S = 1.0


@dataclass(frozen=True)
class Load:
    """One kind of load; ``chunks`` above zero streams, ``rate`` above zero sends at fixed times."""

    line: str
    connections: int
    seconds: float
    chunks: int = 0
    rate: int = 0
    body_bytes: int = 900
    warm_s: float = WARM_S


@dataclass(frozen=True)
class Sample:
    """One round of one target; times in microseconds."""

    cost_us: float  # CPU per answer, or per chunk of a stream
    per_s: float
    latency_us: float
    first_us: float
    failures: int
    memory_bytes: int = 0  # resident at the end


@dataclass
class Row:
    """All rounds of one target."""

    target: Target
    samples: list[Sample] = field(default_factory=list)
    note: str = ""

    def median(self, name: str) -> float:
        """Return the median of one figure."""
        return float(statistics.median(getattr(each, name) for each in self.samples))

    @property
    def failures(self) -> int:
        """How many answers were no 200, broken or lost, in all rounds."""
        return sum(each.failures for each in self.samples)


@dataclass(frozen=True)
class Floor:
    """Where the rounds run: the processes, and every target that was started."""

    processes: Processes
    targets: dict[str, Target]

    def others(self, target: Target) -> list[int]:
        """Return the processes of the peers that are not measured now."""
        return [pid for each in self.targets.values() if each.peer and each is not target for pid in each.pids()]


def run(floor: Floor, target: Target, load: Load) -> Sample:
    """Load a target once, while the peers stand still."""
    with stopped(floor.others(target)):
        return _run(floor.processes, target, load)


def _run(processes: Processes, target: Target, load: Load) -> Sample:
    command = ["taskset", "-c", str(LOAD_CORE), str(processes.folder / "load"), "-p", str(target.ports[load.line])]
    command += [
        "-b",
        str(load.body_bytes),
        "-c",
        str(load.connections),
        "-d",
        str(load.seconds),
        "-w",
        str(load.warm_s),
    ]
    command += ["-k", target.keys.get(load.line, "sk-bench"), "-m", target.models.get(load.line, "bench")]
    for each in target.fields.get(load.line, ()):
        command += ["-H", each]
    if load.chunks:
        command += ["-s", str(load.chunks)]
    if load.rate:
        command += ["-r", str(load.rate)]
    pids = target.pids()
    before = after = memory = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - piped above
        assert process.stderr is not None  # noqa: S101 - piped above
        for line in process.stderr:
            if line.startswith("MEASURE"):
                before = cpu_ns(pids)
            elif line.startswith("END"):
                after, memory = cpu_ns(pids), rss_bytes(pids)
        found = json.loads(process.stdout.read())
    count = found["pieces"] if load.chunks else found["done"]
    return Sample(
        cost_us=(after - before) / 1000 / max(1, count),
        per_s=count / found["seconds"],
        latency_us=found["latency_p50"],
        first_us=found["first_p50"],
        failures=int(found["not_200"] + found["broken"] + found["errors"]) + (not count),
        memory_bytes=memory,
    )


def rounds(floor: Floor, loads: Sequence[tuple[Target, Load]], count: int) -> list[Row]:
    """Load targets in turns, ``count`` times each."""
    rows = [Row(target) for target, _ in loads]
    for _ in range(count):
        for row, (target, load) in zip(rows, loads, strict=True):
            row.samples.append(run(floor, target, load))
    return rows


def memory_of_a_stream(floor: Floor, target: Target, load: Load) -> float:
    """Return by how many bytes a target grows for each open stream, after a few that made it load its code."""
    run(floor, target, replace(load, connections=8, seconds=0.5, warm_s=1.0))
    before = rss_bytes(target.pids())
    return (run(floor, target, load).memory_bytes - before) / load.connections
