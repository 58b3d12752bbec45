"""Trunks to fall back on, a trunk's own spacing of probes, and a campaign's own way with machines."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trunks", sa.Column("probe_after_s", sa.JSON(), nullable=True))
    op.add_column("campaigns", sa.Column("backup_trunks", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("campaigns", sa.Column("overflow", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("campaigns", sa.Column("machines", sa.JSON(), nullable=True))


def downgrade() -> None:
    for name in ("machines", "overflow", "backup_trunks"):
        op.drop_column("campaigns", name)
    op.drop_column("trunks", "probe_after_s")
