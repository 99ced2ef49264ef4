"""The demo account: play money, sandbox models, loopback only; what `make run` prints a ready cURL for.

The key's text is kept in ``demo-key`` in the data dir (0600), because it is printed at every start and can do nothing
but call the sandbox from this machine. ``off`` removes it for good.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from smartoken.billing.ledger import Stamp
from smartoken.identity import accounts, queries
from smartoken.identity.keys import mint, well_formed
from smartoken.ids import new_id
from smartoken.operations.opening import give_play_money, open_money

ACCOUNT = "demo"
KEY_FILE = "demo-key"
OFF_FILE = "demo-off"
PLAY_MONEY_NANO = 5_000_000_000
LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Making:
    """What is needed to make rows: time, entropy, and the pepper of keys."""

    now_ns: int
    entropy: Callable[[int], bytes]
    pepper: bytes

    @property
    def now_ms(self) -> int:
        """The time in milliseconds."""
        return self.now_ns // 1_000_000

    def id(self, prefix: str) -> str:
        """Return a new identifier."""
        return new_id(prefix, self.now_ns, self.entropy(10))


def account_row(making: Making, slug: str, name: str) -> dict[str, object]:
    """Return a new account's row with nothing special about it."""
    return {
        "id": making.id("acct"),
        "slug": slug,
        "name": name,
        "owner_email": None,
        "timezone": "UTC",
        "billing": "prepaid",
        "credit_limit_nano": 0,
        "policy": {},
        "status": "active",
        "opening_balance_nano": 0,
        "price_list": None,
        "created_ms": making.now_ms,
    }


def key_row(making: Making, account_id: str, name: str) -> dict[str, object]:
    """Return a new key's row with nothing special about it."""
    return accounts.plain_key(making.id("key"), account_id, name, making.now_ms)


def _keep(path: Path, key: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(key + "\n")


def kept_key(data_dir: Path) -> str | None:
    """Return the demo key of this data dir, if it is on."""
    path = data_dir / KEY_FILE
    if (data_dir / OFF_FILE).exists() or not path.exists():
        return None
    key = path.read_text().strip()
    return key if well_formed(key) else None


def ensure(conn: sa.Connection, data_dir: Path, making: Making) -> str | None:
    """Return the demo key, making account and key on the first start; ``None`` after ``off``."""
    if (data_dir / OFF_FILE).exists():
        return None
    row = queries.account_by_slug(conn, ACCOUNT)
    if row is None:
        fresh = account_row(making, ACCOUNT, "Demo (play money)")
        queries.insert_account(conn, fresh)
        account_id, grant_id = str(fresh["id"]), making.id("grant")
        open_money(conn, account_id, 0, 0, Stamp(f"open:{account_id}", making.now_ms))
        stamp = Stamp(f"grant:{grant_id}", making.now_ms, reason="play money for the sandbox")
        give_play_money(conn, account_id, grant_id, PLAY_MONEY_NANO, stamp)
        row = fresh
    kept = kept_key(data_dir)
    key = queries.key_by_name(conn, str(row["id"]), "demo")
    if key is not None and kept is not None:
        return kept
    secret = mint(making.entropy(32))
    if key is None:
        fresh = {
            **key_row(making, str(row["id"]), "demo"),
            "models": ["sandbox/*"],
            "allowed_ips": list(LOOPBACK),
            "environment": "demo",
        }
        accounts.add_key(conn, fresh, secret, making.pepper)
    else:
        accounts.rotate(conn, key["id"], secret, making.pepper, (making.now_ms, 0))
    _keep(data_dir / KEY_FILE, secret)
    return secret


def off(conn: sa.Connection, data_dir: Path, now_ms: int) -> None:
    """Revoke the demo key and never make it again."""
    row = queries.account_by_slug(conn, ACCOUNT)
    key = queries.key_by_name(conn, row["id"], "demo") if row is not None else None
    if key is not None:
        accounts.change_key(conn, key["id"], {"status": "revoked", "revoked_ms": now_ms})
    (data_dir / OFF_FILE).touch()
    (data_dir / KEY_FILE).unlink(missing_ok=True)
