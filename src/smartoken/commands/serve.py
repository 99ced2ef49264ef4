"""``smartoken serve``."""

from dataclasses import replace
from typing import Annotated

import typer

from smartoken.commands.terminal import USAGE, RefusedError, invocation, say
from smartoken.serving import serve as run_server
from smartoken.settings import PORTS


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default SMARTOKEN_HOST or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; default SMARTOKEN_PORT, or the first free from 8000.")] = None,
    workers: Annotated[int, typer.Option(help="Processes; more than one needs PostgreSQL.")] = 1,
) -> None:
    """Migrate and serve until SIGTERM or Ctrl-C; drains for at most 30 s."""
    settings = invocation(context).settings()
    if host is not None:
        settings = replace(settings, host=host)
    if port is not None:
        if not 0 <= port < PORTS:
            raise RefusedError("--port must be from 0 to 65535.", USAGE)
        settings = replace(settings, port=port, port_given=True)
    if workers < 1:
        raise RefusedError("--workers must be at least 1.", USAGE)
    code = run_server(replace(settings, workers=workers), say)
    raise typer.Exit(code)
