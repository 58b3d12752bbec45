"""Whose ears a bot has, and the recordings that its script plays."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bots", sa.Column("ears", sa.String(64), nullable=True))
    op.add_column("bots", sa.Column("sounds", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("bots", "sounds")
    op.drop_column("bots", "ears")
