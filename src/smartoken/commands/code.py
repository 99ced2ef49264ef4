"""``smartoken code ...``: activation codes of a campaign."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.options import option, with_options
from smartoken.commands.terminal import USAGE, Json, RefusedError, complain, invocation, say, say_json, table

app = typer.Typer(help="Activation codes: create, list, revoke, preview, redeem.", no_args_is_help=True)
Code = Annotated[str, typer.Argument(help="The code, as it was given.", metavar="CODE")]
Account = Annotated[str, typer.Option(help="Who gets the grant: short name or id.")]


@app.command("create")
@with_options(
    {
        "uses": option(int, "How many accounts can redeem each.", "--uses", default=1),
        "expires_at": option(str | None, "From when none is redeemed; a plain date includes that day.", "--expires"),
        "note": option(str | None, "What the batch is for; shown in lists.", "--note"),
        "csv": option(bool, "Print CSV: batch, code, uses, expires_at.", "--csv", default=False),
    }
)
def create_codes(
    context: typer.Context,
    campaign: Annotated[str, typer.Option(help="The campaign's short name or id.")],
    count: Annotated[int, typer.Option(help="How many codes.")] = 1,
    *,
    json_output: Json = False,
    **options: Any,
) -> None:
    """Make a batch of codes and print them, once."""
    csv = options["csv"]
    if csv and json_output:
        raise RefusedError("--csv and --json exclude each other.", USAGE)
    body = {"campaign": campaign, "count": count, "uses": options["uses"]}
    body |= {"expires_at": options["expires_at"], "note": options["note"]}
    with connected(invocation(context).settings()) as api:
        made = api.call("POST", "/admin/codes", body)
        state = api.call("GET", f"/admin/campaigns/{quote(made['campaign'], safe='')}")["state"]
    if state == "draft":
        complain(f"{made['campaign']} is a draft: its codes give nothing until it is published.")
    if json_output:
        say_json(made)
        return
    if csv:
        say("batch,code,uses,expires_at")
    for each in made["codes"]:
        say(f"{made['id']},{each},{made['uses']},{made['expires_at'] or ''}" if csv else each)
    if not csv:
        say(f"Batch {made['id']} of {made['campaign']}; the codes are shown this once.")


@app.command("list")
def list_batches(
    context: typer.Context,
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """List batches with their counts; never a code."""
    with connected(invocation(context).settings()) as api:
        found = list(api.rows("/admin/codes", {"campaign": campaign}))
    if json_output:
        say_json({"data": found})
        return
    names = ("id", "campaign", "count", "uses", "redeemed", "left", "expires_at", "revoked_at")
    say(table(names, [[each[name] for name in names] for each in found]) if found else "No codes.")


@app.command("revoke")
def revoke_batch(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(help="The batch's id.", metavar="BATCH")],
    *,
    json_output: Json = False,
) -> None:
    """End a batch for good; grants that were given stay."""
    ask(context, "DELETE", f"/admin/codes/{quote(batch, safe='')}")
    if json_output:
        say_json({"id": batch, "revoked": True})
    else:
        say(f"No code of {batch} is redeemed any more.")


@app.command("preview")
def preview_code(context: typer.Context, code: Code, account: Account, *, json_output: Json = False) -> None:
    """Tell what a code would give an account, with the rules; no effect."""
    found = ask(context, "POST", "/wallet/redeem/preview", {"code": code, "account": account})
    if json_output:
        say_json(found)
        return
    gets = f"${found['amount']} of {found['name']}"
    why = " ".join(each["message"] for each in found["reasons"])
    say(f"{account} would get {gets}." if found["eligible"] else f"{account} would not get {gets}: {why}")
    say()
    say(found["rules"])


@app.command("redeem")
def redeem_code(
    context: typer.Context,
    code: Code,
    account: Account,
    rules_version: Annotated[str | None, typer.Option(help="The version that was shown and is accepted.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """Redeem a code for an account."""
    body = {"code": code, "account": account, "rules_version": rules_version}
    found = ask(context, "POST", "/wallet/redeem", body)
    if json_output:
        say_json(found)
    else:
        until = f" until {found['expires_at']}" if found["expires_at"] else ""
        say(f"{account} got ${found['amount']}{until}; it has ${found['available']} now.")
