"""The raw reason that Asterisk gives for an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("ami_reason", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempts", "ami_reason")
