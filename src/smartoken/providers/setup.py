"""A provider as it is set up here: address, dialect, keys. Frozen, so that what is made from it can be kept by it."""

from dataclasses import dataclass, field

from smartoken.providers.proxy import Proxy
from smartoken.providers.upstream import DEFAULT_TIMEOUTS, Timeouts
from smartoken.store.vault import Secret


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    """One of our keys at a provider; limits of 0 mean none."""

    id: str
    name: str
    secret: Secret
    rpm: int = 0
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class ProviderSetup:
    """One provider, one dialect, one base URL."""

    id: str
    dialect: str
    base_url: str
    keys: tuple[UpstreamKey, ...]
    allow_private: bool = False
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    proxy: Proxy | None = None
    region: str | None = None
    origin: str = field(default="apply", compare=False)  # apply | environment | sandbox
