"""The health of trunks, and whether an attempt counts towards its contact's maximum.

Attempts that a shutdown broke off before they rang did not count before this step either; the cancelled ones are known
by the text that was written with them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("health", sa.String(length=16), nullable=False, server_default="healthy"),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failures_allowed", sa.Integer(), nullable=False, server_default="5"),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("pause_reason", sa.String(length=200), nullable=True),
        sa.Column("trials", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("probe_at", sa.BigInteger(), nullable=True),
        sa.Column("trial_attempt_id", sa.String(length=32), nullable=True),
        sa.Column("failing_calls", sa.JSON(), nullable=False, server_default="[]"),
    ):
        op.add_column("trunks", column)
    op.add_column("attempts", sa.Column("counted", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.execute(
        "UPDATE attempts SET counted = false WHERE call_status = 'CANCELLED' AND phase = 'ended'"
        " AND (originated_at IS NULL OR (ringing_at IS NULL AND network_text = 'shutdown'))"
    )


def downgrade() -> None:
    op.drop_column("attempts", "counted")
    for name in (
        "failing_calls",
        "trial_attempt_id",
        "probe_at",
        "trials",
        "pause_reason",
        "paused_at",
        "failures_allowed",
        "failures",
        "health",
    ):
        op.drop_column("trunks", name)
