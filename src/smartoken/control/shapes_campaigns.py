"""What enters the control plane about campaigns and activation codes."""

from typing import Literal

from pydantic import Field

from smartoken.control.shapes import Body, Page

TriggerName = Literal["sign_up", "first_call", "code", "link", "list"]
INSTANT = 'RFC 3339, or a time or date in the campaign\'s zone such as "2027-01-31T09:00" or "2027-01-31"'


class CampaignFields(Body):
    """What can be said of a campaign; what is left out stays, or has its default on creation."""

    name: str = Field(default="", max_length=200)
    triggers: list[TriggerName] = Field(default=[], description="what a grant is given for")
    amount: str = Field(default="0", max_length=40, description="USD of each grant, a decimal string")
    budget: str = Field(default="0", max_length=40, description="USD of the whole campaign")
    timezone: str = Field(default="UTC", max_length=64, description="IANA name")
    starts_at: str | None = Field(default=None, max_length=64, description=f"null: when it is published; {INSTANT}")
    ends_at: str | None = Field(
        default=None, max_length=64, description=f"null: open; a date includes that day; {INSTANT}"
    )
    new_within_days: int | None = Field(default=None, description="the account is at most so old")
    email_domains: list[str] = Field(default=[], max_length=1000)
    invited: list[str] = Field(default=[], description="accounts' short names, ids or owners' e-mail addresses")
    first: int | None = Field(default=None, description="so many accounts, the first to claim")
    not_after: list[str] = Field(default=[], max_length=1000, description='campaigns that rule this one out; "*": any')
    min_paid: str = Field(default="0", max_length=40, description="USD of paid money that the account holds")
    grant_days: int | None = Field(default=None, description="a grant ends so many days after it was given")
    grant_until: str | None = Field(default=None, max_length=64, description=INSTANT)
    models: list[str] = Field(default=[], max_length=1000, description="patterns; none: every model")
    per_account: int = Field(default=1, description="grants an account can get")
    max_grants: int | None = Field(default=None, description="grants in all")
    priority: int = Field(default=50, description="lower is spent first; wallets have 100")
    claw_back: Literal["never", "operator", "withdrawal"] = "operator"


class CampaignCreate(CampaignFields):
    """A new campaign."""

    slug: str = Field(description="short name: lower-case letters, digits, hyphens")


class CampaignPatch(CampaignFields):
    """Changes to a campaign's draft."""


class DryRun(Body):
    """What a dry run asks."""

    at: str | None = Field(default=None, max_length=64, description=f"default now, or the start; {INSTANT}")
    trigger: TriggerName | None = Field(default=None, description="default: whatever the trigger")
    accounts: list[str] | None = Field(default=None, description="default: every account")


class GrantList(Body):
    """Accounts that an operator names."""

    accounts: list[str] = Field(min_length=1, description="short names or ids, at most 1000")


class LinkCreate(Body):
    """A link of a campaign."""

    expires_at: str | None = Field(default=None, max_length=64, description=INSTANT)


class TakeBack(Body):
    """What is taken back."""

    reason: str = Field(max_length=500, description="why; it stands in the history")
    accounts: list[str] | None = Field(default=None, description="default: every account that has a grant")


class CodesCreate(Body):
    """A batch of activation codes."""

    campaign: str = Field(max_length=64, description="short name or id")
    count: int = Field(description="codes, at most 10,000")
    uses: int = Field(default=1, description="how many accounts can redeem each")
    expires_at: str | None = Field(default=None, max_length=64, description=INSTANT)
    note: str | None = Field(default=None, max_length=200)


class CodesQuery(Page):
    """Which batches."""

    campaign: str | None = None


class CodePreview(Body):
    """A code to look at."""

    code: str = Field(max_length=200)
    account: str | None = Field(default=None, description="short name or id; a member's own if left out")


class Redemption(CodePreview):
    """A code to redeem; ``rules_version`` is the one that was shown and is accepted."""

    rules_version: str | None = Field(default=None, max_length=64)


class LinkPreview(Body):
    """A link to look at."""

    link: str = Field(max_length=300)
    account: str | None = Field(default=None, description="short name or id; a member's own if left out")


class LinkClaim(LinkPreview):
    """A link to claim by."""

    rules_version: str | None = Field(default=None, max_length=64)
