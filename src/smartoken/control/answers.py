"""What leaves the control plane, as OpenAPI describes it; a field that is not named here does not leave."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Answer(BaseModel):
    """An answer; ``from`` is a word of the language, so names may have aliases."""

    model_config = ConfigDict(populate_by_name=True)


class Paged(Answer, Generic[T]):
    """A page of rows; ``next`` is the ``after`` of the page that follows, null at the end."""

    rows: list[T] = Field(alias="data")
    next: str | None


class BudgetAnswer(Answer):
    """A budget in the window of this moment: ``limit = used + held + available``."""

    limit: str
    period: str
    used: str
    held: str
    available: str
    resets_at: str | None


class PolicyAnswer(Answer):
    """A data policy."""

    regions: list[str]
    no_training: bool


class KeyAnswer(Answer):
    """A key, without its text."""

    id: str
    account: str | None
    account_id: str
    name: str
    environment: str
    owner: str | None
    workflow: str | None
    prefix: str | None
    last4: str | None
    models: list[str]
    allowed_ips: list[str]
    allowed_origins: list[str]
    limits: dict[str, int]
    policy: PolicyAnswer
    budgets: list[BudgetAnswer]
    continuation: bool
    status: str
    expires_at: str | None
    created_at: str
    revoked_at: str | None
    former_secret_until: str | None
    exposed: dict[str, str] | None


class NewKeyAnswer(KeyAnswer):
    """A key with its text, shown this once."""

    secret: str


class AccountAnswer(Answer):
    """An account."""

    id: str
    slug: str
    name: str
    owner_email: str | None
    timezone: str
    billing: str
    credit_limit: str
    policy: PolicyAnswer
    budgets: list[BudgetAnswer]
    status: str
    price_list: str | None
    created_at: str


class CallAnswer(Answer):
    """A call."""

    id: str
    created_at: str
    account: str | None
    account_id: str
    key: str | None
    key_id: str
    environment: str
    owner: str | None
    workflow: str | None
    user: str | None
    model_asked: str
    model: str
    model_served: str | None
    provider: str | None
    offer: str | None
    stream: bool
    status: int
    error_code: str | None
    end_reason: str
    prompt_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str | None
    suspect: bool
    charge_usd: str
    price_version: str
    ttft_ms: int | None
    total_ms: int
    attempts: list[dict[str, Any]]


class WholeCallAnswer(CallAnswer):
    """A call with its charge worked out."""

    bound_usd: str
    overrun_usd: str
    price_lines: list[dict[str, Any]]
    cost: dict[str, Any] | None
    reason: str
    evidence: str | None
    client_ip: str | None


class UsageAnswer(Answer):
    """A report; without figures where ``available`` is false."""

    group_by: str
    from_: str = Field(alias="from")
    to: str
    kept_from: str
    available: bool
    rows: list[dict[str, Any]] = Field(alias="data")
    rest: dict[str, Any] | None
    total: dict[str, Any] | None


class Rows(Answer):
    """All rows of a short list."""

    rows: list[dict[str, Any]] = Field(alias="data")


class FieldChange(Answer):
    """What differs."""

    name: str
    before: Any
    after: Any


class SetupChange(Answer):
    """A line of a diff."""

    verb: str
    kind: str
    name: str
    fields: list[FieldChange]


class MintedKey(Answer):
    """A key that ``apply`` made, its text shown this once."""

    key: str
    secret: str


class SetupAnswer(Answer):
    """What ``apply`` did, or with a dry run would do."""

    dry_run: bool
    changes: list[SetupChange]
    minted: list[MintedKey]
    notes: list[str]


class ExportAnswer(Answer):
    """A set-up file."""

    text: str


class AuditEntry(Answer):
    """An audit entry."""

    id: str
    created_at: str
    actor: str
    action: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    ip: str | None


class AuditCheck(Answer):
    """Whether every entry follows from those before it."""

    intact: bool
    broken_at: str | None
