"""``smartoken prices``: the price book, drafted, looked at, published from a time, undone; price lists and margins."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.terminal import (
    USAGE,
    Json,
    Limit,
    RefusedError,
    invocation,
    object_in,
    say,
    say_json,
    say_rest,
    table,
)

app = typer.Typer(no_args_is_help=True, help="Draft, compare, publish and undo prices; price lists and margins.")
ROOT = "/admin/prices"
_CATALOG = "catalog"  # where a price comes from that nobody here set
Id = Annotated[str, typer.Argument(help="A publication's or draft's id.", metavar="ID")]
From = Annotated[str | None, typer.Option("--from", help="From when it counts, such as 2027-01-01T00:00:00Z.")]


def _first(price: dict[str, Any] | None) -> str:
    """Return a price in short: its first band, and how many more there are."""
    if price is None:
        return "none"
    bands = price.get("bands") or [price]
    more = f" (+{len(bands) - 1} bands)" if len(bands) > 1 else ""
    hours = ", by hour" if "time_of_day" in price else ""
    return f"{price['currency']} {bands[0]['input']} / {bands[0]['output']}{more}{hours}"


def _sold_here(row: dict[str, Any]) -> bool:
    """Whether a model can be called here, or somebody here set what it costs."""
    return bool(row["offers"] or row["next"]) or row["origin"] != _CATALOG


@app.command("list")
def list_prices(
    context: typer.Context,
    price_list: Annotated[str | None, typer.Option("--list", help="The prices of this list.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Those of models named so, such as 'maker/*'.")] = None,
    limit: Limit = 50,
    *,
    every: Annotated[bool, typer.Option("--all", help="Those of models that nobody serves here, too.")] = False,
    json_output: Json = False,
) -> None:
    """List the sell prices of what can be called here, per 1M tokens in and out, with versions and next changes."""
    with connected(invocation(context).settings()) as api:
        if price_list is not None:
            known = [each["name"] for each in api.call("GET", f"{ROOT}/lists")["data"]]
            if price_list not in known:
                raise RefusedError(
                    f"`--list`: no list is called {price_list!r}; there are: {', '.join(known) or 'none'}.", USAGE
                )
        priced = api.call("GET", ROOT, None, {"price_list": price_list})["data"]
    if model is not None:
        found = [each for each in priced if fnmatchcase(each["model"], model.lower())]
    else:
        found = [each for each in priced if every or _sold_here(each)]
    if json_output:
        say_json({"data": found})
        return
    rows = [
        [each["model"], _first(each["price"]), each["price_version"], each["next"][0]["from"] if each["next"] else ""]
        for each in found
    ]
    none = f"No model that has a price is named {model}." if model is not None else "No model can be called here."
    say(table(("model", "in / out", "version", "changes"), rows[:limit]) if rows else none)
    say_rest(len(rows), limit)
    if model is None and len(found) < len(priced):
        say(f"{len(priced) - len(found)} models of the catalog that nobody serves here are left out: `--all`.")


@app.command("draft")
def draft(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON or TOML with `sell`, `cost`, `lists`.", metavar="FILE")],
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    start: From = None,
    *,
    json_output: Json = False,
) -> None:
    """Make a draft from FILE; `diff` shows what it would change, and nothing counts until it is published."""
    body = {**object_in(file, "`sell`, `cost` or `lists`"), "note": note, "from": start}
    made = ask(context, "POST", f"{ROOT}/publications", {name: each for name, each in body.items() if each is not None})
    if json_output:
        say_json(made)
        return
    say(f"Draft {made['id']}. Look at it with `smartoken prices diff {made['id']}`, then publish it.")


@app.command("diff")
def diff(context: typer.Context, publication: Id, *, json_output: Json = False) -> None:
    """Show what a draft would change, and what the last 30 days of usage would have come to."""
    found = ask(context, "GET", f"{ROOT}/publications/{quote(publication)}/diff")
    if json_output:
        say_json(found)
        return
    rows = [
        [each["kind"], each["subject"], each["price_list"] or "", field["name"], _plain(field["before"]),
         _plain(field["after"])]
        for each in found["changes"] for field in each["fields"]
    ]  # fmt: skip
    say(table(("kind", "subject", "list", "field", "before", "after"), rows) if rows else "It changes no price.")
    effect = found["effect"]
    say(f"\nThe last 30 days at these prices, from {found['from']}:")
    sums = [*effect["data"], {"model": "all", "account": "", **effect["total"]}]
    names = ("calls", "before_usd", "after_usd", "delta_usd", "delta_percent")
    say(
        table(
            ("model", "account", *names),
            [[each["model"], each["account"], *(each[name] for name in names)] for each in sums],
        )
    )
    for name, count in effect["not_recomputed"].items():
        if count not in (0, "0.00"):
            say(f"not worked out again: {name.replace('_', ' ')} {count}")


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()


@app.command("publish")
def publish(context: typer.Context, publication: Id, start: From = None, *, json_output: Json = False) -> None:
    """Publish a draft, from now or from a time to come; it never changes from then on."""
    body = {"from": start} if start is not None else {}
    _say(ask(context, "POST", f"{ROOT}/publications/{quote(publication)}/publish", body), json_output=json_output)


@app.command("undo")
def undo(context: typer.Context, publication: Id, *, json_output: Json = False) -> None:
    """Publish what stood before a publication."""
    made = ask(context, "POST", f"{ROOT}/publications/{quote(publication)}/undo")
    if json_output:
        say_json(made)
    else:
        say(f"{made['id']} undoes {publication} and counts from {made['from']}.")


def _say(made: dict[str, Any], *, json_output: bool) -> None:
    if json_output:
        say_json(made)
    else:
        say(f"{made['id']} counts from {made['from']}.")


@app.command("history")
def history(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model's id.", metavar="MODEL")],
    *,
    json_output: Json = False,
) -> None:
    """Show a model's standard price over time, newest first."""
    found = ask(context, "GET", f"{ROOT}/history", None, {"model": model})
    if json_output:
        say_json(found)
    else:
        rows = [
            [each["from"], each["to"] or "", _first(each["price"]), each["price_version"]] for each in found["data"]
        ]
        say(table(("from", "to", "in / out", "version"), rows))


@app.command("assign")
def assign(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="An account's short name or id.", metavar="ACCOUNT")],
    price_list: Annotated[str | None, typer.Argument(help="A price list; left out: none.", metavar="LIST")] = None,
    *,
    json_output: Json = False,
) -> None:
    """Give an account a price list, or without LIST the standard prices."""
    found = ask(context, "PUT", f"/admin/accounts/{quote(account)}/price-list", {"price_list": price_list})
    if json_output:
        say_json(found)
    else:
        say(f"{found['account']} pays by {found['price_list'] or 'the standard prices'}.")


@app.command("margins")
def margins(
    context: typer.Context,
    group_by: Annotated[str, typer.Option("--by", help="model, provider, account or key.")] = "model",
    *,
    json_output: Json = False,
) -> None:
    """Show charge, cost and margin of the last 30 days."""
    found = ask(context, "GET", "/admin/margins", None, {"group_by": group_by})
    if json_output:
        say_json(found)
        return
    names = ("calls", "charge_usd", "cost_usd", "margin_usd", "margin_percent", "calls_without_cost")
    rows = [
        [each[group_by], *(each[name] for name in names)]
        for each in [*found["data"], {group_by: "all", **found["total"]}]
    ]
    say(table((group_by, *names), rows))
