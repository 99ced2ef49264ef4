"""The command line: settings in, one command out. What each command does stands in ``commands``."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from smartoken import __version__
from smartoken.commands import (
    account,
    campaign,
    code,
    demo,
    drill,
    fallback_drill,
    key,
    prices,
    reconcile,
    records,
    route,
    token,
    wallet,
)
from smartoken.commands.api import ApiError
from smartoken.commands.compare import compare
from smartoken.commands.doctor import doctor
from smartoken.commands.probe import probe
from smartoken.commands.serve import serve
from smartoken.commands.setup import apply, export
from smartoken.commands.store import backup, migrate, restore
from smartoken.commands.terminal import FAILED, USAGE, Invocation, RefusedError, complain, in_flags, say
from smartoken.operations.environment import RegionError
from smartoken.providers.proxy import ProxyError
from smartoken.settings import SettingError
from smartoken.store.backup import BackupError
from smartoken.store.database import StoreBusyError
from smartoken.store.engines import StoreError
from smartoken.store.keyfile import SecretKeyError
from smartoken.store.migrate import SchemaError
from smartoken.store.vault import VaultError

_FAULTS = (StoreBusyError, StoreError, SchemaError, SecretKeyError, VaultError, BackupError)


def _version(wanted: bool) -> None:
    if wanted:
        say(__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
]


def command_line() -> typer.Typer:
    """Return every command."""
    app = typer.Typer(
        name="smartoken",
        help="One gateway for Chinese model access, route control and usage governance.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def smartoken(*, version: Version = False) -> None:
        """Hold the option of the program itself."""

    for command in (serve, migrate, apply, export, doctor, backup, restore, compare, probe):
        app.command(command.__name__)(command)
    app.add_typer(key.app, name="key")
    app.add_typer(campaign.app, name="campaign")
    app.add_typer(code.app, name="code")
    app.add_typer(demo.app, name="demo")
    app.add_typer(account.app, name="account")
    app.add_typer(token.app, name="token")
    app.add_typer(wallet.app, name="wallet")
    drill.app.command("run")(fallback_drill.run)
    drill.app.command("live")(fallback_drill.live)
    drill.app.command("list")(fallback_drill.list_drills)
    drill.app.command("stop")(fallback_drill.stop)
    drill.app.command("show")(fallback_drill.show)
    app.add_typer(drill.app, name="drill")
    app.add_typer(prices.app, name="prices")
    app.add_typer(reconcile.app, name="reconcile")
    app.command("usage")(records.usage)
    for group, name in ((records.calls, "call"), (records.events, "event"), (records.audit, "audit")):
        app.add_typer(group, name=name)
    app.add_typer(route.app, name="route")
    return app


COMMANDS = command_line()


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command and return its exit code; faults that have a remedy are said on stderr, without a trace."""
    command = typer.main.get_command(COMMANDS)
    asked = Invocation(environment)
    try:
        command.main(list(arguments), prog_name="smartoken", obj=asked)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except RefusedError as refused:
        complain(in_flags(str(refused), asked.flags) if isinstance(refused, ApiError) else str(refused))
        return refused.code
    except (SettingError, RegionError, ProxyError) as problem:
        complain(str(problem))
        return USAGE
    except _FAULTS as problem:
        complain(str(problem))
        return FAILED
    return 0


def main() -> None:
    """Run the command that the shell asked for."""
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
