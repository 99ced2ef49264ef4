"""``smartoken demo off``: the end of the demo."""

import typer

from smartoken.commands.api import ask
from smartoken.commands.terminal import Json, say, say_json

app = typer.Typer(help="The demo account and its key.", no_args_is_help=True)


@app.callback()
def demo() -> None:
    """Keep `off` a command of its own, although it is the only one."""


@app.command("off")
def off(context: typer.Context, *, json_output: Json = False) -> None:
    """Revoke the demo key, remove data/demo-key and never make either again."""
    ask(context, "DELETE", "/admin/demo")
    if json_output:
        say_json({"demo": "off"})
    else:
        say("The demo key is revoked.")
