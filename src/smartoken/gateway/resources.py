"""What the data plane is given by ``app``: opened once, passed in, never global."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from smartoken.clock import Clock
from smartoken.gateway.authenticate import Authenticator
from smartoken.gateway.logbook import Logbook
from smartoken.gateway.metrics import Metrics
from smartoken.gateway.relay import Relay
from smartoken.gateway.settle import Settler, Tariffs
from smartoken.gateway.till import Till
from smartoken.gateway.upstreams import Upstreams
from smartoken.operations.directory import Directory
from smartoken.store.counters import Counters
from smartoken.usage.records import CallRecord


class DirectoryView(Protocol):
    """The current directory of this worker."""

    @property
    def current(self) -> Directory:
        """The newest directory that was loaded."""

    async def refresh(self) -> Directory:
        """Load anew if something changed since, and return the current one."""


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Sizes and times that protect the process."""

    max_body_bytes: int = 10 * 1024 * 1024
    silence_s: float = 15.0  # a waiting client hears a comment at least this often


@dataclass(frozen=True, slots=True)
class Gateway:
    """The data plane's resources."""

    directory: DirectoryView
    authenticator: Authenticator
    upstreams: Upstreams
    relay: Relay
    settler: Settler
    till: Till
    tariffs: Tariffs
    logbook: Logbook
    counters: Counters
    metrics: Metrics
    clock: Clock
    new_call_id: Callable[[], str]
    stored_call: Callable[[str, str], Awaitable[CallRecord | None]]  # (account id, call id)
    all_snapshots: Callable[[Mapping[str, Any]], list[Mapping[str, Any]]]
    not_ready: Callable[[], str | None]  # why no calls can be taken, or None
    stored_figures: Callable[[list[str]], Awaitable[Mapping[str, tuple[int, int]]]]  # rows -> (used, held)
    book_drifts: Callable[[], Awaitable[int]]  # differences that the newest checks of the books found
    limits: GatewayLimits = GatewayLimits()
    docs_url: str = "/help/errors"
    trusted_proxies: tuple[Any, ...] = ()
    metrics_token: str | None = None
    notice_query: Callable[[bytes], None] | None = None  # told of every query, which should hold no key
