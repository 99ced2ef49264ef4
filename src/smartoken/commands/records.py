"""``smartoken call|usage|event|audit ...``: what happened, as the control API shows it."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any
from urllib.parse import quote

import typer

from smartoken.commands.api import Query, ask, connected
from smartoken.commands.options import option, with_options
from smartoken.commands.terminal import Json, Limit, invocation, plain, say, say_json, table

calls = typer.Typer(help="Calls: list, show.", no_args_is_help=True)
events = typer.Typer(help="What somebody should be told.", no_args_is_help=True)
audit = typer.Typer(help="Who changed what.", no_args_is_help=True)
Account = Annotated[str | None, typer.Option("--account", help="One account's, by short name or id.")]
From = Annotated[str | None, typer.Option("--from", help="A day or an instant, such as 2027-01-31.")]
To = Annotated[str | None, typer.Option("--to", help="Before this day or instant.")]
_FILTERS = {
    "account": option(str | None, "One account's, by short name or id.", "--account"),
    "key_id": option(str | None, "One key's, by id.", "--key-id"),
    "model": option(str | None, "One model's.", "--model"),
    "provider": option(str | None, "One provider's.", "--provider"),
    "environment": option(str | None, "One environment's.", "--environment"),
    "user": option(str | None, "Those with this `user` in their body.", "--user"),
    "end_reason": option(str | None, "Those that ended so, such as upstream_cut.", "--end-reason"),
    "error_code": option(str | None, "Those with this error code.", "--error-code"),
    "failed": option(bool | None, "Only those that failed, or only those that did not.", "--failed/--answered"),
    "start": option(str | None, "A day or an instant, such as 2027-01-31.", "--from"),
    "end": option(str | None, "Before this day or instant.", "--to"),
}


def _listed(context: typer.Context, path: str, query: Query, limit: int) -> list[dict[str, Any]]:
    with connected(invocation(context).settings()) as api:
        return list(islice(api.rows(path, query), limit))


def _say_rows(found: Sequence[dict[str, Any]], columns: dict[str, str], none: str) -> None:
    rows = [[plain(each[name]) for name in columns.values()] for each in found]
    say(table(list(columns), rows) if rows else none)


def _say_fields(found: dict[str, Any]) -> None:
    rows = [(name, plain(each)) for name, each in found.items() if each is not None and each != []]
    say(table(("field", "value"), rows))


@calls.command("list")
@with_options(_FILTERS)
def list_calls(context: typer.Context, *, limit: Limit = 50, json_output: Json = False, **filters: Any) -> None:
    """List calls, newest first."""
    span = {"from": filters.pop("start"), "to": filters.pop("end")}
    found = _listed(context, "/calls", {**filters, **span}, limit)
    if json_output:
        say_json({"data": found})
        return
    columns = {
        "at": "created_at",
        "call": "id",
        "account": "account",
        "key": "key",
        "model": "model",
        "provider": "provider",
        "ended": "end_reason",
        "prompt": "prompt_tokens",
        "completion": "completion_tokens",
        "charge USD": "charge_usd",
        "ms": "total_ms",
    }
    _say_rows(found, columns, "No calls.")


@calls.command("show")
def show_call(
    context: typer.Context,
    call: Annotated[str, typer.Argument(help="The call's id.", metavar="CALL")],
    *,
    json_output: Json = False,
) -> None:
    """Show a call: how it ended, each attempt, and its charge worked out."""
    found = ask(context, "GET", f"/calls/{quote(call, safe='')}")
    if json_output:
        say_json(found)
    else:
        _say_fields(found)


def usage(
    context: typer.Context,
    group_by: Annotated[str, typer.Option("--by", help="What to sum by: model, key, account, day ...")] = "model",
    account: Account = None,
    start: From = None,
    end: To = None,
    *,
    json_output: Json = False,
) -> None:
    """Sum usage by model, key, account, owner, day and the like; the last 30 days where no time is given."""
    query = {"group_by": group_by, "account": account, "from": start, "to": end}
    with connected(invocation(context).settings()) as api:
        found = api.call("GET", "/usage", None, query)
    if json_output:
        say_json(found)
        return
    if not found["available"]:
        say(f"Not available: sums are kept from {found['kept_from']}.")
        return
    rows = [*found["data"], *([found["rest"]] if found["rest"] else [])]
    say(f"{found['from']} to {found['to']}")
    if not rows:
        say("No usage.")
        return
    figures = [{name: plain(each) for name, each in row.items()} for row in (*rows, {**found["total"]})]
    headers = list(dict.fromkeys(name for row in figures for name in row))
    lines = [[row.get(name) for name in headers] for row in figures]
    lines[-1] = ["total" if name == headers[0] else each for name, each in zip(headers, lines[-1], strict=True)]
    say(table(headers, lines))


@events.command("list")
def list_events(
    context: typer.Context,
    account: Account = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Those of one kind, such as budget.alert.")] = None,
    limit: Limit = 50,
    *,
    json_output: Json = False,
) -> None:
    """List events, newest first."""
    found = _listed(context, "/admin/events", {"account": account, "kind": kind}, limit)
    if json_output:
        say_json({"data": found})
    else:
        columns = {"at": "created_at", "kind": "kind", "about": "subject", "facts": "facts"}
        _say_rows(found, columns, "No events.")


@audit.command("list")
def list_entries(
    context: typer.Context,
    about: Annotated[str | None, typer.Option("--object", help="Those about one object, such as key:ID.")] = None,
    limit: Limit = 50,
    *,
    json_output: Json = False,
) -> None:
    """List who changed what, newest first."""
    found = _listed(context, "/admin/audit", {"object": about}, limit)
    if json_output:
        say_json({"data": found})
    else:
        columns = {"at": "created_at", "who": "actor", "did": "action", "to": "object", "reason": "reason"}
        _say_rows(found, columns, "No entries.")


@audit.command("check")
def check_entries(context: typer.Context, *, json_output: Json = False) -> None:
    """Follow the chain of hashes from its beginning; exit code 1 where an entry does not follow."""
    found = ask(context, "GET", "/admin/audit/check")
    if json_output:
        say_json(found)
    else:
        say("Every entry follows from those before it." if found["intact"] else f"Broken at {found['broken_at']}.")
    if not found["intact"]:
        raise typer.Exit(1)
