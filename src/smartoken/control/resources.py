"""What the control plane is given by ``app``: opened once, passed in, never global."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from smartoken.identity.places import is_everywhere
from smartoken.operations.directory import Directory
from smartoken.operations.office import Office
from smartoken.operations.rights import Actor, ActorKind
from smartoken.providers.address import in_url
from smartoken.routing.breakers import Row
from smartoken.routing.routes import View

Identify = Callable[[str], Actor | None]
Changed = Callable[[], Awaitable[object]]
Finish = Callable[[dict[str, Any]], Awaitable[object]]
Release = Callable[[str], Awaitable[object]]


class DirectoryView(Protocol):
    """The current directory of this worker."""

    @property
    def current(self) -> Directory:
        """The newest directory that was loaded."""

    async def refresh(self) -> Directory:
        """Load anew if something changed since, and return the current one."""


class Desk(Protocol):
    """What a running worker knows of its upstreams and can try; a store opened by a command has none."""

    def view(self, directory: Directory) -> View:
        """Return how the offers fare right now."""

    def breakers(self) -> list[Row]:
        """Return what rests."""

    async def test_key(self, directory: Directory, provider: str, name: str) -> dict[str, Any]:
        """Make one real call with a provider's key."""

    def check_drill(self, terms: Mapping[str, Any]) -> tuple[str, str, float]:
        """Return the model of a drill, the offer that it would break, and the most seconds that it lasts."""

    def start_drill(self, name: str, terms: Mapping[str, Any], finish: Finish) -> None:
        """Let a drill with calls of its own run; ``finish`` is told what came of it."""


@dataclass(frozen=True, slots=True)
class Control:
    """The control plane's resources. ``hosts`` are the names it answers to (without port); None: to any."""

    office: Office
    directory: DirectoryView
    identify: Identify  # the actor of a bearer token
    data_dir: Path
    hosts: frozenset[str] | None = None
    docs_url: str = "/help/errors"
    changed: Changed | None = None  # lets this worker see a change before its answer leaves
    desk: Desk | None = None
    release: Release | None = None  # lets this worker give back what it leased of an account and no call holds

    async def recall(self, account: str) -> None:
        """Ask this worker for the money of an account, by id or short name, that it has leased and does not use."""
        if self.release is None:
            return
        for each in self.directory.current.accounts.values():
            if account in (each.id, each.slug):
                await self.release(each.id)


def admin_tokens(tokens: Mapping[str, str | None]) -> Identify:
    """Return what knows admin tokens: ``tokens`` are texts by the name that the audit log shows; None: not set.

    Tokens are looked up by digest, so no comparison depends on what a secret begins with.
    """
    known = {sha256(text.encode()).digest(): Actor(ActorKind.ADMIN, name) for name, text in tokens.items() if text}
    return lambda text: known.get(sha256(text.encode()).digest())


def allowed_hosts(host: str, public_host: str | None) -> frozenset[str] | None:
    """Return the names that a listener answers to; one that listens on every address answers to any name."""
    if is_everywhere(host) and public_host is None:
        return None
    return frozenset({"localhost", "127.0.0.1", "[::1]", in_url(host.lower()), in_url((public_host or host).lower())})
