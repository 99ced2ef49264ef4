"""The pepper of API keys: random, made once, kept wrapped by the secret key and never rotated.

A node whose secret key does not open it must not start: it could neither recognise keys nor make any that others do.
"""

from sqlalchemy import Connection

from smartoken.operations import queries
from smartoken.store.vault import Place, Vault

_PLACE = Place("facts", "pepper", "value")


def open_pepper(conn: Connection, vault: Vault, fresh: bytes) -> bytes:
    """Return the installation's pepper, storing ``fresh`` as it on the first start.

    Raises:
        VaultError: the database was made under another secret key.

    """
    stored = queries.fact(conn, "pepper")
    if stored is None:
        queries.put_fact(conn, "pepper", vault.wrap(fresh, _PLACE))
        return fresh
    return vault.unwrap(stored, _PLACE)
