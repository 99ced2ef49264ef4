"""``smartoken token ...``: API tokens of the staff, each with a name and a role."""

from typing import Annotated
from urllib.parse import quote

import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.terminal import Json, invocation, say, say_json, table

app = typer.Typer(help="API tokens of the staff: create, list, revoke.", no_args_is_help=True)


@app.command("create")
def create_token(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Whose it is; the history shows it.")],
    role: Annotated[str, typer.Option(help="admin, operator, finance or support.")],
    expires: Annotated[str | None, typer.Option(help="RFC 3339, such as 2027-01-31T00:00:00Z. Default: never.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """Make a token and print its text, once."""
    made = ask(context, "POST", "/admin/tokens", {"name": name, "role": role, "expires_at": expires})
    if json_output:
        say_json(made)
        return
    say(made["secret"])
    say(f"{made['name']} ({made['role']}, {made['id']}); its text is shown this once.")


@app.command("list")
def list_tokens(context: typer.Context, *, json_output: Json = False) -> None:
    """List tokens."""
    with connected(invocation(context).settings()) as api:
        found = list(api.rows("/admin/tokens"))
    if json_output:
        say_json({"data": found})
        return
    shown = ("id", "name", "role", "last4", "status", "created_by", "expires_at")
    say(table(shown, [[each[name] for name in shown] for each in found]) if found else "No tokens.")


@app.command("revoke")
def revoke_token(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="The token's id or name.", metavar="TOKEN")],
    *,
    json_output: Json = False,
) -> None:
    """End a token for good."""
    found = ask(context, "DELETE", f"/admin/tokens/{quote(token, safe='')}")
    if json_output:
        say_json(found)
    else:
        say(f"{found['name']} is revoked.")
