"""Where operations run: the open store, what opens its secrets, and time and entropy to make rows with.

An operation is ``fn(conn, work, ...)``: it checks the actor's right, does everything in the one transaction that it
was given, and writes the audit entry. Planes run it through ``Office.read`` and ``Office.write``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from smartoken.catalog.files import Catalog
from smartoken.clock import Clock
from smartoken.identity.keys import ENTROPY_BYTES as KEY_ENTROPY_BYTES
from smartoken.identity.keys import mint, mint_token
from smartoken.ids import ENTROPY_BYTES, new_id
from smartoken.operations.rights import Actor
from smartoken.store.database import Database
from smartoken.store.vault import Vault

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Work:
    """One operation under way: who asks, from where, when, and what is needed to make rows."""

    actor: Actor
    now_ns: int
    entropy: Callable[[int], bytes]
    pepper: bytes
    vault: Vault
    ip: str | None = None

    @property
    def now_ms(self) -> int:
        """The time in milliseconds."""
        return self.now_ns // 1_000_000

    def id(self, prefix: str) -> str:
        """Return a new identifier."""
        return new_id(prefix, self.now_ns, self.entropy(ENTROPY_BYTES))

    def mint(self) -> str:
        """Return a new API key's text."""
        return mint(self.entropy(KEY_ENTROPY_BYTES))

    def mint_token(self) -> str:
        """Return a new text of a token of the staff."""
        return mint_token(self.entropy(KEY_ENTROPY_BYTES))


Operation = Callable[Concatenate[Connection, Work, P], T]


@dataclass(frozen=True, slots=True)
class Office:
    """What operations are run with; made once by ``app``."""

    db: Database
    vault: Vault
    pepper: bytes
    catalog: Catalog = field(repr=False)
    clock: Clock
    entropy: Callable[[int], bytes]

    def work(self, actor: Actor, ip: str | None = None) -> Work:
        """Return the frame of one operation that begins now."""
        return Work(actor, self.clock.now_ns(), self.entropy, self.pepper, self.vault, ip)

    async def read(self, operation: Operation[P, T], work: Work, *args: P.args, **_: P.kwargs) -> T:
        """Run an operation that only reads, on one consistent snapshot."""
        return await self.db.read(operation, work, *args)

    async def write(self, operation: Operation[P, T], work: Work, *args: P.args, **_: P.kwargs) -> T:
        """Run an operation in a transaction; returns after its commit."""
        return await self.db.write(operation, work, *args)
