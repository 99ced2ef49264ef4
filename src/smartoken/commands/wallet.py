"""``smartoken wallet ...``: what an account has, how it came to it, and the acts that move its money.

ACCOUNT is a short name or an id. A command that moves money is a new request each time; one that may have arrived is
sent again without harm with ``--once`` and the same text.
"""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.options import option, with_options
from smartoken.commands.terminal import Json, invocation, say, say_json, table

app = typer.Typer(
    help="Wallets: show, entries, statement, deposit, adjust, grant, withdraw, refund, reverse, approvals, decide.",
    no_args_is_help=True,
)
Account = Annotated[str, typer.Argument(help="The account's short name or id.", metavar="ACCOUNT")]
Amount = Annotated[str, typer.Argument(help='USD, such as "10.00".', metavar="AMOUNT")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the history.")]
Once = Annotated[str | None, typer.Option(help="The request's own key: the same key again moves nothing.")]


def _moved(context: typer.Context, path: str, body: dict[str, Any], once: str | None, *, json_output: bool) -> None:
    found = ask(context, "POST", path, body, once=once)
    if json_output:
        say_json(found)
    elif found["status"] == "waiting":
        say(
            f"USD {found['amount']} waits for a second person: `smartoken wallet decide {found['approval']} approve`, "
            "said by them with SMARTOKEN_TOKEN set to a token of their own."
        )
    else:
        owed = f"; {found['owed']} of it is taken as calls end" if found["owed"] != "0.00" else ""
        say(f"{found['kind']} {found['amount']} ({found['id']}){owed}. The balance is {found['balance']}.")


def _path(account: str, what: str) -> str:
    return f"/admin/accounts/{quote(account, safe='')}/{what}"


@app.command("show")
def show_wallet(context: typer.Context, account: Account, *, json_output: Json = False) -> None:
    """Show an account's balance by fund."""
    found = ask(context, "GET", _path(account, "wallet"))
    if json_output:
        say_json(found)
        return
    figures = ("balance", "held", "owed", "available", "withdrawable")
    say("  ".join(f"{name} {found[name]}" for name in figures))
    heads = ("fund", "id", "balance", "held", "owed", "available", "expires_at", "priority", "category")
    say(table(heads, [[each[name] for name in heads] for each in found["funds"]]))


@app.command("entries")
def list_entries(
    context: typer.Context,
    account: Account,
    limit: Annotated[int, typer.Option(help="The newest lines, at most 500.")] = 50,
    *,
    json_output: Json = False,
) -> None:
    """Print the history, newest first, with the balance after each line."""
    found = ask(context, "GET", _path(account, "wallet/entries"), None, {"limit": limit})
    if json_output:
        say_json(found)
        return
    heads = ("at", "kind", "fund", "amount", "balance", "reference", "actor", "reason")
    rows = [[each[name] for name in heads] for each in found["data"]]
    say(table(heads, rows) if rows else "Nothing has moved yet.")


@app.command("statement")
def print_statement(
    context: typer.Context,
    account: Account,
    month: Annotated[str, typer.Argument(help="Such as 2026-11, in the account's zone.", metavar="MONTH")],
    form: Annotated[str, typer.Option("--format", help="json, csv or html.")] = "csv",
    *,
    json_output: Json = False,
) -> None:
    """Print a month's statement; it clears to the ledger or is refused."""
    form = "json" if json_output else form
    query = {"account": account, "month": month, "format": form}
    with connected(invocation(context).settings()) as api:
        if form == "json":
            say_json(api.call("GET", "/wallet/statement", None, query))
        else:
            say(api.text("/wallet/statement", query).rstrip("\n"))


@app.command("deposit")
@with_options(
    {
        "method": option(str | None, "How it came, such as bank.", "--method"),
        "once": option(str | None, "The request's own key: the same key again moves nothing.", "--once"),
    }
)
def add_deposit(
    context: typer.Context,
    account: Account,
    amount: Amount,
    reference: Annotated[str, typer.Option(help="Of the payment.")],
    *,
    json_output: Json = False,
    **options: Any,
) -> None:
    """Take in money that a customer paid."""
    body = {"amount": amount, "reference": reference, "method": options["method"]}
    _moved(context, _path(account, "deposits"), body, options["once"], json_output=json_output)


@app.command("withdraw")
def withdraw(
    context: typer.Context,
    account: Account,
    amount: Amount,
    reference: Annotated[str, typer.Option(help="Of the payment.")],
    once: Once = None,
    *,
    json_output: Json = False,
) -> None:
    """Record money that was paid out, never more than is withdrawable."""
    body = {"amount": amount, "reference": reference}
    _moved(context, _path(account, "withdrawals"), body, once, json_output=json_output)


@app.command("adjust", context_settings={"ignore_unknown_options": True})
def adjust(
    context: typer.Context, account: Account, amount: Amount, reason: Reason, once: Once = None, *,
    json_output: Json = False,
) -> None:  # fmt: skip
    """Correct a wallet up or down; above the set amount it waits for a second person."""
    _moved(context, _path(account, "adjustments"), {"amount": amount, "reason": reason}, once, json_output=json_output)


@app.command("grant")
@with_options(
    {
        "expires": option(str | None, "RFC 3339, such as 2027-01-31T00:00:00Z. Default: never.", "--expires"),
        "effective": option(str | None, "RFC 3339; it pays from then on. Default: now.", "--effective"),
        "model": option(
            list[str] | None, "A model or pattern that it pays for; repeat. Default: every one.", "--model"
        ),
        "priority": option(int | None, "The lower burns first; 50 if left out, a wallet has 100.", "--priority"),
        "category": option(str | None, "What it is, for reports.", "--category"),
        "once": option(str | None, "The request's own key: the same key again moves nothing.", "--once"),
    }
)
def grant(
    context: typer.Context, account: Account, amount: Amount, reason: Reason, *, json_output: Json = False,
    **options: Any,
) -> None:  # fmt: skip
    """Give promotional money; above the set amount it waits for a second person."""
    body = {
        "amount": amount,
        "reason": reason,
        "expires_at": options["expires"],
        "effective_at": options["effective"],
        "models": list(options["model"] or ()),
        "priority": options["priority"],
        "category": options["category"],
    }
    _moved(context, _path(account, "grants"), body, options["once"], json_output=json_output)


@app.command("refund")
@with_options(
    {
        "call": option(str | None, "The call that is given back.", "--call"),
        "transfer": option(str | None, "A spend that is given back, with all of its calls.", "--transfer"),
        "amount": option(str | None, "USD. Default: all that is left of it.", "--amount"),
        "once": option(str | None, "The request's own key: the same key again moves nothing.", "--once"),
    }
)
def refund(
    context: typer.Context, account: Account, reason: Reason, *, json_output: Json = False, **options: Any
) -> None:
    """Give a charge back to the funds that paid it, never more than they paid."""
    body = {"reason": reason, **{name: options[name] for name in ("call", "transfer", "amount")}}
    _moved(context, _path(account, "refunds"), body, options["once"], json_output=json_output)


@app.command("reverse")
@with_options(
    {
        "amount": option(str | None, "USD. Default: all that is left of it.", "--amount"),
        "once": option(str | None, "The request's own key: the same key again moves nothing.", "--once"),
    }
)
def reverse(
    context: typer.Context,
    account: Account,
    transfer: Annotated[str, typer.Argument(help="The transfer that is taken back.", metavar="TRANSFER")],
    reason: Reason,
    *,
    json_output: Json = False,
    **options: Any,
) -> None:
    """Take a deposit, adjustment, grant or withdrawal back, never more than it moved."""
    body = {"transfer": transfer, "reason": reason, "amount": options["amount"]}
    _moved(context, _path(account, "reversals"), body, options["once"], json_output=json_output)


@app.command("approvals")
def list_approvals(
    context: typer.Context,
    status: Annotated[str | None, typer.Option(help="waiting, approved or rejected. Default: all.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """List what waits for a second person, or was decided."""
    with connected(invocation(context).settings()) as api:
        found = list(api.rows("/admin/approvals", {"status": status}))
    if json_output:
        say_json({"data": found})
        return
    heads = ("id", "created_at", "kind", "amount", "asked_by", "status", "decided_by")
    say(table(heads, [[each[name] for name in heads] for each in found]) if found else "Nothing waits.")


@app.command("decide")
def decide(
    context: typer.Context,
    approval: Annotated[str, typer.Argument(help="The approval's id.", metavar="APPROVAL")],
    verdict: Annotated[str, typer.Argument(help="approve or reject.", metavar="VERDICT")],
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    *,
    json_output: Json = False,
) -> None:
    """Approve or reject what waits, as somebody else than who asked."""
    if verdict not in ("approve", "reject"):
        raise typer.BadParameter("approve or reject", param_hint="VERDICT")
    path = f"/admin/approvals/{quote(approval, safe='')}/{verdict}"
    if verdict == "approve":
        _moved(context, path, {"reason": reason}, None, json_output=json_output)
        return
    found = ask(context, "POST", path, {"reason": reason})
    if json_output:
        say_json(found)
    else:
        say(f"{found['id']} is {found['status']}.")
