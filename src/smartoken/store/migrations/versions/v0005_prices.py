"""Versions of the price book, price lists, reconciliation runs."""

revision = "0005_prices"
down_revision = "0004_campaigns"


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
