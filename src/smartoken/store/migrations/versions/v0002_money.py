"""Tables of money, and who paid for a call."""

import sqlalchemy as sa
from alembic import op

revision = "0002_money"
down_revision = "0001_gateway"


def upgrade() -> None:
    """Expand the schema; what is contracted goes in a later release."""
    op.create_table(
        "epochs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_epochs")),
    )
    op.create_table(
        "funds",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("grant_id", sa.String(length=64), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("effective_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("promotional", sa.Boolean(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=True),
        sa.Column("campaign_id", sa.String(length=64), nullable=True),
        sa.Column("rules_version", sa.String(length=64), nullable=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_funds")),
    )
    with op.batch_alter_table("funds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_funds_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_funds_campaign_id"), ["campaign_id"], unique=False)

    op.create_table(
        "house_books",
        sa.Column("book", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("book", "currency", name=op.f("pk_house_books")),
    )
    op.create_table(
        "idempotency",
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "leases",
        sa.Column("epoch", sa.String(length=64), nullable=False),
        sa.Column("row_id", sa.String(length=200), nullable=False),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.Column("in_calls_nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "row_id", name=op.f("pk_leases")),
    )
    op.create_table(
        "money_rows",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("scope_id", sa.String(length=64), nullable=False),
        sa.Column("limit_nano", sa.BigInteger(), nullable=False),
        sa.Column("credit_nano", sa.BigInteger(), nullable=False),
        sa.Column("used_nano", sa.BigInteger(), nullable=False),
        sa.Column("held_nano", sa.BigInteger(), nullable=False),
        sa.Column("owed_nano", sa.BigInteger(), nullable=False),
        sa.Column("ends_ms", sa.BigInteger(), nullable=True),
        sa.Column("alerted_percent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_money_rows")),
    )
    with op.batch_alter_table("money_rows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_money_rows_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_money_rows_scope_id"), ["scope_id"], unique=False)

    op.create_table(
        "transfers",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("ref", sa.String(length=300), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("original", sa.String(length=200), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
        sa.UniqueConstraint("seq", name=op.f("uq_transfers_seq")),
    )
    with op.batch_alter_table("transfers", schema=None) as batch_op:
        batch_op.create_index("ix_transfers_account_seq", ["account_id", "seq"], unique=False)
        batch_op.create_index(batch_op.f("ix_transfers_original"), ["original"], unique=False)

    op.create_table(
        "postings",
        sa.Column("transfer_id", sa.String(length=200), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("book", sa.String(length=200), nullable=False),
        sa.Column("nano", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name=op.f("fk_postings_transfer_id")),
        sa.PrimaryKeyConstraint("transfer_id", "place", name=op.f("pk_postings")),
    )
    with op.batch_alter_table("postings", schema=None) as batch_op:
        batch_op.create_index("ix_postings_book", ["book"], unique=False)

    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("fund_lines", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("windows", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("transfer_id", sa.String(length=200), nullable=True))
        batch_op.create_index(batch_op.f("ix_calls_transfer_id"), ["transfer_id"], unique=False)
