"""Counts of the data plane, cheap to bump and summed over workers when they are read.

Each worker bumps plain integers; ``snapshot`` is what it shares, ``exposition`` adds snapshots up and writes them in
Prometheus' text format. Labels come from closed sets (models of the catalog, providers, codes), so their number is
bounded: no user, key or free text is ever a label.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

TTFT_BUCKETS_MS = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
TOTAL_BUCKETS_MS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)

# name -> (help, label names). docs/metrics.md lists the same; a test compares them.
COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "smartoken_calls": ("Calls by model, provider and how they ended", ("model", "provider", "end_reason")),
    "smartoken_refusals": ("Calls refused before dispatch, by error code and whose limit", ("code", "limit_source")),
    "smartoken_attempts_failed": ("Upstream attempts that failed, by provider and cause", ("provider", "cause")),
    "smartoken_second_attempts": ("Attempts started beside a silent first one, by how they ended", ("result",)),
    "smartoken_continuations": ("Answers that several offers told, by how they ended", ("end_reason",)),
    "smartoken_rate_limited": ("429s by whose limit it was: ours, the budget's, the provider's", ("whose",)),
    "smartoken_breaker_transitions": ("Breakers that changed, by their new state and the cause", ("state", "cause")),
    "smartoken_tokens": ("Tokens by model and kind", ("model", "kind")),
    "smartoken_charge_nano_usd": ("Charged nano-USD by model", ("model",)),
    "smartoken_job_runs": ("Runs of jobs by name and outcome", ("job", "outcome")),
}
HISTOGRAMS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "smartoken_time_to_first_token_ms": ("Milliseconds to the first content event of a stream", TTFT_BUCKETS_MS),
    "smartoken_call_duration_ms": ("Milliseconds from request to end of a call", TOTAL_BUCKETS_MS),
}
GAUGES: Mapping[str, str] = {
    "smartoken_calls_in_flight": "Calls under way",
    "smartoken_records_waiting": "Usage records not stored yet",
    "smartoken_upstream_connections": "Open upstream connections",
    "smartoken_books_drifts": "Differences that the newest checks of the books found; -1: the store does not answer",
}


class Metrics:
    """The counts of one worker."""

    __slots__ = ("_calls", "_counters", "_histograms", "in_flight")

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str, str], list[int]] = {}  # (model, provider, end) -> see ``ended``
        self._counters: dict[tuple[str, tuple[str, ...]], int] = {}
        self._histograms = {name: [0] * (len(buckets) + 2) for name, (_, buckets) in HISTOGRAMS.items()}
        self.in_flight = 0

    def count(self, name: str, labels: tuple[str, ...], by: int = 1) -> None:
        """Add to a counter."""
        place = (name, labels)
        self._counters[place] = self._counters.get(place, 0) + by

    def ended(self, model: str, provider: str, end: str) -> list[int]:
        """Count a call that ended; returns its figures to add to.

        They are the calls, those whose usage is known, tokens of prompts and of completions, and charges in nano-USD.
        """
        place = (model, provider, end)
        found = self._calls.get(place)
        if found is None:
            found = self._calls[place] = [0, 0, 0, 0, 0]
        found[0] += 1
        return found

    def _all_counters(self) -> dict[tuple[str, tuple[str, ...]], int]:
        found = dict(self._counters)

        def add(name: str, labels: tuple[str, ...], by: int) -> None:
            found[name, labels] = found.get((name, labels), 0) + by

        for (model, provider, end), (calls, known, prompt, completion, nano) in self._calls.items():
            add("smartoken_calls", (model, provider, end), calls)
            if known:
                add("smartoken_tokens", (model, "prompt"), prompt)
                add("smartoken_tokens", (model, "completion"), completion)
                add("smartoken_charge_nano_usd", (model,), nano)
        return found

    def observe(self, name: str, value: int) -> None:
        """Add a value to a histogram: buckets, then the overflow, then the sum."""
        cells = self._histograms[name]
        for index, bound in enumerate(HISTOGRAMS[name][1]):
            if value <= bound:
                cells[index] += 1
                break
        else:
            cells[-2] += 1
        cells[-1] += value

    def snapshot(self, gauges: Mapping[str, int]) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "counters": [[name, list(labels), value] for (name, labels), value in self._all_counters().items()],
            "histograms": {name: list(cells) for name, cells in self._histograms.items()},
            "gauges": {"smartoken_calls_in_flight": self.in_flight, **gauges},
        }


def exposition(snapshots: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the sum of snapshots in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sum(list(snapshots)))
    return generate_latest(registry)


class _Sum(Collector):
    """Presents summed snapshots to the Prometheus library."""

    def __init__(self, snapshots: list[Mapping[str, Any]]) -> None:
        self._snapshots = snapshots

    def describe(self) -> Iterable[Metric]:
        """Describe nothing, so that registering does not collect."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every family with its sums."""
        yield from self._counter_families()
        for name, (words, bounds) in HISTOGRAMS.items():
            columns = zip(*(each["histograms"][name] for each in self._snapshots), strict=True)
            sums = [sum(cells) for cells in columns] or [0] * (len(bounds) + 2)
            running, buckets = 0, []
            for bound, value in zip((*map(str, bounds), "+Inf"), sums, strict=False):
                running += value
                buckets.append((bound, running))
            family = HistogramMetricFamily(name, words)
            family.add_metric([], buckets, sums[-1])
            yield family
        for name, words in GAUGES.items():
            yield GaugeMetricFamily(name, words, value=sum(each["gauges"].get(name, 0) for each in self._snapshots))

    def _counter_families(self) -> Iterable[Metric]:
        totals: dict[tuple[str, tuple[str, ...]], int] = {}
        for each in self._snapshots:
            for name, labels, value in each["counters"]:
                place = (name, tuple(labels))
                totals[place] = totals.get(place, 0) + value
        for name, (words, names) in COUNTERS.items():
            family = CounterMetricFamily(name, words, labels=names)
            for (which, labels), value in sorted(totals.items()):
                if which == name:
                    family.add_metric(labels, value)
            yield family
