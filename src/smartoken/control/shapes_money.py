"""What enters the control plane about money."""

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


class TokenCreate(Body):
    """A new token of the staff."""

    name: str = Field(max_length=100)
    role: str = Field(max_length=32, description="admin, operator, finance or support")
    expires_at: str | None = Field(default=None, max_length=64, description="RFC 3339 with a zone")


class WalletQuery(QueryShape):
    """Whose wallet; a member's own if left out."""

    account: str | None = None


class EventsQuery(Page):
    """Which events."""

    account: str | None = None
    kind: str | None = Field(default=None, max_length=64)
