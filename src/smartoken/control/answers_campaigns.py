"""What leaves the control plane about campaigns and activation codes."""

from pydantic import Field

from smartoken.control.answers import Answer


class TermsAnswer(Answer):
    """A campaign's terms."""

    name: str
    triggers: list[str]
    amount: str
    budget: str
    timezone: str
    starts_at: str | None
    ends_at: str | None
    new_within_days: int | None
    email_domains: list[str]
    invited: list[str]
    first: int | None
    not_after: list[str]
    min_paid: str
    grant_days: int | None
    grant_until: str | None
    models: list[str]
    per_account: int
    max_grants: int | None
    priority: int
    claw_back: str


class CampaignAnswer(Answer):
    """A campaign; ``draft`` is null where it is what is in force."""

    id: str
    slug: str
    state: str
    terms: TermsAnswer
    rules_version: str | None
    draft: TermsAnswer | None
    accounts: int
    grants: int
    granted: str
    left: str
    created_at: str
    created_by: str


class VersionAnswer(Answer):
    """Rules as they were published."""

    version: str
    text: str
    terms: TermsAnswer
    published_at: str
    published_by: str


class WholeCampaignAnswer(CampaignAnswer):
    """A campaign with its rules."""

    draft_rules: str
    versions: list[VersionAnswer]


class ReasonAnswer(Answer):
    """Why an account gets nothing."""

    code: str
    message: str


class DryRow(Answer):
    """What one account would get."""

    account: str
    account_id: str
    granted: bool
    amount: str
    expires_at: str | None
    reasons: list[ReasonAnswer]


class DryRunAnswer(Answer):
    """Who would get what, and why not."""

    at: str
    rules_version: str
    rules: str
    would_grant: int
    would_refuse: int
    amount: str
    rows: list[DryRow] = Field(alias="data")


class ListRow(Answer):
    """What one account of a list got."""

    account_id: str
    granted: bool
    amount: str
    grant: str | None
    reasons: list[ReasonAnswer]


class ListAnswer(Answer):
    """What the accounts of a list got."""

    rows: list[ListRow] = Field(alias="data")


class LinkAnswer(Answer):
    """A link, shown this once."""

    link: str
    campaign: str
    expires_at: str | None


class ClawedRow(Answer):
    """What was taken of one grant."""

    account_id: str
    grant: str
    taken: str
    owed: str


class TakeBackAnswer(Answer):
    """What was taken back; ``spared`` are grants whose rules rule that out."""

    grants: int
    spared: int
    taken: str
    owed: str
    rows: list[ClawedRow] = Field(alias="data")


class ReportAnswer(Answer):
    """What a campaign gave, and what came of it."""

    campaign: str
    state: str
    accounts: int
    grants: int
    granted: str
    spent: str
    expired: str
    clawed_back: str
    owed: str
    left: str
    activated_accounts: int
    later_paid_accounts: int
    cost_per_activated_account: str | None


class BatchAnswer(Answer):
    """A batch of codes, without them."""

    id: str
    campaign: str
    note: str
    count: int
    uses: int
    redeemed: int
    left: int
    unused_codes: int
    expires_at: str | None
    revoked_at: str | None
    created_at: str
    created_by: str


class NewBatchAnswer(BatchAnswer):
    """A batch with its codes, shown this once."""

    codes: list[str]


class OfferedAnswer(Answer):
    """What a code or link would give, with the rules."""

    campaign: str
    name: str
    eligible: bool
    amount: str
    models: list[str]
    expires_at: str | None
    reasons: list[ReasonAnswer]
    rules_version: str | None
    rules: str


class ClaimedAnswer(Answer):
    """A grant that was given."""

    campaign: str
    account_id: str
    grant: str
    amount: str
    models: list[str]
    expires_at: str | None
    rules_version: str
    balance: str
    available: str
