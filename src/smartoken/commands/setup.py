"""``smartoken apply`` and ``smartoken export``: the set-up as a file."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from smartoken.catalog.strict import CatalogError
from smartoken.commands.api import ask, connected
from smartoken.commands.terminal import USAGE, Json, RefusedError, complain, invocation, say, say_json
from smartoken.operations.setup_file import read_setup
from smartoken.operations.setup_items import SIGNS, Verb

_SHOWN = 160


def read_file(path: Path) -> str:
    """Return a file's text.

    Raises:
        RefusedError: it cannot be read, or is not UTF-8.

    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise RefusedError(f"{path}:1: cannot be read: {problem.strerror or problem}", USAGE) from problem
    try:
        return raw.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise RefusedError(f"{path}:{line}: not UTF-8 text: save the file as UTF-8", USAGE) from problem


def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The set-up file.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the diff and change nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete what the file no longer has.")] = False,
    json_output: Json = False,
) -> None:
    """Bring the gateway to what FILE says; the same file twice changes nothing."""
    run = invocation(context)
    text = read_file(file)
    try:
        wanted = read_setup(text, str(file), run.environment)
    except CatalogError as problem:
        raise RefusedError(str(problem), USAGE) from None
    secrets = {name: run.environment[name].strip() for name in wanted.variables if run.environment.get(name)}
    body = {"text": text, "path": str(file), "secrets": secrets, "dry_run": dry_run, "prune": prune}
    with connected(run.settings()) as api:
        answer = api.call("POST", "/admin/apply", body)
    if json_output:
        say_json(answer)
        return
    for each in answer["changes"]:
        for line in change_lines(each):
            say(line)
    for each in answer["minted"]:
        say(f"key {each['key']}: {each['secret']}   (shown once; keep it now)")
    for each in answer["notes"]:
        complain(f"note: {each}")
    count = len(answer["changes"])
    what = "change" if count == 1 else "changes"
    if not count:
        say("Nothing to change.")
    else:
        say(f"{count} {what}, none applied (dry run)." if dry_run else f"{count} {what} applied.")


def change_lines(change: dict[str, Any]) -> list[str]:
    """Return one change as lines of a diff: the item, and what differs below it."""
    verb = Verb(change["verb"])
    head = f"{SIGNS[verb]} {verb.value} {change['kind']} {change['name']}".rstrip()
    return [
        head,
        *(f"    {each['name']}: {_text(each['before'])} -> {_text(each['after'])}" for each in change["fields"]),
    ]


def _text(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def export(context: typer.Context, *, json_output: Json = False) -> None:
    """Print the set-up as a file that `apply` takes; secrets are replaced by env:NAME."""
    answer = ask(context, "GET", "/admin/export")
    if json_output:
        say_json(answer)
    else:
        say(answer["text"].rstrip("\n"))
