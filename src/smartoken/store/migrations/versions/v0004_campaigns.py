"""Campaigns, claims and activation codes."""

revision = "0004_campaigns"
down_revision = "0003_access"


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
