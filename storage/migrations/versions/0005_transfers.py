"""Transfers to an agent, and how much of a call's talk is the bot's: of the calls there are, all of it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("bot_ms", sa.Integer(), nullable=True),
        sa.Column("transfer_target", sa.String(length=64), nullable=True),
        sa.Column("transfer_by", sa.String(length=16), nullable=True),
        sa.Column("transfer_number", sa.String(length=128), nullable=True),
        sa.Column("transfer_asked_ms", sa.Integer(), nullable=True),
        sa.Column("transfer_joined_ms", sa.Integer(), nullable=True),
        sa.Column("transfer_text", sa.String(length=200), nullable=True),
        sa.Column("agent_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("agent_billable_s", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cost_agent", sa.BigInteger(), nullable=True),
    ):
        op.add_column("attempts", column)
    op.execute(
        "UPDATE attempts SET bot_ms = ended_at - answered_at, cost_agent = 0"
        " WHERE phase = 'ended' AND answered_at IS NOT NULL AND ended_at IS NOT NULL"
    )


def downgrade() -> None:
    for name in (
        "cost_agent",
        "agent_billable_s",
        "agent_ms",
        "transfer_text",
        "transfer_joined_ms",
        "transfer_asked_ms",
        "transfer_number",
        "transfer_by",
        "transfer_target",
        "bot_ms",
    ):
        op.drop_column("attempts", name)
