"""Ending the demo as an operator's act: right, transaction, audit. What the demo is stands in ``demo``."""

from pathlib import Path

from sqlalchemy import Connection

from smartoken.operations import audit, demo
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand


def end(conn: Connection, work: Work, data_dir: Path) -> None:
    """Revoke the demo key and never make it again.

    Raises:
        PermissionDeniedError: the actor may not change the set-up.

    """
    demand(work.actor, Permission.SETUP_WRITE)
    demo.off(conn, data_dir, work.now_ms)
    audit.append(conn, work, audit.Entry("demo.off", f"account:{demo.ACCOUNT}"))
