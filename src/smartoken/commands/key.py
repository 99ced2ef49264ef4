"""``smartoken key ...``: API keys. KEY is an id (``key_...``) or ``account/name``."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer

from smartoken.commands.api import Api, ask, connected
from smartoken.commands.options import option, with_options
from smartoken.commands.terminal import USAGE, Json, RefusedError, invocation, plain, say, say_json, table
from smartoken.identity.keys import ENTROPY_BYTES, mint
from smartoken.ids import is_id

app = typer.Typer(help="API keys: mint, create, list, show, rotate, pause, resume, revoke.", no_args_is_help=True)
Key = Annotated[str, typer.Argument(help="The key's id, or account/name.", metavar="KEY")]


@app.command("mint")
def mint_key(*, json_output: Json = False) -> None:
    """Print a new well-formed key without storing it, for `secret = "env:..."` of a set-up file."""
    key = mint(os.urandom(ENTROPY_BYTES))
    if json_output:
        say_json({"secret": key})
    else:
        say(key)


@app.command("create")
@with_options(
    {
        "environment": option(str | None, "Free text; `production` is special.", "--environment"),
        "owner": option(str | None, "Who answers for it.", "--owner"),
        "workflow": option(str | None, "What it is for.", "--workflow"),
        "model": option(
            list[str] | None, "A model or pattern that it may call; repeat. Default: every model.", "--model"
        ),
        "budget": option(str | None, 'A limit in USD such as "1.00"; "0" blocks.', "--budget"),
        "period": option(str, "The budget's period: total, day, week, month.", "--period", default="total"),
        "rpm": option(int | None, "Calls a minute.", "--rpm"),
        "tpm": option(int | None, "Tokens a minute.", "--tpm"),
        "concurrency": option(int | None, "Calls at once.", "--concurrency"),
        "allowed_ip": option(list[str] | None, "An address or CIDR range that may use it; repeat.", "--allowed-ip"),
        "allowed_origin": option(list[str] | None, "A web origin for CORS; repeat.", "--allowed-origin"),
        "continuation": option(
            bool | None, "Let another offer tell the rest of an answer that breaks off.", "--continuation"
        ),
        "expires_at": option(str | None, "RFC 3339, such as 2027-01-31T00:00:00Z.", "--expires-at"),
    }
)
def create_key(
    context: typer.Context,
    account: Annotated[str, typer.Option(help="The account's short name.")],
    name: Annotated[str, typer.Option(help="Unique within the account.")],
    *,
    json_output: Json = False,
    **options: Any,
) -> None:
    """Make a key and print its text, once."""
    body: dict[str, Any] = {"account": account, "name": name}
    body.update({each: options[each] for each in ("environment", "owner", "workflow", "expires_at") if options[each]})
    renamed = {"model": "models", "allowed_ip": "allowed_ips", "allowed_origin": "allowed_origins"}
    body.update({new: list(options[old]) for old, new in renamed.items() if options[old]})
    if options["budget"] is not None:
        body["budgets"] = [{"limit": options["budget"], "period": options["period"]}]
    if options["continuation"]:
        body["continuation"] = True
    limits = {each: options[each] for each in ("rpm", "tpm", "concurrency") if options[each] is not None}
    if limits:
        body["limits"] = limits
    made = ask(context, "POST", "/keys", body)
    _say_made(made, json_output=json_output)


def _say_made(made: dict[str, Any], *, json_output: bool) -> None:
    if json_output:
        say_json(made)
        return
    say(made["secret"])
    former = f" The former text works until {made['former_secret_until']}." if made["former_secret_until"] else ""
    say(f"{made['account']}/{made['name']} ({made['id']}); its text is shown this once.{former}")


@app.command("list")
def list_keys(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """List keys."""
    with connected(invocation(context).settings()) as api:
        found = list(api.rows("/keys", {"account": account}))
    if json_output:
        say_json({"data": found})
        return
    headers = ("id", "account", "name", "key", "environment", "owner", "status", "models", "budgets")
    rows = [
        (
            each["id"],
            each["account"],
            each["name"],
            f"{each['prefix']}...{each['last4']}",
            each["environment"],
            each["owner"],
            each["status"],
            ",".join(each["models"]) or "*",
            budgets_text(each["budgets"]),
        )
        for each in found
    ]
    say(table(headers, rows) if rows else "No keys.")


def budgets_text(budgets: Sequence[Mapping[str, Any]]) -> str:
    """Return budgets as ``used of limit/period``."""
    return ", ".join(f"{each['used']} of {each['limit']}/{each['period']}" for each in budgets)


def key_id(api: Api, key: str) -> str:
    """Return the id of a key that is named by id or as account/name.

    Raises:
        RefusedError: no key is called so.

    """
    if is_id(key, "key"):
        return key
    account, slash, name = key.partition("/")
    if not slash:
        raise RefusedError(f"{key!r} is no key: name it by its id, or as account/name.", USAGE)
    found = api.call("GET", "/keys", None, {"account": account, "name": name})["data"]
    if not found:
        raise RefusedError(f"Account {account} has no key {name!r}; `smartoken key list` shows them.", USAGE)
    return str(found[0]["id"])


@app.command("show")
def show_key(context: typer.Context, key: Key, *, json_output: Json = False) -> None:
    """Show a key."""
    with connected(invocation(context).settings()) as api:
        found = api.call("GET", f"/keys/{quote(key_id(api, key))}")
    if json_output:
        say_json(found)
    else:
        rows = [(name, plain(value)) for name, value in found.items() if value not in (None, [])]
        say(table(("field", "value"), rows))


@app.command("rotate")
def rotate_key(
    context: typer.Context,
    key: Key,
    overlap_hours: Annotated[
        int | None, typer.Option(help="How long the former text works, 0 to 168. Default: 24, or 0 if exposed.")
    ] = None,
    *,
    json_output: Json = False,
) -> None:
    """Give a key a new text and print it, once; budget, limits and history stay."""
    with connected(invocation(context).settings()) as api:
        made = api.call("POST", f"/keys/{quote(key_id(api, key))}/rotate", {"overlap_hours": overlap_hours})
    _say_made(made, json_output=json_output)


@app.command("expose")
def expose_key(
    context: typer.Context,
    key: Key,
    where: Annotated[str, typer.Option(help="Where it was seen.")],
    *,
    json_output: Json = False,
) -> None:
    """Say that a key was seen where others can read it; it works until it is rotated."""
    with connected(invocation(context).settings()) as api:
        found = api.call("POST", f"/keys/{quote(key_id(api, key))}/expose", {"where": where})
    if json_output:
        say_json(found)
    else:
        say(f"{found['account']}/{found['name']} is {found['status']}; `smartoken key rotate` ends it.")


@app.command("scan")
def scan_file(
    context: typer.Context,
    file: Annotated[typer.FileText, typer.Argument(help="A text; - reads standard input.", metavar="FILE")],
    where: Annotated[str | None, typer.Option(help="What it is. Default: the file's name.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """Look for keys of this gateway in a text and note each as exposed."""
    body = {"text": file.read(), "where": where or file.name}
    found = ask(context, "POST", "/keys/scan", body)["data"]
    if json_output:
        say_json({"data": found})
    elif found:
        say("\n".join(f"{each['account']}/{each['name']} ({each['id']}) is exposed; rotate it." for each in found))
    else:
        say("No key of this gateway stands in it.")


def _set_status(context: typer.Context, key: str, status: str, *, json_output: bool) -> None:
    with connected(invocation(context).settings()) as api:
        found = api.call("PATCH", f"/keys/{quote(key_id(api, key))}", {"status": status})
    if json_output:
        say_json(found)
    else:
        say(f"{found['account']}/{found['name']} is {found['status']}.")


@app.command("pause")
def pause_key(context: typer.Context, key: Key, *, json_output: Json = False) -> None:
    """Refuse a key until it is resumed."""
    _set_status(context, key, "paused", json_output=json_output)


@app.command("resume")
def resume_key(context: typer.Context, key: Key, *, json_output: Json = False) -> None:
    """Take a paused key into use again."""
    _set_status(context, key, "active", json_output=json_output)


@app.command("revoke")
def revoke_key(context: typer.Context, key: Key, *, json_output: Json = False) -> None:
    """End a key for good; it never works again."""
    with connected(invocation(context).settings()) as api:
        found = api.call("DELETE", f"/keys/{quote(key_id(api, key))}")
    if json_output:
        say_json(found)
    else:
        say(f"{found['account']}/{found['name']} is revoked.")
