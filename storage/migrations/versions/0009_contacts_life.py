"""What happens to contacts between calls: how a list was read, and when a contact nobody reached is given up."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("contact_expires_days", sa.Integer(), nullable=True))
    op.add_column("list_imports", sa.Column("reading", sa.Text(), nullable=False, server_default=""))
    op.add_column("contacts", sa.Column("expires_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_contacts_expiry",
        "contacts",
        ["expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_contacts_expiry", "contacts")
    op.drop_column("contacts", "expires_at")
    op.drop_column("list_imports", "reading")
    op.drop_column("campaigns", "contact_expires_days")
