"""Role tokens, approvals that wait for a second person, events."""

revision = "0003_access"
down_revision = "0002_money"


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
