"""``smartoken drill run``: break a model's primary offer on purpose and see what clients get; ``list`` and ``show``."""

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.key import key_id
from smartoken.commands.terminal import FAILED, Json, RefusedError, invocation, say, say_json, table
from smartoken.operations.drill_evidence import in_words

ROOT = "/admin/drills"
RUNNING, LOOK_S = "running", 0.3
SIDES = ("without_fault", "with_fault", "added")
Fault = Annotated[
    str,
    typer.Option(
        "--fault",
        help="refused, unauthorized, rate_limited, arrears, server_error, hang, slow_first_token, empty, error_on_200, "
        "cut, stall or garbled.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="A figure as name=value: percent, calls, concurrency, max_tokens, delay_ms, seconds ..."
    ),
]


def run(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model's id.", metavar="MODEL")],
    fault: Fault = "server_error",
    key: Annotated[str | None, typer.Option("--key", help="Which API key calls: its id, or account/name.")] = None,
    figures: Set = None,
    *,
    json_output: Json = False,
) -> None:
    """Break a model's primary offer while real calls are made; exit 1 if clients were harmed."""
    body: dict[str, Any] = {"model": model, "fault": fault, "key": key}
    for each in figures or ():
        name, _, value = each.partition("=")
        body[name] = value == "true" if value in ("true", "false") else _number(value)
    _run(context, body, json_output=json_output)


def live(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model's id.", metavar="MODEL")],
    confirm: Annotated[str, typer.Option("--confirm", help="The model's id once more: its customers meet the fault.")],
    fault: Fault = "server_error",
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=60, help="How long.")] = 10.0,
    *,
    json_output: Json = False,
) -> None:
    """Break a model's primary offer for its live traffic, for a bounded time, in every worker."""
    body = {"model": model, "fault": fault, "live": confirm, "seconds": seconds}
    _run(context, body, json_output=json_output)


def _run(context: typer.Context, body: dict[str, Any], *, json_output: bool) -> None:
    with connected(invocation(context).settings()) as api:
        asked = {name: value for name, value in body.items() if value is not None}
        if "key" in asked:
            asked["key"] = key_id(api, asked["key"])
        found = api.call("POST", ROOT, {**asked, "wait": False})
        if not json_output:
            say(f"{found['id']} runs; `smartoken drill stop {found['id']}` ends it early.")
        while found["state"] == RUNNING:
            time.sleep(LOOK_S)
            found = api.call("GET", f"{ROOT}/{quote(found['id'])}")
    if json_output:
        say_json(found)
    else:
        _say(found)
    if not found["passed"]:
        raise RefusedError("The drill did not pass: " + "; ".join(found["result"].get("why_not", [])) + ".", FAILED)


def _number(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def _say(found: dict[str, Any]) -> None:
    result = found["result"]
    rows = [[name, in_words(name, value)] for name, value in result.items() if not isinstance(value, list | dict)]
    say(table(("figure", "value"), rows))
    for name in ("errors_to_clients", "failed_attempts_by_cause", "cost_of_failed_attempts"):
        if result.get(name):
            say(f"{name}: " + ", ".join(f"{each} {count}" for each, count in result[name].items()))
    times = [
        [name, part, *(result[name][part][each] for each in SIDES)]
        for name in ("ttft_ms", "total_ms", "unaffected_ttft_ms")
        for part in ("p50", "p95")
        if name in result
    ]
    say(table(("time", "of", *SIDES), times))
    for each in result.get("why_not", []):
        say(f"Not passed: {each}.")
    say(f"Kept as {found['id']}; `smartoken drill show {found['id']}` prints the evidence.")


def list_drills(
    context: typer.Context,
    model: Annotated[str | None, typer.Option("--model", help="Only this model's.")] = None,
    *,
    running: Annotated[bool, typer.Option("--running", help="Only those under way, on any worker.")] = False,
    json_output: Json = False,
) -> None:
    """List the fallback drills that were run, newest first."""
    found = ask(context, "GET", ROOT, None, {"model": model, "state": RUNNING if running else None})
    if json_output:
        say_json(found)
        return
    passed = {True: "yes", False: "NO", None: ""}
    rows = [
        [e["id"], e["at"], e["model"], e["terms"]["fault"], "live" if e["terms"]["live"] else "", e["state"],
         passed[e["passed"]]]
        for e in found["data"]
    ]  # fmt: skip
    say(table(("id", "at", "model", "fault", "traffic", "state", "passed"), rows))


def stop(
    context: typer.Context,
    drill: Annotated[str, typer.Argument(help="A drill's id.", metavar="ID")],
    *,
    json_output: Json = False,
) -> None:
    """End a drill that is under way; what it has shown so far is kept."""
    found = ask(context, "POST", f"{ROOT}/{quote(drill)}/stop")
    if json_output:
        say_json(found)
    else:
        say(f"{drill} ends within a second or two on every worker.")


def show(
    context: typer.Context,
    drill: Annotated[str, typer.Argument(help="A drill's id.", metavar="ID")],
    *,
    json_output: Json = False,
) -> None:
    """Print a drill's evidence as Markdown, or all of it as JSON."""
    with connected(invocation(context).settings()) as api:
        if json_output:
            say_json(api.call("GET", f"{ROOT}/{quote(drill)}"))
        else:
            say(api.text(f"{ROOT}/{quote(drill)}/evidence", {}))
