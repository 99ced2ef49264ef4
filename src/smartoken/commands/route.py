"""``smartoken route``: how calls go, drafted, compared, published and undone; why a call would go where; names."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.key import key_id
from smartoken.commands.terminal import Json, Limit, invocation, object_in, say, say_json, say_rest, table

app = typer.Typer(no_args_is_help=True, help="See, draft, publish and undo routes; ask why a call would go where.")
ROOT = "/admin/routes"
_SETUP = "set-up"  # where a route comes from that was not published
Id = Annotated[str, typer.Argument(help="A publication's or draft's id.", metavar="ID")]
Model = Annotated[str, typer.Argument(help="A model's id.", metavar="MODEL")]
File = Annotated[Path | None, typer.Argument(help="JSON or TOML with `tiers` and `options`.", metavar="FILE")]
Name = Annotated[str, typer.Argument(help="A named route, with or without its @.", metavar="NAME")]
Owner = Annotated[str | None, typer.Option("--account", help="The account that has the name.")]


def _tiers(each: dict[str, Any]) -> list[list[str]]:
    """Return a route as lines, one a priority."""
    lines = []
    for number, tier in enumerate(each["route"]["tiers"], 1):
        offers = ", ".join(f"{one['offer']} {one['share']} %" for one in tier["offers"])
        when = " ".join(f"{name}={value}" for name, value in tier["when"].items() if value)
        first = [each["model"], each["origin"]] if number == 1 else ["", ""]
        lines.append([*first, str(number), tier["strategy"], f"{offers}{f' when {when}' if when else ''}"])
    return lines


@app.command("list")
def list_routes(
    context: typer.Context,
    model: Annotated[str | None, typer.Option("--model", help="Only this model's.")] = None,
    limit: Limit = 50,
    *,
    published: Annotated[bool, typer.Option("--published", help="Only those that were published.")] = False,
    json_output: Json = False,
) -> None:
    """List the routes in force, a line for each priority; those not published follow from the set-up."""
    found = ask(context, "GET", ROOT, None, {"model": model})["data"]
    if published:
        found = [each for each in found if each["origin"] != _SETUP]
    if json_output:
        say_json({"data": found})
        return
    none = "No route was published." if published else "No model can be called here."
    rows = [line for each in found[:limit] for line in _tiers(each)]
    say(table(("model", "from", "priority", "strategy", "offers"), rows) if rows else none)
    say_rest(len(found), limit)


@app.command("draft")
def draft(
    context: typer.Context,
    model: Model,
    file: Annotated[
        Path | None, typer.Argument(help="JSON or TOML with `tiers` and `options`.", metavar="FILE")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """Make a draft from FILE; without FILE one that goes back to the set-up. Nothing counts until it is published."""
    body = {"model": model, "route": None if file is None else object_in(file, "`tiers`"), "note": note}
    made = ask(context, "POST", f"{ROOT}/publications", body)
    if json_output:
        say_json(made)
        return
    say(f"Draft {made['id']}. Look at it with `smartoken route diff {made['id']}`, then publish it.")


@app.command("diff")
def diff(context: typer.Context, publication: Id, *, json_output: Json = False) -> None:
    """Show what publishing a draft would change."""
    found = ask(context, "GET", f"{ROOT}/publications/{quote(publication)}/diff")
    if json_output:
        say_json(found)
        return
    rows = [[each["name"], each["before"], each["after"]] for each in found["changes"]]
    say(table(("field", "before", "after"), rows) if rows else "It changes nothing.")


@app.command("publish")
def publish(context: typer.Context, publication: Id, *, json_output: Json = False) -> None:
    """Publish a draft; calls that begin from now on go by it."""
    made = ask(context, "POST", f"{ROOT}/publications/{quote(publication)}/publish")
    if json_output:
        say_json(made)
        return
    say(f"{made['model']} goes by {made['id']}. Take it back with `smartoken route undo {made['id']}`.")


@app.command("undo")
def undo(context: typer.Context, publication: Id, *, json_output: Json = False) -> None:
    """Publish what stood before a publication."""
    made = ask(context, "POST", f"{ROOT}/publications/{quote(publication)}/undo")
    if json_output:
        say_json(made)
        return
    say(f"{made['model']} goes as before {publication}; this is {made['id']}.")


@app.command("history")
def history(
    context: typer.Context,
    model: Annotated[str | None, typer.Option("--model", help="Only this model's.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """List publications and drafts, newest first."""
    found = ask(context, "GET", f"{ROOT}/publications", None, {"model": model})
    if json_output:
        say_json(found)
        return
    rows = [[e["id"], e["model"], e["state"], e["published_at"] or e["created_at"], e["note"]] for e in found["data"]]
    say(table(("id", "model", "state", "at", "note"), rows))


@app.command("why")
def why(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model's id, or @name with --key.", metavar="MODEL")],
    key: Annotated[str | None, typer.Option("--key", help="Which API key would call: its id, or account/name.")] = None,
    need: Annotated[list[str] | None, typer.Option("--need", help="tools, vision, json_schema or thinking.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="The session, for sticky tiers.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """Say where a call would go right now, with scores, and why nowhere else; nothing is called."""
    with connected(invocation(context).settings()) as api:
        caller = key_id(api, key) if key is not None else None
        body = {"model": model, "key": caller, "needs": need or [], "session": session}
        found = api.call("POST", f"{ROOT}/simulate", body)
    if json_output:
        say_json(found)
        return
    for each in found["warnings"]:
        say(each)
    rows = [
        [place, each["offer"], each["priority"], each["strategy"], each["score"], each["why"]]
        for place, each in enumerate(found["order"], 1)
    ]
    say(table(("try", "offer", "priority", "strategy", "score", "why"), rows) if rows else "No offer would be tried.")
    for each in found["excluded"]:
        say(f"not {each['offer']}: {each['why']}")


@app.command("breakers")
def breakers(context: typer.Context, *, json_output: Json = False) -> None:
    """List the offers and provider keys that rest, and when they may be tried again."""
    found = ask(context, "GET", f"{ROOT}/breakers")
    if json_output:
        say_json(found)
        return
    rows = [[e["offer"] or "every offer", e["key"], e["state"], e["cause"], e["back_in_s"]] for e in found["data"]]
    say(table(("offer", "key", "state", "cause", "back in s"), rows) if rows else "Nothing rests.")


@app.command("test-key")
def try_key(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(help="A provider's id.", metavar="PROVIDER")],
    name: Annotated[str, typer.Argument(help="The name of its key.", metavar="KEY")],
    *,
    json_output: Json = False,
) -> None:
    """Make one real call with a provider's key, timed; it costs what so short a call costs."""
    found = ask(context, "POST", f"/admin/providers/{quote(provider)}/keys/{quote(name)}/test")
    if json_output:
        say_json(found)
        return
    ended = "answered" if found["ok"] else f"failed: {found['failure']}: {found['message']}"
    cost = f"{found['cost']} {found['currency']}" if found["cost"] is not None else "unknown"
    say(f"{found['offer']} {ended} in {found['total_ms']} ms, cost {cost}")


@app.command("names")
def names(context: typer.Context, account: Owner = None, *, json_output: Json = False) -> None:
    """List named routes and what they stand for."""
    found = ask(context, "GET", "/named-routes", None, {"account": account})
    if json_output:
        say_json(found)
        return
    rows = [[e["name"], e["model"], ", ".join(e["fallbacks"]), e["version"], e["changed_by"]] for e in found["data"]]
    say(table(("name", "model", "fallbacks", "version", "by"), rows) if rows else "No named routes.")


@app.command("name")
def name_route(
    context: typer.Context,
    name: Name,
    model: Model,
    fallback: Annotated[list[str] | None, typer.Option("--fallback", help="Tried after it, in order.")] = None,
    account: Owner = None,
    *,
    json_output: Json = False,
) -> None:
    """Let NAME stand for MODEL and its fallbacks."""
    body = {"account": account, "model": model, "fallbacks": fallback or []}
    _say_named(ask(context, "PUT", f"/named-routes/{quote(name)}", body), json_output=json_output)


@app.command("undo-name")
def undo_name(context: typer.Context, name: Name, account: Owner = None, *, json_output: Json = False) -> None:
    """Put back what NAME stood for before its last change."""
    query = {"account": account}
    _say_named(ask(context, "POST", f"/named-routes/{quote(name)}/undo", None, query), json_output=json_output)


@app.command("unname")
def unname(context: typer.Context, name: Name, account: Owner = None, *, json_output: Json = False) -> None:
    """Take NAME away; undo-name brings it back."""
    ask(context, "DELETE", f"/named-routes/{quote(name)}", None, {"account": account})
    if json_output:
        say_json({"removed": name})
        return
    say(f"@{name.removeprefix('@')} stands for nothing any more; `smartoken route undo-name` brings it back.")


def _say_named(found: dict[str, Any], *, json_output: bool) -> None:
    if json_output:
        say_json(found)
        return
    models = ", then ".join((str(found["model"]), *found["fallbacks"]))
    say(f"{found['name']} stands for {models} (version {found['version']}).")
