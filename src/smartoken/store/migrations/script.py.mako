"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
    ${upgrades if upgrades else "pass"}
