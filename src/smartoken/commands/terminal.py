"""What commands share: settings, lines and tables on stdout, refusals on stderr with an exit code."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from smartoken.settings import Settings

FAILED, USAGE = 1, 2
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The most to list.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


class RefusedError(Exception):
    """The command cannot go on; the message says why and what to do, ``code`` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Invocation:
    """One run of the command line: the environment that it was started in, and what its command takes."""

    environment: Mapping[str, str]
    flags: dict[str, str] = field(default_factory=dict)  # an option's or argument's name -> how it is written

    def settings(self) -> Settings:
        """Return the settings; raises ``SettingError``."""
        return Settings.from_env(self.environment)


def invocation(context: typer.Context) -> Invocation:
    """Return the run that a command belongs to."""
    found: Invocation = context.find_root().obj
    found.flags = {
        str(each.name): max(each.opts, key=len) if each.param_type_name == "option" else str(each.metavar or each.name)
        for each in context.command.params
    }
    for written in [each for each in found.flags.values() if each.startswith("--")]:
        found.flags.setdefault(written.removeprefix("--").replace("-", "_"), written)  # `from` is no name in Python
    found.flags.setdefault("slug", found.flags.get("name", "slug"))
    return found


def in_flags(text: str, flags: Mapping[str, str]) -> str:
    """Return a message of the control API with the fields that the command has options for as they are written here."""

    def flag(match: re.Match[str]) -> str:
        name = re.sub(r"\.[0-9]+$", "", match[1]).rpartition(".")[2]
        found = flags.get(name) or flags.get(name.removesuffix("s"))
        return f"`{found}`" if found is not None else match[0]

    return re.sub(r"`([a-z_]+(?:\.[a-z0-9_]+)*)`", flag, text)


def say(text: str = "") -> None:
    """Print a line on stdout."""
    typer.echo(text)


def complain(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(text, err=True)


def say_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def object_in(file: Path, holds: str) -> dict[str, Any]:
    """Return the object that a JSON or TOML file holds; ``holds`` names its members for whoever wrote something else.

    Raises:
        RefusedError: it cannot be read, or is something else.

    """
    try:
        raw = file.read_bytes()
        found = tomllib.loads(raw.decode()) if file.suffix.lower() == ".toml" else orjson.loads(raw)
    except OSError as problem:
        raise RefusedError(f"{file} cannot be read: {problem.strerror}", USAGE) from problem
    except ValueError as problem:
        raise RefusedError(f"{file} is no JSON or TOML: {problem}", USAGE) from problem
    if not isinstance(found, dict):
        raise RefusedError(f"{file} holds no object with {holds}.", USAGE)
    return found


def plain(value: Any) -> Any:
    """Return what a field of an answer holds as words: lists with semicolons, objects as ``name value``."""
    if isinstance(value, list):
        return "; ".join(str(plain(each)) for each in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(each)}" for name, each in value.items() if each is not None)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as aligned text; figures to the right."""
    cells = [[("" if each is None else str(each)) for each in row] for row in rows]
    widths = [max(len(header), *(len(row[place]) for row in cells), 0) for place, header in enumerate(headers)]
    right = [all(not row[place] or row[place][0].isdigit() for row in cells) for place in range(len(headers))]
    lines = [list(headers), *cells]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def say_rest(count: int, limit: int) -> None:
    """Print how many of a list a limit left out, if any."""
    if count > limit:
        say(f"{count - limit} more: `--limit {count}` lists them all.")
