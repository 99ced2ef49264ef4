"""One line a case: what differs from a plain campaign and a plain account, and what is decided."""

from dataclasses import replace

from smartoken.campaigns.rules import DAY_MS, AccountFacts, Campaign, ClawBack, Tally, Terms, Trigger

NOW = 1_793_000_000_000
USD = 1_000_000_000
TERMS = Terms("Autumn", (Trigger.CODE,), 5 * USD, 500 * USD)
ACCOUNT = AccountFacts("acct_1", "acme", NOW - 10 * DAY_MS, "ops@acme.test")

# what differs in terms, campaign, account, tally | the trigger | reasons, or (n, nano, expires) of a grant
CASES = [
    ({}, "code", (1, 5 * USD, None)),
    ({"published": False}, "code", ["not_published"]),
    ({"starts_ms": NOW + 1}, "code", ["not_begun"]),
    ({"starts_ms": NOW}, "code", (1, 5 * USD, None)),
    ({"starts_ms": NOW - 1}, "code", (1, 5 * USD, None)),
    ({"ends_ms": NOW}, "code", ["ended"]),
    ({"ends_ms": NOW + 1}, "code", (1, 5 * USD, None)),
    ({"ends_ms": NOW - DAY_MS}, "code", ["ended"]),
    ({"paused": True}, "code", ["paused"]),
    ({"paused": True, "ends_ms": NOW}, "code", ["ended"]),
    ({"paused": True, "starts_ms": NOW + 5}, "code", ["paused"]),
    ({"ended_ms": NOW - 5}, "code", ["ended"]),
    ({"ended_ms": NOW - 5, "paused": True}, "code", ["ended"]),
    ({"ended_ms": NOW - 5, "published": False}, "code", ["ended"]),
    ({}, "link", ["other_trigger"]),
    ({}, "sign_up", ["other_trigger"]),
    ({}, "list", ["other_trigger"]),
    ({}, None, (1, 5 * USD, None)),
    ({"triggers": ("link", "code")}, "link", (1, 5 * USD, None)),
    ({"triggers": ("list",)}, "list", (1, 5 * USD, None)),
    ({"triggers": ("sign_up",)}, "sign_up", (1, 5 * USD, None)),
    ({"active": False}, "code", ["suspended"]),
    ({"new_within_days": 10}, "code", (1, 5 * USD, None)),
    ({"new_within_days": 9}, "code", ["too_old"]),
    ({"new_within_days": 0}, "code", ["too_old"]),
    ({"new_within_days": 0, "created_ms": NOW}, "code", (1, 5 * USD, None)),
    ({"new_within_days": 10, "created_ms": NOW - 10 * DAY_MS - 1}, "code", ["too_old"]),
    ({"email_domains": ("acme.test",)}, "code", (1, 5 * USD, None)),
    ({"email_domains": ("acme.test",), "email": "OPS@ACME.TEST"}, "code", (1, 5 * USD, None)),
    ({"email_domains": ("other.test",)}, "code", ["domain"]),
    ({"email_domains": ("other.test", "acme.test")}, "code", (1, 5 * USD, None)),
    ({"email_domains": ("test",)}, "code", ["domain"]),
    ({"email_domains": ("acme.test",), "email": "x@evil-acme.test"}, "code", ["domain"]),
    ({"email_domains": ("acme.test",), "email": "x@sub.acme.test"}, "code", ["domain"]),
    ({"email_domains": ("acme.test",), "email": "acme.test@evil.test"}, "code", ["domain"]),
    ({"email_domains": ("acme.test",), "email": None}, "code", ["no_email"]),
    ({"invited": ("acme",)}, "code", (1, 5 * USD, None)),
    ({"invited": ("acct_1",)}, "code", (1, 5 * USD, None)),
    ({"invited": ("ops@acme.test",)}, "code", (1, 5 * USD, None)),
    ({"invited": ("ops@acme.test",), "email": "Ops@Acme.test"}, "code", (1, 5 * USD, None)),
    ({"invited": ("other", "ops@other.test")}, "code", ["not_invited"]),
    ({"invited": ("other",), "email": None}, "code", ["not_invited"]),
    ({"not_after": ("spring",)}, "code", (1, 5 * USD, None)),
    ({"not_after": ("spring",), "others": frozenset({"spring"})}, "code", ["redeemed_before"]),
    ({"not_after": ("spring",), "others": frozenset({"summer"})}, "code", (1, 5 * USD, None)),
    ({"not_after": ("*",), "others": frozenset({"summer"})}, "code", ["redeemed_before"]),
    ({"not_after": ("*",)}, "code", (1, 5 * USD, None)),
    ({"not_after": (), "others": frozenset({"summer"})}, "code", (1, 5 * USD, None)),
    ({"min_paid_nano": 1}, "code", ["paid_too_little"]),
    ({"min_paid_nano": 10 * USD, "paid_nano": 10 * USD - 1}, "code", ["paid_too_little"]),
    ({"min_paid_nano": 10 * USD, "paid_nano": 10 * USD}, "code", (1, 5 * USD, None)),
    ({"paid_nano": -1}, "code", ["paid_too_little"]),
    ({"triggers": ("first_call",)}, "first_call", ["no_call_yet"]),
    ({"triggers": ("first_call",)}, None, ["no_call_yet"]),
    ({"triggers": ("first_call", "code")}, None, (1, 5 * USD, None)),
    ({"triggers": ("first_call", "code")}, "code", (1, 5 * USD, None)),
    ({"triggers": ("first_call",), "first_call_ms": NOW - 5}, "first_call", (1, 5 * USD, None)),
    (
        {"triggers": ("first_call",), "first_call_ms": NOW - 5, "starts_ms": NOW - 5},
        "first_call",
        (1, 5 * USD, None),
    ),
    ({"triggers": ("first_call",), "first_call_ms": NOW - 6, "starts_ms": NOW - 5}, "first_call", ["called_before"]),
    ({"claims": 1}, "code", ["account_cap"]),
    ({"claims": 1, "per_account": 2}, "code", (2, 5 * USD, None)),
    ({"claims": 2, "per_account": 2}, "code", ["account_cap"]),
    ({"first": 3, "accounts": 2}, "code", (1, 5 * USD, None)),
    ({"first": 3, "accounts": 3}, "code", ["first_taken"]),
    ({"first": 3, "accounts": 3, "claims": 1, "per_account": 2}, "code", (2, 5 * USD, None)),
    ({"max_grants": 7, "grants": 6}, "code", (1, 5 * USD, None)),
    ({"max_grants": 7, "grants": 7}, "code", ["campaign_cap"]),
    ({"granted_nano": 495 * USD}, "code", (1, 5 * USD, None)),
    ({"granted_nano": 495 * USD + 1}, "code", ["budget"]),
    ({"granted_nano": 500 * USD}, "code", ["budget"]),
    ({"grant_days": 30}, "code", (1, 5 * USD, NOW + 30 * DAY_MS)),
    ({"grant_until_ms": NOW + 9}, "code", (1, 5 * USD, NOW + 9)),
    ({"grant_until_ms": NOW + 9, "grant_days": 1}, "code", (1, 5 * USD, NOW + 9)),
    ({"grant_until_ms": NOW + 2 * DAY_MS, "grant_days": 1}, "code", (1, 5 * USD, NOW + DAY_MS)),
    ({"grant_until_ms": NOW}, "code", ["grant_over"]),
    ({"amount_nano": 1}, "code", (1, 1, None)),
    ({"claw_back": ClawBack.NEVER, "priority": 0, "models": ("test/*",)}, "code", (1, 5 * USD, None)),
    ({"paused": True, "active": False, "claims": 1}, "link", ["paused", "other_trigger", "suspended", "account_cap"]),
]


def case(changes):
    """The campaign, account and tally of a line."""
    parts = {Terms: TERMS, Campaign: Campaign(TERMS, published=True), AccountFacts: ACCOUNT, Tally: Tally()}
    for name, value in changes.items():
        (kind,) = [each for each in parts if name in each.__dataclass_fields__]
        meant = tuple(Trigger(each) for each in value) if name == "triggers" else value
        parts[kind] = replace(parts[kind], **{name: meant})
    return replace(parts[Campaign], terms=parts[Terms]), parts[AccountFacts], parts[Tally]
