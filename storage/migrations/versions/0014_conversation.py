"""What was heard and collected, what each turn took part by part, and what language models used."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("attempts", "collected"),
    ("attempts", "llm_usage"),
    ("turns", "heard"),
    ("turns", "collected"),
    ("turns", "latency"),
)


def upgrade() -> None:
    for table, name in _COLUMNS:
        op.add_column(table, sa.Column(name, sa.JSON(), nullable=True))


def downgrade() -> None:
    for table, name in reversed(_COLUMNS):
        op.drop_column(table, name)
