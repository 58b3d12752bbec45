"""What follows an attempt besides a further one: post-conditions, retargeting, recycling, codes set by a person."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COLUMNS = {
    "campaigns": (
        sa.Column("post_conditions", sa.JSON(), nullable=True),
        sa.Column("waits", sa.JSON(), nullable=True),
        sa.Column("retarget", sa.JSON(), nullable=True),
        sa.Column("retarget_id", _ID, nullable=True),
    ),
    "contacts": (
        sa.Column("bot_id", _ID, nullable=True),
        sa.Column("entered_at", sa.BigInteger(), nullable=True),
        sa.Column("source_id", _ID, nullable=True),
    ),
    "attempts": (sa.Column("settled_family", sa.String(length=32), nullable=True),),
}


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.execute(
        "UPDATE contacts SET entered_at ="
        " (SELECT list_imports.created_at FROM list_imports WHERE list_imports.id = contacts.import_id)"
    )
    op.create_index("ix_contacts_entered", "contacts", ["campaign_id", "entered_at"])
    op.create_index(
        "uq_contacts_source",
        "contacts",
        ["campaign_id", "source_id"],
        unique=True,
        sqlite_where=sa.text("source_id IS NOT NULL"),
        postgresql_where=sa.text("source_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_contacts_source", "contacts")
    op.drop_index("ix_contacts_entered", "contacts")
    for table, columns in _COLUMNS.items():
        for column in reversed(columns):
            op.drop_column(table, column.name)
