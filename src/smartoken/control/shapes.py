"""What enters the control plane: strict bodies and queries; a field or parameter that is not known is refused."""

import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # as JSON spells it: not after a backslash that stands for itself
Limit = Field(default=50, ge=1, le=500, description="rows a page")
After = Field(default=None, max_length=200, description="the `next` of the page before")


class Body(BaseModel):
    """A body: nothing is coerced, nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _holds_characters(cls, given: Any) -> Any:
        """Refuse half a surrogate pair and NUL, which JSON can spell and no database stores."""
        try:
            spelled = json.dumps(given, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            raise PydanticCustomError("string_unicode", "no character") from None
        if _NUL.search(spelled) is not None:
            raise PydanticCustomError("string_unicode", "no character")
        return given


class QueryShape(BaseModel):
    """A query: nothing unknown is taken, so that a misspelt filter is not simply ignored."""

    model_config = ConfigDict(extra="forbid")


class Page(QueryShape):
    """Where a page begins and how long it is."""

    limit: int = Limit
    after: str | None = After


class Budget(Body):
    """A limit in USD, a decimal string, over a period."""

    limit: str
    period: Literal["total", "day", "week", "month"]


class Policy(Body):
    """Where data may go; an offer whose fact is unknown fails a set policy."""

    regions: list[str] = []
    no_training: bool = False


class RateLimits(Body):
    """Limits of calls, tokens a minute and calls at once; 0 means none."""

    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0


class KeyFields(Body):
    """What can be said of a key; what is left out stays as it is, or has its default on creation."""

    name: str = ""
    environment: str = ""
    owner: str | None = None
    workflow: str | None = None
    models: list[str] = []
    budgets: list[Budget] = []
    limits: RateLimits = RateLimits()
    policy: Policy = Policy()
    allowed_ips: list[str] = []
    allowed_origins: list[str] = []
    continuation: bool = Field(default=False, description="answers that break off are gone on with by another offer")
    expires_at: str | None = Field(default=None, description="RFC 3339 with a zone")


class KeyCreate(KeyFields):
    """A new key."""

    account: str | None = Field(default=None, description="short name or id; a member's own if left out")


class KeyPatch(KeyFields):
    """Changes to a key."""

    status: str = Field(default="", description="active or paused")


class Rotation(Body):
    """How long the former text goes on working."""

    overlap_hours: int | None = Field(
        default=None, ge=0, le=168, description="24 if left out, or 0 for a key that is exposed"
    )


class Exposure(Body):
    """Where a key was seen."""

    where: str = Field(max_length=300)


class Scan(Body):
    """A text that may hold keys, and what it is."""

    text: str = Field(max_length=1_000_000)
    where: str = Field(max_length=300)


class AccountFields(Body):
    """What can be said of an account."""

    name: str = ""
    owner_email: str | None = None
    timezone: str = "UTC"
    billing: Literal["prepaid", "open"] = "prepaid"
    credit_limit: str = "0"
    budgets: list[Budget] = []
    policy: Policy = Policy()


class AccountCreate(AccountFields):
    """A new account."""

    slug: str = Field(description="short name: lower-case letters, digits, hyphens")


class AccountPatch(AccountFields):
    """Changes to an account."""

    status: str = Field(default="", description="active or suspended")


class SetupRequest(Body):
    """A set-up file to apply; ``secrets`` are the values of the variables that it names as ``env:NAME``."""

    text: str = Field(max_length=4_000_000)
    path: str = Field(default="setup.toml", max_length=500, description="how messages call the file")
    secrets: dict[str, str] = {}
    dry_run: bool = False
    prune: bool = False


class KeysQuery(Page):
    """Which keys."""

    account: str | None = None
    name: str | None = None
    status: str | None = None
    environment: str | None = None


class CallsQuery(Page):
    """Which calls; times are RFC 3339."""

    account: str | None = None
    key_id: str | None = None
    model: str | None = None
    provider: str | None = None
    environment: str | None = None
    user: str | None = None
    end_reason: str | None = None
    error_code: str | None = None
    failed: bool | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None


class UsageQuery(QueryShape):
    """Which usage."""

    group_by: str = "model"
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    account: str | None = None
    timezone: str = "UTC"


class ModelsQuery(QueryShape):
    """Which models."""

    ready: bool | None = None


class AuditQuery(Page):
    """Which entries."""

    object: str | None = Field(default=None, max_length=300)
