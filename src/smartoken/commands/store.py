"""``smartoken migrate``, ``backup`` and ``restore``: the database as a whole, looked after from outside."""

from pathlib import Path
from typing import Annotated

import typer

from smartoken.app import make_data_dir
from smartoken.commands.terminal import Json, invocation, say, say_json
from smartoken.store import backup as copies
from smartoken.store.database import Database
from smartoken.store.migrate import head, upgrade

File = Annotated[Path, typer.Argument(help="The backup file.", metavar="FILE")]


def migrate(context: typer.Context, *, json_output: Json = False) -> None:
    """Bring the database to this release's schema; `serve` does the same at its start."""
    settings = invocation(context).settings()
    make_data_dir(settings)
    database = Database.open(settings.database_url)
    try:
        before = upgrade(settings.database_url)
    finally:
        database.close_sync()
    if json_output:
        say_json({"before": before, "after": head()})
    elif before == head():
        say(f"The schema is {head()} already.")
    else:
        say(f"The schema went from {before or 'nothing'} to {head()}.")


def _say_outcome(outcome: copies.Outcome, *, json_output: bool) -> None:
    if json_output:
        moved = str(outcome.moved) if outcome.moved is not None else None
        say_json({"done": outcome.done, "text": outcome.text, "command": outcome.command, "moved": moved})
        return
    if outcome.command is not None:
        say(outcome.command)
    say(outcome.text)


def backup(context: typer.Context, file: File, *, json_output: Json = False) -> None:
    """Copy the database into FILE, also while it is served; with PostgreSQL print the command that does."""
    settings = invocation(context).settings()
    _say_outcome(copies.backup(settings.database_url, file), json_output=json_output)


def restore(context: typer.Context, file: File, *, json_output: Json = False) -> None:
    """Put FILE in the database's place and migrate it; what was there is moved aside. Stop the server first."""
    settings = invocation(context).settings()
    make_data_dir(settings)
    outcome = copies.restore(settings.database_url, file)
    if outcome.done:
        upgrade(settings.database_url)
    _say_outcome(outcome, json_output=json_output)
