"""Routes, named routes, drills and what breakers share."""

import sqlalchemy as sa
from alembic import op

revision = "0006_routes"
down_revision = "0005_prices"


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
    op.create_table(
        "route_publications",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("definition", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("undoes", sa.String(length=64), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("published_ms", sa.BigInteger(), nullable=True),
        sa.Column("published_by", sa.String(length=200), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_publications")),
    )
    with op.batch_alter_table("route_publications", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_route_publications_model"), ["model"], unique=False)

    op.create_table(
        "named_routes",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("definition", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", "number", name=op.f("pk_named_routes")),
    )
    op.create_table(
        "drills",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drills")),
    )
    with op.batch_alter_table("drills", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drills_model"), ["model"], unique=False)

    op.create_table(
        "breaker_events",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("offer", sa.String(length=300), nullable=False),
        sa.Column("key_id", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("wait_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaker_events")),
    )
    with op.batch_alter_table("breaker_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_breaker_events_created_ms"), ["created_ms"], unique=False)
