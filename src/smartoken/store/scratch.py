"""A PostgreSQL database for a drill: made beside the one that a URL names, dropped when the drill is over."""

import contextlib
import os
from collections.abc import Iterator

import sqlalchemy as sa

from smartoken.store.engines import StoreError, is_sqlite, postgres_engine


@contextlib.contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """Yield the URL of an empty database on the same server.

    Raises:
        StoreError: the URL is not one of PostgreSQL, the server does not answer, or its user may not make databases.

    """
    if is_sqlite(url):
        raise StoreError("A drill over several processes needs PostgreSQL: give a postgresql:// URL.")
    engine = postgres_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    name = f"smartoken_drill_{os.urandom(6).hex()}"
    try:
        try:
            with engine.connect() as conn:
                conn.exec_driver_sql(f"CREATE DATABASE {name}")
        except sa.exc.DBAPIError as error:
            reason = str(error.orig).splitlines()[0]
            raise StoreError(f"The drill could not make a database of its own on the server: {reason}") from error
        try:
            yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            with engine.connect() as conn:
                conn.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        engine.dispose()
