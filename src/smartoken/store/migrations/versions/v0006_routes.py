"""Routes, named routes, drills and what breakers share."""

revision = "0006_routes"
down_revision = "0005_prices"


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
