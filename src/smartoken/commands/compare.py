"""``smartoken compare``: the same prompts through several models; latency, tokens, cost and failures side by side.

It is a customer of ``/v1`` like any other: it needs a key, and every call is logged and charged.
"""

import http.client
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
import typer

from smartoken.commands.options import option, with_options
from smartoken.commands.setup import read_file
from smartoken.commands.terminal import FAILED, USAGE, RefusedError, invocation, say, say_json, table
from smartoken.money import amount_text, parse_amount
from smartoken.operations.demo import kept_key
from smartoken.serving import read_running

_OK = 200


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of the prompts' file."""

    id: str
    messages: list[dict[str, Any]]


@dataclass(slots=True)
class Run:
    """What came of one prompt at one model."""

    model: str
    prompt: str
    status: int = 0
    error: str | None = None
    text: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    charge_usd: str | None = None
    ttft_ms: int | None = None
    total_ms: int = 0
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and how."""

    address: str
    key: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: int = 600


def read_prompts(text: str, path: str) -> list[Prompt]:
    """Read prompts: a JSON text, or an object with ``prompt`` or ``messages`` and perhaps ``id``, one a line.

    Raises:
        RefusedError: a line is none of these, with file and line.

    """
    found: list[Prompt] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as problem:
            raise RefusedError(f"{path}:{number}: not JSON: {problem}", USAGE) from problem
        row = {"prompt": row} if isinstance(row, str) else row
        if not isinstance(row, dict):
            raise RefusedError(f'{path}:{number}: write {{"prompt": "..."}} or {{"messages": [...]}}', USAGE)
        messages = row.get("messages")
        if isinstance(row.get("prompt"), str):
            messages = [{"role": "user", "content": row["prompt"]}]
        if not isinstance(messages, list) or not messages:
            raise RefusedError(f'{path}:{number}: needs "prompt" or "messages"', USAGE)
        found.append(Prompt(str(row.get("id", number)), messages))
    if not found:
        raise RefusedError(f"{path}:1: holds no prompt", USAGE)
    return found


def ask(target: Target, model: str, prompt: Prompt) -> Run:
    """Send one prompt, streamed, and measure."""
    run = Run(model, prompt.id)
    body = {**target.fields, "model": model, "messages": prompt.messages, "stream": True}
    body["stream_options"] = {"include_usage": True}
    parts = urlsplit(target.address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=target.timeout_s)
    headers = {"authorization": f"Bearer {target.key}", "content-type": "application/json"}
    began = time.monotonic()
    try:
        connection.request("POST", f"{parts.path}/v1/chat/completions", orjson.dumps(body), headers)
        answer = connection.getresponse()
        run.status, run.call_id = answer.status, answer.headers.get("x-request-id")
        if answer.status == _OK:
            _read_stream(answer, run, began)
        else:
            run.error = _error_of(answer.read())
    except (OSError, http.client.HTTPException) as problem:
        run.error = f"no answer: {type(problem).__name__}"
    finally:
        connection.close()
    run.total_ms = int((time.monotonic() - began) * 1000)
    return run


def _error_of(raw: bytes) -> str:
    try:
        return str(orjson.loads(raw)["error"]["code"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "no error object"


def _read_stream(answer: http.client.HTTPResponse, run: Run, began: float) -> None:
    done = False
    for line in answer:
        if not line.startswith(b"data:"):
            continue
        payload = line[5:].strip()
        if payload == b"[DONE]":
            done = True
            break
        _read_event(orjson.loads(payload), run, began)
    if not done and run.error is None:
        run.error = "cut"


def _read_event(event: dict[str, Any], run: Run, began: float) -> None:
    if event.get("error"):
        run.error = str(event["error"].get("code", "error"))
    usage = event.get("usage")
    if usage:
        run.prompt_tokens, run.completion_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        run.charge_usd = usage.get("charge_usd")
    for choice in event.get("choices", ()):
        delta = choice.get("delta") or {}
        piece = delta.get("content") or ""
        if (piece or delta.get("reasoning_content") or delta.get("tool_calls")) and run.ttft_ms is None:
            run.ttft_ms = int((time.monotonic() - began) * 1000)
        run.text += piece
        run.finish_reason = choice.get("finish_reason") or run.finish_reason


def _percentile(values: Sequence[int], percent: int) -> int | None:
    """Return the nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[-(-len(ranked) * percent // 100) - 1] if ranked else None


def summary(model: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Return one row of the table."""
    good = [each for each in runs if each.error is None]
    charged = [parse_amount(each.charge_usd) for each in runs if each.charge_usd is not None]
    first = [each.ttft_ms for each in good if each.ttft_ms is not None]
    return {
        "model": model,
        "calls": len(runs),
        "failures": len(runs) - len(good),
        "reasons": sorted({each.error for each in runs if each.error is not None}),
        "ttft_p50_ms": _percentile(first, 50),
        "ttft_p95_ms": _percentile(first, 95),
        "total_p50_ms": _percentile([each.total_ms for each in good], 50),
        "total_p95_ms": _percentile([each.total_ms for each in good], 95),
        "prompt_tokens": sum(each.prompt_tokens or 0 for each in runs),
        "completion_tokens": sum(each.completion_tokens or 0 for each in runs),
        "charge_usd": amount_text(sum(charged)),
    }


@with_options(
    {
        "save": option(
            Path, "Folder for the outputs: one JSON Lines file a model, and summary.json.", "--save", default=...
        ),
        "key": option(str | None, "An API key; default SMARTOKEN_API_KEY, else the demo key.", "--key"),
        "base_url": option(str | None, "The gateway; default the one that serves this data dir.", "--base-url"),
        "max_tokens": option(int | None, "Limit of each answer.", "--max-tokens"),
        "temperature": option(float | None, "Sent with each prompt.", "--temperature"),
        "concurrency": option(int, "Calls at once.", "--concurrency", default=4),
        "json_output": option(bool, "Print one JSON document instead of text.", "--json", default=False),
    }
)
def compare(
    context: typer.Context,
    prompts: Annotated[Path, typer.Argument(help="JSON Lines: a text, or {prompt} or {messages}.", metavar="PROMPTS")],
    models: Annotated[str, typer.Option(help="Model ids with commas between them.")],
    **options: Any,
) -> None:
    """Send the same prompts to several models; print latency, tokens, cost, failures, and save the outputs."""
    names = [each.strip() for each in models.split(",") if each.strip()]
    if not names or len(set(names)) < len(names):
        raise RefusedError("--models needs one or more different model ids with commas between them.", USAGE)
    wanted = read_prompts(read_file(prompts), str(prompts))
    target = _target(context, options)
    runs = _run_all(target, names, wanted, max(1, options["concurrency"]))
    rows = [summary(name, runs[name]) for name in names]
    folder: Path = options["save"]
    try:
        _save(folder, runs, rows)
    except OSError as problem:
        raise RefusedError(f"--save {folder}: {problem.strerror or problem}", USAGE) from problem
    if options["json_output"]:
        say_json({"models": rows, "saved": str(folder)})
    else:
        headers = ("model", "calls", "failures", "ttft_p50_ms", "ttft_p95_ms", "total_p50_ms", "total_p95_ms",
                   "prompt_tokens", "completion_tokens", "charge_usd", "reasons")  # fmt: skip
        lines = [[",".join(row[each]) if each == "reasons" else row[each] for each in headers] for row in rows]
        say(table(headers, lines))
        say(f"Outputs are in {folder}.")
        if target.key == kept_key(invocation(context).settings().data_dir) and any(row["failures"] for row in rows):
            say("Called with the demo key, which is for sandbox/* alone; --key or SMARTOKEN_API_KEY name another.")
    if all(row["failures"] == row["calls"] for row in rows):
        raise typer.Exit(FAILED)


def _target(context: typer.Context, options: Mapping[str, Any]) -> Target:
    run = invocation(context)
    settings = run.settings()
    address = options["base_url"]
    if address is None:
        server = read_running(settings.data_dir)
        if server is None:
            raise RefusedError("No server holds this data dir: start `smartoken serve`, or name one with --base-url.")
        address = server.address
    key = options["key"] or run.environment.get("SMARTOKEN_API_KEY") or kept_key(settings.data_dir)
    if not key:
        raise RefusedError("A key is needed: --key, or SMARTOKEN_API_KEY.", USAGE)
    asked = {name: options[name] for name in ("max_tokens", "temperature") if options[name] is not None}
    return Target(address.rstrip("/").removesuffix("/v1"), key, asked)


def _run_all(target: Target, names: Sequence[str], prompts: Sequence[Prompt], at_once: int) -> dict[str, list[Run]]:
    """Run prompt by prompt, each at every model, so that a slow minute of the network meets all of them alike."""
    lock = threading.Lock()
    found: dict[str, dict[str, Run]] = {name: {} for name in names}

    def one(name: str, prompt: Prompt) -> None:
        run = ask(target, name, prompt)
        with lock:
            found[name][prompt.id] = run

    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(one, name, prompt) for prompt in prompts for name in names]:
            done.result()
    return {name: [found[name][prompt.id] for prompt in prompts] for name in names}


def _save(folder: Path, runs: Mapping[str, Sequence[Run]], rows: Sequence[Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in runs.items():
        lines = [orjson.dumps(asdict(each)) for each in found]
        (folder / f"{name.replace('/', '__')}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "summary.json").write_bytes(orjson.dumps(list(rows), option=orjson.OPT_INDENT_2) + b"\n")
