"""Budgets, credit limits and reservations."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("credit_limit", sa.BigInteger(), nullable=True))
    op.add_column("accounts", sa.Column("prepaid", sa.BigInteger(), nullable=True))
    for name in ("budget", "spent", "reserved"):
        op.add_column("campaigns", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("campaigns", sa.Column("pause_reason", sa.String(length=200), nullable=True))
    op.add_column("attempts", sa.Column("reserved", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempts", "reserved")
    for name in ("pause_reason", "reserved", "spent", "budget"):
        op.drop_column("campaigns", name)
    for name in ("prepaid", "credit_limit"):
        op.drop_column("accounts", name)
