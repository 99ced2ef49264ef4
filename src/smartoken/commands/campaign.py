"""``smartoken campaign ...``: promotional credits by rules. NAME is a campaign's short name or id."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer

from smartoken.commands.api import ask, connected
from smartoken.commands.options import option, with_options
from smartoken.commands.terminal import USAGE, Json, RefusedError, invocation, say, say_json, table

app = typer.Typer(help="Campaigns: draft, publish, try, give, claw back, report.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The campaign's short name or id.", metavar="NAME")]
Account = Annotated[list[str], typer.Argument(help="Accounts' short names or ids.", metavar="ACCOUNT")]
OnlyAccount = Annotated[
    list[str] | None, typer.Option("--account", help="Only this account; repeat. Default: every one.")
]
TERMS = {
    "title": option(str | None, "What people read; default the short name.", "--title"),
    "trigger": option(list[str] | None, "sign_up, first_call, code, link or list; repeat.", "--trigger"),
    "amount": option(str | None, 'USD of each grant, such as "5.00".', "--amount"),
    "budget": option(str | None, "USD of the whole campaign.", "--budget"),
    "timezone": option(str | None, "IANA name; times without an offset are of this zone.", "--timezone"),
    "starts_at": option(str | None, "When it begins; default when it is published.", "--starts-at"),
    "ends_at": option(str | None, "When it ends; a plain date includes that day.", "--ends-at"),
    "new_within_days": option(int | None, "Only accounts at most so old.", "--new-within-days"),
    "email_domain": option(list[str] | None, "Only owners with an address there; repeat.", "--email-domain"),
    "invited": option(list[str] | None, "Only these: short name, id or e-mail address; repeat.", "--invited"),
    "first": option(int | None, "Only so many accounts, the first to claim.", "--first"),
    "not_after": option(list[str] | None, "A campaign that rules this one out; * is any; repeat.", "--not-after"),
    "min_paid": option(str | None, "Only accounts that hold so much paid money, in USD.", "--min-paid"),
    "grant_days": option(int | None, "A grant ends so many days after it was given.", "--grant-days"),
    "grant_until": option(str | None, "A grant ends then at the latest.", "--grant-until"),
    "model": option(
        list[str] | None, "A model or pattern that grants pay for; repeat. Default: every model.", "--model"
    ),
    "per_account": option(int | None, "Grants an account can get.", "--per-account"),
    "max_grants": option(int | None, "Grants in all.", "--max-grants"),
    "priority": option(int | None, "Lower is spent first; wallets have 100.", "--priority"),
    "claw_back": option(str | None, "never, operator or withdrawal.", "--claw-back"),
}
_RENAMED = {
    "title": "name",
    "trigger": "triggers",
    "email_domain": "email_domains",
    "model": "models",
}


def _terms(options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None and value != []}
    return {
        _RENAMED.get(name, name): list(value) if isinstance(value, (list, tuple)) else value
        for name, value in given.items()
    }


def _path(name: str, more: str = "") -> str:
    return f"/admin/campaigns/{quote(name, safe='')}{more}"


def _say_state(found: Mapping[str, Any], *, json_output: bool) -> None:
    if json_output:
        say_json(found)
        return
    name = found["slug"]
    if found["rules_version"] is None:
        say(f"{name} is a draft: try it with `smartoken campaign dry-run {name}`, "
            f"put it into force with `smartoken campaign publish {name}`.")  # fmt: skip
        return
    say(f"{name} is {found['state']}; rules {found['rules_version']}.")
    if found["draft"] is not None:
        say(f"Its draft differs from what is in force; `smartoken campaign publish {name}` puts it into force.")


@app.command("list")
def list_campaigns(context: typer.Context, *, json_output: Json = False) -> None:
    """List campaigns with what they gave."""
    with connected(invocation(context).settings()) as api:
        found = list(api.rows("/admin/campaigns"))
    if json_output:
        say_json({"data": found})
        return
    headers = ("name", "state", "triggers", "amount", "grants", "granted", "left")
    rows = [
        (
            each["slug"],
            each["state"],
            ",".join(each["terms"]["triggers"]),
            each["terms"]["amount"],
            each["grants"],
            each["granted"],
            each["left"],
        )
        for each in found
    ]
    say(table(headers, rows) if rows else "No campaigns.")


@app.command("show")
def show_campaign(context: typer.Context, name: Name, *, json_output: Json = False) -> None:
    """Show a campaign's state and its rules as text."""
    found = ask(context, "GET", _path(name))
    if json_output:
        say_json(found)
        return
    _say_state(found, json_output=False)
    say()
    say(found["versions"][-1]["text"] if found["draft"] is None and found["versions"] else found["draft_rules"])


@app.command("create")
@with_options(TERMS)
def create_campaign(context: typer.Context, name: Name, *, json_output: Json = False, **options: Any) -> None:
    """Make a campaign as a draft; nothing is given before it is published."""
    _say_state(ask(context, "POST", "/admin/campaigns", {"slug": name, **_terms(options)}), json_output=json_output)


@app.command("change")
@with_options(TERMS)
def change_campaign(context: typer.Context, name: Name, *, json_output: Json = False, **options: Any) -> None:
    """Change a campaign's draft; lists replace what was there."""
    _say_state(ask(context, "PATCH", _path(name), _terms(options)), json_output=json_output)


@app.command("publish")
def publish_campaign(context: typer.Context, name: Name, *, json_output: Json = False) -> None:
    """Put the draft into force as a version of its own."""
    _say_state(ask(context, "POST", _path(name, "/publish")), json_output=json_output)


@app.command("pause")
def pause_campaign(context: typer.Context, name: Name, *, json_output: Json = False) -> None:
    """Stop a campaign from giving until it is resumed."""
    _say_state(ask(context, "POST", _path(name, "/pause")), json_output=json_output)


@app.command("resume")
def resume_campaign(context: typer.Context, name: Name, *, json_output: Json = False) -> None:
    """Let a paused campaign go on."""
    _say_state(ask(context, "POST", _path(name, "/resume")), json_output=json_output)


@app.command("end")
def end_campaign(context: typer.Context, name: Name, *, json_output: Json = False) -> None:
    """End a campaign for good; what it gave stays."""
    _say_state(ask(context, "POST", _path(name, "/end")), json_output=json_output)


def _outcomes(rows: Sequence[Mapping[str, Any]], label: str) -> str:
    cells = [
        (each[label], each["amount"] if each["granted"] else "-", " ".join(one["message"] for one in each["reasons"]))
        for each in rows
    ]
    return table(("account", "gets", "why not"), cells)


@app.command("dry-run")
def try_campaign(
    context: typer.Context,
    name: Name,
    at: Annotated[str | None, typer.Option(help="As of then; default now, or the start.")] = None,
    trigger: Annotated[str | None, typer.Option(help="Asked by this trigger; default whatever it is.")] = None,
    account: OnlyAccount = None,
    *,
    json_output: Json = False,
) -> None:
    """Say who would get what by the draft, and why not; no effect."""
    body = {"at": at, "trigger": trigger, "accounts": account or None}
    found = ask(context, "POST", _path(name, "/dry-run"), body)
    if json_output:
        say_json(found)
        return
    say(_outcomes(found["data"], "account") if found["data"] else "No accounts.")
    say(f"{found['would_grant']} would get ${found['amount']} in all, {found['would_refuse']} nothing.")


@app.command("give")
def give_grants(context: typer.Context, name: Name, account: Account, *, json_output: Json = False) -> None:
    """Give grants to the accounts named, each by the rules; the campaign needs the trigger `list`."""
    found = ask(context, "POST", _path(name, "/grants"), {"accounts": list(account)})
    if json_output:
        say_json(found)
    else:
        say(_outcomes(found["data"], "account_id"))


@app.command("link")
def make_link(
    context: typer.Context,
    name: Name,
    expires_at: Annotated[str | None, typer.Option(help="From when it gives nothing; default never.")] = None,
    void: Annotated[bool, typer.Option("--void", help="Void every link made so far instead.")] = False,
    *,
    json_output: Json = False,
) -> None:
    """Print a signed link's text, with which accounts claim; or void those made so far."""
    if void:
        if expires_at is not None:
            raise RefusedError("--void makes no link, so --expires-at has no meaning.", USAGE)
        ask(context, "DELETE", _path(name, "/links"))
        say_json({"void": True}) if json_output else say("Every link made so far is void.")
        return
    found = ask(context, "POST", _path(name, "/links"), {"expires_at": expires_at})
    say_json(found) if json_output else say(found["link"])


@app.command("claw-back")
def claw_back(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; it stands in the history.")],
    account: OnlyAccount = None,
    *,
    json_output: Json = False,
) -> None:
    """Take back what is unspent of a campaign's grants; what calls hold is owed until they end."""
    body = {"reason": reason, "accounts": account or None}
    found = ask(context, "POST", _path(name, "/claw-backs"), body)
    if json_output:
        say_json(found)
        return
    say(f"Took ${found['taken']} of {found['grants']} grants; ${found['owed']} is owed as calls end.")
    if found["spared"]:
        say(f"{found['spared']} grants were spared: their rules do not allow it.")


@app.command("report")
def report_campaign(context: typer.Context, name: Name, *, json_output: Json = False) -> None:
    """Tell what a campaign gave and what came of it."""
    found = ask(context, "GET", _path(name, "/report"))
    if json_output:
        say_json(found)
    else:
        say(table(("figure", "value"), [(each.replace("_", " "), value) for each, value in found.items()]))
