"""What enters the control plane about money."""

from typing import Literal

from pydantic import Field

from smartoken.control.shapes import Body, Page, QueryShape

AMOUNT = Field(max_length=40, description='USD, a decimal string such as "10.00"')
REASON = Field(max_length=500, description="why; it stands in the history")


class Deposit(Body):
    """Money that a customer paid."""

    amount: str = AMOUNT
    reference: str = Field(max_length=300, description="of the payment")
    method: str | None = Field(default=None, max_length=64, description="how it came, such as `bank`")


class Withdrawal(Body):
    """Money that was paid out."""

    amount: str = AMOUNT
    reference: str = Field(max_length=300, description="of the payment")


class Adjustment(Body):
    """A correction by an operator, up or down."""

    amount: str = AMOUNT
    reason: str = REASON


class GrantCreate(Body):
    """Promotional money."""

    amount: str = AMOUNT
    reason: str = REASON
    effective_at: str | None = Field(default=None, max_length=64, description="RFC 3339 with a zone; now if left out")
    expires_at: str | None = Field(default=None, max_length=64, description="RFC 3339 with a zone; never if left out")
    models: list[str] = Field(default=[], max_length=200, description="patterns; every model if left out")
    priority: int | None = Field(default=None, description="the lower burns first; 50 if left out, a wallet has 100")
    category: str | None = Field(default=None, max_length=64)


class Refund(Body):
    """A charge that is given back, of one call or of a whole spend."""

    call: str | None = Field(default=None, max_length=200)
    transfer: str | None = Field(default=None, max_length=200)
    amount: str | None = Field(default=None, max_length=40, description="all that is left if left out")
    reason: str = REASON


class Reversal(Body):
    """A deposit, adjustment, grant or withdrawal that is taken back."""

    transfer: str = Field(max_length=200)
    amount: str | None = Field(default=None, max_length=40, description="all that is left if left out")
    reason: str = REASON


class Decision(Body):
    """Why it is approved or rejected."""

    reason: str | None = Field(default=None, max_length=500)


class TokenCreate(Body):
    """A new token of the staff."""

    name: str = Field(max_length=100)
    role: str = Field(max_length=32, description="admin, operator, finance or support")
    expires_at: str | None = Field(default=None, max_length=64, description="RFC 3339 with a zone")


class WalletQuery(QueryShape):
    """Whose wallet; a member's own if left out."""

    account: str | None = None


class EntriesQuery(Page):
    """Whose history; a member's own if left out."""

    account: str | None = None


class ChargesQuery(EntriesQuery):
    """Which line of charges: its `key` and `hour`."""

    key: str = Field(max_length=64)
    hour: str = Field(max_length=64)


class StatementQuery(WalletQuery):
    """Which month, and how it is written."""

    month: str = Field(max_length=16, description='such as "2026-11", in the account\'s zone')
    format: Literal["json", "csv", "html"] = "json"


class ApprovalsQuery(Page):
    """Which approvals."""

    status: str | None = Field(default=None, max_length=16)


class EventsQuery(Page):
    """Which events."""

    account: str | None = None
    kind: str | None = Field(default=None, max_length=64)
