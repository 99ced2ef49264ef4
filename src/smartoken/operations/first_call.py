"""The first real call: a key with a budget of one dollar, for whoever has just set a provider's key.

Made once, on the account ``open``, kept in ``first-real-call`` in the data dir (0600) so that every start can print the
same command. It calls every model, from this machine only, and its budget binds it like any other key.
"""

import os
from pathlib import Path

import sqlalchemy as sa

from smartoken.billing.ledger import Stamp
from smartoken.billing.wallet import MONEY
from smartoken.identity import accounts, queries
from smartoken.identity.keys import mint, well_formed
from smartoken.operations.demo import LOOPBACK, Making, account_row, key_row
from smartoken.operations.directory import Directory, ServedModel
from smartoken.operations.opening import open_money
from smartoken.store import revisions

ACCOUNT = "open"
KEY = "first-real-call"
BUDGET_NANO = 1_000_000_000
CREDIT_NANO = 100_000_000_000


def cheapest(directory: Directory) -> ServedModel | None:
    """Return the cheapest current model, by its answer's first rate, of the providers that the environment set up."""
    rates = {
        (each.price.bands[0].output, each.model.id): each
        for each in directory.models.values()
        if each.ready
        and each.model.status == "current"
        and each.price is not None
        and each.price.bands[0].output > 0
        and any(offer.provider.origin == "environment" for offer in each.offers)
    }
    return rates[min(rates)] if rates else None


def ensure(conn: sa.Connection, data_dir: Path, making: Making) -> str:
    """Return the key's text, making account, budget and key where they are missing."""
    path = data_dir / KEY
    row = queries.account_by_slug(conn, ACCOUNT)
    if row is None:
        row = {**account_row(making, ACCOUNT, "Open (pays later)"), "billing": "open", "credit_limit_nano": CREDIT_NANO}
        queries.insert_account(conn, row)
        stamp = Stamp(f"open:{row['id']}", making.now_ms)
        open_money(conn, str(row["id"]), 0, CREDIT_NANO, stamp)
    key = queries.key_by_name(conn, str(row["id"]), KEY)
    kept = path.read_text().strip() if path.exists() else ""
    if key is not None and well_formed(kept):
        return kept
    secret = mint(making.entropy(32))
    if key is None:
        fresh = {**key_row(making, str(row["id"]), KEY), "allowed_ips": list(LOOPBACK)}
        accounts.add_key(conn, fresh, secret, making.pepper)
        budget = {"id": making.id("budget"), "scope": "key", "scope_id": fresh["id"], "period": "total"}
        queries.insert_budget(conn, {**budget, "limit_nano": BUDGET_NANO, "created_ms": making.now_ms})
        revisions.bump(conn, MONEY)
    else:
        accounts.rotate(conn, key["id"], secret, making.pepper, (making.now_ms, 0))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(secret + "\n")
    return secret
