"""Accounts, keys and callers as the rest of the product sees them. Pure, frozen, without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any


@dataclass(frozen=True, slots=True)
class Policy:
    """Where data may go. Empty means no rule; an offer whose fact is unknown fails a rule that is set."""

    regions: tuple[str, ...] = ()
    no_training: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """The customer: who pays."""

    id: str
    slug: str
    name: str
    owner_email: str | None
    timezone: str  # IANA name
    billing: str  # prepaid | open
    credit_limit_nano: int
    policy: Policy
    status: str  # active | suspended
    price_list: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One service's access: scope, limits and owner; its secret is known only by digest."""

    id: str
    account_id: str
    name: str
    environment: str
    owner: str | None
    workflow: str | None
    models: tuple[str, ...]  # patterns; empty: every model
    allowed_ips: tuple[IPv4Network | IPv6Network, ...]
    allowed_origins: tuple[str, ...]
    rpm: int  # 0: no limit, likewise below
    tpm: int
    concurrency: int
    policy: Policy
    options: Mapping[str, Any] = field(hash=False)
    status: str  # active | paused | revoked
    expires_ms: int | None
    created_ms: int
    prefix: str  # of the current secret
    last4: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A key and the account behind it."""

    key: ApiKey
    account: Account
