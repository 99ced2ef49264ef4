"""Who gets promotional money, when and how much: a campaign as data, and the one decision over it. Pure.

A campaign's *terms* say everything; its *state* follows from them, from what an operator did, and from the clock.
``decide`` looks at one account at one instant and grants or refuses, with every reason at once, so that a dry run, a
preview and a claim can never disagree. What is decided here is what the store then holds to by conditional updates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from smartoken.money import amount_text

MOST_COUNT = 1_000_000_000
LAST = 1_000  # priority; the lower is spent first
MOST_DAYS = 36_500  # a century: later instants mean nothing to whoever reads the rules
DAY_MS = 86_400_000


class Trigger(StrEnum):
    """What makes an account ask for the grant."""

    SIGN_UP = "sign_up"  # the account was made
    FIRST_CALL = "first_call"  # its first call that was answered
    CODE = "code"  # an activation code was redeemed
    LINK = "link"  # the campaign's signed link was followed
    LIST = "list"  # an operator named the account


class State(StrEnum):
    """Where a campaign is."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class ClawBack(StrEnum):
    """When what is unspent of a grant may be taken back."""

    NEVER = "never"
    OPERATOR = "operator"  # by an operator who gives a reason
    WITHDRAWAL = "withdrawal"  # likewise, and by itself once the account has paid money returned


class Why(StrEnum):
    """Why an account gets nothing."""

    NOT_PUBLISHED = "not_published"
    NOT_BEGUN = "not_begun"
    PAUSED = "paused"
    ENDED = "ended"
    OTHER_TRIGGER = "other_trigger"
    SUSPENDED = "suspended"
    TOO_OLD = "too_old"
    DOMAIN = "domain"
    NO_EMAIL = "no_email"
    NOT_INVITED = "not_invited"
    REDEEMED_BEFORE = "redeemed_before"
    PAID_TOO_LITTLE = "paid_too_little"
    NO_CALL_YET = "no_call_yet"
    CALLED_BEFORE = "called_before"
    ACCOUNT_CAP = "account_cap"
    FIRST_TAKEN = "first_taken"
    CAMPAIGN_CAP = "campaign_cap"
    BUDGET = "budget"
    GRANT_OVER = "grant_over"


@dataclass(frozen=True, slots=True)
class Terms:
    """A campaign as data; instants are milliseconds since the epoch, the zone is how they are told.

    ``None`` and empty mean that the condition is not asked for.
    """

    name: str
    triggers: tuple[Trigger, ...]
    amount_nano: int  # of each grant
    budget_nano: int  # of the whole campaign
    zone: str = "UTC"
    starts_ms: int | None = None  # None: from its publication
    ends_ms: int | None = None  # the instant from which nothing is granted any more
    new_within_days: int | None = None  # the account is at most so old
    email_domains: tuple[str, ...] = ()
    invited: tuple[str, ...] = ()  # short names, ids or e-mail addresses, in lower case
    first: int | None = None  # so many accounts, the first to claim
    not_after: tuple[str, ...] = ()  # names of campaigns that rule this one out; "*" is any other campaign
    min_paid_nano: int = 0  # paid money that is in the wallet now
    grant_days: int | None = None  # a grant ends so many days after it was given ...
    grant_until_ms: int | None = None  # ... or at an instant, whichever is sooner; None of both: never
    models: tuple[str, ...] = ()  # patterns; none: every model
    per_account: int = 1  # grants
    max_grants: int | None = None
    priority: int = 50  # lower is spent first; wallets have 100
    claw_back: ClawBack = ClawBack.OPERATOR


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as it stands: its terms and what operators did to it."""

    terms: Terms
    published: bool = False
    paused: bool = False
    ended_ms: int | None = None  # an operator ended it then


@dataclass(frozen=True, slots=True)
class Tally:
    """What a campaign has given so far."""

    grants: int = 0
    granted_nano: int = 0
    accounts: int = 0


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What is asked of an account."""

    id: str
    slug: str
    created_ms: int
    email: str | None = None
    active: bool = True
    paid_nano: int = 0  # paid money in the wallet, neither spent nor owed
    first_call_ms: int | None = None  # when its first answered call was made, the sandbox left out
    claims: int = 0  # grants of this campaign so far
    others: frozenset[str] = frozenset()  # names of other campaigns that it has a grant of


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a refusal, as data and as a sentence."""

    code: Why
    sentence: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The account gets its ``n``-th grant of this campaign."""

    n: int
    nano: int
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The account gets nothing, for all of these reasons."""

    reasons: tuple[Reason, ...]


class TermsError(ValueError):
    """The terms contradict themselves; ``field`` is what to mend."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check(terms: Terms) -> None:
    """Refuse terms that could never grant, or whose limits mean nothing.

    Raises:
        TermsError: the first field that is wrong.

    """
    counts = (("first", terms.first), ("max_grants", terms.max_grants), ("per_account", terms.per_account))
    faults = (
        ("triggers", not terms.triggers, "name at least one trigger"),
        ("triggers", len(set(terms.triggers)) != len(terms.triggers), "a trigger stands once"),
        ("amount", terms.amount_nano <= 0, "the amount of a grant must be above zero"),
        ("budget", terms.budget_nano < terms.amount_nano, "the budget must pay for at least one grant"),
        *(
            (name, number is not None and not 1 <= number <= MOST_COUNT, f"`{name}` must be from 1 to {MOST_COUNT}")
            for name, number in counts
        ),
        (
            "new_within_days",
            not 0 <= (terms.new_within_days or 0) <= MOST_DAYS,
            f"`new_within_days` must be from 0 to {MOST_DAYS}",
        ),
        ("min_paid", terms.min_paid_nano < 0, "`min_paid` must be 0 or more"),
        (
            "grant_days",
            terms.grant_days is not None and not 1 <= terms.grant_days <= MOST_DAYS,
            f"`grant_days` must be from 1 to {MOST_DAYS}",
        ),
        ("ends_at", _not_after(terms.ends_ms, terms.starts_ms), "the end must come after the start"),
        ("grant_until", _not_after(terms.grant_until_ms, terms.starts_ms), "grants would end before the start"),
        ("priority", not 0 <= terms.priority <= LAST, f"`priority` must be from 0 to {LAST}"),
    )
    for name, wrong, message in faults:
        if wrong:
            raise TermsError(name, message)


def _not_after(later: int | None, earlier: int | None) -> bool:
    return later is not None and earlier is not None and later <= earlier


def state_of(campaign: Campaign, now_ms: int) -> State:
    """Return where a campaign is at an instant."""
    terms = campaign.terms
    if campaign.ended_ms is not None:
        return State.ENDED
    if not campaign.published:
        return State.DRAFT
    if terms.ends_ms is not None and terms.ends_ms <= now_ms:
        return State.ENDED
    if campaign.paused:
        return State.PAUSED
    if terms.starts_ms is not None and now_ms < terms.starts_ms:
        return State.SCHEDULED
    return State.RUNNING


def expiry_of(terms: Terms, now_ms: int) -> int | None:
    """Return when a grant given now ends; None: never."""
    ends = [terms.grant_until_ms] if terms.grant_until_ms is not None else []
    if terms.grant_days is not None:
        ends.append(now_ms + terms.grant_days * DAY_MS)
    return min(ends, default=None)


def decide(
    campaign: Campaign, facts: AccountFacts, tally: Tally, trigger: Trigger | None, now_ms: int
) -> Granted | Refused:
    """Decide what an account gets of a campaign at an instant; ``trigger`` None asks whatever the trigger."""
    terms = campaign.terms
    reasons = [
        *_when(campaign, trigger, now_ms),
        *_who(terms, facts, now_ms),
        *_called(terms, facts, trigger),
        *_how_much(terms, facts, tally),
    ]
    expires = expiry_of(terms, now_ms)
    if expires is not None and expires <= now_ms:
        reasons.append(Reason(Why.GRANT_OVER, "Grants of this campaign have expired already."))
    return Refused(tuple(reasons)) if reasons else Granted(facts.claims + 1, terms.amount_nano, expires)


_STATES = {
    State.DRAFT: Reason(Why.NOT_PUBLISHED, "The campaign is not published."),
    State.SCHEDULED: Reason(Why.NOT_BEGUN, "The campaign has not begun."),
    State.PAUSED: Reason(Why.PAUSED, "The campaign is paused."),
    State.ENDED: Reason(Why.ENDED, "The campaign has ended."),
}
TRIGGER_WORDS = {
    Trigger.SIGN_UP: "signing up",
    Trigger.FIRST_CALL: "a first successful call",
    Trigger.CODE: "redeeming an activation code",
    Trigger.LINK: "following the campaign's link",
    Trigger.LIST: "being named by the operator",
}


def _when(campaign: Campaign, trigger: Trigger | None, now_ms: int) -> list[Reason]:
    found = []
    wrong = _STATES.get(state_of(campaign, now_ms))
    if wrong is not None:
        found.append(wrong)
    if trigger is not None and trigger not in campaign.terms.triggers:
        found.append(Reason(Why.OTHER_TRIGGER, f"The campaign does not grant for {TRIGGER_WORDS[trigger]}."))
    return found


def _who(terms: Terms, facts: AccountFacts, now_ms: int) -> list[Reason]:
    found = []
    if not facts.active:
        found.append(Reason(Why.SUSPENDED, "The account is suspended."))
    if terms.new_within_days is not None and now_ms - facts.created_ms > terms.new_within_days * DAY_MS:
        found.append(Reason(Why.TOO_OLD, f"The account is older than {days_text(terms.new_within_days)}."))
    if terms.email_domains:
        found += _by_domain(terms.email_domains, facts.email)
    names = {facts.slug.lower(), facts.id.lower(), (facts.email or "").lower()}
    if terms.invited and not names & set(terms.invited):
        found.append(Reason(Why.NOT_INVITED, "The account is not on the list of those invited."))
    ruled_out = sorted(facts.others if "*" in terms.not_after else facts.others & set(terms.not_after))
    if ruled_out:
        had = " and ".join(ruled_out)
        found.append(Reason(Why.REDEEMED_BEFORE, f"The account has a grant of {had}, which rules this one out."))
    if facts.paid_nano < terms.min_paid_nano:
        least, has = amount_text(terms.min_paid_nano), amount_text(facts.paid_nano)
        found.append(Reason(Why.PAID_TOO_LITTLE, f"The account holds ${has} of paid money, less than ${least}."))
    return found


def _by_domain(domains: Sequence[str], email: str | None) -> list[Reason]:
    if email is None:
        return [Reason(Why.NO_EMAIL, "The account has no e-mail address, and the campaign asks for one.")]
    if email.rpartition("@")[2].lower() in domains:
        return []
    return [Reason(Why.DOMAIN, f"The account's e-mail address is not at {' or '.join(domains)}.")]


def _called(terms: Terms, facts: AccountFacts, trigger: Trigger | None) -> list[Reason]:
    """Judge the first call where it is what the grant is for; whoever called before the start was not won by it."""
    if trigger is not Trigger.FIRST_CALL and not (trigger is None and terms.triggers == (Trigger.FIRST_CALL,)):
        return []
    if facts.first_call_ms is None:
        return [Reason(Why.NO_CALL_YET, "The account has not made a successful call yet.")]
    if terms.starts_ms is not None and facts.first_call_ms < terms.starts_ms:
        return [Reason(Why.CALLED_BEFORE, "The account made its first successful call before the campaign began.")]
    return []


def _how_much(terms: Terms, facts: AccountFacts, tally: Tally) -> list[Reason]:
    found = []
    if facts.claims >= terms.per_account:
        many = f"{terms.per_account} grant{'s' if terms.per_account != 1 else ''}"
        found.append(Reason(Why.ACCOUNT_CAP, f"The account already has the {many} that one account can get."))
    if terms.first is not None and facts.claims == 0 and tally.accounts >= terms.first:
        found.append(Reason(Why.FIRST_TAKEN, f"The first {terms.first} accounts have claimed already."))
    if terms.max_grants is not None and tally.grants >= terms.max_grants:
        found.append(Reason(Why.CAMPAIGN_CAP, f"All {terms.max_grants} grants of the campaign are given."))
    if tally.granted_nano + terms.amount_nano > terms.budget_nano:
        found.append(Reason(Why.BUDGET, "What is left of the campaign's budget does not pay for another grant."))
    return found


def days_text(days: int) -> str:
    """Return a number of days in words."""
    return f"{days} day{'s' if days != 1 else ''}"
