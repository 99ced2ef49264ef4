"""Every wrapped secret of the store under the newest secret key, so that an old one can be retired.

Put the new key first (``SMARTOKEN_SECRET_KEY=new,old``) on every node, rewrap, then drop the old one. While this runs,
nodes with both keys open everything; a secret that changes meanwhile is left to its own writer.
"""

import sqlalchemy as sa

from smartoken.store.schema import facts, provider_keys
from smartoken.store.vault import Place, Vault

_PEPPER = "pepper"


def rewrap_all(conn: sa.Connection, vault: Vault) -> int:
    """Wrap provider keys and the pepper under the newest secret key; returns how many were under an older one.

    Raises:
        VaultError: one of them opens under none of the keys; nothing is changed then.

    """
    changed = 0
    for row_id, blob in conn.execute(sa.select(provider_keys.c.id, provider_keys.c.wrapped_secret)).all():
        fresh = vault.rewrap(blob, Place("provider_keys", row_id, "wrapped_secret"))
        if fresh != blob:
            same = (provider_keys.c.id == row_id) & (provider_keys.c.wrapped_secret == blob)
            changed += conn.execute(provider_keys.update().where(same).values(wrapped_secret=fresh)).rowcount
    pepper = conn.execute(sa.select(facts.c.value).where(facts.c.name == _PEPPER)).scalar()
    if pepper is not None:
        fresh = vault.rewrap(pepper, Place("facts", _PEPPER, "value"))
        if fresh != pepper:
            same = (facts.c.name == _PEPPER) & (facts.c.value == pepper)
            changed += conn.execute(facts.update().where(same).values(value=fresh)).rowcount
    return changed
