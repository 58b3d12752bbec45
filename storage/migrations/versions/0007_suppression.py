"""Lists and patterns of numbers that may not be called, beside the account's own list, and caps on how often."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("do_not_call", sa.Column("by", sa.String(length=64), nullable=True))
    op.add_column("campaigns", sa.Column("caps", sa.JSON(), nullable=True))
    placed = sa.text("originated_at IS NOT NULL")
    where: dict[str, Any] = {"sqlite_where": placed, "postgresql_where": placed}
    op.create_index("ix_attempts_number", "attempts", ["number", "originated_at"], **where)
    _lists()
    _imports()
    _patterns()
    _events()


def _lists() -> None:
    op.create_table(
        "suppression_lists",
        sa.Column("id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("campaign_id", _ID, nullable=True),
        sa.Column("applies_to", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("numbers", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_suppression_lists_account_id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_suppression_lists_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_suppression_lists"),
    )
    in_force = sa.text("state = 'in_force'")
    where: dict[str, Any] = {"sqlite_where": in_force, "postgresql_where": in_force}
    op.create_index("uq_suppression_lists_in_force", "suppression_lists", ["account_id", "name"], unique=True, **where)
    op.create_table(
        "suppressed_numbers",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("list_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["suppression_lists.id"], name="fk_suppressed_numbers_list_id"),
        sa.PrimaryKeyConstraint("number", "list_id", name="pk_suppressed_numbers"),
        sqlite_with_rowid=False,
    )


def _imports() -> None:
    op.create_table(
        "suppression_imports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("list_id", _ID, nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["list_id"], ["suppression_lists.id"], name="fk_suppression_imports_list_id"),
        sa.PrimaryKeyConstraint("id", name="pk_suppression_imports"),
    )


def _patterns() -> None:
    op.create_table(
        "suppression_patterns",
        sa.Column("id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("campaign_id", _ID, nullable=True),
        sa.Column("pattern", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_suppression_patterns_account_id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_suppression_patterns_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_suppression_patterns"),
    )
    op.create_index("ix_suppression_patterns_account_id", "suppression_patterns", ["account_id"])


def _events() -> None:
    op.create_table(
        "suppression_events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=True),
        sa.Column("list_name", sa.String(length=64), nullable=True),
        sa.Column("pattern", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_suppression_events_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_suppression_events"),
    )
    op.create_index("ix_suppression_events_number", "suppression_events", ["account_id", "number"])


def downgrade() -> None:
    for table in (
        "suppression_events",
        "suppression_patterns",
        "suppression_imports",
        "suppressed_numbers",
        "suppression_lists",
    ):
        op.drop_table(table)
    op.drop_index("ix_attempts_number", "attempts")
    op.drop_column("campaigns", "caps")
    op.drop_column("do_not_call", "by")
