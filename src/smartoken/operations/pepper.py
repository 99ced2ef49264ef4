"""The pepper of API keys: random, made once, kept wrapped by the secret key and never rotated.

A node whose secret key does not open it must not start: it could neither recognise keys nor make any that others do.
"""

import sqlalchemy as sa

from smartoken.store.schema import facts
from smartoken.store.vault import Place, Vault

_PLACE = Place("facts", "pepper", "value")


def open_pepper(conn: sa.Connection, vault: Vault, fresh: bytes) -> bytes:
    """Return the installation's pepper, storing ``fresh`` as it on the first start.

    Raises:
        VaultError: the database was made under another secret key.

    """
    stored = conn.execute(sa.select(facts.c.value).where(facts.c.name == "pepper")).scalar()
    if stored is None:
        conn.execute(facts.insert().values(name="pepper", value=vault.wrap(fresh, _PLACE)))
        return fresh
    return vault.unwrap(stored, _PLACE)
