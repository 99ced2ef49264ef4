"""The results as Markdown: a table for each kind of load, then what was to be reached and what was.

Where a floor or a peer is missing, its ratios are missing too; nothing is filled in.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import Row
from targets import MONEYLESS

if TYPE_CHECKING:
    from report import Results

OWN, FLOOR = "SmarToken", "nginx"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def figure(rows: list[Row], name: str, what: str) -> float | None:
    """Return the median of one figure of one target, if it was measured."""
    return next((each.median(what) for each in rows if each.target.name == name), None)


def ratio(top: float | None, bottom: float | None) -> float | None:
    """Return a quotient where both sides are known and above zero."""
    return top / bottom if top is not None and bottom is not None and top > 0 < bottom else None


def _shown(value: float | None, places: int = 1, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.{places}f}{unit}"


def _costs(rows: list[Row], unit: str) -> Iterator[str]:
    floor, own = figure(rows, FLOOR, "cost_us"), figure(rows, OWN, "cost_us")
    yield f"| | CPU us per {unit} | x nginx | it / SmarToken | {unit}s per second, one core | failed |"
    yield "|---|---|---|---|---|---|"
    for each in rows:
        if each.target.name == "direct":
            continue
        cost = each.median("cost_us")
        said = f"{each.target.name} ({each.note})" if each.note else each.target.name
        yield (
            f"| {said} | {_shown(cost)} | {_shown(ratio(cost, floor))} | {_shown(ratio(cost, own), 2)} "
            f"| {_shown(each.median('per_s'), 0)} | {each.failures} |"
        )


def _added(rows: list[Row], what: str, words: str) -> Iterator[str]:
    floor = figure(rows, "direct", what)
    yield f"| | {words} p50, ms | added to the provider's own, ms |"
    yield "|---|---|---|"
    for each in rows:
        value = each.median(what)
        added = "" if each.target.name == "direct" else _shown((value - floor) / 1000 if floor is not None else None, 2)
        yield f"| {each.target.name} | {_shown(value / 1000, 2)} | {added} |"


def added(rows: list[Row], name: str, what: str) -> float | None:
    """Return what a target adds to the provider's own time, in microseconds; never below zero."""
    own, floor = figure(rows, name, what), figure(rows, "direct", what)
    return max(0.0, own - floor) if own is not None and floor is not None else None


def _lost(calls: list[Row]) -> float | None:
    """Return how many percent fewer calls a second there are with money than without."""
    kept = ratio(figure(calls, OWN, "per_s"), figure(calls, MONEYLESS, "per_s"))
    return None if kept is None else max(0.0, 100 * (1 - kept))


def goals(results: "Results") -> list[tuple[str, float | None, float, bool, str]]:
    """Return ``(what, reached, goal, whether more is better, unit)`` for each line of the first stage."""

    def cost(rows: list[Row], name: str) -> float | None:
        return figure(rows, name, "cost_us")

    calls, tls, streams, paced = results.calls, results.tls, results.streams, results.paced
    own, chunk = cost(calls, OWN), cost(streams, OWN)
    first = added(streams, OWN, "first_us")
    memory = results.memory.get(OWN)
    first_without = added(streams, MONEYLESS, "first_us")
    money_first = None if first is None or first_without is None else max(0.0, first - first_without) / 1000
    return [
        ("CPU per call, of nginx's", ratio(own, cost(calls, FLOOR)), 3.5, False, " x"),
        ("the same with TLS to the provider", ratio(cost(tls, OWN), cost(tls, FLOOR)), 3.0, False, " x"),
        ("CPU per streamed chunk, of nginx's", ratio(chunk, cost(streams, FLOOR)), 2.2, False, " x"),
        ("CPU per call, LiteLLM's of ours", ratio(cost(calls, "LiteLLM"), own), 100, True, " x"),
        ("CPU per chunk, LiteLLM's of ours", ratio(cost(streams, "LiteLLM"), chunk), 10, True, " x"),
        ("CPU per call, Portkey's of ours", ratio(cost(calls, "Portkey"), own), 15, True, " x"),
        (
            "added p50 at 200 calls a second, of nginx's",
            ratio(added(paced, OWN, "latency_us"), added(paced, FLOOR, "latency_us")),
            3.5,
            False,
            " x",
        ),
        ("added time to the first token, 100 streams", None if first is None else first / 1000, 0.5, False, " ms"),
        ("calls a second that money takes", _lost(calls), 25, False, " %"),
        ("what money adds to the time to the first token", money_first, 0.3, False, " ms"),
        ("memory of an open stream, 1,000 open", None if memory is None else memory / 1024, 30, False, " KiB"),
    ]


def _goal_lines(results: "Results") -> Iterator[str]:
    yield "| | reached | goal | |"
    yield "|---|---|---|---|"
    for what, value, goal, more, unit in goals(results):
        bound = "at least" if more else "at most"
        verdict = "not measured"
        if value is not None:
            verdict = "reached" if (value >= goal if more else value <= goal) else "**not reached**"
        yield f"| {what} | {_shown(value, 2, unit)} | {bound} {goal:g}{unit} | {verdict} |"


def rendered(results: "Results") -> str:
    """Return the whole report."""
    began = dt.datetime.fromtimestamp(results.began, dt.UTC)
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items() if version)
    before, after = results.spins_ms
    lines = [
        f"{began:%Y-%m-%d}: {results.machine}. {versions}.",
        f"{results.lasted_s:.0f} s of rounds; a fixed piece of work took {before:.0f} ms before, {after:.0f} ms after.",
        "",
        "**Calls**, 64 connections, an answer at once:",
        "",
        *_costs(results.calls, "call"),
        "",
        "**Calls with TLS to the provider** (nginx ends it before the same provider):",
        "",
        *_costs(results.tls, "call"),
        "",
        "**Prompts of 300 KB**, 16 connections:",
        "",
        *_costs(results.large, "call"),
        "",
        "**Streams**, 100 at once, 50 chunks each, one every 20 ms:",
        "",
        *_costs(results.streams, "chunk"),
        "",
        *_added(results.streams, "first_us", "time to the first token"),
        "",
        "**The middle of long streams**, 100 at once, 500 chunks each: no stream begins or ends while it is measured:",
        "",
        *_costs(results.long, "chunk"),
        "",
        "**200 calls a second**, latency from the time at which each was due:",
        "",
        *_added(results.paced, "latency_us", "latency"),
        "",
        "**Memory of an open stream**, 1,000 open (LiteLLM: 100):",
        "",
        "| | KiB |",
        "|---|---|",
        *(f"| {name} | {_shown(value / 1024)} |" for name, value in results.memory.items()),
        "",
        "**What was to be reached**:",
        "",
        *_goal_lines(results),
    ]
    if results.absent:
        lines += ["", *(f"Not measured: {name}: {why}" for name, why in results.absent.items())]
    return "\n".join(lines)


def plain(results: "Results") -> dict[str, Any]:
    """Return the results as JSON-ready values, every sample included."""
    kinds = {
        "calls": results.calls,
        "tls": results.tls,
        "large": results.large,
        "streams": results.streams,
        "long": results.long,
        "paced": results.paced,
    }
    return {
        "machine": results.machine,
        "spins_ms": results.spins_ms,
        "began": results.began,
        "versions": results.versions,
        "absent": results.absent,
        "memory_bytes": results.memory,
        **{
            kind: {each.target.name: [vars(sample) for sample in each.samples] for each in rows}
            for kind, rows in kinds.items()
        },
    }


def own_failures(results: "Results") -> int:
    """Return how many answers this gateway failed in all rounds."""
    every = (results.calls, results.tls, results.large, results.streams, results.long, results.paced)
    return sum(each.failures for rows in every for each in rows if each.target.name == OWN)


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the page's two marks."""
    whole = page.read_text(encoding="utf-8")
    start, end = whole.index(BEGIN) + len(BEGIN), whole.index(END)
    page.write_text(f"{whole[:start]}\n{text}\n{whole[end:]}", encoding="utf-8")
