"""``export``: the set-up of the store as a file that ``apply`` takes, with every secret replaced by ``env:NAME``.

What is left out: the demo account, what the environment enables (nothing of it is stored), revoked keys, and what
``apply`` has disabled, since the file that it was disabled by does not have it either.
"""

import re
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from smartoken.money import amount_text
from smartoken.operations.office import Work
from smartoken.operations.rights import Permission, demand
from smartoken.operations.setup_items import Item, Kind
from smartoken.operations.setup_stored import DISABLED, stored_setup
from smartoken.operations.setup_text import document

_OTHER = re.compile(r"[^A-Z0-9]+")


def export(conn: Connection, work: Work) -> str:
    """Return the set-up file.

    Raises:
        PermissionDeniedError: the actor may not read the set-up.

    """
    demand(work.actor, Permission.SETUP_READ)
    stored = stored_setup(conn)
    kept = [
        each
        for label, each in stored.items.items()
        if not each.gone and (each.enabled or stored.managed.get(label) != DISABLED)
    ]
    balances = {
        each.item.name: amount_text(each.item.once["balance"])
        for each in kept
        if each.item.kind is Kind.ACCOUNT and each.item.once["balance"]
    }
    items = sorted((each.item for each in kept), key=lambda each: each.name)
    return document(items, variable_names(items, stored.variables), balances)


def variable_names(items: Iterable[Item], remembered: Mapping[str, str]) -> dict[str, str]:
    """Return a variable for each item with a secret: the one it came from, else one made from its name."""
    found: dict[str, str] = {}
    taken = set(remembered.values())
    for item in items:
        if item.kind not in (Kind.PROVIDER_KEY, Kind.KEY):
            continue
        name = remembered.get(item.label)
        if name is None:
            stem = f"{_OTHER.sub('_', item.name.upper()).strip('_') or 'UNNAMED'}_KEY"
            stem = f"K_{stem}" if stem[0].isdigit() else stem
            name, count = stem, 2
            while name in taken:
                name, count = f"{stem}_{count}", count + 1
        taken.add(name)
        found[item.label] = name
    return found
