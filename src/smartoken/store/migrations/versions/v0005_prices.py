"""Versions of the price book, price lists, reconciliation runs."""

import sqlalchemy as sa
from alembic import op

revision = "0005_prices"
down_revision = "0004_campaigns"


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
    op.create_table(
        "price_publications",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=True),
        sa.Column("contents", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("undoes", sa.String(length=64), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("published_ms", sa.BigInteger(), nullable=True),
        sa.Column("published_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_publications")),
    )
    op.create_table(
        "price_versions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("price_list", sa.String(length=64), nullable=False),
        sa.Column("price", sa.JSON(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_versions")),
    )
    with op.batch_alter_table("price_versions", schema=None) as batch_op:
        batch_op.create_index("ix_price_versions_subject", ["kind", "subject"], unique=False)

    op.create_table(
        "price_periods",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("price_list", sa.String(length=64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", "price_list", "from_ms", name=op.f("pk_price_periods")),
    )
    op.create_table(
        "fx_snapshots",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("pair", sa.String(length=16), nullable=False),
        sa.Column("rate_nano", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fx_snapshots")),
    )
    op.create_table(
        "check_results",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("took_ms", sa.BigInteger(), nullable=False),
        sa.Column("compared", sa.BigInteger(), nullable=False),
        sa.Column("drifts", sa.JSON(), nullable=False),
        sa.Column("drift_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "created_ms", name=op.f("pk_check_results")),
    )
    op.create_table(
        "reconciliation_runs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_runs")),
    )
