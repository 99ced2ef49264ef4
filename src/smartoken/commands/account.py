"""``smartoken account ...``: who pays. ACCOUNT is a short name or an id; `apply` and the control API make accounts."""

from typing import Annotated
from urllib.parse import quote

import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.key import budgets_text
from smartoken.commands.terminal import Json, invocation, plain, say, say_json, table

app = typer.Typer(help="Accounts: list, show.", no_args_is_help=True)


@app.command("list")
def list_accounts(context: typer.Context, *, json_output: Json = False) -> None:
    """List accounts with their budgets, used and set."""
    with connected(invocation(context).settings()) as api:
        found = list(api.rows("/admin/accounts"))
    if json_output:
        say_json({"data": found})
        return
    headers = ("account", "name", "status", "billing", "timezone", "owner", "prices", "budgets")
    rows = [
        (
            each["slug"],
            each["name"],
            each["status"],
            each["billing"],
            each["timezone"],
            each["owner_email"],
            each["price_list"] or "standard",
            budgets_text(each["budgets"]),
        )
        for each in found
    ]
    say(table(headers, rows) if rows else "No accounts.")


@app.command("show")
def show_account(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's short name or id.", metavar="ACCOUNT")],
    *,
    json_output: Json = False,
) -> None:
    """Show an account."""
    found = ask(context, "GET", f"/admin/accounts/{quote(account, safe='')}")
    if json_output:
        say_json(found)
    else:
        say(table(("field", "value"), [(name, plain(each)) for name, each in found.items() if each not in (None, [])]))
