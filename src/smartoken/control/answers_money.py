"""What leaves the control plane about money: transfers, wallets, their history, approvals."""

from typing import Any

from smartoken.control.answers import Answer


class MovementAnswer(Answer):
    """What came of a request that moves money; ``owed`` of it is taken as calls end."""

    id: str
    status: str
    kind: str
    account_id: str
    amount: str
    owed: str
    reference: str | None = None
    reason: str | None = None
    actor: str
    balance: str
    available: str
    grant: str | None = None
    approval: str | None = None


class FundAnswer(Answer):
    """A wallet's paid money or one grant: ``balance = held + owed + available``."""

    fund: str
    id: str | None
    balance: str
    held: str
    owed: str
    available: str
    credit_limit: str
    promotional: bool
    category: str | None
    campaign: str | None
    priority: int
    models: list[str]
    effective_at: str | None
    expires_at: str | None
    closed: bool


class WalletAnswer(Answer):
    """What an account has."""

    account: str
    account_id: str
    currency: str
    billing: str
    balance: str
    held: str
    owed: str
    available: str
    withdrawable: str
    play: str
    funds: list[FundAnswer]


class EntryAnswer(Answer):
    """A line of the history; ``balance`` is the total after it."""

    id: str
    at: str
    kind: str
    fund: str
    grant: str | None
    amount: str
    balance: str
    fund_balance: str
    reference: str | None
    key: str | None
    hour: str | None
    actor: str
    reason: str | None
    original: str | None


class ChargedCall(Answer):
    """A call behind a line of charges."""

    id: str
    created_at: str
    model: str
    charge_usd: str
    paid: list[dict[str, Any]]


class StatementAnswer(Answer):
    """A month: opening, what moved by kind, charges by model and key, closing; it adds up."""

    account: str
    month: str
    timezone: str
    opening: str
    moved: dict[str, str]
    charges: list[dict[str, Any]]
    charged: str
    closing: str


class ApprovalAnswer(Answer):
    """What one actor asked for and another decides."""

    id: str
    created_at: str
    account_id: str
    kind: str
    amount: str
    wanted: dict[str, Any]
    asked_by: str
    status: str
    decided_by: str | None
    decided_at: str | None
    reason: str | None
    transfer: str | None


class EventAnswer(Answer):
    """What somebody should be told."""

    id: str
    created_at: str
    account_id: str | None
    kind: str
    subject: str
    facts: dict[str, Any]


class TokenAnswer(Answer):
    """A token of the staff, without its text."""

    id: str
    name: str
    role: str
    prefix: str
    last4: str
    status: str
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None


class NewTokenAnswer(TokenAnswer):
    """A token with its text, shown this once."""

    secret: str


class JobAnswer(Answer):
    """A job and its last run."""

    name: str
    runs: int
    ok: bool | None
    result: str | None
    due_at: str | None
    started_at: str | None
    ended_at: str | None
