"""``smartoken reconcile``: expected calls, a provider's bill, or the books themselves against what is stored."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from smartoken.commands.api import ask
from smartoken.commands.options import option, with_options
from smartoken.commands.terminal import FAILED, USAGE, Json, RefusedError, say, say_json, table

app = typer.Typer(no_args_is_help=True, help="Compare what was logged with what was expected or billed.")
File = Annotated[Path, typer.Argument(help="CSV with a header, or JSON lines.", metavar="FILE")]
Bill = Annotated[Path, typer.Argument(help="The provider's bill, CSV with a header.", metavar="FILE")]
_SHOWN = 40


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise RefusedError(f"{file} cannot be read: {problem.strerror}", USAGE) from problem
    except UnicodeDecodeError as problem:
        raise RefusedError(f"{file} is not UTF-8 text; save it as UTF-8.", USAGE) from problem


def _compare(context: typer.Context, body: Mapping[str, Any]) -> dict[str, Any]:
    asked = {name.rstrip("_"): value for name, value in body.items() if value is not None}
    found: dict[str, Any] = ask(context, "POST", "/admin/reconcile", asked)
    return found


@app.command("usage")
@with_options(
    {
        "account": option(str | None, "Only this account's calls."),
        "key": option(str | None, "Only this key's calls; what no line expects is then reported too."),
        "from_": option(str | None, "From this instant or day; default: the last 24 hours.", "--from"),
        "to": option(str | None, "Until this instant or day; default: now.", "--to"),
        "tolerance": option(str, "Percent by which a charge may differ.", "--tolerance", default="0"),
    }
)
def usage(context: typer.Context, file: File, *, json_output: Json = False, **options: str | None) -> None:
    """Compare expected calls with logged ones: missing, doubled, mispriced; exit 1 if anything differs.

    A line names a call by `id` or by the `user` that was sent with it, and may state `model`, `prompt_tokens`,
    `cached_tokens`, `completion_tokens` and `charge_usd`.
    """
    form = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}.get(file.suffix.lower())
    found = _compare(context, {"kind": "usage", "text": _text(file), "format": form, **options})
    if json_output:
        say_json(found)
    else:
        _say_usage(found)
    if not found["ok"]:
        raise typer.Exit(FAILED)


def _say_usage(found: Mapping[str, Any]) -> None:
    summary = found["summary"]
    rows = [
        [each["kind"], each["subject"], " ".join(each["calls"][:3]), each["words"]]
        for each in found["findings"][:_SHOWN]
    ]
    if rows:
        say(table(("finding", "expected call", "logged as", "words"), rows))
        left = len(found["findings"]) - len(rows)
        if left > 0:
            say(f"and {left} more; --json lists them all")
        say()
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["findings"].items()) or "no finding"
    say(f"{summary['expected']} expected, {summary['logged']} logged, {summary['matched']} matched: {kinds}")
    say(
        f"expected USD {summary['expected_usd']}, logged USD {summary['logged_usd']}, "
        f"drift {summary['drift_percent'] or 'unknown'} %"
    )
    for note in found["notes"]:
        say(f"note: {note}")


@app.command("bill")
@with_options(
    {
        "provider": option(str | None, "Whose bill it is, by the provider's id here."),
        "map": option(str | None, "Columns by field: date=..,model=..,input=..,output=..", "--map"),
        "timezone": option(str | None, "The zone of the bill's days; default: the provider's."),
        "tolerance": option(str, "Percent by which a day, model and key may differ.", "--tolerance", default="0.5"),
    }
)
def bill(context: typer.Context, file: Bill, *, json_output: Json = False, **options: str | None) -> None:
    """Compare a provider's bill with our cost side by day, model and key; exit 1 if it drifts."""
    if options["provider"] is None:
        raise RefusedError("--provider names whose bill it is; `smartoken doctor` lists the providers here.", USAGE)
    mapping = options.pop("map")
    body = {"kind": "bill", "text": _text(file), "columns": columns(mapping) if mapping else None, **options}
    found = _compare(context, body)
    if json_output:
        say_json(found)
    else:
        _say_bill(found)
    if not found["ok"]:
        raise typer.Exit(FAILED)


def columns(text: str) -> dict[str, str]:
    """Read ``date=..,model=..``.

    Raises:
        RefusedError: a part is no pair.

    """
    pairs = [each.partition("=") for each in text.split(",")]
    if not all(name.strip() and sign and value.strip() for name, sign, value in pairs):
        raise RefusedError("--map takes pairs such as date=Day,model=Model,input=Tokens In", USAGE)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _say_bill(found: Mapping[str, Any]) -> None:
    summary = found["summary"]
    measures = list(summary["totals"])
    rows = [
        [each["day"], each["model"], each["key"] or "", each["kind"],
         *(f"{each['figures'][name]['ours']} / {each['figures'][name]['bill']}" for name in measures),
         max((each["figures"][name]["drift_percent"] or "-" for name in measures), key=_size)]
        for each in found["cells"][:_SHOWN]
    ]  # fmt: skip
    if rows:
        say(table(("day", "model", "key", "kind", *(f"{name}: ours / bill" for name in measures), "drift %"), rows))
        say()
    for each in found["cells"][:_SHOWN]:
        if each["unmatched_calls"]:
            say(f"not on the bill, {each['day']} {each['model']}: {' '.join(each['unmatched_calls'][:5])}"
                f" ({each['calls']} calls)")  # fmt: skip
    for name, pair in summary["totals"].items():
        say(f"{name}: ours {pair['ours']}, bill {pair['bill']}, drift {pair['drift_percent'] or 'unknown'} %")
    say(
        f"{summary['cells_that_differ']} of {summary['cells']} days, models and keys differ by more than "
        f"{summary['tolerance_percent']} %; {summary['lines']} lines, {summary['calls']} calls"
    )
    for note in found["notes"]:
        say(f"note: {note}")


def _size(text: str) -> Decimal:
    return abs(Decimal(text)) if text != "-" else Decimal(-1)


@app.command("books")
def books(context: typer.Context, *, json_output: Json = False) -> None:
    """Prove the books now: trial balance, balances, leases, windows, charges, journal; exit 1 on a drift."""
    found = ask(context, "POST", "/admin/reconciliation")
    if json_output:
        say_json(found)
    else:
        rows = [
            [each["check"], "ok" if each["ok"] else "DRIFT", each["compared"], each["words"]] for each in found["data"]
        ]
        say(table(("check", "result", "compared", "what is proven"), rows))
        for each in found["data"]:
            for one in each["drifts"][:_SHOWN]:
                say(f"{each['check']}: {one['subject']}: expected {one['expected']}, found {one['found']}")
    if not found["sound"]:
        raise typer.Exit(FAILED)
